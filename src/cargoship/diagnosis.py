"""What a build needs of a machine, for `doctor`: looked for, and mended where somebody wants that."""

from __future__ import annotations

from cargoship.context import Context
from cargoship.errors import ManifestNotFound, ToolchainError
from cargoship.events import Level, Note
from cargoship.plan import Plan, Selection
from cargoship.planning import plan_as_asked
from cargoship.platforms import DEFAULT_PLATFORMS
from cargoship.prerequisites.absent_rust import naming_absent
from cargoship.prerequisites.build_needs import examined_needs
from cargoship.prerequisites.cache_folder import examined_cache_folder
from cargoship.prerequisites.link_check import check_linking
from cargoship.prerequisites.newer_rust import check_targets, offering_newer
from cargoship.prerequisites.objections import examined_rust, newest_rust
from cargoship.run_toolchain import as_cargo_has_it, find_toolchain, wanted_by
from cargoship.settings.sources import load_flags
from cargoship.toolchain.diagnose import Diagnosis, Prerequisite, diagnose, mending
from cargoship.toolchain.locate import Wanted


def doctor(selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
    """Look for everything that a build needs; with `fix`, run what mends it and look again."""
    found, _, _ = _looked(selection, context)
    if not fix:
        return found
    for command in mending(found):
        context.emit(Note(f"running {' '.join(command.argv)}"))
        done = context.runner.run(command)
        if done.code != 0:
            context.emit(Note(f"that failed: {done.error_text.strip()}", Level.WARNING))
    found, wanted, around = _looked(selection, context)
    if not found.ok:
        return found
    # adds, builds and links what the first build would
    check_linking(find_toolchain(wanted, around), around)
    return _looked(selection, context)[0]


def _looked(selection: Selection, context: Context) -> tuple[Diagnosis, Wanted, Context]:
    """What is there, what a build would want, and the context in which cargo would run."""
    made, wanted, trouble = _wanted_of(selection, context)
    around = as_cargo_has_it(context, wanted.cwd)
    found = offering_newer(diagnose(wanted, runner=around.runner, env=around.env), around)
    found = naming_absent(found, trouble, wanted, around)
    needs = () if made is None else _old_rust(made, wanted, around) or examined_needs(made, wanted, around)
    kept = examined_cache_folder(context.cache_dir)
    return Diagnosis((*found.findings, *kept, *needs)), wanted, around


def _old_rust(made: Plan, wanted: Wanted, context: Context) -> tuple[Prerequisite, ...]:
    try:
        found = check_targets(wanted, context)
        return examined_rust(made, newest_rust(wanted, context) if found is None else found.rust)
    except ToolchainError:
        return ()  # what lacks has a finding of its own


def _wanted_of(selection: Selection, context: Context) -> tuple[Plan | None, Wanted, ToolchainError | None]:
    """What a build would want; outside a project, or without a cargo to read it, what the options or defaults say.

    The last is what kept cargo from reading the project.
    """
    trouble = None
    try:
        made = plan_as_asked(selection, context)
        return made, wanted_by(made, context), None
    except ManifestNotFound:
        folder = context.cwd
    except ToolchainError as error:
        # cargo is that of the project's folder
        folder, trouble = selection.path if selection.path.is_dir() else selection.path.parent, error
    settings = load_flags(selection.overrides)
    wanted = Wanted(settings.platforms or DEFAULT_PLATFORMS, settings.libc, folder, context.cache_dir)
    return None, wanted, trouble
