"""The first step: a selection becomes a plan, with what the project, its settings, git and bases say, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec.structs import replace

from cargoship.cargo.git import read_git_facts, read_since
from cargoship.cargo.project import Package, Project, load_project
from cargoship.context import Context
from cargoship.errors import CargoshipError, DaemonError
from cargoship.events import Note, ignore
from cargoship.plan import (
    Group,
    Plan,
    ProjectFacts,
    Selection,
    choose_epoch,
    choose_packages,
    make_plan,
    without_skipped,
)
from cargoship.plan.native import check_native
from cargoship.plan.profiles import check_profile
from cargoship.prerequisites.objections import check_rust_versions, check_units, newest_rust
from cargoship.prerequisites.processors import RustTargets, check_processors
from cargoship.resources import foresee_sources
from cargoship.run_toolchain import as_cargo_has_it, wanted_by
from cargoship.settings.base import distribution_of
from cargoship.settings.compound import PLATFORMS_OF_BASE
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_origins, load_settings


def plan(selection: Selection, context: Context) -> Plan:
    """Decide what would be done; raises ProjectError's family, SettingsInvalid, PlatformUnknown, UsageError."""
    made = _loaded_alone(plan_as_asked(selection, context), selection, context)
    check_native(made, context.env)
    check_profile(made, context.env)
    return made


def foresee(made: Plan, context: Context) -> None:
    """Refuse what building a plan would, before anything is made, and say what was not asked.

    Raises what finding files, bases and destinations raises: IncludeInvalid, PlatformUnknown, ContentInvalid,
    RegistryError's family, OutputError, DaemonError, CannotStart for what no program could start on, ToolMissing or
    StandardLibraryMissing where nothing here compiles for its platforms, UsageError for flags of other processors, and
    CompileFailed and ProjectError's family for what cargo objects to.
    """
    from cargoship.prerequisites.newer_rust import check_targets

    context = as_cargo_has_it(context, made.cargo.cwd)
    foresee_sources(made, context)
    wanted = wanted_by(made, context)
    found = check_targets(wanted, context)
    rust = newest_rust(wanted, context) if found is None else found.rust
    check_rust_versions(made, rust)
    if found is not None:
        check_processors(made, RustTargets.of(found), context, context.env)
    check_units(made, wanted, rust, context)
    if made.push:
        hosts = dict.fromkeys(reference.registry for image in made.images for reference in image.references)
        context.emit(Note(f"not asked: whether {', '.join(hosts)} takes a push; a build asks before it compiles"))
    names = dict.fromkeys(distribution_of(image.settings.base_spec) for image in made.images)
    for name in filter(None, names):
        text = f"not asked: whether {name.title()} has the packages, and whether they have the users; a build asks"
        context.emit(Note(f"{text} before it compiles"))


def plan_as_asked(selection: Selection, context: Context) -> Plan:
    """The plan for all platforms that were asked for, also where this machine cannot compile; raises as `plan` does."""
    with ThreadPoolExecutor(1) as beside:
        folder = selection.path if selection.path.is_dir() else selection.path.parent
        git_notes: list[Note] = []
        git = beside.submit(read_git_facts, context.runner, folder, env=context.env, tell=git_notes.append)
        cargo = Path(context.env.get("CARGO") or "cargo")
        project = load_project(context.runner, cargo, selection.path, env=context.env, offline=selection.is_offline)
        chosen = choose_packages(project, selection)
        settings, notes = load_settings(project, chosen, env=context.env, overrides=selection.overrides)
        packages = without_skipped(chosen, settings, selection)
        facts = git.result()
    epoch = choose_epoch(context.env, facts, settings[packages[0].name])
    try:
        if any(each.platforms == PLATFORMS_OF_BASE for each in settings.values()):
            from cargoship.images.base_platforms import with_platforms_of_bases

            roots = {each.name: each.root for each in project.packages}
            settings = with_platforms_of_bases(settings, roots, context, offline=selection.is_offline)
        keep = _changed(project, settings, packages[0], selection, context)
        origins = load_origins(project, packages, env=context.env, overrides=selection.overrides)
        known = ProjectFacts(project, packages, settings, facts, epoch, origins, (*notes, *git_notes))
        return make_plan(known, selection, keep=keep)
    except CargoshipError:
        # such as a tag of a commit that git does not tell
        for note in git_notes:
            context.emit(note)
        raise


def _loaded_alone(made: Plan, selection: Selection, context: Context) -> Plan:
    """The plan for what an engine loads, where images go nowhere else: it takes one platform, and no other is compiled.

    An engine that does not answer, or runs another platform, is reported by its own check.
    """
    if not made.load or made.push or made.outputs or made.clusters or len(made.platforms) == 1:
        return made
    from cargoship.destinations.daemon import DaemonDestination

    asked = DaemonDestination((), context.runner, context.env, ignore, context.cache_dir)
    try:
        _, platform = asked.find()
    except DaemonError:
        return made
    if platform not in made.platforms:
        return made
    context.emit(Note(f"compiling for {platform} alone: the engine loads no other platform"))
    return plan_as_asked(replace(selection, overrides={**selection.overrides, "platforms": (str(platform),)}), context)


def _changed(
    project: Project, settings: Mapping[str, Settings], first: Package, selection: Selection, context: Context
) -> Callable[[Group], bool] | None:
    """Says which images may have changed, where that is asked."""
    if selection.changed_since is None:
        return None
    from cargoship.touched import Touched
    from cargoship.unitcache.keys.file_digests import FileDigests
    from cargoship.unitcache.stores.opening import open_stores

    since = read_since(context.runner, project.root, selection.changed_since, env=context.env)
    with open_stores(selection.caches_of(settings[first.name]), context) as store:
        index = store.load()
    build_dir = project.build_dir or project.target_dir
    contents = FileDigests(project.root, build_dir, context.env, project.target_dir)
    return Touched(since, project, settings, index, contents).image


def by_workspace(selection: Selection, context: Context) -> tuple[Selection, ...]:
    """A selection of folders from several workspaces as one of each, in their order; raises as `load_project` does."""
    cargo = Path(context.env.get("CARGO") or "cargo")
    found: dict[Path, list[Path]] = {}
    for path in (selection.path, *selection.also):
        project = load_project(context.runner, cargo, path, env=context.env, offline=selection.is_offline)
        found.setdefault(project.root, []).append(path)
    return tuple(replace(selection, path=first, also=tuple(also)) for first, *also in found.values())
