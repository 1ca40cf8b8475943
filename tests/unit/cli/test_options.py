"""What the options of each command ask the pipeline for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.oci.platform import Platform
from cargoship.pipeline import Context
from cargoship.plan import Output, OutputKind, Selection
from support.obedient import Recorder

HERE = Path("/somewhere")


def asked(*argv: str, cwd: Path = HERE) -> Recorder:
    recorder = Recorder()
    stderr = io.StringIO()
    code = main(argv, World({"X": "y"}, cwd, io.StringIO(), stderr, pipeline=recorder))
    assert code == 99, stderr.getvalue()
    return recorder


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), {}),
        (("app",), {"path": HERE / "app"}),
        (("/abs/Cargo.toml",), {"path": Path("/abs/Cargo.toml")}),
        (("-p", "a", "--package=b", "--bin", "c", "--bin", "d"), {"packages": ("a", "b"), "bins": ("c", "d")}),
        (
            ("--platform", "linux/amd64,linux/arm64", "--platform", "linux/arm/v7"),
            {"overrides": {"platforms": ("linux/amd64", "linux/arm64", "linux/arm/v7")}},
        ),
        (("--libc", "gnu:2.17", "--base", "scratch"), {"overrides": {"libc": "gnu:2.17", "base": "scratch"}}),
        (
            ("-t", "a/b:1", "--tag", "c/d", "--compression", "zstd"),
            {"overrides": {"tags": ("a/b:1", "c/d"), "compression": "zstd"}},
        ),
        (("--profile", "dist", "-F", "a,b c", "--features=d"), {"profile": "dist", "features": ("a", "b", "c", "d")}),
        (("--all-features", "--no-default-features"), {"all_features": True, "no_default_features": True}),
        (("--locked",), {"locked": True}),
        (("--no-locked",), {"locked": False}),
        (("--offline", "--frozen", "-j4"), {"offline": True, "frozen": True, "jobs": 4}),
        (("--push", "--load"), {"push": True, "load": True}),
        (("--push-by-digest",), {"push_by_digest": True}),
        (
            ("-o", "oci:out", "--output", "docker-archive:/x.tar"),
            {"outputs": (Output(OutputKind.OCI, HERE / "out"), Output(OutputKind.DOCKER_ARCHIVE, Path("/x.tar")))},
        ),
    ],
)
@pytest.mark.parametrize("command", ["build", "plan"])
def test_what_is_asked_for(command: str, argv: tuple[str, ...], expected: dict[str, Any]) -> None:
    recorder = asked(command, *argv)
    assert (recorder.command, recorder.selection) == (command, Selection(**{"path": HERE, **expected}))


def test_the_world_is_handed_down() -> None:
    context = asked("build").context
    assert isinstance(context, Context)
    assert (context.env["X"], context.env["CARGO_TERM_COLOR"]) == ("y", "never")
    assert (context.cwd, context.verify) == (HERE, True)
    assert asked("build", "--no-verify").context.verify is False


def test_a_dry_run_plans_and_builds_nothing(tmp_path: Path) -> None:
    assert asked("build", "--dry-run").command == "plan"
    (tmp_path / "b").touch()
    assert asked("pack", "--dry-run", "--binary", "amd64=b", cwd=tmp_path).command == "plan"


def test_binaries_are_given_by_platform(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).touch()
    given = ("--binary", "linux/arm64=one", "--binary=amd64=two", "--binary", "aarch64=three")
    recorder = asked("pack", *given, "--libc=gnu", cwd=tmp_path)
    assert recorder.binaries == {
        Platform("linux", "arm64"): (tmp_path / "one", tmp_path / "three"),
        Platform("linux", "amd64"): (tmp_path / "two",),
    }
    assert recorder.selection.overrides == {"platforms": ("linux/arm64", "linux/amd64"), "libc": "gnu"}


@pytest.mark.parametrize("fix", [True, False])
def test_the_doctor_mends_on_request(*, fix: bool) -> None:
    recorder = asked("doctor", *(["--fix"] if fix else []), "--platform", "linux/riscv64")
    assert (recorder.command, recorder.fix) == ("doctor", fix)
    assert recorder.selection.overrides == {"platforms": ("linux/riscv64",)}


def test_an_image_is_inspected_by_its_name() -> None:
    recorder = asked("inspect", "ghcr.io/me/app:1")
    assert (recorder.command, recorder.target) == ("inspect", "ghcr.io/me/app:1")
    assert asked("inspect", "--elf", "a/b").command == "inspect_programs"
    assert asked("verify", "a/b").command == "verify"


def test_images_are_copied_and_merged_by_their_names() -> None:
    recorder = asked("copy", "a/b:1", "c/d:1", "--platform", "linux/arm64,linux/amd64", "--platform", "linux/386")
    assert recorder.names == ("a/b:1", "c/d:1", "linux/arm64", "linux/amd64", "linux/386")
    assert (recorder.command, recorder.referrers) == ("copy", False)
    assert asked("copy", "a/b:1", "c/d:1", "--all").names == ("a/b:1", "c/d:1")
    assert asked("copy", "a/b:1", "c/d:1", "--referrers").referrers
    recorder = asked("merge", "-t", "a/b:1", "-t", "a/b:2", "a/b@sha256:1", "a/b@sha256:2")
    pinned = asked("base", "pin", "sub", "-p", "a")
    assert (pinned.command, pinned.selection.packages) == ("base pin", ("a",))
    assert (recorder.command, recorder.names) == ("merge", ("a/b:1", "a/b:2", "a/b@sha256:1", "a/b@sha256:2"))
