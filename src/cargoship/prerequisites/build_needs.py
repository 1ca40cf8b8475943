"""What the build scripts of a plan want and this machine lacks: known before the compile, and what brings it.

cargo is asked for its units only where Cargo.lock names a crate of the table whose tool or library is not here. Nothing
is refused by this: a unit may come from a cache, and a build script may do without.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.failure import explain_failure
from cargoship.cargo.tools.present import find_tool, has_library
from cargoship.cargo.tools.table import LIBRARIES, TOOL_USES, Library, Tool, tool
from cargoship.cargo.tools.wanted import (
    WantedLibrary,
    WantedTool,
    locked_names,
    reasons,
    wanted_libraries,
    wanted_tools,
)
from cargoship.cargo.tools.words import advice
from cargoship.cargo.unit_graph import SourcesUnreachable
from cargoship.context import Context
from cargoship.errors import CargoshipError, LockOutdated, OutputError
from cargoship.events import Level, Note
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically
from cargoship.plan import Plan
from cargoship.planned_units import lock_text, planned_units
from cargoship.process import Command
from cargoship.toolchain.diagnose import Prerequisite
from cargoship.toolchain.locate import Wanted


class ToolNeed(Struct, frozen=True):
    """A tool that build scripts of a plan want."""

    tool: Tool
    wanted_by: tuple[str, ...]
    """In words: which crates, in whose build scripts."""
    found: str | None


class LibraryNeed(Struct, frozen=True):
    """A library of the system that crates of a plan link, and that is not there."""

    library: Library
    crate: str
    platforms: tuple[str, ...]

    @property
    def problem(self) -> str:
        """What is the matter, for people."""
        return f"{self.crate} links {self.library.name} of the system, which is not there for {self.where}"

    @property
    def where(self) -> str:
        """The platforms, for people."""
        return ", ".join(self.platforms)

    @property
    def way_out(self) -> str:
        """What brings it."""
        host = f"apt-get install {self.library.debian} pkg-config"
        return host if self.platforms == (_HERE,) else advice(self.library)


_HERE = "this machine"
_ANSWER = ".needs"
"""Beside what was built last: what was asked when nothing was missing."""


class BuildNeeds(Struct, frozen=True):
    """All that was looked at: tools, there or not, and libraries that are not."""

    tools: tuple[ToolNeed, ...] = ()
    libraries: tuple[LibraryNeed, ...] = ()


def build_needs(plan: Plan, wanted: Wanted, context: Context, env: Mapping[str, str]) -> BuildNeeds:
    """What build scripts of a plan want in this environment; raises as `planned_units` does."""
    tools: dict[str, set[WantedTool]] = {}
    libraries: dict[tuple[str, str], list[WantedLibrary]] = {}
    for graph in planned_units(plan, wanted, context):
        for each in wanted_tools(graph):
            tools.setdefault(each.tool, set()).add(each)
        for library in wanted_libraries(graph):
            if not has_library(library.library, library.triple, env):
                libraries.setdefault((library.library.name, library.crate), []).append(library)
    platforms: dict[str | None, str] = {triple: str(entry.platform) for triple, entry in wanted.pairs}
    return BuildNeeds(
        tuple(ToolNeed(tool(name), reasons(found), find_tool(tool(name), env)) for name, found in tools.items()),
        tuple(
            LibraryNeed(found[0].library, crate, tuple(dict.fromkeys(platforms.get(e.triple, _HERE) for e in found)))
            for (_, crate), found in libraries.items()
        ),
    )


def say_what_is_missing(plan: Plan, wanted: Wanted, context: Context, env: Mapping[str, str]) -> None:
    """Warn of each tool and library that build scripts of a plan want and do not find.

    Raises SourcesUnreachable, which is what the build would end with; nothing else.
    """
    try:
        lock = lock_text(plan)
        lacking = tuple(_may_lack(lock, wanted, env))
        if not lacking:
            return
        known = plan.target_dir / "cargoship" / ".blobs" / "last" / _ANSWER
        asked = _question(plan, lock, lacking)
        if known.is_file() and known.read_text() == asked:
            return
        needs = build_needs(plan, wanted, context, env)
    except SourcesUnreachable:
        raise
    except (CargoshipError, OSError, ValueError) as error:
        context.emit(Note(f"what build scripts want is not known: {error}", Level.VERBOSE))
        return
    missing = [each for each in needs.tools if each.found is None]
    for each in missing:
        why = "; ".join(each.wanted_by)
        context.emit(Note(f"{each.tool.name} is not here, and is wanted by {why}: {each.tool.ways}", Level.WARNING))
    for library in needs.libraries:
        context.emit(Note(f"{library.problem}: {library.way_out}", Level.WARNING))
    if not (missing or needs.libraries):
        # cargo takes some tenths of a second, and the next edit changes nothing of this
        with contextlib.suppress(OSError, OutputError):
            known.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(known, asked.encode())


def _question(plan: Plan, lock: str, lacking: Sequence[str]) -> str:
    """Changes when the answer may be another one."""
    words = [word for build in plan.builds for word in build.arguments()]
    return Digest.of("\0".join([plan.project, lock, *words, *lacking]).encode()).hex


def examined_needs(plan: Plan, wanted: Wanted, context: Context) -> tuple[Prerequisite, ...]:
    """The same as findings of the doctor: tools that are wanted, here or not, and libraries that are not.

    Of libraries only those are looked at that no package of `build-packages` may bring: a build unpacks these. A lock
    file that is out of date is a finding too, for no build goes on with it.
    """
    try:
        needs = build_needs(plan, wanted, context, context.env)
    except (CargoshipError, OSError, ValueError) as error:
        refused = explain_failure((error.details if isinstance(error, CargoshipError) else None) or "")
        if isinstance(refused, LockOutdated):
            return (Prerequisite("Cargo.lock", None, refused.message, hint=refused.hint or ""),)
        context.emit(Note(f"what build scripts want is not known: {error}", Level.WARNING))
        return ()
    apt = context.runner.programs.find("apt-get", context.env)
    tools = tuple(
        _tool_finding(each, apt, context.env) for each in sorted(needs.tools, key=lambda each: each.tool.name)
    )
    brought = [name for image in plan.images for name in image.settings.build_packages]
    return (*tools, *(_library_finding(each) for each in needs.libraries if not brought or each.platforms == (_HERE,)))


def _tool_finding(need: ToolNeed, apt: Path | None, env: Mapping[str, str]) -> Prerequisite:
    if need.found is not None:
        return Prerequisite(need.tool.name, need.found)
    why = "; ".join(need.wanted_by)
    mend = None if apt is None else Command((str(apt), "install", "-y", *need.tool.debian), env=env)
    hint = need.tool.ways
    if mend is not None:
        hint = f"or: {need.tool.pypi}" if need.tool.pypi else ""
    return Prerequisite(need.tool.name, None, f"not here, and wanted by {why}", mend=mend, hint=hint)


def _library_finding(need: LibraryNeed) -> Prerequisite:
    return Prerequisite(f"{need.library.name} for {need.where}", None, f"{need.crate} links it", hint=need.way_out)


def _may_lack(lock: str, wanted: Wanted, env: Mapping[str, str]) -> Iterator[str]:
    """What it is worth to ask cargo for: a Cargo.lock names all crates that any build of the workspace may have."""
    names = locked_names(lock)
    likely = sorted({use.tool for use in TOOL_USES if not lock or use.crate in names})
    yield from (name for name in likely if find_tool(tool(name), env) is None)
    triples = wanted.triples
    for each in LIBRARIES:
        if lock and each.crate not in names:
            continue
        yield from (f"{each.name} {triple}" for triple in (*triples, None) if not has_library(each, triple, env))
