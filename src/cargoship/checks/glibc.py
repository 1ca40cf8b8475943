"""Whether a base has a glibc that programs can be linked for: known before there is a program."""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.checks.finding import Code, Finding, error
from cargoship.checks.hwcaps import promised
from cargoship.checks.loaders import Asker, GlibcLoader, loader_of
from cargoship.checks.program import ProgramContext
from cargoship.elf.facts import ElfFacts, ElfKind
from cargoship.rootfs.view import RootFs

_LIBC = "libc.so.6"
# Releases that gave libc.so.6 no symbol version of its own: it looks like that of the one before (glibc, *.abilist).
_SILENT = frozenset({(2, 19), (2, 20), (2, 21), (2, 31)})


def check_glibc(root: RootFs, place: ProgramContext, floor: tuple[int, int] | None, *, base: str) -> Iterator[Finding]:
    """Whether programs for a platform that start on glibc `floor` find it here; `base` is for messages."""
    if place.row is None:
        return
    path = place.row.gnu_loader
    found = root.find(path)
    facts = None if found is None else root.elf(found)
    if found is None or facts is None:
        yield error(
            Code.INTERPRETER_MISSING,
            f"programs linked with glibc cannot start on the base {base!r} ({place.platform}): it has no {path}",
            "build with --libc musl, choose a base with glibc, such as debian:12-slim, or name it in packages (libc6)",
        )
        return
    has = glibc_of(root, place, path, facts)
    if has is not None and floor is not None and has < _as_linked(floor):
        yield error(
            Code.VERSION_MISSING,
            f"the base {base!r} ({place.platform}) has glibc {has[0]}.{has[1]}, and programs are to be linked for "
            f"{floor[0]}.{floor[1]}",
            f"use --libc gnu:{has[0]}.{has[1]}, or choose a newer base",
        )


def _as_linked(version: tuple[int, int]) -> tuple[int, int]:
    """What a C library of that version says of itself."""
    while version in _SILENT:
        version = (version[0], version[1] - 1)
    return version


def glibc_of(root: RootFs, place: ProgramContext, path: str, facts: ElfFacts) -> tuple[int, int] | None:
    """The version of the C library that a loader finds; None where it finds none that says so."""
    loader = loader_of(path, facts, root, row=place.row, env=place.env, levels=promised(place.platform))
    nobody = Asker("", "/", ElfFacts(facts.machine, facts.bits, facts.little_endian, ElfKind.PROGRAM))
    for candidate in loader.candidates(_LIBC, nobody) if isinstance(loader, GlibcLoader) else ():
        found = root.find(candidate)
        library = None if found is None else root.elf(found)
        if library is not None and library.machine == facts.machine and library.bits == facts.bits:
            return library.has_glibc
    return None
