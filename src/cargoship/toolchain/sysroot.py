"""A sysroot for targets whose standard library is not installed, built once from Rust's own sources.

cargo's -Zbuild-std compiles an empty library, and with it the standard library, whose .rlib files are kept. That
needs RUSTC_BOOTSTRAP=1, which is set for this one build and never for the user's: build scripts probe for it.

Two conditions, as the compiler's own bootstrap has them: bitcode is embedded (a project with LTO needs it), and
the crate panic_abort is always compiled with panic=abort (else a project with panic=abort does not link).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from msgspec import Struct

from cargoship.cargo.above import check_owners
from cargoship.errors import OutputError, StandardLibraryMissing, SysrootBuildFailed
from cargoship.events import Emit, Note
from cargoship.locks import Busy, locked
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_folder, replace_link
from cargoship.platforms import Libc, LibcFamily, PlatformSpec, every_row
from cargoship.process import CancellableRunner, Command, Runner
from cargoship.reading import real_path
from cargoship.scratch import scratch
from cargoship.toolchain.component import whole_sources
from cargoship.toolchain.marks import mark_used
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.startfiles import MuslSource, compile_start_files, find_musl, make_start_files
from cargoship.toolchain.zig import Zig

START_FILES = "startfiles"
"""The cache's folder of what Zig compiles of itself for them, whatever the Rust."""
FORMAT = "2"
"""Part of every sysroot's name: a change of how they are built makes new ones."""

# The second folder, of this build alone, is named here and not in RUSTFLAGS, whose text gets into names of files
_WRAPPER = """#!/bin/sh
rustc=$1
shift
case " $* " in *" --crate-name panic_abort "*) set -- "$@" -C panic=abort ;; esac
exec "$rustc" "$@" "--remap-path-prefix=${{0%/*}}/vendor={remapped}/vendor"
"""
_MANIFEST = """[package]
name = "standard-library"
version = "0.0.0"
edition = "2021"

[lib]
path = "lib.rs"

[workspace]
"""
_COMPONENTS = tuple(each.musl for each in every_row() if each.is_component)
# The user's settings that would change how the standard library is compiled
_NOT_INHERITED = ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER")
_NOT_INHERITED_PREFIXES = ("CARGO_TARGET_", "CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_UNSTABLE_")

Stream = Callable[[Command], int]
"""Runs cargo and shows its progress; returns its exit code."""


class StandardLibrary(Struct, frozen=True):
    """Where the standard library of one target is, or will be once it is built."""

    triple: str
    row: PlatformSpec
    musl: MuslSource | None
    """Where a built one takes its C library from; None for glibc, which Zig stands in for at link time."""
    folder: Path
    """As rustc's own lib/rustlib/<triple>."""

    @property
    def is_built(self) -> bool:
        """Whether it is there."""
        return any((self.folder / "lib").glob("libstd-*.rlib"))


def standard_library(
    cache_dir: Path, rust: Rust, zig: Zig, triple: str, row: PlatformSpec, libc: Libc
) -> StandardLibrary:
    """The place in the cache for a target's standard library; it is named for all that it is made from."""
    musl = find_musl(row) if libc.family is LibcFamily.MUSL else None
    sources = real_path(rust.sources) if rust.sources else None
    parts = [FORMAT, rust.version, str(sources), triple, *([] if musl is None else [zig.version, musl.identity])]
    key = Digest.of("\0".join(parts).encode())
    return StandardLibrary(triple, row, musl, cache_dir / "std" / f"{rust.release}-{triple}-{key.short}")


def build_library(
    libraries: Sequence[StandardLibrary],
    *,
    rust: Rust,
    zig: Zig,
    runner: Runner,
    stream: Stream,
    env: Mapping[str, str],
    offline: bool,
    emit: Emit,
) -> None:
    """Build those that are not there, in one cargo invocation. A second run that wants one of them waits, and finds it.

    Raises StandardLibraryMissing without sources, SysrootBuildFailed, OutputError.
    """
    root = libraries[0].folder.parent
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            # in one order, so that no two runs wait for each other
            for library in sorted(libraries, key=lambda library: library.folder):
                _hold(library, held, emit)
            wanted = [library for library in libraries if not library.is_built]
            if not wanted:
                return
            sources, kept = rust.sources, root.parent / START_FILES
            if sources is None:
                raise StandardLibraryMissing(f"the sources of Rust {rust.release}'s standard library are not installed")
            # Zig compiles a C library one file after the other
            with scratch(".cargo-", root) as work, _workers(len(wanted), runner) as (workers, beside):
                check_owners(work, env)
                # cargo has one crate to compile for most of the time, and leaves the other processors to it
                begun = [
                    workers.submit(compile_start_files, beside, zig, each.row, each.musl, kept=kept, env=env)
                    for each in wanted
                    if each.musl is not None
                ]
                triples = [library.triple for library in wanted]
                _compile(work, triples, rust, sources, stream, env, offline=offline)

                def finish(library: StandardLibrary) -> None:
                    with atomic_folder(library.folder) as made:
                        _collect(work / "target" / library.triple / "release" / "deps", made / "lib")
                        if library.musl is not None:
                            into = made / "lib" / "self-contained"
                            make_start_files(beside, zig, library.row, library.musl, into, kept=kept, env=env)

                for each in begun:
                    each.result()
                list(workers.map(finish, wanted))
    except OSError as error:
        raise OutputError(
            f"cannot build the standard library in {root}: {os.strerror(error.errno or 0)}",
            hint="it takes about 100 MB a target; name another folder with CARGOSHIP_CACHE_DIR",
        ) from error


