"""Whether a loader finds everything that a program needs, and everything in the versions that are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from msgspec import Struct

from cargoship.checks.finding import Code, Finding, error
from cargoship.checks.hwcaps import level_of
from cargoship.checks.loaders import Asker, GlibcLoader, MuslLoader
from cargoship.elf.facts import ElfFacts, highest_glibc
from cargoship.rootfs.item import ItemKind
from cargoship.rootfs.tree import FileTree, ResolvedPath
from cargoship.rootfs.view import RootFs

_LIBRARIES_MAX = 2000
_STATIC = "--libc musl, which needs nothing of the base"


class Loaded(Struct, frozen=True):
    """What a loader finds for a program: `everything` in its order, the program first, and what it does not find."""

    everything: tuple[Asker, ...]
    by_name: Mapping[str, Asker]
    missing: Mapping[str, tuple[Asker, str]]
    """By name: who needs it, and why what was found is not it (empty: nothing was found)."""
    checks_versions: bool
    """Whether the loader looks at versions."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Where everything was found."""
        return tuple(each.path for each in self.everything)


def load(program: Asker, own: Asker, loader: GlibcLoader | MuslLoader, root: RootFs) -> Loaded:
    """Follow what is needed as the loader does, breadth first; `own` is the loader itself, which is there already."""
    loaded = {name: own for name in (own.name, own.facts.soname) if name}
    missing: dict[str, tuple[Asker, str]] = {}
    pending = deque([program])
    everything = [program]
    while pending and len(everything) < _LIBRARIES_MAX:
        asker = pending.popleft()
        for name in asker.facts.needed:
            if name in loaded or name in missing or loader.is_own(name):
                continue
            found = _find(name, asker, loader, root)
            if isinstance(found, str):
                missing[name] = (asker, found)
                continue
            library = Asker(name, found.path, root.elf(found) or program.facts, asker)
            loaded[name] = library
            if library.facts.soname:
                loaded.setdefault(library.facts.soname, library)
            pending.append(library)
            everything.append(library)
    return Loaded(tuple(everything), loaded, missing, loader.checks_versions)


def check_libraries(loaded: Loaded, root: RootFs, *, said: str) -> Iterator[Finding]:
    """What is missing, and what is there in too old a version; `said` names program and platform."""
    program = loaded.everything[0]
    for name, (asker, why) in loaded.missing.items():
        yield _missing(name, why, asker, program, root, said)
    for asker in loaded.everything if loaded.checks_versions else ():
        yield from _check_versions(asker, program, loaded.by_name, said)


def fits(facts: ElfFacts, program: ElfFacts) -> bool:
    """Whether a library can be loaded into a program: both are for the same machine."""
    return (facts.machine, facts.bits, facts.little_endian) == (program.machine, program.bits, program.little_endian)


def _find(name: str, asker: Asker, loader: GlibcLoader | MuslLoader, root: RootFs) -> ResolvedPath | str:
    """The library, or what is to be said about where it is not: why those that were found are not it."""
    if "/" in name:
        found = root.find(name)
        return found if found is not None and found.node.is_file else ""
    others = ""
    for path in dict.fromkeys(loader.candidates(name, asker)):
        found = root.find(path)
        if found is None or not found.node.is_file:
            continue
        facts = root.elf(found)
        if facts is None:
            return f"{path} is not a valid library"
        if fits(facts, asker.facts):
            return ResolvedPath(path, found.node)  # under the name by which it was found: what $ORIGIN is in it
        others = others or f"{path} is for another machine ({facts.machine.removeprefix('EM_')}, {facts.bits} bits)"
    return others


def _missing(name: str, why: str, asker: Asker, program: Asker, root: RootFs, said: str) -> Finding:
    whose = "" if asker is program else f", which {asker.path} needs,"
    text = f"{said} needs {name}{whose} and its image does not have it"
    hint = f"add the package that has {name} to packages, choose a base that has it, or link it statically"
    absent: str | None = name
    if why:
        text += f": {why}"
        absent = None
    elif (elsewhere := _anywhere(root.tree, name)) is not None and (level := level_of(elsewhere)) is not None:
        text = f"{said} needs {name}{whose} and its image has it for processors of {level} alone: {elsewhere}"
        absent = None
        hint = "put one for every processor where its loader looks; such folders are for better ones beside it"
    elif elsewhere is not None:
        text = f"{said} needs {name}, which is at {elsewhere}, where its loader does not look"
        absent = None
        folder = elsewhere.rpartition("/")[0] or "/"
        hint = f"set env LD_LIBRARY_PATH to {folder}, or link with a RUNPATH; a base with ld.so.conf needs ldconfig run"
    return error(Code.LIBRARY_MISSING, text, hint, library=absent)


def _anywhere(tree: FileTree, name: str) -> str | None:
    pending = [("", tree.root)]
    while pending:
        path, node = pending.pop()
        for child_name, child in node.children.items():
            if child.is_folder:
                pending.append((f"{path}/{child_name}", child))
            elif child_name == name and child.kind is ItemKind.FILE:
                return f"{path}/{child_name}"
    return None


def _check_versions(asker: Asker, program: Asker, loaded: Mapping[str, Asker], said: str) -> Iterator[Finding]:
    for wanted in asker.facts.requires:
        library = loaded.get(wanted.library)
        # a library that defines no versions satisfies every one of them: ld.so warns, and goes on
        if library is None or not library.facts.defines:
            continue
        lacking = [name for name in wanted.names if name not in library.facts.defines]
        if not lacking:
            continue
        whose = "" if asker is program else f" (through {asker.path})"
        newest, has = highest_glibc(lacking), library.facts.has_glibc
        if newest is None or has is None:
            yield error(
                Code.VERSION_MISSING,
                f"{said} asks for {', '.join(lacking)} of {wanted.library}{whose}, which {library.path} does not have",
                f"choose a base, or packages, with the {wanted.library} that it was linked with",
            )
            continue
        yield error(
            Code.VERSION_MISSING,
            f"{said} asks for GLIBC_{_dotted(newest)}{whose}, and its image has glibc {_dotted(has)}",
            f"build with a lower floor, --libc gnu:{_dotted(has)}; or choose a base with glibc {_dotted(newest)}; "
            f"or use {_STATIC}",
        )


def _dotted(version: tuple[int, int]) -> str:
    return "{}.{}".format(*version)
