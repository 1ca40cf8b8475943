"""Which C library programs have in them, and what else is linked, known from the files that they are linked with.

rustup's targets bring musl; for a standard library that is built here it is the distribution's, or Zig's. The version
is in musl's own `version.c`, and so in each libc.a. LLVM's C++ library is in programs that have C++ in them: each
finished program tells, so that one from a cache tells the same.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from cargoship.bom.crates import NativeSource
from cargoship.errors import OutputError
from cargoship.oci.digest import Digest, Hashing
from cargoship.oci.files import write_atomically
from cargoship.oci.platform import Platform
from cargoship.platforms import LibcFamily, PlatformSpec
from cargoship.reading import read_file
from cargoship.toolchain.locate import Foreseen, Way
from cargoship.toolchain.startfiles import find_musl

_IN_LIBRARY = re.compile(rb"(?<![\w.])(1\.\d{1,2}\.\d{1,2})\0")
_IN_SOURCES = re.compile(rb'define VERSION "(1\.\d{1,2}\.\d{1,2})"')
_OF_LLVM = re.compile(rb"define _LIBCPP_VERSION (\d{5,6})\b")
_LIBRARY_BYTES_MAX = 64 << 20
_PART_BYTES = 1 << 20
_KEPT_BYTES_MAX = 1 << 20
_UNWINDER = "libunwind.a"
"""LLVM's, which Rust's targets for musl bring (rustc_target's `crt_objects`, and `library/unwind`)."""
_OF_THE_PROJECT = re.compile(r"rustc \S+ \([0-9a-f]+ [\d-]+\)\n[\s\S]*^LLVM version: (\d[\d.]*)$", re.MULTILINE)
_FORMAT = 1
"""Part of the names of what is remembered: another one where more is to be known."""
_OF_LIBCXXABI = b"N10__cxxabiv116__shim_type_infoE\0"
"""The name of a class that LLVM's libc++abi alone has: it stays in stripped programs, since `typeid` could ask for it.

All its type information leads to that class, and operators new and delete, exceptions and casts to that.
"""


class ProgramFile(Struct, frozen=True):
    """What an SBOM has of a program's file."""

    digest: Digest
    sha512: str
    has_cxx: bool
    """Whether LLVM's C++ library is in it."""


# made here, by one thread: see `rootfs.layer_cache`
_DECODER = msgspec.json.Decoder(ProgramFile)


def read_program(program: Path, kept: Path) -> ProgramFile:
    """Read a program; raises OSError.

    What takes longest is remembered in the folder `kept`, by the program's digest: SHA-512 is several times as slow as
    SHA-256 on processors of today.
    """
    with program.open("rb") as stream:
        digest, _ = Digest.of_stream(stream)
        place = kept / f"{digest.hex}-sbom-{_FORMAT}"
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            found = _DECODER.decode(read_file(place, _KEPT_BYTES_MAX))
            os.utime(place)
            if found.digest == digest:
                return found
        stream.seek(0)
        found = _read_whole(stream)
    # a full disk costs the next run some time, and this one nothing
    with contextlib.suppress(OutputError):
        write_atomically(place, msgspec.json.encode(found))
    return found


def _read_whole(stream: BinaryIO) -> ProgramFile:
    sha256, sha512 = Hashing(), Hashing("sha512")
    has_cxx, before = False, b""
    while part := stream.read(_PART_BYTES):
        sha256.update(part)
        sha512.update(part)
        if not has_cxx:
            # across the border of two parts, or in one: neither is copied whole
            has_cxx = _OF_LIBCXXABI in before + part[: len(_OF_LIBCXXABI)] or _OF_LIBCXXABI in part
            before = (before + part[1 - len(_OF_LIBCXXABI) :])[1 - len(_OF_LIBCXXABI) :]
    return ProgramFile(sha256.digest, sha512.digest.hex, has_cxx)


class LinkedLibraries(Struct, frozen=True):
    """What the programs for a platform have besides Rust's own code and that of crates."""

    always: tuple[NativeSource, ...] = ()
    with_cxx: tuple[NativeSource, ...] = ()
    """In those alone that have C++ in them."""

    def of(self, program: ProgramFile) -> tuple[NativeSource, ...]:
        """What is in this one, which was linked here."""
        return self.always + (self.with_cxx if program.has_cxx else ())


def c_libraries(found: Foreseen) -> Mapping[Platform, LinkedLibraries]:
    """What is linked into the programs for each platform besides Rust's own code and that of crates.

    Musl, where programs are static, and what Zig adds: LLVM's unwinder, its own runtime of the compiler, the start
    files of glibc, and LLVM's C++ library. Of what a target of rustup's brings, musl and the unwinder are named; the
    runtime of the compiler is Rust's own there.
    It depends on the toolchain alone, and not on what was made of it here already.
    """
    release = _llvm(found)
    with_cxx = tuple(NativeSource(name, release) for name in ("libc++", "libc++abi") if release)
    return {
        row.platform: LinkedLibraries(tuple(_linked(found, triple, row)), with_cxx)
        for triple, row in found.pairs
        # wasi-libc has no releases, and says no version
        if not row.is_wasm
    }


def _linked(found: Foreseen, triple: str, row: PlatformSpec) -> Iterator[NativeSource]:
    of_zig = NativeSource("zig-compiler-rt", found.zig.version)
    if found.way is not Way.DIRECT:
        if found.libc.family is LibcFamily.MUSL:
            yield from _musl(_of_zig(found))
        else:
            floor = found.libc.floor or row.gnu_floor
            yield NativeSource("glibc-start-files", ".".join(map(str, floor)))
        yield from (of_zig, *_unwinder(found))
    elif triple in found.installed:
        folder = found.installed[triple] / "lib" / "self-contained"
        yield from _musl(_version(folder / "libc.a", _IN_LIBRARY))
        if (folder / _UNWINDER).exists():
            yield NativeSource("libunwind", _of_rust(found.rust.version))
    else:
        musl = find_musl(row).folder
        yield from _musl(_of_zig(found) if musl is None else _version(musl / "libc.a", _IN_LIBRARY))
        if musl is None:
            # what Zig has of the C library in its own language, memcpy and its like
            yield of_zig
        yield from _unwinder(found)


def _musl(version: str) -> Iterator[NativeSource]:
    if version:
        yield NativeSource("musl", version)


def _unwinder(found: Foreseen) -> Iterator[NativeSource]:
    if release := _llvm(found):
        yield NativeSource("libunwind", release)


def _llvm(found: Foreseen) -> str:
    """The release of LLVM whose libraries Zig has, as its C++ library says it; empty where that does not."""
    said = _version(found.zig.lib / "libcxx" / "include" / "__config", _OF_LLVM)
    return ".".join(str(int(part)) for part in (said[:-4], said[-4:-2], said[-2:])) if said else ""


def _of_rust(version: str) -> str:
    """The release of LLVM whose sources a Rust has, by its `rustc -vV`; empty where that may be another.

    A distribution's rustc may have the distribution's LLVM, and says in its first line whose build it is
    (`build.description` of Rust's bootstrap). Rust's own has that in its tree, with the unwinder.
    """
    found = _OF_THE_PROJECT.match(version)
    return "" if found is None else found[1]


def _of_zig(found: Foreseen) -> str:
    return _version(found.zig.lib / "libc" / "musl" / "src" / "internal" / "version.h", _IN_SOURCES)


def _version(path: Path, pattern: re.Pattern[bytes]) -> str:
    """The one version that is in a file; empty where there is none, or several."""
    try:
        said = set(pattern.findall(read_file(path, _LIBRARY_BYTES_MAX)))
    except OSError:
        return ""
    return said.pop().decode() if len(said) == 1 else ""
