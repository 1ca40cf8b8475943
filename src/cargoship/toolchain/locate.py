"""Choose the toolchain for a build: which Rust, how each target gets its standard library, which way links.

In order: a toolchain that has every target, installed or built earlier; rustup, where it can add them; the
standard library's sources, where they are installed. Otherwise an error with these ways out.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cargoship.clock import phase
from cargoship.errors import StandardLibraryMissing, ToolMissing
from cargoship.events import Emit, Note
from cargoship.oci.platform import Platform
from cargoship.platforms import DEFAULT_PLATFORMS, Libc, LibcFamily, PlatformSpec, row
from cargoship.process import Command, Runner
from cargoship.toolchain import sysroot
from cargoship.toolchain.component import component_linker
from cargoship.toolchain.rust import Rust, toolchains
from cargoship.toolchain.startfiles import has_start_files
from cargoship.toolchain.sysroot import StandardLibrary, Stream
from cargoship.toolchain.zig import Zig, find_zig, find_zigbuild


class Way(enum.Enum):
    """How programs are linked."""

    DIRECT = "direct"
    """By lld, with the target's own start files and C library; Zig compiles C only."""
    ZIGBUILD = "zigbuild"
    """By Zig, through cargo-zigbuild."""


class CompileTarget(Struct, frozen=True):
    """One target of the build."""

    platform: Platform
    triple: str
    row: PlatformSpec
    std: Path
    """Its standard library, as rustc's lib/rustlib/<triple>."""
    built_here: bool


class Toolchain(Struct, frozen=True):
    """Everything that compiles: found, complete and checked."""

    rust: Rust
    zig: Zig
    libc: Libc
    way: Way
    targets: tuple[CompileTarget, ...]
    sysroot: Path
    """What rustc gets for `shimmed` targets; else its own."""
    zigbuild: Path | None
    why_zigbuild: str = ""
    component_linker: Path | None = None
    """What makes components of WebAssembly; None where none are wanted."""

    def for_processor(self, processor: str | None) -> Toolchain:
        """Those targets alone that are compiled for a processor; None: for what their triples stand for."""
        return replace(self, targets=tuple(each for each in self.targets if each.row.processor == processor))

    @property
    def shimmed(self) -> tuple[str, ...]:
        """Triples that need --sysroot."""
        return self.triples if self.sysroot != self.rust.sysroot else ()

    @property
    def triples(self) -> tuple[str, ...]:
        """What is compiled for; a platform and its variants share one."""
        return tuple(dict.fromkeys(target.triple for target in self.targets))


class Wanted(Struct, frozen=True):
    """What a build asks of a toolchain."""

    platforms: tuple[Platform, ...]
    libc: Libc
    cwd: Path
    cache_dir: Path
    offline: bool = False

    @property
    def pairs(self) -> tuple[tuple[str, PlatformSpec], ...]:
        """Triple and table row of each platform; raises PlatformUnknown."""
        rows = [row(platform) for platform in self.platforms]
        return tuple((entry.triple(self.libc), entry) for entry in rows)

    @property
    def triples(self) -> tuple[str, ...]:
        """What is compiled for; a platform and its variants share one."""
        return tuple(dict.fromkeys(triple for triple, _ in self.pairs))

    @property
    def linux_pairs(self) -> tuple[tuple[str, PlatformSpec], ...]:
        """The same of each triple, without WebAssembly."""
        plain = {triple: entry.plain for triple, entry in self.pairs if not entry.is_wasm}
        return tuple(plain.items())


