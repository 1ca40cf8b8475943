"""Copying into a registry: the same bytes under another name, streamed through or mounted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from cargoship.errors import UsageError
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.entries import narrowed
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.tree import read_tree
from cargoship.registry.attachments import Attached, tell_what_is_left
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access
from cargoship.registry.push import Published, PushOptions, push_tree
from cargoship.registry.source import ImageSource

OpenClient = Callable[[str, Access], RegistryClient]
"""Makes a client of a registry; who calls it closes the client."""


def copy_image(
    source: ImageSource,
    target: Reference,
    *,
    platforms: Sequence[Platform] = (),
    referrers: bool = False,
    open_client: OpenClient,
    options: PushOptions,
) -> Published:
    """Let `target` be what `source` is: an index with all that is in it, or what is for `platforms` alone (`narrowed`).

    Every digest stays, but that of an index from which something is left out. A blob that the target's registry has is
    not read, one in another repository of it is mounted, anything else goes from where it is to the registry without a
    file between. With `referrers` the signatures, SBOMs and attestations that are about any of it come along, and are
    there before a tag names it. A target without a tag is `latest`, one with a digest has to be of that digest and gets
    no tag but its own. Raises PlatformUnknown, UsageError, RegistryError's family, ContentInvalid.
    """
    root = chosen_root(source, platforms)
    if target.digest not in {None, root.descriptor.digest}:
        raise UsageError(f"{source.said} is {root.descriptor.digest}, not what {target.familiar} says")
    tags = [target.tag] if target.tag else [] if target.digest else ["latest"]
    with open_client(target.registry, Access.PUSH) as writer:
        tree = read_tree(source.content, root, source.each)
        push = functools.partial(push_tree, writer, reference=target, options=options)
        here = source.reference is not None and source.reference.name == target.name
        if not referrers or here or source.about is None:
            published = push(tree, tags=tags)
            if not here:
                tell_what_is_left(source, root.descriptor.digest, options.emit, along=False)
            return published
        copied = push(tree, tags=())
        attached = Attached(source, writer, target.repository, push, options.emit)
        more = attached.copy(blob.descriptor.digest for blob in tree.manifests())
        tell_what_is_left(source, root.descriptor.digest, options.emit, along=True)
        return replace(_sum([copied, *more]), tags=push(tree, tags=tags).tags if tags else (), referrers=len(more))


def chosen_root(source: ImageSource, platforms: Sequence[Platform]) -> BytesBlob:
    """What of a source is meant: all of it, or what is for some platforms alone; raises as `narrowed` does."""
    return narrowed(source.content, source.root, platforms, what=source.said) if platforms else source.root


def _sum(parts: Sequence[Published]) -> Published:
    """The first of them, with what all of them cost."""
    return replace(
        parts[0],
        pushed=sum(part.pushed for part in parts),
        mounted=sum(part.mounted for part in parts),
        skipped=sum(part.skipped for part in parts),
        pushed_bytes=sum(part.pushed_bytes for part in parts),
    )
