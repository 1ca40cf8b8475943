"""Start files and C libraries that Zig compiles, by a Zig that writes down what it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.errors import SysrootBuildFailed
from cargoship.platforms import row
from cargoship.process import Command, Completed
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.startfiles import MuslSource, has_start_files, make_start_files
from cargoship.toolchain.sysroot import StandardLibrary, build_library
from cargoship.toolchain.zig import Zig
from support.scripted import ScriptedRunner, said

_PARTS = ("libc.a", "libzigc.a", "libcompiler_rt.a", "crt1-command.o")


class FakeZig:
    """Writes the files that it is asked for, and counts the C libraries."""

    def __init__(self) -> None:
        self.libraries: list[str] = []
        self.is_broken = False

    def __call__(self, command: Command) -> Completed:
        words = command.argv[1:]
        if self.is_broken:
            return said(code=1, stderr="error: no space left")
        if words[0] == "ar":
            archive, *members = (Path(word) for word in words[2:])
            before = archive.read_text() if archive.exists() else ""
            archive.write_text(before + "".join(f"{member.name}\n" for member in members))
            return said()
        Path(words[words.index("-o") + 1]).write_text(" ".join(words[: words.index("-o")]))
        if "-c" not in words:
            self.libraries.append(words[words.index("-target") + 1])
            cache = Path((command.env or {})["ZIG_GLOBAL_CACHE_DIR"])
            cache.mkdir()
            for name in _PARTS:
                (cache / name).write_text(name)
        return said()


Make = Callable[[str, str], Path]


@pytest.fixture
def zig() -> FakeZig:
    return FakeZig()


@pytest.fixture
def make(tmp_path: Path, zig: FakeZig) -> Make:
    """Makes those of a platform into a folder of this name."""

    def make_it(platform: str, name: str, version: str = "0.17.1") -> Path:
        runner = ScriptedRunner({(): zig})
        found = Zig(tmp_path / "zig", tmp_path / "lib", version)
        into = tmp_path / name / "lib" / "self-contained"
        make_start_files(runner, found, row(platform), MuslSource(None), into, kept=tmp_path / "kept", env={})
        return into

    return make_it


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("platform", ["amd64", "riscv64", "wasi/wasm"])
def test_another_rust_has_zig_compile_no_c_library_again(make: Make, zig: FakeZig, platform: str) -> None:
    first, second = make(platform, "1.95"), make(platform, "1.96")
    assert files(first) == files(second)
    assert {"libc.a", "libunwind.a", "crt1.o"} <= files(first).keys() or "crt1-command.o" in files(first)
    assert len(zig.libraries) == 1
    # what somebody does to one is nothing to the other
    (first / "libc.a").write_text("mine")
    assert files(make(platform, "1.97")) == files(second)


def test_components_and_modules_share_one(make: Make, zig: FakeZig) -> None:
    component, module = make("wasip2/wasm", "component"), make("wasi/wasm", "module")
    assert zig.libraries == ["wasm32-wasi"]
    assert "cabi_realloc.o" in (component / "libc.a").read_text()
    assert "cabi_realloc.o" not in (module / "libc.a").read_text()


def test_another_processor_has_its_own(make: Make, zig: FakeZig) -> None:
    assert files(make("arm/v6", "old")) != files(make("arm/v7", "new"))
    assert len(zig.libraries) == 2


def test_nothing_else_is_kept(make: Make, tmp_path: Path) -> None:
    """Neither beside the folder, where a killed run would leave it, nor in it."""
    seen: set[str] = set()
    made = make("amd64", "first")
    seen.update(path.name for path in (tmp_path / "kept").iterdir() if not path.name.startswith(".lock"))
    assert len(seen) == 1
    assert all(path.is_file() for path in made.iterdir())


def test_what_fails_is_not_kept(make: Make, zig: FakeZig, tmp_path: Path) -> None:
    zig.is_broken = True
    with pytest.raises(SysrootBuildFailed, match="could not make the start files for linux/amd64"):
        make("amd64", "first")
    assert [path.name for path in (tmp_path / "kept").iterdir() if not path.name.startswith(".lock")] == []
    zig.is_broken = False
    assert "libc.a" in files(make("amd64", "second"))


def test_zig_has_begun_while_cargo_compiles_the_standard_library(tmp_path: Path, zig: FakeZig) -> None:
    """Most of the time cargo has one crate to compile, and the other processors nothing."""
    began = threading.Event()

    def observed(command: Command) -> Completed:
        began.set()
        return zig(command)

    def stream(command: Command) -> int:
        assert began.wait(60)
        assert command.cwd is not None
        deps = command.cwd / "target" / "x86_64-unknown-linux-musl" / "release" / "deps"
        deps.mkdir(parents=True)
        (deps / "libstd-1.rlib").write_text("std")
        return 0

    made = build(tmp_path, observed, stream)
    assert made.is_built
    assert has_start_files(made.triple, made.folder)


def test_zig_ends_where_cargo_is_interrupted(tmp_path: Path) -> None:
    """A signal to this process alone was answered when Zig had compiled all of a C library."""
    began = threading.Event()

    def endless(command: Command) -> Completed:
        began.set()
        assert command.cancelled is not None
        assert command.cancelled.wait(60)
        return said(code=-9)

    def stream(command: Command) -> int:
        del command
        assert began.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, endless, stream)
    assert not list((tmp_path / "std").glob("[!.]*"))


def build(tmp_path: Path, zig: Callable[[Command], Completed], stream: Callable[[Command], int]) -> StandardLibrary:
    """The standard library of one target, by a Zig and a cargo of the test."""
    sources = tmp_path / "sysroot" / "lib" / "rustlib" / "src" / "rust" / "library" / "std"
    sources.mkdir(parents=True)
    (sources / "Cargo.toml").write_text("")
    rust = Rust(tmp_path / "cargo", tmp_path / "rustc", tmp_path / "sysroot", "release: 1.96.0\nhost: x\n")
    target, folder = row("amd64"), tmp_path / "std" / "1.96.0-amd64"
    made = StandardLibrary("x86_64-unknown-linux-musl", target, MuslSource(None), folder)
    with_zig = Zig(tmp_path / "zig", tmp_path / "lib", "0.17.1")
    runner = ScriptedRunner({(): zig})
    build_library(
        [made], rust=rust, zig=with_zig, runner=runner, stream=stream, env={}, offline=True, emit=lambda _: None
    )
    return made