class Foreseen(Struct, frozen=True):
    """What `locate` would return, as far as that can be known without making or adding anything."""

    rust: Rust
    zig: Zig
    libc: Libc
    way: Way
    pairs: tuple[tuple[str, PlatformSpec], ...]
    installed: Mapping[str, Path]
    """By triple: standard libraries that came with Rust."""
    built: Mapping[str, Path]
    """By triple: those that are built here, or would be. A folder's name stands for all that they are made from."""
    component_linker: Path | None = None
    """See `Toolchain`."""

    def for_processor(self, processor: str | None) -> Foreseen:
        """See `Toolchain.for_processor`."""
        pairs = tuple((triple, entry) for triple, entry in self.pairs if entry.processor == processor)
        wanted = {triple for triple, _ in pairs}
        installed, built = (
            {triple: folder for triple, folder in each.items() if triple in wanted}
            for each in (self.installed, self.built)
        )
        return replace(self, pairs=pairs, installed=installed, built=built)


def foresee_toolchain(wanted: Wanted, *, runner: Runner, env: Mapping[str, str]) -> Foreseen | None:
    """Look for the toolchain that `locate` would choose; None where that depends on what can be added.

    Raises ToolMissing, PlatformUnknown.
    """
    zig = find_zig(runner, env)
    candidates: list[Rust] = []
    for rust in toolchains(runner, env, wanted.cwd):
        if not _lacking(rust, zig, wanted):
            return _foreseen(rust, zig, wanted, runner, env)
        candidates.append(rust)
    if any(rust.rustup is not None for rust in candidates) and not wanted.offline:
        return None
    with_sources = next((rust for rust in candidates if rust.sources is not None), None)
    return None if with_sources is None else _foreseen(with_sources, zig, wanted, runner, env)


def _foreseen(rust: Rust, zig: Zig, wanted: Wanted, runner: Runner, env: Mapping[str, str]) -> Foreseen:
    installed: dict[str, Path] = {}
    built: dict[str, Path] = {}
    for triple, entry in wanted.pairs:
        if rust.has_std(triple):
            installed[triple] = rust.sysroot / "lib" / "rustlib" / triple
        else:
            made = sysroot.standard_library(wanted.cache_dir, rust, zig, triple, entry, wanted.libc)
            built[triple] = made.folder
    linking = component_linker(rust, dict(wanted.pairs).values(), runner=runner, env=env)
    return Foreseen(rust, zig, wanted.libc, _way(installed, wanted.libc)[0], wanted.pairs, installed, built, linking)


def locate(wanted: Wanted, *, runner: Runner, stream: Stream, env: Mapping[str, str], emit: Emit) -> Toolchain:
    """Find a toolchain, and add what it lacks; raises ToolMissing, StandardLibraryMissing, SysrootBuildFailed."""
    zig = find_zig(runner, env)
    candidates: list[Rust] = []
    for rust in toolchains(runner, env, wanted.cwd):
        if not _lacking(rust, zig, wanted):
            return _assembled(rust, zig, wanted, runner, env)
        candidates.append(rust)
    for rust in candidates:
        if rust.rustup is not None and _add_targets(rust, wanted.triples, wanted, runner, env, emit):
            return _assembled(rust, zig, wanted, runner, env)
    for rust in candidates:
        if rust.sources is not None:
            lacking = _lacking(rust, zig, wanted)
            names = ", ".join(library.triple for library in lacking)
            where = f"once, it is kept in {wanted.cache_dir}"
            if len(lacking) > len(DEFAULT_PLATFORMS):
                emit(Note(_how_long(lacking, wanted)))
            with phase(emit, "sysroot", f"the standard library of Rust {rust.release} for {names}; {where}"):
                sysroot.build_library(
                    lacking,
                    rust=rust, zig=zig, runner=runner, stream=stream, env=env, offline=wanted.offline,
                    emit=emit,
                )  # fmt: skip
            return _assembled(rust, zig, wanted, runner, env)
    raise _nothing_found(candidates, zig, wanted)


def _how_long(lacking: Sequence[StandardLibrary], wanted: Wanted) -> str:
    """What is said before more standard libraries are made than a build without options needs."""
    made = {library.triple for library in lacking}
    ready = [
        str(platform)
        for platform, (triple, _) in zip(wanted.platforms, wanted.pairs, strict=True)
        if triple not in made
    ]
    way = f"--platform {','.join(ready)} needs none of them" if ready else "--platform chooses fewer"
    return f"{len(lacking)} standard libraries are made first, each of which takes a minute or more; {way}"


