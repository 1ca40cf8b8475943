"""Pushing a tree: blobs, then configs, then manifests, then its root by digest, and only then the tags.

Whatever happens on the way, a tag names the old image or the whole new one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from cargoship.errors import RegistryError, RegistryRefused
from cargoship.events import BlobPushed, BlobQueued, Emit, Level, Note
from cargoship.http.parallel import each
from cargoship.oci.descriptor import Blob, BytesBlob
from cargoship.oci.digest import SHA256, Digest
from cargoship.oci.index import Index
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.oci.tree import ManifestTree, tree_of
from cargoship.registry.client import RegistryClient
from cargoship.registry.mount_sources import MountSources, NoMountSources
from cargoship.registry.referrers import attach, subject_of
from cargoship.registry.remote import RemoteBlob
from cargoship.registry.testimony import (
    NothingPresent,
    RegistryPresent,
    Testimony,
    Witness,
    push_about,
    push_tagged,
)
from cargoship.registry.upload import BlobOutcome

DEFAULT_JOBS = 4


class PushOptions(Struct, frozen=True):
    """How pushes of one run go, whatever is pushed and wherever to."""

    emit: Emit
    mount_sources: MountSources = field(default_factory=NoMountSources)
    """Says where blobs can be mounted from, and learns what a repository has."""
    jobs: int = DEFAULT_JOBS
    """How many blobs travel at a time."""


class Published(Struct, frozen=True):
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
    changed: bool = True
    """Whether the repository did not have this image before, or a tag named another one."""


class BlobUploader(Struct, frozen=True):
    """Makes a repository have blobs, each by the cheapest way: it has it, it is mounted, it is sent."""

    client: RegistryClient
    repository: str
    mount_sources: MountSources = field(default_factory=NoMountSources)

    def upload(self, blob: Blob) -> BlobOutcome:
        """See `RegistryClient.upload`; a blob from another repository of the registry is mounted from there."""
        # of a file the size is seen; a blob that stays in its registry has the size that a manifest gives it
        hearsay = isinstance(blob, RemoteBlob)
        return self.client.upload(self.repository, blob, mount_from=self._source(blob), hearsay=hearsay)

    def _source(self, blob: Blob) -> str | None:
        registry = self.client.registry
        if isinstance(blob, RemoteBlob) and blob.registry == registry and blob.repository != self.repository:
            return blob.repository
        return self.mount_sources.source(registry, self.repository, blob.descriptor.digest)


def push_index(
    client: RegistryClient,
    index: Index,
    *,
    reference: Reference,
    tags: Sequence[str],
    options: PushOptions,
    done: Mapping[Digest, BlobOutcome] | None = None,
    about: Sequence[Referrer] = (),
    witness: Witness | None = None,
) -> Published:
    """`push_tree` of an index that is at hand."""
    tree = tree_of(index)
    return push_tree(
        client,
        tree,
        reference=reference,
        tags=tags,
        options=options,
        done=done,
        about=about,
        witness=witness,
    )


def push_tree(
    client: RegistryClient,
    tree: ManifestTree,
    *,
    reference: Reference,
    tags: Sequence[str],
    options: PushOptions,
    done: Mapping[Digest, BlobOutcome] | None = None,
    about: Sequence[Referrer] = (),
    witness: Witness | None = None,
) -> Published:
    """Push to the repository of `reference`, and let `tags` name the tree's root.

    `done` are blobs that the same run has already seen to. What is said `about` the tree is there before a tag is. Tags
    that already name this root cost one request each, and so does what is there already. Raises RegistryError's family
    and ContentInvalid.
    """
    repository, emit, jobs = reference.repository, options.emit, options.jobs
    digest = tree.root.descriptor.digest
    tags = tuple(dict.fromkeys(tags))
    names: tuple[Digest | str, ...] = tags or (digest,)
    named = {name: client.find_manifest(repository, name, algorithm=digest.algorithm) for name in names}
    present = {name for name, found in named.items() if found == digest}
    moved = any(found not in {None, digest} for found in named.values())
    outcomes = dict(done or {})
    root = tree.root
    # a name for this root proves that it is there, with all that is in it; without one its digest is asked for
    there = bool(present) or (bool(tags) and client.find_manifest(repository, digest) is not None)
    subjects = [digest, *(manifest.descriptor.digest for wave in tree.waves for manifest in wave)]
    known = RegistryPresent(client, repository, subjects, about, jobs)
    said = Testimony() if witness is None else witness.testify(reference, known if there else NothingPresent())
    if there:
        outcomes = {blob.descriptor.digest: BlobOutcome.EXISTS for blob in tree.blobs()} | outcomes
        root = _as_it_is_there(client, root, repository)
        emit(Note(f"{reference.at(root.descriptor.digest)} is already there", Level.VERBOSE))
    else:
        uploader = BlobUploader(client, repository, options.mount_sources)
        client.take_on_trust(repository, [blob for blob in tree.blobs() if _was_there(blob, outcomes)])
        _push_blobs(uploader, tree, outcomes, emit, jobs)
        uploader.mount_sources.remember(client.registry, repository, [blob.descriptor.digest for blob in tree.layers])
        _push_manifests(client, tree, repository, jobs)
        root = _push_root(client, root, reference, emit)
    push_about(client, repository, known.missing((*about, *said.referrers)), jobs)
    push_tagged(client, repository, said)
    for tag in tags:
        if tag not in present:
            _tag(client, root, repository, tag)
    return _published(reference.at(root.descriptor.digest), tags, tree, outcomes, changed=moved or not there)


def _was_there(blob: Blob, outcomes: Mapping[Digest, BlobOutcome]) -> bool:
    return outcomes.get(blob.descriptor.digest, BlobOutcome.PUSHED) is not BlobOutcome.PUSHED


def _push_blobs(
    uploader: BlobUploader, tree: ManifestTree, outcomes: dict[Digest, BlobOutcome], emit: Emit, jobs: int
) -> None:
    """Blobs that have no outcome yet get one."""

    def upload(blob: Blob) -> tuple[Blob, BlobOutcome]:
        return blob, uploader.upload(blob)

    # the largest first: the last thing to finish should not be the one that takes longest
    layers = sorted(tree.layers, key=lambda blob: (-blob.descriptor.size_bytes, blob.descriptor.digest))
    for blob in (*layers, *tree.configs):
        if blob.descriptor.digest not in outcomes:
            emit(BlobQueued(str(blob.descriptor.digest), blob.descriptor.size_bytes))
    for group in (layers, tree.configs):
        left = [blob for blob in group if blob.descriptor.digest not in outcomes]
        # closed at once when anything in the loop fails, so that no thread goes on
        with contextlib.closing(each(upload, left, jobs=jobs, budget=uploader.client.budget)) as results:
            for blob, outcome in results:
                outcomes[blob.descriptor.digest] = outcome
                emit(BlobPushed(str(blob.descriptor.digest), blob.descriptor.size_bytes, outcome.value))


def _push_manifests(client: RegistryClient, tree: ManifestTree, repository: str, jobs: int) -> None:
    """All but the root."""

    def put(manifest: BytesBlob) -> None:
        try:
            _put(client, repository, manifest)
        except RegistryRefused as error:
            algorithm = manifest.descriptor.digest.algorithm
            if algorithm == SHA256:
                raise
            hint = f"{client.registry} may take no manifests by {algorithm}, and an index names this one so"
            raise RegistryRefused(error.message, hint=hint) from error

    for wave in tree.waves:
        list(each(put, wave, jobs=jobs, budget=client.budget))


def _push_root(client: RegistryClient, root: BytesBlob, reference: Reference, emit: Emit) -> BytesBlob:
    """Push what is on top, which nothing names: as the registry takes it, but for the digest that is asked for.

    Most registries take manifests by sha256 alone (distribution/distribution#4420).
    """
    try:
        _put(client, reference.repository, root)
    except RegistryRefused:
        if root.descriptor.digest.algorithm == SHA256 or reference.digest is not None:
            raise
        usual = _usual(root)
        _put(client, reference.repository, usual)
        emit(
            Note(
                f"{client.registry} takes no manifest as {root.descriptor.digest.brief}...: "
                f"{reference.repository} has it as {usual.descriptor.digest}",
                Level.WARNING,
            )
        )
        return usual
    return root


def _put(client: RegistryClient, repository: str, manifest: BytesBlob) -> None:
    if subject_of(manifest) is None:
        client.put_manifest(repository, manifest.descriptor.digest, manifest)
    else:
        attach(client, repository, manifest)


def _as_it_is_there(client: RegistryClient, root: BytesBlob, repository: str) -> BytesBlob:
    """A root that a tag names, by a digest under which the registry has it."""
    digest = root.descriptor.digest
    present = digest.algorithm == SHA256 or client.find_manifest(repository, digest) is not None
    return root if present else _usual(root)


def _usual(manifest: BytesBlob) -> BytesBlob:
    """The same manifest by the algorithm that every registry knows."""
    return BytesBlob.of(manifest.descriptor.media_type, manifest.data)


def _published(
    reference: Reference,
    tags: tuple[str, ...],
    tree: ManifestTree,
    outcomes: Mapping[Digest, BlobOutcome],
    *,
    changed: bool,
) -> Published:
    found = [(outcomes[blob.descriptor.digest], blob.descriptor.size_bytes) for blob in tree.blobs()]
    counts = Counter(outcome for outcome, _ in found)
    return Published(
        reference,
        reference.digest or tree.root.descriptor.digest,
        tags,
        pushed=counts[BlobOutcome.PUSHED],
        mounted=counts[BlobOutcome.MOUNTED],
        skipped=counts[BlobOutcome.EXISTS],
        pushed_bytes=sum(size_bytes for outcome, size_bytes in found if outcome is BlobOutcome.PUSHED),
        changed=changed,
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
        digest = root.descriptor.digest
        return client.find_manifest(repository, tag, algorithm=digest.algorithm) == digest
    except RegistryError:
        return False
