"""How an image is run: the engine's words, and those of the image's own files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship import sandbox
from cargoship.context import Context
from cargoship.deploy.launch import Host, Wishes, bare_command, check_alone, container_command, selection_for
from cargoship.destinations import Engine
from cargoship.destinations.layout import LayoutDestination
from cargoship.errors import ToolMissing, UsageError
from cargoship.events import ignore
from cargoship.oci.image import make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.tar import Entry
from cargoship.pipeline import BuildResult
from cargoship.plan import Output, OutputKind, Selection
from cargoship.rootfs.unpack import remove
from support import results
from support.images import AMD64, ARM64, GZIP
from support.scripted import ScriptedRunner

ENGINE, BARE = Host(Engine.PODMAN, AMD64), Host(None, AMD64)


def built(folder: Path, platform: Platform, *more: Entry, **config: object) -> BuildResult:
    """What a build for one platform gives, with more in the image's config, and a layer more; written as for a run."""
    made = results.plan(folder, "app", references=("h.io/me/{name}:1",))
    result = results.result(made)
    image = results.image(folder / "blobs", "app", platform)
    settings = replace(image.config, **config)  # type: ignore[arg-type]
    above = build_layer(
        more or [Entry.file("etc/motd", b"hello")],
        store=BlobStore(folder / "blobs"), compression=GZIP, epoch=0, created_by="more",
    )  # fmt: skip
    changed = make_image(
        platform=platform, config=settings, layers=[*image.layers, above], created=results.CREATED, annotations={}
    )
    index = index_of([changed], annotations={})
    LayoutDestination(folder / "image", (), ignore).publish(index)
    return replace(result, images=(replace(result.images[0], index=index),))


def context(folder: Path, path: str = "/usr/bin:/bin") -> Context:
    return Context(env={"PATH": path, "SECRET": "s3cret"}, cwd=folder, runner=ScriptedRunner({}))


def test_the_engine_gets_ports_on_the_loopback_and_secrets_by_name(tmp_path: Path) -> None:
    result = built(tmp_path, ARM64, exposed_ports=("8080/tcp", "53/udp"))
    wishes = Wishes(("--x", "y z"), ("A=b=c", "SECRET"), "mine", tty=True, name="n")
    command = container_command(result, ENGINE, wishes, context(tmp_path))
    assert " ".join(command.argv) == (
        "podman run --rm --platform linux/arm64 --name n -i -t --network mine -p 127.0.0.1:53:53/udp "
        "-p 127.0.0.1:8080:8080/tcp -e A -e SECRET h.io/me/app:1 --x y z"
    )
    assert command.env is not None
    assert (command.env["A"], command.env["SECRET"]) == ("b=c", "s3cret")
    alone = container_command(result, ENGINE, Wishes(network="host"), context(tmp_path))
    assert "-p" not in alone.argv


PASSWD = Entry.file("etc/passwd", b"root:x:0:0::/:\nweb:x:12:34:::\n")


@pytest.mark.parametrize(("root", "user"), [(True, "--setgid 34 --setuid 12"), (False, "--map-user=12 --map-group=34")])
def test_the_images_own_files_have_its_user_and_environment(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    root: bool,  # noqa: FBT001 - data
    user: str,
) -> None:
    result = built(tmp_path, AMD64, PASSWD, user="web", working_dir="/data", env={"B": "1"}, cmd=("serve",))
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(os, "chown", lambda *_, **__: None)
    command = bare_command(result, tmp_path, Wishes(env=("C=2",)), context(tmp_path))
    files = tmp_path / "files"
    words = " ".join(command.argv)
    assert f"{user} --root={files} --wd=/data /app/app serve" in words
    assert ("--map-root-user" in words) is not root
    assert command.env == {"PATH": "/usr/bin:/bin", "B": "1", "C": "2"}
    assert (files / "app" / "app").read_bytes() == b"app for linux/amd64"
    assert (files / "data").is_dir()
    remove(files)
    again = bare_command(result, tmp_path, Wishes(("x",)), context(tmp_path))
    assert again.argv[-2:] == ("/app/app", "x")


def test_a_user_that_the_image_does_not_know(tmp_path: Path) -> None:
    result = built(tmp_path, AMD64, PASSWD, user="nobody")
    with pytest.raises(UsageError, match="does not know its user nobody"):
        bare_command(result, tmp_path, Wishes(), context(tmp_path))
    assert not (tmp_path / "files").exists()


def test_another_processor_needs_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as where the kernel knows of no QEMU of its own
    monkeypatch.setattr(sandbox, "_BINFMT", tmp_path / "binfmt")
    result = built(tmp_path, ARM64, user="0")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("unshare", "setpriv", "mount", "sh"):
        (folder / name).symlink_to("/usr/bin/env")
    with pytest.raises(ToolMissing, match="qemu-aarch64-static is not installed"):
        bare_command(result, tmp_path, Wishes(), context(tmp_path, str(folder)))
    (folder / "qemu-aarch64-static").write_text("emulator")
    (folder / "qemu-aarch64-static").chmod(0o755)
    command = bare_command(result, tmp_path, Wishes(), context(tmp_path, str(folder)))
    emulator, program = command.argv[-2:]
    assert program == "/app/app"
    assert (tmp_path / "files" / emulator.lstrip("/")).read_text() == "emulator"


def test_links_of_the_image_are_not_followed_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where QEMU and devices go, a base may have links that lead out of it."""
    monkeypatch.setattr(sandbox, "_BINFMT", tmp_path / "binfmt")
    theirs = tmp_path / "theirs"
    theirs.write_text("mine")
    links = (Entry.symlink(sandbox._EMULATOR, str(theirs)), Entry.symlink("dev/null", str(theirs)))
    result = built(tmp_path, ARM64, *links, user="0")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("unshare", "setpriv", "mount", "sh", "qemu-aarch64-static"):
        (folder / name).write_text("emulator")
        (folder / name).chmod(0o755)
    bare_command(result, tmp_path, Wishes(), context(tmp_path, str(folder)))
    assert theirs.read_text() == "mine"
    files = tmp_path / "files"
    assert (files / sandbox._EMULATOR).read_text() == "emulator"
    assert not (files / "dev" / "null").is_symlink()


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "GCONV_PATH"])
def test_what_this_machines_programs_would_obey_is_refused(tmp_path: Path, name: str) -> None:
    result = built(tmp_path, AMD64, user="0", env={"A": "1", name: "/lib/evil.so"})
    with pytest.raises(UsageError, match=f"would obey the image's {name}"):
        bare_command(result, tmp_path, Wishes(), context(tmp_path))
    assert not (tmp_path / "files").exists()


def test_what_starts_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"setpriv, unshare, mount, sh is missing"):
        bare_command(built(tmp_path, AMD64), tmp_path, Wishes(), context(tmp_path, str(tmp_path)))


def test_what_is_built_for_it(tmp_path: Path) -> None:
    asked = Selection(tmp_path, overrides={"base": "static"})
    assert selection_for(asked, ENGINE, None, tmp_path) == Selection(
        tmp_path, overrides={"base": "static", "platforms": ("linux/amd64",)}, load=True
    )
    assert selection_for(asked, BARE, ARM64, tmp_path) == Selection(
        tmp_path,
        overrides={"base": "static", "platforms": ("linux/arm64",)},
        outputs=(Output(OutputKind.OCI, tmp_path / "image"),),
    )
    check_alone(["a"])
    with pytest.raises(UsageError, match="there are 2 images: a, b"):
        check_alone(["b", "a"])
