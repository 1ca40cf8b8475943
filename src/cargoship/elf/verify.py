"""Whether a program can start on its base: the machine, and the loader. Refusals name what would mend them."""

from __future__ import annotations

from pathlib import Path

from cargoship.elf.facts import ElfFacts
from cargoship.errors import CannotStart
from cargoship.oci.platform import Platform
from cargoship.platforms import TABLE, Libc, LibcFamily, row

_OTHER_BASE = "build with --libc musl, or choose a base with glibc, such as --base oci:FOLDER"


def verify(
    facts: ElfFacts, path: Path, *, platform: Platform, has_loader: bool | None, base: str, libc: Libc | None = None
) -> None:
    """Refuse a program that cannot start on `platform` and a base; raises CannotStart.

    `has_loader` says whether the base has a dynamic loader and C library (None: not known). With `libc`, a glibc
    floor is held against what the program asks for.
    """
    expected = row(platform)
    if not facts.is_program:
        raise CannotStart(f"{path} is not a program for {platform}: it is an object file or a core dump")
    if (facts.machine, facts.bits) != (expected.elf_machine, expected.elf_bits):
        raise CannotStart(
            f"{path} is a program for {_describe(facts)}, but it is meant for {platform}",
            hint=f"give a binary for {platform}, or name the platform that this one is for",
        )
    if facts.interpreter is not None and has_loader is False:
        raise CannotStart(
            f"{path} ({platform}) is linked dynamically and asks for {facts.interpreter}, "
            f"which the base {base!r} does not have",
            hint=_OTHER_BASE,
        )
    if libc is not None and libc.floor is not None and facts.glibc is not None and facts.glibc > libc.floor:
        raise CannotStart(
            f"{path} ({platform}) asks for GLIBC_{_dotted(facts.glibc)}, above the floor {_dotted(libc.floor)}",
            hint=f"use --libc gnu:{_dotted(facts.glibc)} if the base has it",
        )


def verify_libc(libc: Libc, *, platform: Platform, has_loader: bool | None, base: str) -> None:
    """Refuse, before anything is compiled, a C library that the base does not have; raises CannotStart."""
    if libc.family is LibcFamily.GNU and has_loader is False:
        raise CannotStart(
            f"programs linked with glibc cannot start on the base {base!r} ({platform}): it has no C library",
            hint=_OTHER_BASE,
        )


def _describe(facts: ElfFacts) -> str:
    for candidate in TABLE:
        if (candidate.elf_machine, candidate.elf_bits) == (facts.machine, facts.bits):
            return str(candidate.platform)
    return f"{facts.machine.removeprefix('EM_')} ({facts.bits} bits)"


def _dotted(version: tuple[int, int]) -> str:
    return "{}.{}".format(*version)
