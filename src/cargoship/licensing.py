"""The licences of what a plan compiles: asked of cargo before that begins, refused where the settings say so."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cargoship.bom.crates import Crate, CrateGraph, ProgramCrates
from cargoship.bom.native import known_crates
from cargoship.bom.policy import LicensePolicy, unused
from cargoship.context import Context
from cargoship.errors import LicenseRefused
from cargoship.events import Level, Note, count
from cargoship.oci.platform import Platform
from cargoship.plan import ImagePlan, Plan
from cargoship.platforms import LibcFamily, row
from cargoship.toolchain.locate import Wanted

if TYPE_CHECKING:
    from cargoship.bom.notices import NoticedCrate

_STD = "The Rust standard library: MIT OR Apache-2.0, https://github.com/rust-lang/rust"
_MUSL = "musl: MIT, https://musl.libc.org"


class LicensedCrate(Struct, frozen=True):
    """A crate of a plan's programs."""

    crate: Crate
    programs: frozenset[str]
    """The programs that have to do with it."""
    shipped_in: frozenset[str]
    """Those that have code of it in them; for the others it only runs while they are compiled."""
    path: tuple[str, ...]
    """How it comes in: from a program's own crate to this one, each as `name version`."""
    folder: Path | None
    """Where its sources are on this machine."""
    carries: bool = False
    """Whether C sources are in it that are compiled into a program."""
    objection: str | None = None
    """Why the settings refuse it."""
    excuse: str | None = None
    """The reason for which they do not look at it."""

    @property
    def is_shipped(self) -> bool:
        """Whether code of it is in a program."""
        return bool(self.shipped_in)


class LicenseSurvey(Struct, frozen=True):
    """All crates of a plan's programs, in the order of their names, with what the settings say of them."""

    crates: tuple[LicensedCrate, ...]
    policy: LicensePolicy

    @property
    def refused(self) -> tuple[LicensedCrate, ...]:
        """Those that the settings do not take."""
        return tuple(each for each in self.crates if each.objection is not None)

    def check(self) -> None:
        """Raises LicenseRefused with every crate that the settings do not take, and how it comes in."""
        refused = self.refused
        if not refused:
            return
        lines = [
            f"{each.crate.name} {each.crate.version}: {each.objection}\n  through {' -> '.join(each.path)}"
            for each in refused
        ]
        raise LicenseRefused(
            f"the settings do not take the licence of {count(len(refused), 'crate')}",
            details="\n".join(lines),
            hint='leave it out, or say why it may stay: license-exceptions = { "NAME" = "the reason" }',
        )


class _Surveyed(Struct, frozen=True):
    """What one invocation of cargo would compile, and where its sources are."""

    graph: CrateGraph
    folders: Mapping[int, Path]


def survey_licenses(plan: Plan, wanted: Wanted, context: Context) -> LicenseSurvey:
    """The crates of all programs of a plan on all platforms; cargo fetches the sources that are not there.

    Raises ToolchainError's family, ProjectError's family.
    """
    settings = plan.images[0].settings
    policy = LicensePolicy(settings.allow_licenses, settings.deny_licenses, settings.license_exceptions)
    surveyed = _ask(plan, wanted, context)
    found: dict[Crate, LicensedCrate] = {}
    for image in plan.images:
        for platform in plan.platforms:
            for each, program, name in _programs(plan, surveyed, image, platform):
                for crate in _crates(each, program, name, policy):
                    known = found.get(crate.crate)
                    found[crate.crate] = crate if known is None else _both(known, crate)
    ordered = sorted(found.values(), key=lambda each: (each.crate.name, each.crate.version, each.crate.source))
    for name in unused(policy, found):
        context.emit(Note(f"license-exceptions: no crate is called {name}", Level.WARNING))
    return LicenseSurvey(tuple(ordered), policy)


def licenses_of(plan: Plan, wanted: Wanted, context: Context) -> LicenseSurvey | None:
    """The crates of a plan where its settings ask about licences; raises LicenseRefused, and as `survey_licenses`."""
    settings = [image.settings for image in plan.images]
    if not any(each.allow_licenses or each.deny_licenses or each.include_licenses for each in settings):
        return None
    survey = survey_licenses(plan, wanted, context)
    survey.check()
    return survey


