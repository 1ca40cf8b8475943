"""Images that exist already, merged into one for many platforms, under names that git may have a word in."""

from __future__ import annotations

from collections.abc import Sequence

from cargoship.cargo.git import read_git_facts
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.oci.reference import Reference
from cargoship.plan.describe import merged_names
from cargoship.registry.merge import merge_images
from cargoship.registry.push import Published


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
