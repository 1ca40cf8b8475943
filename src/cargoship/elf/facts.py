"""What an ELF file says about where it can run, as a value (System V gABI, chapters 4 and 5; LSB, symbol versions)."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

from msgspec import Struct

_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")


class ElfKind(enum.Enum):
    """What a file can be used for."""

    PROGRAM = "program"
    """It can be started: an executable at a fixed address, or a position-independent one."""
    LIBRARY = "library"
    """A shared library."""
    OTHER = "other"
    """An object file, a core dump, a kernel's module."""


class Relro(enum.Enum):
    """Whether relocated data is read-only once the program runs."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"
    """All of it, for everything is bound before the program starts."""


class Versions(Struct, frozen=True):
    """The symbol versions that a file asks of one library, such as GLIBC_2.34 of libc.so.6."""

    library: str
    names: tuple[str, ...]


class ElfFacts(Struct, frozen=True):
    """What the file says."""

    machine: str
    """e_machine as pyelftools names it, such as EM_X86_64."""
    bits: int
    little_endian: bool
    kind: ElfKind
    interpreter: str | None = None
    """The dynamic loader that it asks for; None for a static program and for a library."""
    needed: tuple[str, ...] = ()
    """Shared libraries, in order (DT_NEEDED)."""
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    """DT_RPATH, which a loader ignores where there is a DT_RUNPATH."""
    runpath: tuple[str, ...] = ()
    no_default_folders: bool = False
    """DF_1_NODEFLIB: libraries are not looked for in the loader's own folders."""
    requires: tuple[Versions, ...] = ()
    """What it asks of other files; weak references, which may be missing, are left out."""
    defines: tuple[str, ...] = ()
    """Symbol versions that it has itself."""
    pie: bool = False
    relro: Relro = Relro.NONE
    nx: bool = False
    """Whether its stack is not executable."""
    finds_certificates: bool = False
    """Whether it looks for the system's CA certificates: known of programs alone."""
    loader_folders: tuple[str, ...] = ()
    """Where it looks for libraries by default, if it is glibc's dynamic loader."""

    x86_level: int | None = None
    """The level of x86-64 that it says it needs, 1 (baseline) to 4; None where it says nothing."""
    arm_version: int | None = None
    """The version of the 32-bit ARM architecture that it says it was compiled for; None where it says nothing."""

    @property
    def is_program(self) -> bool:
        """Whether it can be started."""
        return self.kind is ElfKind.PROGRAM

    @property
    def is_static(self) -> bool:
        """Whether it needs no loader and no library."""
        return self.interpreter is None and not self.needed

    @property
    def form(self) -> str:
        """How it is linked, in a word: static, static-pie, dynamic, dynamic-pie, library or other."""
        if not self.is_program:
            return self.kind.value
        return ("static" if self.is_static else "dynamic") + ("-pie" if self.pie else "")

    @property
    def glibc(self) -> tuple[int, int] | None:
        """The highest GLIBC_ version that it asks for."""
        return highest_glibc(name for each in self.requires for name in each.names)

    @property
    def has_glibc(self) -> tuple[int, int] | None:
        """The highest GLIBC_ version that it defines: the version of the C library that it is."""
        return highest_glibc(self.defines)


def highest_glibc(names: Iterable[str]) -> tuple[int, int] | None:
    """The highest of the versions that are glibc's; None where there is none of them."""
    matches = (_GLIBC.fullmatch(name) for name in names)
    return max(((int(match[1]), int(match[2])) for match in matches if match), default=None)