def _lacking(rust: Rust, zig: Zig, wanted: Wanted) -> list[StandardLibrary]:
    libraries = (
        sysroot.standard_library(wanted.cache_dir, rust, zig, triple, entry, wanted.libc)
        for triple, entry in dict(wanted.pairs).items()
        if not rust.has_std(triple)
    )
    return [library for library in libraries if not library.is_built]


def _assembled(rust: Rust, zig: Zig, wanted: Wanted, runner: Runner, env: Mapping[str, str]) -> Toolchain:
    targets = []
    for platform, (triple, entry) in zip(wanted.platforms, wanted.pairs, strict=True):
        if rust.has_std(triple):
            targets.append(
                CompileTarget(platform, triple, entry, rust.sysroot / "lib" / "rustlib" / triple, built_here=False)
            )
        else:
            library = sysroot.standard_library(wanted.cache_dir, rust, zig, triple, entry, wanted.libc)
            targets.append(CompileTarget(platform, triple, entry, library.folder, built_here=True))
    own = rust.sysroot
    if any(target.built_here for target in targets):
        own = sysroot.compose(wanted.cache_dir, {target.triple: target.std for target in targets})
    way, why = _way({each.triple: each.std for each in targets if not each.built_here}, wanted.libc)
    zigbuild = find_zigbuild(runner, env) if way is Way.ZIGBUILD else None
    linking = component_linker(rust, (each.row for each in targets), runner=runner, env=env)
    return Toolchain(rust, zig, wanted.libc, way, tuple(targets), own, zigbuild, why, linking)


def _way(installed: Mapping[str, Path], libc: Libc) -> tuple[Way, str]:
    """How to link, and why not directly; `installed` are the standard libraries that came with Rust, by triple.

    Those that are built here have start files in any case. What is foreseen and what is found must be linked in the
    same way: the key of a build says which.
    """
    if libc.family is LibcFamily.GNU:
        return Way.ZIGBUILD, "glibc with a version floor"
    for triple, folder in installed.items():
        if not has_start_files(triple, folder):
            return Way.ZIGBUILD, f"the standard library for {triple} brings no start files"
    return Way.DIRECT, ""


def _add_targets(
    rust: Rust, triples: Sequence[str], wanted: Wanted, runner: Runner, env: Mapping[str, str], emit: Emit
) -> bool:
    if rust.rustup is None or wanted.offline:
        return False
    lacking = [triple for triple in triples if not rust.has_std(triple)]
    emit(Note(f"adding targets to {rust.sysroot.name} with rustup: {', '.join(lacking)}"))
    argv = (str(rust.rustup), "target", "add", "--toolchain", rust.sysroot.name, *lacking)
    done = runner.run(Command(argv, cwd=wanted.cwd, env=env), timeout_s=600)
    if done.code != 0:
        last = done.error_text.strip().splitlines()[-1:]
        emit(Note(f"rustup could not add them: {' '.join(last)}"))
    return done.code == 0 and all(rust.has_std(triple) for triple in triples)


def _nothing_found(candidates: Sequence[Rust], zig: Zig, wanted: Wanted) -> StandardLibraryMissing | ToolMissing:
    if not candidates:
        return ToolMissing("no Rust toolchain was found", hint="install Rust with rustup (https://rustup.rs)")
    rust = candidates[0]
    names = [library.triple for library in _lacking(rust, zig, wanted)]
    return StandardLibraryMissing(
        f"Rust {rust.release} ({rust.rustc}) has no standard library for {', '.join(names)}",
        hint=ways_out(names),
    )


def ways_out(triples: Sequence[str]) -> str:
    """The three ways to get a target's standard library, as commands."""
    return (
        f"one of: rustup target add {' '.join(triples)}; "
        "rustup component add rust-src (or Debian's rust-src, rust-web-src), and cargoship builds it; "
        "another Rust that has it, named by CARGO and RUSTC"
    )
