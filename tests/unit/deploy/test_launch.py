"""How an image is run: the engine's words, and those of the image's own files."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.context import Context
from cargoship.deploy import launch
from cargoship.deploy.launch import (
    Host,
    LaunchOptions,
    bare_command,
    check_alone,
    check_started,
    container_command,
    selection_for,
)
from cargoship.destinations import Engine
from cargoship.destinations.layout import LayoutDestination
from cargoship.errors import CannotStart, DaemonError, ToolMissing, UsageError
from cargoship.events import Event, ignore
from cargoship.oci.image import make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import BlobStore, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from cargoship.plan import Output, OutputKind, Selection
from cargoship.sandbox import emulators
from cargoship.sandbox.inside.spec import SandboxSpec, unwrapped
from cargoship.sandbox.start import EMULATOR
from cargoship.scratch import remove
from cargoship.shipping import BuildResult
from support import results
from support.images import AMD64, ARM64, GZIP
from support.scripted import ScriptedRunner

ENGINE, BARE = Host(Engine.PODMAN, AMD64), Host(None, AMD64)


def built(folder: Path, platform: Platform, *more: LayerEntry, **config: object) -> BuildResult:
    """What a build for one platform gives, with more in the image's config, and a layer more; written as for a run."""
    made = results.plan(folder, "app", references=("h.io/me/{name}:1",))
    result = results.result(made)
    image = results.image(folder / "blobs", "app", platform)
    settings = replace(image.config, **config)
    above = build_layer(
        more or [LayerEntry.file("etc/motd", b"hello")],
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
    wishes = LaunchOptions(("--x", "y z"), ("A=b=c", "SECRET"), "mine", tty=True, name="n")
    command = container_command(result, Host(Engine.DOCKER, AMD64), wishes, context(tmp_path))
    assert " ".join(command.argv) == (
        "docker run --rm --init --platform linux/arm64 --name n -i -t --network mine -p 127.0.0.1:53:53/udp "
        "-p 127.0.0.1:8080:8080/tcp -e A -e SECRET h.io/me/app:1 --x y z"
    )
    assert command.env is not None
    assert (command.env["A"], command.env["SECRET"]) == ("b=c", "s3cret")
    alone = container_command(result, ENGINE, LaunchOptions(network="host"), context(tmp_path))
    assert "-p" not in alone.argv


@pytest.mark.skipif(sys.platform != "linux", reason="Linux lists the ports that are in use")
def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """docker says the address in a sentence of its own, and ends with 125."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = built(tmp_path, AMD64, exposed_ports=(f"{port}/tcp",))
        command = container_command(result, ENGINE, LaunchOptions(("-p", "x")), context(tmp_path))
        with pytest.raises(DaemonError, match=rf"has the port {port}") as refused:
            check_started(command, 125)
        assert "--set expose=PORT" in (refused.value.hint or "")
        check_started(command, 1)
    check_started(command, 125)


def test_podman_gets_a_first_process_where_it_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = built(tmp_path, AMD64)
    reported: list[Event] = []

    def words(env: dict[str, str]) -> tuple[str, ...]:
        context = Context(env=env, cwd=tmp_path, runner=ScriptedRunner({}), emit=reported.append)
        return container_command(result, ENGINE, LaunchOptions(), context).argv[2:5]

    monkeypatch.setattr(launch, "PODMANS_INITS", (tmp_path / "podman" / "catatonit",))
    path = {"PATH": str(tmp_path / "bin")}
    assert words(path) == ("--rm", "--platform", "linux/amd64")
    assert "may take no notice of Ctrl-C" in str(reported)
    assert words({**path, "CONTAINER_HOST": "ssh://h"}) == ("--rm", "--init", "--platform")
    init = tmp_path / "bin" / "catatonit"
    init.parent.mkdir()
    init.touch(mode=0o755)
    assert words(path) == ("--rm", "--init", f"--init-path={init}")
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman" / "catatonit").touch()
    assert words(path) == ("--rm", "--init", "--platform")


PASSWD = LayerEntry.file("etc/passwd", b"root:x:0:0::/:\nweb:x:12:34:::\n")


@pytest.mark.parametrize("root", [True, False])
def test_the_images_own_files_have_its_user_and_environment(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    root: bool,  # noqa: FBT001 - data
) -> None:
    result = built(tmp_path, AMD64, PASSWD, user="web", working_dir="/data", env={"LD_PRELOAD": "1"}, cmd=("serve",))
    owned: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_: owned.update({Path(path).name: (uid, gid)}))
    command = bare_command(result, tmp_path, LaunchOptions(env=("C=2",)), context(tmp_path))
    files = tmp_path / "files"
    spec = SandboxSpec.parse(command.argv[-1])
    assert (spec.root, spec.argv, spec.workdir) == (str(files), ("/app/app", "serve"), "/data")
    assert (spec.uid, spec.gid, spec.own_network) == (12, 34, False)
    assert command.env is not None
    # nothing that a program of this machine would obey, and nothing of this machine
    assert unwrapped(command.env) == {"PATH": "/usr/bin:/bin", "LD_PRELOAD": "1", "C": "2"}
    assert all(name.startswith("CARGOSHIP_") for name in command.env)
    if root:
        ((inside, first, count),) = spec.uid_map
        assert (inside, count) == (0, 65536)
        assert first > 1_000_000_000
        assert owned["passwd"] == owned["files"] == (first, spec.gid_map[0][1])
    else:
        assert (spec.uid_map, owned) == ((), {})
    assert (files / "app" / "app").read_bytes() == b"app for linux/amd64"
    remove(files)
    again = bare_command(result, tmp_path, LaunchOptions(("x",), network="none"), context(tmp_path))
    spec = SandboxSpec.parse(again.argv[-1])
    assert (spec.argv, spec.own_network) == (("/app/app", "x"), True)


def test_a_user_that_the_image_does_not_know(tmp_path: Path) -> None:
    result = built(tmp_path, AMD64, PASSWD, user="nobody")
    with pytest.raises(UsageError, match="does not know its user nobody"):
        bare_command(result, tmp_path, LaunchOptions(), context(tmp_path))
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize("given", [{"cmd": ("a\0b",)}, {"env": {"A": "a\0b"}}])
def test_what_no_process_can_have(tmp_path: Path, given: dict[str, object]) -> None:
    result = built(tmp_path, AMD64, user="0", **given)
    with pytest.raises(CannotStart, match="NUL"):
        bare_command(result, tmp_path, LaunchOptions(), context(tmp_path))


def test_another_processor_needs_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as where the kernel knows of no QEMU of its own
    monkeypatch.setattr(emulators, "BINFMT", tmp_path / "binfmt")
    result = built(tmp_path, ARM64, user="0")
    folder = tmp_path / "bin"
    folder.mkdir()
    with pytest.raises(ToolMissing, match="qemu-aarch64-static is not installed"):
        bare_command(result, tmp_path, LaunchOptions(), context(tmp_path, str(folder)))
    (folder / "qemu-aarch64-static").write_text("emulator")
    (folder / "qemu-aarch64-static").chmod(0o755)
    command = bare_command(result, tmp_path, LaunchOptions(), context(tmp_path, str(folder)))
    emulator, program = SandboxSpec.parse(command.argv[-1]).argv
    assert program == "/app/app"
    assert (tmp_path / "files" / emulator.lstrip("/")).read_text() == "emulator"


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_the_image_has_in_qemus_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A base may have a link there that leads out of it, or a folder."""
    monkeypatch.setattr(emulators, "BINFMT", tmp_path / "binfmt")
    theirs = tmp_path / "theirs"
    theirs.write_text("mine")
    entry = LayerEntry.symlink(EMULATOR, str(theirs)) if kind == "link" else LayerEntry.file(f"{EMULATOR}/x", b"x")
    result = built(tmp_path, ARM64, entry, user="0")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "qemu-aarch64-static").write_text("emulator")
    (folder / "qemu-aarch64-static").chmod(0o755)
    bare_command(result, tmp_path, LaunchOptions(), context(tmp_path, str(folder)))
    assert theirs.read_text() == "mine"
    files = tmp_path / "files"
    assert (files / EMULATOR).read_text() == "emulator"


def test_webassembly_is_not_run_by_an_engine(tmp_path: Path) -> None:
    host = Host(None, Platform("linux", "amd64"))
    with pytest.raises(UsageError, match="runtime of WebAssembly") as raised:
        selection_for(Selection(tmp_path), host, Platform("wasi", "wasm"), tmp_path)
    assert "wasmtime FOLDER/wasi/wasm/app/NAME" in (raised.value.hint or "")


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
