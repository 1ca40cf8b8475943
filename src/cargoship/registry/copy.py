"""Copying between registries: the same bytes under another name, streamed through or mounted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

from cargoship.errors import UsageError
from cargoship.events import Emit
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.attached import Attached
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.entries import narrowed
from cargoship.registry.known import BlobMemory
from cargoship.registry.push import DEFAULT_JOBS, Published, push_tree
from cargoship.registry.remote import RemoteContent
from cargoship.registry.tree import read_tree

OpenClient = Callable[[str, Access], RegistryClient]
"""Makes a client of a registry; who calls it closes the client."""


def copy_image(
    source: Reference,
    target: Reference,
    *,
    platforms: Sequence[Platform] = (),
    referrers: bool = False,
    open_client: OpenClient,
    emit: Emit,
    known: BlobMemory,
    jobs: int = DEFAULT_JOBS,
) -> Published:
    """Let `target` be what `source` is: an index with all that is in it, or what is for `platforms` alone (`narrowed`).

    Every digest stays, but that of an index from which something is left out. A blob that the target's registry has is
    not read, one in another repository of it is mounted, anything else goes from one connection to the other without a
    file between. With `referrers` the signatures, SBOMs and attestations that are about any of it come along, and are
    there before a tag names it. A target without a tag is `latest`, one with a digest has to be of that digest and gets
    no tag but its own. Raises PlatformUnknown, UsageError, RegistryError's family, ContentInvalid.
    """
    with contextlib.ExitStack() as opened:
        reader = opened.enter_context(open_client(source.registry, Access.PULL))
        writer = opened.enter_context(open_client(target.registry, Access.PUSH))
        root = reader.manifest(source.repository, source.digest or source.tag or "latest")
        if platforms:
            root = narrowed(RemoteContent(reader, source.repository), root, platforms, what=source.familiar)
        if target.digest not in {None, root.descriptor.digest}:
            raise UsageError(f"{source.familiar} is {root.descriptor.digest}, not what {target.familiar} says")
        tags = [target.tag] if target.tag else [] if target.digest else ["latest"]
        tree = read_tree(reader, source.repository, root)
        push = functools.partial(push_tree, writer, reference=target, emit=emit, jobs=jobs, known=known)
        if not referrers or source.name == target.name:
            return push(tree, tags=tags)
        copied = push(tree, tags=())
        attached = Attached(reader, source.repository, writer, target.repository, push, emit)
        more = attached.copy(blob.descriptor.digest for blob in tree.manifests)
        return replace(_sum([copied, *more]), tags=push(tree, tags=tags).tags if tags else (), referrers=len(more))


def _sum(parts: Sequence[Published]) -> Published:
    """The first of them, with what all of them cost."""
    return replace(
        parts[0],
        pushed=sum(part.pushed for part in parts),
        mounted=sum(part.mounted for part in parts),
        skipped=sum(part.skipped for part in parts),
        pushed_bytes=sum(part.pushed_bytes for part in parts),
    )
