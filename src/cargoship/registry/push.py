"""Pushing an index: blobs, then configs, then manifests, then the index by its digest, and only then the tags.

Whatever happens on the way, a tag names the old image or the whole new one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cargoship.errors import RegistryError
from cargoship.events import BlobPushed, Emit, Level, Note
from cargoship.oci.descriptor import Blob, BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.parallel import each
from cargoship.registry.upload import BlobOutcome

DEFAULT_JOBS = 4


@dataclass(frozen=True)
class Published:
    """What a push left in a registry: `reference` is repository@digest; the counts are of blobs."""

    reference: Reference
    digest: Digest
    tags: tuple[str, ...]
    pushed: int = 0
    mounted: int = 0
    skipped: int = 0
    pushed_bytes: int = 0


def push_index(
    client: RegistryClient,
    index: Index,
    *,
    reference: Reference,
    tags: Sequence[str],
    emit: Emit,
    jobs: int = DEFAULT_JOBS,
    mount_from: str | None = None,
) -> Published:
    """Push to the repository of `reference`, and let `tags` name the index.

    `jobs` blobs travel at a time. `mount_from` is a repository of the same registry whose blobs may be mounted.
    Tags that already name this index cost one request each, and when all do, that is all that happens. Raises
    RegistryError's family and ContentInvalid.
    """
    repository = reference.repository
    tags = tuple(dict.fromkeys(tags))
    names: tuple[Digest | str, ...] = tags or (index.digest,)
    present = {name for name in names if client.find_manifest(repository, name) == index.digest}
    # a name for this index proves that it is there, with all that is in it; without one its digest is asked for
    if present or (tags and client.find_manifest(repository, index.digest) is not None):
        outcomes, pushed_bytes = Counter({BlobOutcome.EXISTS: len(list(index.blobs()))}), 0
        emit(Note(f"{reference.at(index.digest)} is already there", Level.VERBOSE))
    else:
        outcomes, pushed_bytes = _push_content(client, index, repository, emit, jobs, mount_from)
    for tag in tags:
        if tag not in present:
            _tag(client, index, repository, tag)
    return Published(
        reference.at(index.digest),
        index.digest,
        tags,
        pushed=outcomes[BlobOutcome.PUSHED],
        mounted=outcomes[BlobOutcome.MOUNTED],
        skipped=outcomes[BlobOutcome.EXISTS],
        pushed_bytes=pushed_bytes,
    )


def _push_content(
    client: RegistryClient, index: Index, repository: str, emit: Emit, jobs: int, mount_from: str | None
) -> tuple[Counter[BlobOutcome], int]:
    """Everything but the tags."""
    outcomes: Counter[BlobOutcome] = Counter()
    pushed_bytes = 0

    def upload(blob: Blob) -> tuple[Blob, BlobOutcome]:
        return blob, client.upload(repository, blob, mount_from=mount_from)

    configs = {image.config_blob.descriptor.digest for image in index.images()}
    blobs = list(index.blobs())
    layers = [blob for blob in blobs if blob.descriptor.digest not in configs]
    # the largest first: the last thing to finish should not be the one that takes longest
    layers.sort(key=lambda blob: (-blob.descriptor.size_bytes, blob.descriptor.digest))
    for group in (layers, [blob for blob in blobs if blob.descriptor.digest in configs]):
        # closed at once when anything in the loop fails, so that no thread goes on
        with contextlib.closing(each(upload, group, jobs=jobs, budget=client.budget)) as results:
            for blob, outcome in results:
                outcomes[outcome] += 1
                size_bytes = blob.descriptor.size_bytes
                pushed_bytes += size_bytes if outcome is BlobOutcome.PUSHED else 0
                emit(BlobPushed(str(blob.descriptor.digest), size_bytes, outcome.value))

    def put(manifest: BytesBlob) -> None:
        client.put_manifest(repository, manifest.descriptor.digest, manifest)

    *manifests, top = index.manifests()
    nested = {inner.digest for inner in _nested(index)}
    images = [blob for blob in manifests if blob.descriptor.digest not in nested]
    list(each(put, images, jobs=jobs, budget=client.budget))
    # an index has to come after what it names, and that may be another index
    for manifest in manifests:
        if manifest.descriptor.digest in nested:
            put(manifest)
    put(top)
    return outcomes, pushed_bytes


def _nested(index: Index) -> list[Index]:
    return [found for inner in index.nested for found in (inner, *_nested(inner))]


def _tag(client: RegistryClient, index: Index, repository: str, tag: str) -> None:
    """Move a tag; some registries refuse to move one that already names the same index, which is no failure."""
    try:
        client.put_manifest(repository, tag, index.blob)
    except RegistryError:
        if _names(client, index, repository, tag):
            return
        raise


def _names(client: RegistryClient, index: Index, repository: str, tag: str) -> bool:
    try:
        return client.find_manifest(repository, tag) == index.digest
    except RegistryError:
        return False
