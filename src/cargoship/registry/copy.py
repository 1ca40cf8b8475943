"""Copying between registries: the same bytes under another name, streamed through or mounted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from cargoship.errors import UsageError
from cargoship.events import Emit
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.client import Access, RegistryClient
from cargoship.registry.known import BlobMemory
from cargoship.registry.push import DEFAULT_JOBS, Published, push_tree
from cargoship.registry.remote import RemoteContent
from cargoship.registry.tree import choose_image, read_tree

OpenClient = Callable[[str, Access], RegistryClient]
"""Makes a client of a registry; who calls it closes the client."""


def copy_image(
    source: Reference,
    target: Reference,
    *,
    platform: Platform | None,
    open_client: OpenClient,
    emit: Emit,
    known: BlobMemory,
    jobs: int = DEFAULT_JOBS,
) -> Published:
    """Let `target` be what `source` is: an index with all that is in it, or with `platform` that one image of it.

    Every digest stays. A blob that the target's registry has is not read, one in another repository of it is mounted,
    anything else goes from one connection to the other without a file between. A target without a tag is `latest`,
    one with a digest has to be of that digest and gets no tag but its own. Raises PlatformUnknown, UsageError,
    RegistryError's family, ContentInvalid.
    """
    with contextlib.ExitStack() as opened:
        reader = opened.enter_context(open_client(source.registry, Access.PULL))
        writer = opened.enter_context(open_client(target.registry, Access.PUSH))
        root = reader.manifest(source.repository, source.digest or source.tag or "latest")
        if platform is not None:
            root = choose_image(RemoteContent(reader, source.repository), root, platform, what=source.familiar)
        if target.digest not in {None, root.descriptor.digest}:
            raise UsageError(f"{source.familiar} is {root.descriptor.digest}, not what {target.familiar} says")
        tags = [target.tag] if target.tag else [] if target.digest else ["latest"]
        tree = read_tree(reader, source.repository, root)
        return push_tree(writer, tree, reference=target, tags=tags, emit=emit, jobs=jobs, known=known)
