"""cargo's run as events and artifacts, from what cargo prints."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship import compile  # noqa: A004 - the module's own name
from cargoship.cargo.command import CargoBuild
from cargoship.context import Context
from cargoship.errors import CargoshipError, CompileFailed, LockOutdated
from cargoship.events import (
    CompileProgress,
    Event,
    Level,
    Note,
    PhaseEnded,
    PhaseStarted,
    ToolOutput,
    UnitFinished,
    count,
)
from cargoship.platforms import Libc, row
from cargoship.process import Command, Completed
from cargoship.toolchain.locate import CompileTarget, Toolchain, Way
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.zig import Zig
from support.scripted import ScriptedRunner, said

_VERSION = "rustc 1.99.0\nrelease: 1.99.0\nhost: x86_64-unknown-linux-gnu\n"


def toolchain(root: Path, *, libc: str = "musl", platforms: tuple[str, ...] = ("amd64", "arm64")) -> Toolchain:
    chosen = Libc.parse(libc)
    rows = [row(name) for name in platforms]
    targets = tuple(
        CompileTarget(each.platform, each.triple(chosen), each, root / "std" / each.triple(chosen), built_here=False)
        for each in rows
    )
    rust = Rust(root / "cargo", root / "rustc", root / "sysroot", _VERSION)
    zig = Zig(root / "zig", root / "lib", "0.17.1")
    way = Way.DIRECT if libc == "musl" else Way.ZIGBUILD
    return Toolchain(rust, zig, chosen, way, targets, rust.sysroot, root / "cargo-zigbuild", "glibc")


class Run:
    """One compile with a cargo that says what a test wants."""

    def __init__(
        self, root: Path, answer: Completed, *, env: Mapping[str, str] | None = None, libc: str = "musl"
    ) -> None:
        self.events: list[Event] = []
        self.runner = ScriptedRunner({("release",): answer})
        self._root = root
        self._env = env or {}
        self._libc = libc

    def go(self) -> tuple[compile.CompiledProgram, ...]:
        build = CargoBuild(manifest=self._root / "Cargo.toml", cwd=self._root, bins=("app",))
        env = {"PATH": "/usr/bin", "CARGOSHIP_CACHE_DIR": "cache", **self._env}
        context = Context(env, self._root, self.runner, self.events.append)
        return compile.run_build(
            build, toolchain(self._root, libc=self._libc), env, context, lock=self._root / "Cargo.lock"
        )

    @property
    def command(self) -> Command:
        # what follows is the question what the program is made of
        return self.runner.commands[0]

    @property
    def env(self) -> Mapping[str, str]:
        assert self.command.env is not None
        return self.command.env


def artifact(root: Path, triple: str, *, fresh: bool = False, kind: str = "bin", name: str = "app") -> str:
    path = str(root / "target" / triple / "release" / name) if triple else None
    return json.dumps(
        {
            "reason": "compiler-artifact", "package_id": f"path+file://{root}#app@1.0.0", "fresh": fresh,
            "target": {"name": name, "kind": [kind]}, "executable": path, "filenames": [path or "x"],
        }
    )  # fmt: skip


def test_programs_are_found_by_the_folder_of_their_target(tmp_path: Path) -> None:
    triples = ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
    lines = [artifact(tmp_path, "", kind="lib", name="serde"), *(artifact(tmp_path, each) for each in triples)]
    lines.append(artifact(tmp_path, "build", kind="custom-build", name="build-script-build"))
    run = Run(tmp_path, said("\n".join(lines) + "\n"))
    found = run.go()
    assert [(str(each.platform), each.bin, each.package) for each in found] == [
        ("linux/amd64", "app", "app"), ("linux/arm64", "app", "app"),
    ]  # fmt: skip
    assert [each.triple for each in found] == list(triples)
    assert sum(isinstance(event, UnitFinished) for event in run.events) == 4
    ended = [event for event in run.events if isinstance(event, PhaseEnded)]
    assert ended[0].detail == "4 units, 0 fresh"


def test_runs_of_build_scripts_are_counted_as_cargo_and_the_cache_count_them(tmp_path: Path) -> None:
    lines = [
        artifact(tmp_path, "", kind="lib", name="serde", fresh=True),
        artifact(tmp_path, "x86_64-unknown-linux-musl"),
    ]
    for name, run_at_s in (("old", 1_000_000.0), ("new", time.time() + 60), ("cleaned", None)):
        out = tmp_path / "build" / name / "out"
        out.mkdir(parents=True)
        if run_at_s is not None:
            (out.parent / "invoked.timestamp").touch()
            os.utime(out.parent / "invoked.timestamp", (run_at_s, run_at_s))
        message = {"reason": "build-script-executed", "package_id": f"registry+https://x#{name}@1.0.0"}
        lines.append(json.dumps({**message, "out_dir": str(out)}))
    run = Run(tmp_path, said("\n".join(lines) + "\n"))
    run.go()
    assert next(event.detail for event in run.events if isinstance(event, PhaseEnded)) == "2 units, 3 fresh"
    finished = [(event.name, event.fresh) for event in run.events if isinstance(event, UnitFinished)]
    assert finished == [
        ("app", True), ("app(bin)", False), ("old(build)", True), ("new(build)", False), ("cleaned(build)", True)
    ]  # fmt: skip


def test_one_is_not_reported_as_several(tmp_path: Path) -> None:
    run = Run(tmp_path, said(artifact(tmp_path, "", kind="lib", name="serde") + "\n"))
    with contextlib.suppress(CargoshipError):
        run.go()
    reported = [event.detail for event in run.events if isinstance(event, PhaseStarted | PhaseEnded)]
    assert "1 unit, 0 fresh" in reported
    assert (count(1, "target"), count(2, "target"), count(0, "unit")) == ("1 target", "2 targets", "0 units")


def test_progress_status_and_diagnostics_are_distinguished(tmp_path: Path) -> None:
    stderr = (
        "   Compiling serde v1.0.0\n    Building [=>   ] 1/4: serde, app(bin)      \rwarning: unused variable: `x`\n"
    )
    run = Run(tmp_path, said(artifact(tmp_path, "x86_64-unknown-linux-musl") + "\n", stderr=stderr))
    run.go()
    assert CompileProgress(1, 4, ("serde", "app(bin)")) in run.events
    assert ToolOutput("warning: unused variable: `x`") in run.events
    assert Note("   Compiling serde v1.0.0", Level.VERBOSE) in run.events


@pytest.mark.parametrize(
    ("stderr", "error", "hint"),
    [
        ("error[E0308]: mismatched types\n", CompileFailed, None),
        ("error: cannot update the lock file /a/Cargo.lock because --locked was passed to prevent this\n",
         LockOutdated, "cargo update"),
        ("error: linker `cc` not found\n", CompileFailed, "gcc"),
    ],
)  # fmt: skip
def test_a_failure_is_the_error_that_cargos_words_mean(
    tmp_path: Path, stderr: str, error: type[CargoshipError], hint: str | None
) -> None:
    run = Run(tmp_path, said(code=101, stderr=stderr))
    with pytest.raises(error) as caught:
        run.go()
    assert ToolOutput(stderr.rstrip("\n")) in run.events, "cargo's words are shown as they come"
    assert caught.value.details is None, "and not a second time"
    assert (hint or "") in (caught.value.hint or "")


def test_compilers_are_named_without_a_path(tmp_path: Path) -> None:
    """A path in CC_<target> would enter the fingerprints of every build script that uses the cc crate."""
    run = Run(tmp_path, said())
    run.go()
    triple = "x86_64_unknown_linux_musl"
    for name in (f"CC_{triple}", f"CXX_{triple}", f"AR_{triple}", f"CARGO_TARGET_{triple.upper()}_LINKER", "RUSTC"):
        assert run.env[name].startswith("cargoship-")
    wrappers = Path(run.env["PATH"].split(":")[0])
    assert (wrappers / run.env[f"CC_{triple}"]).is_file()
    assert "RUSTFLAGS" not in run.env


@pytest.mark.parametrize(
    ("name", "value", "untouched"),
    [
        ("CC_x86_64_unknown_linux_musl", "my-cc", "CC_x86_64_unknown_linux_musl"),
        ("CC_x86_64-unknown-linux-musl", "my-cc", "CC_x86_64-unknown-linux-musl"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", "my-ld", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER"),
        ("RUSTFLAGS", "-Ctarget-cpu=native", "RUSTFLAGS"),
        ("RUSTC_WRAPPER", "sccache", "RUSTC_WRAPPER"),
        ("CARGO_HOME", "/elsewhere", "CARGO_HOME"),
    ],
)
def test_what_the_user_has_set_stays(tmp_path: Path, name: str, value: str, untouched: str) -> None:
    run = Run(tmp_path, said(), env={name: value})
    run.go()
    assert run.env[untouched] == value
    if name == "CC_x86_64-unknown-linux-musl":
        assert "CC_x86_64_unknown_linux_musl" not in run.env


@pytest.mark.parametrize(
    ("libc", "expected"),
    [
        ("gnu", ["x86_64-unknown-linux-gnu.2.17", "aarch64-unknown-linux-gnu.2.17"]),
        ("gnu:2.31", ["x86_64-unknown-linux-gnu.2.31", "aarch64-unknown-linux-gnu.2.31"]),
    ],
)
def test_a_glibc_floor_reaches_zigbuild(tmp_path: Path, libc: str, expected: list[str]) -> None:
    run = Run(tmp_path, said(), libc=libc)
    run.go()
    argv = run.command.argv
    assert argv[:2] == (str(tmp_path / "cargo-zigbuild"), "zigbuild")
    assert [argv[place + 1] for place, word in enumerate(argv) if word == "--target"] == expected
    assert not [name for name in run.env if name.startswith("CC_")], "zigbuild names its own compilers"
    assert any("cargo-zigbuild" in event.text for event in run.events if isinstance(event, Note))
