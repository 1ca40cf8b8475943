"""A Rust toolchain: cargo and rustc, their sysroot, and which targets' standard libraries are there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct, structs

from cargoship.cargo.above import check_owners
from cargoship.cargo.config import cargo_home, configuration_files, named_rustc
from cargoship.errors import ToolMissing
from cargoship.process import Command, Runner

_HINT = "install Rust with rustup (https://rustup.rs) or from the distribution, or set CARGO and RUSTC"


class Rust(Struct, frozen=True):
    """cargo and rustc that belong together."""

    cargo: Path
    rustc: Path
    sysroot: Path
    version: str
    """All of `rustc -vV`, for identities."""
    rustup: Path | None = None
    """rustup, where this is one of its toolchains."""
    script: Path | None = None
    """What somebody has named in the compiler's place, where that is a script around it, with words of its own."""

    @property
    def compiler(self) -> Path:
        """What compiles the user's crates; the standard library is rustc's alone."""
        return self.script or self.rustc

    @property
    def release(self) -> str:
        """Version number, such as 1.96.0."""
        return self._field("release")

    @property
    def host(self) -> str:
        """Triple that build scripts and procedural macros are compiled for."""
        return self._field("host")

    @property
    def commit(self) -> str | None:
        """Commit that rustc was built from, where it says so."""
        text = self._field("commit-hash")
        return None if text in {"", "unknown"} else text

    def has_std(self, triple: str) -> bool:
        """Whether the standard library for a target is installed."""
        return has_std(self.sysroot, triple)

    @property
    def sources(self) -> Path | None:
        """Sources of the standard library (rustup's rust-src, Debian's rust-src or rust-web-src), if there."""
        library = self.sysroot / "lib" / "rustlib" / "src" / "rust" / "library"
        return library if (library / "std" / "Cargo.toml").exists() else None

    def _field(self, name: str) -> str:
        for line in self.version.splitlines():
            key, _, value = line.partition(": ")
            if key == name:
                return value.strip()
        return ""


def has_std(sysroot: Path, triple: str) -> bool:
    """Whether a sysroot has the standard library for a target."""
    folder = sysroot / "lib" / "rustlib" / triple / "lib"
    return any(folder.glob("libstd-*.rlib"))


def toolchains(runner: Runner, env: Mapping[str, str], cwd: Path) -> Iterator[Rust]:
    """Every Rust toolchain there is, in order of preference; raises ToolMissing where there is none.

    Raises ForeignFile where rustup would obey a stranger in `cwd`.

    RUSTC in the environment, or `build.rustc` of cargo's configuration, decides alone, with CARGO where that is set.
    Else what PATH has first: rustup's proxies answer as `cwd`'s rust-toolchain.toml wants. Others further on PATH
    follow (a distribution's Rust behind rustup's proxies, say), unless the project pins its toolchain.
    """
    check_owners(cwd, env)
    named = named_rustc(configuration_files(cwd, cargo_home(env)), env)
    if named:
        program = _which(runner, *named, env)
        rust = _ask(runner, env, cwd, program, env.get("CARGO"))
        yield structs.replace(rust, script=program) if _is_script(program) else rust
        return
    found = list(runner.programs.search("rustc", env))
    if not found:
        raise ToolMissing("rustc was not found on PATH", hint=_HINT)
    seen: set[Path] = set()
    pinned = _is_pinned(cwd)
    failure: ToolMissing | None = None
    for rustc in found:
        try:
            rust = _ask(runner, env, cwd, rustc, None)
        except ToolMissing as error:
            failure = failure or error
            if pinned:
                break
            continue
        if rust.sysroot not in seen:
            seen.add(rust.sysroot)
            yield rust
        if pinned and rust.rustup is not None:
            return
    if not seen and failure is not None:
        raise failure


def _ask(runner: Runner, env: Mapping[str, str], cwd: Path, rustc: Path, cargo: str | None) -> Rust:
    # one call for both: the sysroot's path comes before rustc's own words about itself
    said = runner.run(Command((str(rustc), "--print", "sysroot"), cwd=cwd, env=env), timeout_s=600)
    sysroot = Path(said.text.strip())
    if said.code != 0 or not sysroot.is_dir():
        raise ToolMissing(f"{rustc} does not work", hint=_HINT, details=said.error_text.strip() or None)
    real = sysroot / "bin" / "rustc"
    if not real.exists():
        real = rustc
    version = runner.run(Command((str(real), "-vV"), cwd=cwd, env=env), timeout_s=60)
    if version.code != 0:
        raise ToolMissing(f"{real} does not work", hint=_HINT, details=version.error_text.strip() or None)
    beside = sysroot / "bin" / "cargo"
    if cargo:
        program = _which(runner, cargo, "CARGO", env)
    elif beside.exists():
        program = beside
    else:
        program = runner.programs.find("cargo", env) or _missing_cargo(real)
    proxy = rustc.parent / "rustup"
    is_rustups = sysroot.parent.name == "toolchains" and proxy.exists()
    return Rust(program, real, sysroot, version.text, proxy if is_rustups else None)


def _missing_cargo(rustc: Path) -> Path:
    raise ToolMissing(f"{rustc} has no cargo beside it, and none is on PATH", hint=_HINT)


def _which(runner: Runner, program: str, place: str, env: Mapping[str, str]) -> Path:
    """A program that is named in some place, by a path (from where cargoship runs) or by its name."""
    found = Path(program).absolute() if "/" in program else runner.programs.find(program, env)
    if found is None or not os.access(found, os.X_OK) or not found.is_file():
        raise ToolMissing(f"{place} names {program}, which is not a program", hint=_HINT)
    return found


def _is_script(program: Path) -> bool:
    try:
        with program.open("rb") as stream:
            return stream.read(2) == b"#!"
    except OSError:
        # a program that may be started and not read; a script has to be read by its shell
        return False


def _is_pinned(cwd: Path) -> bool:
    """Whether a toolchain file of rustup's applies (the rustup book, "Overrides")."""
    names = ("rust-toolchain.toml", "rust-toolchain")
    return any((folder / name).is_file() for folder in (cwd, *cwd.parents) for name in names)
