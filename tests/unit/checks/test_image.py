"""Users, entrypoints, scripts, certificates and files: what an engine would refuse, refused before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cargoship.checks.files import check_files, folders_of
from cargoship.checks.finding import Code, Finding, Severity, error, refuse
from cargoship.checks.image import check_image
from cargoship.errors import CannotStart
from cargoship.events import Level, Note
from cargoship.oci.config import ImageConfig
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from cargoship.platforms import row
from cargoship.rootfs.item import Item
from support.roots import elf, facts, folder, glibc, link, root, text

AMD64 = row("linux/amd64").platform
APP = elf("app/app", facts())
PASSWD = text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:\nnonsense\nnan:x:a:b::\n")
GROUP = text("etc/group", "root:x:0:\nadm:x:4:\n")


def said(*items: Item, severity: Severity = Severity.ERROR, **config: Any) -> list[str]:  # noqa: ANN401
    found = check_image(root(*items), ImageConfig(**{"entrypoint": ("/app/app",), **config}), AMD64)
    return [f"{each.text} | {each.hint}" for each in found if each.severity is severity]


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("", None),
        ("0", None),
        ("65532:65532", None),
        ("web", None),
        ("web:adm", None),
        ("33:adm", None),
        ("www", "is to run as the user 'www', and /etc/passwd of its image has no such user"),
        ("nan", "'nan'"),
        ("web:wheel", "'wheel', and /etc/group"),
        ("1000:wheel", "'wheel'"),
    ],
)
def test_users(user: str, says: str | None) -> None:
    found = said(APP, PASSWD, GROUP, user=user)
    assert bool(found) == (says is not None)
    assert says is None or says in found[0]


@pytest.mark.parametrize(
    ("items", "config", "errors"),
    [
        ([link("etc", "usr/etc"), text("usr/etc/passwd", "web:x:33:33::/:")], {}, 0),
        ([link("etc", "usr/etc"), text("usr/etc/passwd", "web:x:33:33::/:")], {"user": "33"}, 0),
        ([link("etc", "usr/etc"), text("usr/etc/passwd", "web:x:33:33::/:")], {"user": "web"}, 1),
        ([link("etc", "usr/etc"), elf("usr/etc/app", facts())], {"entrypoint": ("/etc/app",)}, 1),
        ([link("proc", "x"), text("dev", "")], {}, 0),
    ],
)
def test_what_docker_puts_a_folder_of_its_own_over(items: list[Item], config: dict[str, Any], errors: int) -> None:
    program = elf("app/app", facts())
    assert len(said(program, *items, **config)) == errors
    warned = said(program, *items, severity=Severity.WARNING, **config)
    assert len(warned) == sum("/" not in item.path for item in items), warned


def test_an_image_without_users_says_so() -> None:
    (found,) = said(APP, user="root")
    assert "the image knows none at all" in found


@pytest.mark.parametrize(
    ("items", "config", "says"),
    [
        ([APP], {}, None),
        ([APP], {"entrypoint": ("app",), "env": {"PATH": "/bin:/app"}}, None),
        ([APP], {"entrypoint": ("./app",), "working_dir": "/app"}, None),
        ([APP], {"entrypoint": (), "cmd": ("/app/app",)}, None),
        ([link("bin/run", "/app/app"), APP], {"entrypoint": ("/bin/run",)}, None),
        ([APP], {"entrypoint": ("app",), "env": {"PATH": "/bin"}}, "the entrypoint app (linux/amd64) does not exist"),
        ([APP], {"entrypoint": ("/app/other",)}, "/app/other (linux/amd64) does not exist"),
        ([link("app/app", "/nowhere")], {}, "is a link to /nowhere, which does not exist"),
        ([folder("app/app")], {}, "is not a file"),
        ([elf("app/app", facts(), mode=0o644)], {}, "cannot be executed: its mode is 0644"),
        ([elf("app/app", facts(), mode=0o700)], {"user": "1000"}, "cannot be executed by user 1000: its mode is 0700"),
        ([elf("app/app", facts(), mode=0o700)], {"user": "0"}, None),
        ([elf("app/app", facts("linux/arm64"))], {}, "is a program for linux/arm64, but it is meant for linux/amd64"),
        ([elf("app/app", facts("linux/s390x"))], {}, "is a program for linux/s390x"),
        ([text("app/app", "#!/bin/sh\n", 0o755)], {}, "is a script for /bin/sh, which its image does not have"),
        ([text("app/app", "#!/bin/sh -e\n", 0o755), elf("bin/sh", facts())], {}, None),
        ([text("app/app", "#!/bin/env python3\n", 0o755), elf("bin/env", facts())], {}, "is a script for python3"),
        ([text("app/app", '#!/bin/env "python3\n', 0o755), elf("bin/env", facts())], {}, 'is a script for "python3'),
        ([text("app/app", "#! /app/app\n", 0o755)], {}, "whose interpreters never end"),
        ([text("app/app", "echo\n", 0o755)], {}, "is not a Linux program"),
        ([text("app/app", "", 0o755)], {}, "is not a Linux program"),
    ],
)  # fmt: skip
def test_entrypoints(items: list[Item], config: dict[str, Any], says: str | None) -> None:
    # kept contents stand in for the beginnings of scripts
    found = said(*items, **config)
    assert bool(found) == (says is not None), found
    assert says is None or says in found[0]


@pytest.mark.parametrize(
    ("items", "env", "warned"),
    [
        ([], {}, True),
        ([text("etc/ssl/certs/ca-certificates.crt", "x")], {}, False),
        ([text("etc/ssl/cert.pem", "x")], {}, False),
        ([text("etc/ssl/certs/one.pem", "x")], {}, False),
        ([text("my/ca.pem", "x")], {"SSL_CERT_FILE": "/my/ca.pem"}, False),
        ([], {"SSL_CERT_FILE": "/my/ca.pem"}, True),
    ],
)
def test_certificates(items: list[Item], env: Mapping[str, str], warned: bool) -> None:  # noqa: FBT001 - a table
    program = elf("app/app", facts(finds_certificates=True))
    assert said(program, *items, env=env) == []
    assert bool(said(program, *items, severity=Severity.WARNING, env=env)) == warned
    assert said(APP, *items, severity=Severity.WARNING, env=env) == []


def test_a_health_check_that_cannot_run_is_a_warning() -> None:
    for test, words in ((["CMD", "/app/check"], "/app/check"), (["CMD-SHELL", "curl x"], "/bin/sh")):
        (found,) = said(APP, severity=Severity.WARNING, healthcheck={"Test": test})
        assert words in found
    for harmless in (["CMD", "/app/app"], ["NONE"], "nonsense"):
        assert said(APP, severity=Severity.WARNING, healthcheck={"Test": harmless}) == []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (LayerEntry.file("usr/bin/tool", b""), None),
        (LayerEntry.file("etc/passwd", b""), None),
        (
            LayerEntry.file("bin/tool", b""),
            "/bin would be a folder, and is a link to usr/bin in the base | put it below",
        ),
        (LayerEntry.file("bin", b""), "/bin would be a file, and is a link to usr/bin in the base"),
        (LayerEntry.directory("var/run"), "/var/run would be a folder, and is a link to /run in the base"),
        (LayerEntry.file("usr/bin", b""), "/usr/bin would be a file, and is a folder in the base"),
        (LayerEntry.file("etc/passwd/x", b""), "/etc/passwd would be a folder, and is a file in the base"),
        (LayerEntry.file("app/x", b""), "/app would be a folder, and is a link to srv in the base | choose another b"),
    ],
)  # fmt: skip
def test_files_and_bases(entry: LayerEntry, says: str | None) -> None:
    base = root(folder("usr/bin"), link("bin", "usr/bin"), link("var/run", "/run"), PASSWD, folder("run"),
                folder("srv"), link("app", "srv"), elf("usr/bin/tool", facts()))  # fmt: skip
    found = [f"{each.text} | {each.hint}" for each in check_files([entry], base, home="/app", said="the image")]
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_folders_of_a_base_keep_their_rights() -> None:
    base = root(folder("var/mail", 0o2775, 0, 8), folder("tmp", 0o1777), link("bin", "usr/bin"))
    entries = [LayerEntry.file("var/mail/x/y", b""), LayerEntry.file("tmp/a", b""), LayerEntry.file("bin/a", b"")]
    kept = {each.path: (each.mode, each.gid) for each in folders_of(base, entries)}
    assert kept == {"var/mail": (0o2775, 8), "var": (0o755, 0), "tmp": (0o1777, 0)}


def test_all_errors_are_reported_at_once_and_warnings_go_on() -> None:
    events: list[object] = []
    warning = Finding(Severity.WARNING, Code.CERTIFICATES_MISSING, "careful", "do that")
    with pytest.raises(CannotStart) as caught:
        refuse([warning, error(Code.USER_UNKNOWN, "one", "a"), error(Code.USER_UNKNOWN, "two", "a")], events.append)
    assert (caught.value.message, caught.value.details, caught.value.hint) == ("one", "two", "a")
    assert events == [Note("careful (do that)", Level.WARNING)]
    refuse([warning], events.append)
    with pytest.raises(CannotStart, match=r"^it \(linux/amd64, linux/arm64\) cannot$"):
        refuse(
            [error(Code.USER_UNKNOWN, f"it ({each}) cannot") for each in ("linux/amd64", "linux/arm64")], events.append
        )


@pytest.mark.parametrize(
    ("platform", "of", "codes"),
    [
        (Platform("linux", "arm", "v6"), "linux/arm/v7", []),
        (Platform("linux", "arm", "v6"), "linux/arm64", ["wrong-machine"]),
        (Platform("linux", "amd64", "v3"), "linux/amd64", []),
        (Platform("linux", "mips64le"), "linux/amd64", ["not-checked"]),
    ],
)
def test_platforms_beside_the_table(platform: Platform, of: str, codes: list[str]) -> None:
    found = check_image(root(elf("app/app", facts(of))), ImageConfig(entrypoint=("/app/app",)), platform)
    assert [each.code.value for each in found] == codes


def test_an_image_with_nothing_to_start_is_a_base() -> None:
    assert said(*glibc(), entrypoint=()) == []
    (note,) = said(*glibc(), severity=Severity.NOTE, entrypoint=())
    assert "names nothing to start" in note
