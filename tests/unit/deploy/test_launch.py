"""How an image is run: the engine's words, and those of the image's own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.context import Context
from cargoship.deploy.launch import Host, Wishes, bare_command, check_alone, container_command, selection_for
from cargoship.destinations import Engine
from cargoship.errors import ToolMissing, UsageError
from cargoship.oci.image import make_image
from cargoship.oci.index import index_of
from cargoship.oci.platform import Platform
from cargoship.pipeline import BuildResult
from cargoship.plan import Output, OutputKind, Selection
from support import results
from support.images import AMD64, ARM64
from support.scripted import ScriptedRunner

ENGINE, BARE = Host(Engine.PODMAN, AMD64), Host(None, AMD64)


def built(folder: Path, platform: Platform, **config: object) -> BuildResult:
    """What a build for one platform gives, with more in the image's config."""
    made = results.plan(folder, "app", references=("h.io/me/{name}:1",))
    result = results.result(made)
    image = results.image(folder / "blobs", "app", platform)
    settings = replace(image.config, **config)  # type: ignore[arg-type]
    changed = make_image(
        platform=platform, config=settings, layers=image.layers, created=results.CREATED, annotations={}
    )
    return replace(result, images=(replace(result.images[0], index=index_of([changed], annotations={})),))


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


def test_the_images_own_files_have_its_user_and_environment(tmp_path: Path) -> None:
    result = built(tmp_path, AMD64, user="web", working_dir="/data", env={"B": "1"}, cmd=("serve",))
    root = tmp_path / "files" / "linux" / "amd64"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "passwd").write_text("root:x:0:0::/:\nweb:x:12:34:::\n")
    command = bare_command(result, BARE, tmp_path, Wishes(env=("C=2",)), context(tmp_path))
    words = " ".join(command.argv)
    assert f"--root {root} --wd /data " in words
    assert words.endswith(" /app/app serve")
    assert command.env == {"PATH": "/usr/bin:/bin", "B": "1", "C": "2"}
    assert bare_command(result, BARE, tmp_path, Wishes(("x",)), context(tmp_path)).argv[-2:] == ("/app/app", "x")


def test_another_processor_needs_qemu(tmp_path: Path) -> None:
    result = built(tmp_path, ARM64, user="0")
    root = tmp_path / "files" / "linux" / "arm64"
    root.mkdir(parents=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "unshare").symlink_to("/usr/bin/env")
    with pytest.raises(ToolMissing, match="qemu-aarch64-static is not on PATH"):
        bare_command(result, BARE, tmp_path, Wishes(), context(tmp_path, str(folder)))
    (folder / "qemu-aarch64-static").write_text("emulator")
    (folder / "qemu-aarch64-static").chmod(0o755)
    command = bare_command(result, BARE, tmp_path, Wishes(), context(tmp_path, str(folder)))
    assert command.argv[-2:] == ("/.qemu", "/app/app")
    assert (root / ".qemu").read_text() == "emulator"


def test_what_is_built_for_it(tmp_path: Path) -> None:
    asked = Selection(tmp_path, overrides={"base": "static"})
    assert selection_for(asked, ENGINE, None, tmp_path) == Selection(
        tmp_path, overrides={"base": "static", "platforms": ("linux/amd64",)}, load=True
    )
    assert selection_for(asked, BARE, ARM64, tmp_path) == Selection(
        tmp_path,
        overrides={"base": "static", "platforms": ("linux/arm64",)},
        outputs=(Output(OutputKind.ROOTFS, tmp_path / "files"),),
    )
    check_alone(["a"])
    with pytest.raises(UsageError, match="there are 2 images: a, b"):
        check_alone(["b", "a"])
