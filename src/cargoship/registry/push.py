"""Pushing a tree: blobs, then configs, then manifests, then its root by digest, and only then the tags.

Whatever happens on the way, a tag names the old image or the whole new one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cargoship.errors import Forbidden, RegistryError, Unauthorized
from cargoship.events import BlobPushed, Emit, Level, Note
from cargoship.oci.descriptor import Blob, BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.known import BlobMemory, NothingKnown
from cargoship.registry.parallel import each
from cargoship.registry.referrers import attach, subject_of
from cargoship.registry.remote import RemoteBlob
from cargoship.registry.tree import Tree, tree_of
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
    referrers: int = 0
    """Manifests that came along because they are about something in it."""


@dataclass(frozen=True)
class Giver:
    """Makes a repository have blobs, each by the cheapest way: it has it, it is mounted, it is sent."""

    client: RegistryClient
    repository: str
    known: BlobMemory = field(default_factory=NothingKnown)

    def give(self, blob: Blob) -> BlobOutcome:
        """See `RegistryClient.upload`; a blob from another repository of the registry is mounted from there."""
        source = self._source(blob)
        if source is not None:
            # a token for two repositories may be refused where one for each would be given
            with contextlib.suppress(Unauthorized, Forbidden):
                return self.client.upload(self.repository, blob, mount_from=source)
        return self.client.upload(self.repository, blob)

    def _source(self, blob: Blob) -> str | None:
        registry = self.client.registry
        if isinstance(blob, RemoteBlob) and blob.registry == registry and blob.repository != self.repository:
            return blob.repository
        return self.known.source(registry, self.repository, blob.descriptor.digest)


def push_index(
    client: RegistryClient,
    index: Index,
    *,
    reference: Reference,
    tags: Sequence[str],
    emit: Emit,
    jobs: int = DEFAULT_JOBS,
    known: BlobMemory | None = None,
    done: Mapping[Digest, BlobOutcome] | None = None,
) -> Published:
    """`push_tree` of an index that is at hand."""
    tree = tree_of(index)
    return push_tree(client, tree, reference=reference, tags=tags, emit=emit, jobs=jobs, known=known, done=done)


def push_tree(
    client: RegistryClient,
    tree: Tree,
    *,
    reference: Reference,
    tags: Sequence[str],
    emit: Emit,
    jobs: int = DEFAULT_JOBS,
    known: BlobMemory | None = None,
    done: Mapping[Digest, BlobOutcome] | None = None,
) -> Published:
    """Push to the repository of `reference`, and let `tags` name the tree's root.

    `jobs` blobs travel at a time. `known` says where blobs can be mounted from, and learns what the repository has.
    `done` are blobs that the same run has already seen to. Tags that already name this root cost one request each,
    and when all do, that is all that happens. Raises RegistryError's family and ContentInvalid.
    """
    repository = reference.repository
    digest = tree.root.descriptor.digest
    tags = tuple(dict.fromkeys(tags))
    names: tuple[Digest | str, ...] = tags or (digest,)
    present = {name for name in names if client.find_manifest(repository, name) == digest}
    outcomes = dict(done or {})
    # a name for this root proves that it is there, with all that is in it; without one its digest is asked for
    if present or (tags and client.find_manifest(repository, digest) is not None):
        outcomes = {blob.descriptor.digest: BlobOutcome.EXISTS for blob in tree.blobs} | outcomes
        emit(Note(f"{reference.at(digest)} is already there", Level.VERBOSE))
    else:
        giver = Giver(client, repository, known or NothingKnown())
        _push_blobs(giver, tree, outcomes, emit, jobs)
        giver.known.remember(client.registry, repository, [blob.descriptor.digest for blob in tree.layers])
        _push_manifests(client, tree, repository, jobs)
    for tag in tags:
        if tag not in present:
            _tag(client, tree.root, repository, tag)
    return _published(reference.at(digest), tags, tree, outcomes)


def _push_blobs(giver: Giver, tree: Tree, outcomes: dict[Digest, BlobOutcome], emit: Emit, jobs: int) -> None:
    """Blobs that have no outcome yet get one."""

    def give(blob: Blob) -> tuple[Blob, BlobOutcome]:
        return blob, giver.give(blob)

    # the largest first: the last thing to finish should not be the one that takes longest
    layers = sorted(tree.layers, key=lambda blob: (-blob.descriptor.size_bytes, blob.descriptor.digest))
    for group in (layers, tree.configs):
        left = [blob for blob in group if blob.descriptor.digest not in outcomes]
        # closed at once when anything in the loop fails, so that no thread goes on
        with contextlib.closing(each(give, left, jobs=jobs, budget=giver.client.budget)) as results:
            for blob, outcome in results:
                outcomes[blob.descriptor.digest] = outcome
                emit(BlobPushed(str(blob.descriptor.digest), blob.descriptor.size_bytes, outcome.value))


def _push_manifests(client: RegistryClient, tree: Tree, repository: str, jobs: int) -> None:
    def put(manifest: BytesBlob) -> None:
        if subject_of(manifest) is None:
            client.put_manifest(repository, manifest.descriptor.digest, manifest)
        else:
            attach(client, repository, manifest)

    for wave in (*tree.waves, (tree.root,)):
        list(each(put, wave, jobs=jobs, budget=client.budget))


def _published(
    reference: Reference, tags: tuple[str, ...], tree: Tree, outcomes: Mapping[Digest, BlobOutcome]
) -> Published:
    found = [(outcomes[blob.descriptor.digest], blob.descriptor.size_bytes) for blob in tree.blobs]
    counts = Counter(outcome for outcome, _ in found)
    return Published(
        reference,
        tree.root.descriptor.digest,
        tags,
        pushed=counts[BlobOutcome.PUSHED],
        mounted=counts[BlobOutcome.MOUNTED],
        skipped=counts[BlobOutcome.EXISTS],
        pushed_bytes=sum(size_bytes for outcome, size_bytes in found if outcome is BlobOutcome.PUSHED),
    )


def _tag(client: RegistryClient, root: BytesBlob, repository: str, tag: str) -> None:
    """Move a tag; some registries refuse to move one that already names the same root, which is no failure."""
    try:
        client.put_manifest(repository, tag, root)
    except RegistryError:
        if _names(client, root, repository, tag):
            return
        raise


def _names(client: RegistryClient, root: BytesBlob, repository: str, tag: str) -> bool:
    try:
        return client.find_manifest(repository, tag) == root.descriptor.digest
    except RegistryError:
        return False