def notices_of(image: ImagePlan, survey: LicenseSurvey, plan: Plan) -> bytes:
    """The notices of an image: of all crates whose code is in its programs, on any platform."""
    from cargoship.bom.notices import notices_text

    programs = frozenset(binary.name for binary in image.bins)
    crates = [_noticed(each, plan.root) for each in survey.crates if not programs.isdisjoint(each.shipped_in)]
    return notices_text(image.name, crates, (_STD, _MUSL) if plan.libc.family is LibcFamily.MUSL else (_STD,))


def _noticed(each: LicensedCrate, root: Path) -> NoticedCrate:
    from cargoship.bom.notices import NoticedCrate

    if each.folder is None or each.crate.source.startswith("registry") or "registry" in each.crate.source:
        return NoticedCrate(each.crate, each.folder, each.folder, each.carries)
    above = root if each.folder.is_relative_to(root) else _checkout(each.folder)
    return NoticedCrate(each.crate, each.folder, above, each.carries)


def _checkout(folder: Path) -> Path:
    """The top of the repository that a crate is in, as cargo has checked it out; its own folder where it is in none."""
    for above in (folder, *list(folder.parents)[:4]):
        if (above / ".cargo-ok").exists() or (above / ".git").exists():
            return above
    return folder


def _ask(plan: Plan, wanted: Wanted, context: Context) -> list[_Surveyed]:
    from cargoship.bom.reduce import crates_with_folders
    from cargoship.planned_units import lock_text, planned_units

    lock = lock_text(plan)
    return [_Surveyed(*crates_with_folders(graph, lock)) for graph in planned_units(plan, wanted, context)]


def _programs(
    plan: Plan, surveyed: Sequence[_Surveyed], image: ImagePlan, platform: Platform
) -> list[tuple[_Surveyed, ProgramCrates, str]]:
    found = []
    triple = row(platform).triple(plan.libc)
    for binary in image.bins:
        for each in surveyed:
            program = each.graph.program(f"{triple}/{binary.package}/{binary.name}")
            if program is not None:
                found.append((each, program, binary.name))
                break
    return found


def _crates(each: _Surveyed, program: ProgramCrates, name: str, policy: LicensePolicy) -> list[LicensedCrate]:
    graph = each.graph
    linked = program.linked()
    carriers = {
        other
        for place in linked
        for other in graph.uses[place].builds_with
        if graph.uses[place].native and _only_sources(graph, other)
    }
    shipped = linked | carriers
    came = _came(program)
    known = set(known_crates())
    found: dict[int, LicensedCrate] = {}
    # a crate that is on both sides is shipped
    for place in sorted(program.all(), key=lambda place: (place not in shipped, place)):
        number = graph.uses[place].crate
        if number in found:
            continue
        crate = graph.crates[number]
        is_shipped = place in shipped
        excuse = policy.excuse(crate)
        found[number] = LicensedCrate(
            crate, frozenset({name}), frozenset({name} if is_shipped else ()),
            path=_path(graph, came, place),
            folder=each.folders.get(number),
            carries=is_shipped and crate.name in known,
            objection=policy.objection(crate) if is_shipped else None,
            excuse=None if excuse is None else policy.exceptions[excuse],
        )  # fmt: skip
    return list(found.values())


def _only_sources(graph: CrateGraph, place: int) -> bool:
    """Whether a crate is one of those that carry the sources that another one compiles."""
    use = graph.uses[place]
    return not use.has_script and graph.crates[use.crate].name in set(known_crates())


def _came(program: ProgramCrates) -> dict[int, int | None]:
    """Through which use each comes in, by the shortest way; what is linked is looked at first."""
    uses = program.graph.uses
    came: dict[int, int | None] = {program.root: None}
    for into_builds in (False, True):
        pending = deque(sorted(came))
        while pending:
            place = pending.popleft()
            use = uses[place]
            for other in (*use.needs, *(use.builds_with if into_builds else ())):
                if other not in came and (into_builds or not uses[other].is_macro):
                    came[other] = place
                    pending.append(other)
    return came


def _path(graph: CrateGraph, came: Mapping[int, int | None], place: int) -> tuple[str, ...]:
    steps = []
    at: int | None = place
    while at is not None:
        crate = graph.crates[graph.uses[at].crate]
        steps.append(f"{crate.name} {crate.version}")
        at = came.get(at)
    return tuple(reversed(steps))


def _both(one: LicensedCrate, other: LicensedCrate) -> LicensedCrate:
    """A crate that several programs have."""
    first = one if one.is_shipped or not other.is_shipped else other
    return replace(
        first,
        programs=one.programs | other.programs,
        shipped_in=one.shipped_in | other.shipped_in,
        carries=one.carries or other.carries,
    )
