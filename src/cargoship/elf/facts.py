"""Facts of an ELF program (System V ABI, gABI chapters 4 and 5; the GNU version sections of the LSB)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment

from cargoship.errors import CannotStart

_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")


@dataclass(frozen=True)
class ElfFacts:
    """What the file says about where it can run."""

    machine: str
    """e_machine as pyelftools names it, such as EM_X86_64."""
    bits: int
    little_endian: bool
    is_program: bool
    """An executable, or a position-independent one; not an object file or core."""
    interpreter: str | None
    """The dynamic loader that it asks for; None for a static program."""
    needed: tuple[str, ...]
    """Shared libraries, in order."""
    glibc: tuple[int, int] | None
    """The highest GLIBC_ version that it asks for."""


def read_elf(path: Path) -> ElfFacts:
    """Read the facts of a program; raises CannotStart for what is no ELF file, and OSError."""
    with path.open("rb") as stream:
        try:
            return _read(ELFFile(stream))
        # pyelftools lets errors of its own parsers through on damaged files
        except (ELFError, AssertionError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise CannotStart(
                f"{path} is not a Linux program (no valid ELF file)",
                hint="name the binary itself, built for Linux",
            ) from error


def _read(elf: ELFFile) -> ElfFacts:
    interpreter = None
    needed: list[str] = []
    for segment in elf.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        elif isinstance(segment, DynamicSegment):
            needed = [str(tag.needed) for tag in segment.iter_tags("DT_NEEDED")]  # type: ignore[attr-defined]  # set by kind of tag
    return ElfFacts(
        machine=str(elf["e_machine"]),
        bits=elf.elfclass,
        little_endian=elf.little_endian,
        is_program=elf["e_type"] in {"ET_EXEC", "ET_DYN"},
        interpreter=interpreter,
        needed=tuple(needed),
        glibc=_glibc(elf),
    )


def _glibc(elf: ELFFile) -> tuple[int, int] | None:
    versions = []
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, auxiliaries in section.iter_versions():
                for auxiliary in auxiliaries:
                    match = _GLIBC.fullmatch(auxiliary.name)
                    if match:
                        versions.append((int(match[1]), int(match[2])))
    return max(versions, default=None)
