"""Images that exist already: looked at, copied, merged. Knows no Cargo project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cargoship.cargo.git import read_git_facts
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.oci.reference import Reference
from cargoship.plan.describe import merged_names
from cargoship.platforms import row
from cargoship.registry.copy import copy_image
from cargoship.registry.merge import merge_images
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import Published

if TYPE_CHECKING:
    from cargoship.inspection import Inspection


def inspect(target: str, context: Context) -> Inspection:
    """Look at an image: a layout's folder, an archive's file, or a reference in a registry."""
    from cargoship.inspection import inspect_path, inspect_remote  # noqa: PLC0415 - reads archives too: not for copies

    path = context.cwd / target.removeprefix("oci:").removeprefix("oci-archive:").removeprefix("docker-archive:")
    if path.exists():
        return inspect_path(path)
    reference = Reference.parse(target)
    with context.connect(reference.registry) as client:
        return inspect_remote(target, fetch_index(client, reference))


def copy(source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool) -> Published:
    """Let `target` be what `source` is, with `platforms` those of it alone; raises as `copy_image` does."""
    one, other = Reference.parse(source), Reference.parse(target)
    chosen = tuple(dict.fromkeys(row(name).platform for name in platforms))
    with Clock(context.emit).phase("copy"):
        return copy_image(
            one,
            other,
            platforms=chosen,
            referrers=referrers,
            open_client=context.connect,
            emit=context.emit,
            known=context.known,
        )


def merge(parts: Sequence[str], tags: Sequence[str], context: Context) -> tuple[Published, ...]:
    """Let each of `tags` be an index of what `parts` name; raises as `merge_images` does.

    Where a tag has `{repository}` in it, there is one index for each repository of the parts. What git knows of the
    current folder fills in other placeholders.
    """
    if not parts or not tags:
        raise UsageError("there is nothing to merge" if not parts else "there is no name for the merged image")
    found = [Reference.parse(text) for text in parts]
    groups = {"": found}
    if any("{repository}" in tag for tag in tags):
        groups = {name: [each for each in found if each.name == name] for name in {each.name: None for each in found}}
    git = read_git_facts(context.runner, context.cwd, env=context.env) if any("{" in tag for tag in tags) else None
    named = [(merged_names(repository, tags, git), own) for repository, own in groups.items()]
    if not all(names for names, _ in named):
        raise UsageError(
            "every tag is left out here", hint="add one that is always there, such as {repository}:{git.short}"
        )
    published: list[Published] = []
    with Clock(context.emit).phase("merge"):
        for names, own in named:
            published += merge_images(own, names, open_client=context.connect, emit=context.emit, known=context.known)
    return tuple(published)