@contextlib.contextmanager
def _workers(count: int, runner: Runner) -> Iterator[tuple[ThreadPoolExecutor, Runner]]:
    """Threads, and what starts their programs: an error or a signal ends these, which would be waited for otherwise."""
    cancelled = Event()
    with ThreadPoolExecutor(count) as workers:
        try:
            yield workers, CancellableRunner(runner, cancelled)
        except BaseException:
            cancelled.set()
            raise


def _hold(library: StandardLibrary, held: contextlib.ExitStack, emit: Emit) -> None:
    """Be the only run that makes this one, for as long as `held` lasts."""
    lock = library.folder.parent / f".lock-{library.folder.name}"
    try:
        held.enter_context(locked(lock, timeout_s=0))
    except Busy:
        if not library.is_built:
            emit(Note(f"waiting for another run, which makes the standard library for {library.triple}"))
        held.enter_context(locked(lock))


def compose(cache_dir: Path, folders: Mapping[str, Path]) -> Path:
    """A folder that rustc takes with --sysroot: links to a standard library for each triple. Raises OutputError."""
    key = Digest.of("\0".join(f"{triple}={folder}" for triple, folder in sorted(folders.items())).encode())
    sysroot = cache_dir / "sysroots" / key.short
    try:
        for triple, folder in folders.items():
            place = sysroot / "lib" / "rustlib" / triple
            if not place.is_symlink():
                replace_link(place, folder)
    except OSError as error:
        raise OutputError(
            f"cannot write {sysroot}: {os.strerror(error.errno or 0)}",
            hint="name another folder with CARGOSHIP_CACHE_DIR",
        ) from error
    mark_used(sysroot, *(folder for folder in folders.values() if folder.is_relative_to(cache_dir)))
    return sysroot


def _compile(
    work: Path,
    triples: Sequence[str],
    rust: Rust,
    sources: Path,
    stream: Stream,
    env: Mapping[str, str],
    *,
    offline: bool,
) -> None:
    (work / "Cargo.toml").write_text(_MANIFEST)
    (work / "lib.rs").write_text("#![no_std]\n")
    remapped = f"/rustc/{rust.commit or rust.release}/library"
    wrapper = real_path(work) / "rustc-wrapper"
    wrapper.write_text(_WRAPPER.format(remapped=remapped))
    wrapper.chmod(0o755)
    argv = [str(rust.cargo), "build", "-Zbuild-std=std,panic_abort,panic_unwind", "--release",
            "--manifest-path", str(work / "Cargo.toml"), "--target-dir", str(work / "target"),
            "--message-format", "json-render-diagnostics"]  # fmt: skip
    for triple in triples:
        argv += ["--target", triple]
    vendored = sources / "vendor"
    if vendored.is_dir():
        crates = whole_sources(real_path(vendored), work) if any(each in _COMPONENTS for each in triples) else vendored
        argv += ["--config", 'source.crates-io.replace-with="standard-library"',
                 "--config", f"source.standard-library.directory={_toml_string(str(real_path(crates)))}"]  # fmt: skip
    if offline:
        argv.append("--offline")
    clean = {
        name: value
        for name, value in env.items()
        if name not in _NOT_INHERITED and not name.startswith(_NOT_INHERITED_PREFIXES)
    }
    paths = dict.fromkeys((sources, real_path(sources)))
    flags = ["-Cembed-bitcode=yes", *(f"--remap-path-prefix={path}={remapped}" for path in paths)]
    clean |= {
        "RUSTC": str(rust.rustc),
        "RUSTC_BOOTSTRAP": "1",
        "RUSTC_WRAPPER": str(wrapper),
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
    }
    # in a folder of its own, so that the user's .cargo/config.toml and rust-toolchain.toml have no say here
    if stream(Command(tuple(argv), cwd=work, env=clean)) != 0:
        raise SysrootBuildFailed(
            f"the standard library could not be built for {', '.join(triples)}",
            hint="cargo's own words are above; cargoship doctor shows other ways to get it",
        )


def _collect(deps: Path, into: Path) -> None:
    into.mkdir(parents=True)
    for library in sorted(deps.glob("*.rlib")):
        if not library.name.startswith("libstandard_library-"):
            shutil.move(library, into / library.name)


def _toml_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
