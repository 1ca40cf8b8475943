"""Several workspaces in one run: each is planned before the first is built, all are built before one is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cargoship.errors import NothingChanged, UsageError

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession
    from cargoship.context import Context
    from cargoship.plan import Plan, Selection
    from cargoship.shipping import BuildResult


def plans(session: CliSession, selection: Selection, context: Context) -> Iterator[tuple[Selection, Plan]]:
    """The plan of each workspace of which something is to be built; says where nothing is. Raises as planning does."""
    for own in _by_workspace(session, selection, context):
        try:
            yield own, session.operations.plan(own, context)
        except NothingChanged as nothing:
            session.say(nothing.message)


def build_selected(session: CliSession, selection: Selection, context: Context) -> BuildResult | None:
    """Build the workspaces, and publish when all are built; None where nothing has changed.

    Raises as `pipeline.build_each` does.
    """
    selections = _by_workspace(session, selection, context)
    if len(selections) > 1:
        # all are planned before the first is built
        planned = list(plans(session, selection, context))
        _check_names([plan for _, plan in planned])
        selections = tuple(own for own, _ in planned)
    try:
        return _joined(session.operations.build_each(selections, context))
    except NothingChanged as nothing:
        session.say(nothing.message)
        return None


def _by_workspace(session: CliSession, selection: Selection, context: Context) -> tuple[Selection, ...]:
    return session.operations.by_workspace(selection, context) if selection.also else (selection,)


def _check_names(made: Sequence[Plan]) -> None:
    images = [image for plan in made for image in plan.images]
    names = [*(image.name for image in images), *(str(each) for image in images for each in image.references)]
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(
                f"two images are called {name}, in two workspaces",
                hint="set name for one of them, or put {package} into the tag",
            )


def _joined(results: Sequence[BuildResult]) -> BuildResult | None:
    from msgspec.structs import replace

    if len(results) < 2:  # noqa: PLR2004 - one result is its own sum
        return results[0] if results else None
    seconds: Counter[str] = Counter()
    for each in results:
        seconds.update(each.seconds)
    # all have one beginning
    summed = {**seconds, "total": max(each.seconds.get("total", 0.0) for each in results)}
    plan = replace(results[0].plan, images=tuple(image for each in results for image in each.plan.images))
    images = tuple(image for each in results for image in each.images)
    folders = tuple(dict.fromkeys(folder for each in results for folder in each.target_dirs))
    return replace(results[0], plan=plan, images=images, seconds=summed, target_dirs=folders)
