"""mimalloc made for targets: from cargo's crate, once, and what is said when that is not to be had."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cargoship.errors import SysrootBuildFailed
from cargoship.events import ignore
from cargoship.platforms import row
from cargoship.process import Command, Completed
from cargoship.programs import ProgramFinder
from cargoship.toolchain.allocator import choice_environment, mimalloc_environment
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.wrappers import RUSTC, write_wrappers
from cargoship.toolchain.zig import Zig

AMD64 = row("linux/amd64")
TRIPLE = "x86_64-unknown-linux-musl"


class Compilers:
    """A cargo and a Zig that do what they are asked to; `crate` None: cargo has no crate."""

    def __init__(self, crate: Path | None, *, zig_fails: bool = False) -> None:
        self.crate = crate
        self.programs = ProgramFinder()
        self.zig_fails = zig_fails
        self.argvs: list[tuple[str, ...]] = []

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del stdin, timeout_s
        self.argvs.append(command.argv)
        if "metadata" in command.argv:
            if self.crate is None:
                return Completed(101, b"", b"error: no matching package")
            packages = [{"name": "libmimalloc-sys", "manifest_path": str(self.crate / "Cargo.toml")}]
            return Completed(0, json.dumps({"packages": packages}).encode(), b"")
        if self.zig_fails:
            return Completed(1, b"", b"static.c:1: error")
        Path(command.argv[command.argv.index("-o") + 1]).write_bytes(b"object")
        return Completed(0, b"", b"")

    def stream(self, *_: object, **__: object) -> int:
        raise AssertionError


def make(tmp_path: Path, programs: Compilers, *, offline: bool = False) -> dict[str, str]:
    rust = Rust(Path("cargo"), Path("rustc"), tmp_path, "rustc 1.96.0")
    zig = Zig(Path("zig"), tmp_path, "0.17.1")
    return mimalloc_environment(
        [(TRIPLE, AMD64)], rust=rust, zig=zig, runner=programs, env={}, cwd=tmp_path,
        cache_dir=tmp_path / "cache", offline=offline, emit=ignore,
    )  # fmt: skip


def crate(tmp_path: Path) -> Path:
    source = tmp_path / "crate" / "c_src" / "mimalloc" / "v2" / "src"
    source.mkdir(parents=True)
    (source / "static.c").touch()
    return tmp_path / "crate"


def test_it_is_made_once(tmp_path: Path) -> None:
    programs = Compilers(crate(tmp_path))
    said = make(tmp_path, programs, offline=True)
    made = Path(f"{said['CARGOSHIP_ALLOCATORS']}-{TRIPLE}")
    assert (made / "mimalloc.o").read_bytes() == b"object"
    metadata, compile_it = programs.argvs
    assert {"--locked", "--offline"} <= set(metadata)
    assert compile_it[2:4] == ("-target", "x86_64-linux-musl")
    assert make(tmp_path, programs) == said
    assert len(programs.argvs) == 2
    assert list(made.parent.iterdir()) == [made]


@pytest.mark.parametrize(("fails", "says"), [("cargo", "cargo has no crate libmimalloc-sys"), ("zig", "linux/amd64")])
def test_what_cannot_be_made_is_said(tmp_path: Path, fails: str, says: str) -> None:
    programs = Compilers(None if fails == "cargo" else crate(tmp_path), zig_fails=fails == "zig")
    with pytest.raises(SysrootBuildFailed, match=says) as caught:
        make(tmp_path, programs)
    assert "allocator" in (caught.value.hint or "")
    assert caught.value.details


def test_the_choice_is_in_the_environment() -> None:
    assert choice_environment("system") == {}
    assert choice_environment("mimalloc")["CARGOSHIP_LINKED_ALLOCATOR"].startswith("mimalloc-")


@pytest.mark.parametrize(
    ("kind", "target", "chosen", "linked", "noted"),
    [
        ("bin", TRIPLE, "mimalloc-1", True, "\n# env-dep:CARGOSHIP_LINKED_ALLOCATOR=mimalloc-1\n"),
        ("bin", TRIPLE, "", False, "\n# env-dep:CARGOSHIP_LINKED_ALLOCATOR\n"),
        ("lib", TRIPLE, "mimalloc-1", False, ""),
        ("bin", "x86_64-unknown-linux-gnu", "mimalloc-1", False, ""),
    ],
)
def test_the_shim_links_it_into_programs_and_tells_cargo(
    tmp_path: Path,
    kind: str,
    target: str,
    chosen: str,
    linked: bool,  # noqa: FBT001
    noted: str,
) -> None:
    wrappers = write_wrappers(tmp_path, [(TRIPLE, AMD64)], identity="x")
    rustc = tmp_path / "rustc"
    rustc.write_text('#!/bin/sh\necho "$@"\n')
    rustc.chmod(0o755)
    depinfo = tmp_path / "app-1a.d"
    depinfo.touch()
    env = {
        "PATH": "/usr/bin:/bin", "CARGOSHIP_RUSTC": str(rustc), "CARGOSHIP_STATIC_TARGETS": TRIPLE,
        "CARGOSHIP_ALLOCATORS": "/objects/mimalloc", **({"CARGOSHIP_LINKED_ALLOCATOR": chosen} if chosen else {}),
    }  # fmt: skip
    argv = ["--crate-name", "app", "--crate-type", kind, "-C", "extra-filename=-1a", "--out-dir", str(tmp_path)]
    done = subprocess.run(
        [wrappers / RUSTC, *argv, "--target", target], env=env, capture_output=True, text=True, check=True
    )
    assert (f"link-arg=/objects/mimalloc-{TRIPLE}/mimalloc.o" in done.stdout) == linked
    assert depinfo.read_text() == noted
