"""Images that exist already, merged into one for many platforms, under names that git may have a word in."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from cargoship.cargo.git import read_git_facts
from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.images.merge_provenance import witness_of_merge
from cargoship.images.opening import open_image
from cargoship.images.sboms import sboms_of_index
from cargoship.oci.target import ImageTarget, RegistryTarget
from cargoship.plan.describe import merged_names
from cargoship.registry.merge import merge_images
from cargoship.registry.push import Published, PushOptions
from cargoship.settings.attesting import parse_signer
from cargoship.signing.signer import open_signer


def merge(
    parts: Sequence[str], tags: Sequence[str], context: Context, *, sign: str | None = None
) -> tuple[Published, ...]:
    """Let each of `tags` be an index of what `parts` name; raises as `merge_images` does, and SigningFailed.

    Provenance says of the index what it is made of; `sign` is who signs it, as the setting has it.

    Where a tag has `{repository}` in it, there is one index for each repository of the parts. What git knows of the
    current folder fills in other placeholders.
    """
    if not parts or not tags:
        raise UsageError("there is nothing to merge" if not parts else "there is no name for the merged image")
    found = [ImageTarget.parse(text, context.cwd) for text in parts]
    groups: dict[str, list[ImageTarget]] = {"": found}
    if any("{repository}" in tag for tag in tags):
        groups = _by_repository(found)
    git = None
    if any("{" in tag for tag in tags):
        git = read_git_facts(context.runner, context.cwd, env=context.env, tell=context.emit)
    named = [(merged_names(repository, tags, git), own) for repository, own in groups.items()]
    if not all(names for names, _ in named):
        raise UsageError(
            "every tag is left out here", hint="add one that is always there, such as {repository}:{git.short}"
        )
    signer = None if sign is None else open_signer(parse_signer(sign), env=context.env, cwd=context.cwd)
    published: list[Published] = []
    with Clock(context.emit).phase("merge"):
        for names, own in named:
            with contextlib.ExitStack() as stack:
                sources = [stack.enter_context(open_image(each, context)) for each in own]
                published += merge_images(
                    sources, names,
                    open_client=context.connect, options=PushOptions(context.emit, context.mount_sources),
                    describe=sboms_of_index, speak=witness_of_merge(sources, context, signer),
                )  # fmt: skip
    return tuple(published)


def _by_repository(targets: Sequence[ImageTarget]) -> dict[str, list[ImageTarget]]:
    groups: dict[str, list[ImageTarget]] = {}
    for each in targets:
        if not isinstance(each, RegistryTarget):
            raise UsageError(
                "{repository} in a tag stands for the repositories of parts that are in one",
                hint="name the repository in the tag, or the parts by their references",
            )
        groups.setdefault(each.reference.name, []).append(each)
    return groups
