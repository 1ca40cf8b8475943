"""Copying what is about images and is in none of them: signatures, SBOMs, attestations.

Two conventions: manifests with a subject (distribution-spec 1.1, "Listing Referrers"), and cosign's tags that are made
of the subject's digest (sigstore/cosign, specs/SIGNATURE_SPEC.md, "Signature Discovery").
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from cargoship.errors import ContentInvalid, RegistryError
from cargoship.events import Emit, Level, Note
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob
from cargoship.oci.digest import Digest
from cargoship.oci.reference import is_tag
from cargoship.oci.referrer import Referrer
from cargoship.oci.tree import ManifestTree, read_tree
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import Published
from cargoship.registry.referrers import as_listed, enlist, list_referrers
from cargoship.registry.source import ImageSource

COSIGN = ("sig", "att", "sbom")
"""What cosign before 3 puts after a subject's digest in the tags of what it says about it."""
_MANIFESTS_MAX = 1000


class Push(Protocol):
    """Pushes a tree to the target."""

    def __call__(self, tree: ManifestTree, *, tags: tuple[str, ...]) -> Published:
        """See `push_tree`."""
        ...


class Attachment(Struct, frozen=True):
    """A manifest that is about another one; `tag` is the name by which it is found, None: by its subject."""

    manifest: BytesBlob
    tag: str | None = None


class Attached(Struct, frozen=True):
    """What is about manifests of a source, on its way to a repository; `push` pushes there."""

    source: ImageSource
    writer: RegistryClient
    target: str
    push: Push
    emit: Emit

    def copy(self, subjects: Iterable[Digest]) -> list[Published]:
        """Copy what is about these, what is about that, and so on; one result for each manifest.

        Raises RegistryError's family, and ContentInvalid for more than anybody attaches.
        """
        return [self._give(one) for wave in attached_to(self.source, subjects) for one in wave]

    def _give(self, found: Attachment) -> Published:
        tree = read_tree(self.source.content, found.manifest, self.source.each)
        if found.tag is None:
            published = self.push(tree, tags=())
            enlist(self.writer, self.target, found.manifest)
            return published
        digest = found.manifest.descriptor.digest
        before = self.writer.find_manifest(self.target, found.tag, algorithm=digest.algorithm)
        if before not in {None, digest}:
            name = f"{self.writer.registry}/{self.target}:{found.tag}"
            self.emit(Note(f"{name} was {before} and is replaced", Level.WARNING))
        return self.push(tree, tags=(found.tag,))


def attached_to(source: ImageSource, subjects: Iterable[Digest]) -> Iterator[list[Attachment]]:
    """What is about these manifests, then what is about that, and so on, in an order that is always the same.

    Raises as the source does, and ContentInvalid for more than anybody attaches.
    """
    about = source.about
    seen = set(subjects)
    wave = sorted(seen)

    def of(subject: Digest) -> list[Attachment]:
        return [] if about is None else [Attachment(*each_one) for each_one in about(subject)]

    while wave:
        found = list(itertools.chain.from_iterable(source.each(of, wave)))
        new = {one.manifest.descriptor.digest for one in found} - seen
        seen |= new
        if len(seen) > _MANIFESTS_MAX:
            raise ContentInvalid(f"more is attached to what is in {source.said} than is accepted")
        # in an order that does not depend on which answer came first
        yield sorted(found, key=lambda one: (one.manifest.descriptor.digest, one.tag or ""))
        wave = sorted(new)


def referrers_of(source: ImageSource, subjects: Iterable[Digest]) -> tuple[Referrer, ...]:
    """What is said about these manifests, and about that, with all that it takes; raises as `attached_to` does."""
    return tuple(
        Referrer(read_tree(source.content, as_listed(one.manifest), source.each), one.tag)
        for wave in attached_to(source, subjects)
        for one in wave
    )


def tell_what_is_left(source: ImageSource, root: Digest, emit: Emit, *, along: bool) -> None:
    """Say that something is about an image, or about the whole that it is a part of, and does not go along.

    `along` is whether what is about the image itself does. No more is asked than whether there is anything, and where a
    registry does not answer nothing is said: what was to be copied is copied.
    """
    whole = source.root.descriptor.digest
    with contextlib.suppress(RegistryError, ContentInvalid):
        if not along and _is_something(source, root):
            text = f"left behind: signatures, SBOMs or attestations of {source.said}; --referrers takes them along"
        elif root != whole and _is_something(source, whole):
            text = f"left behind: signatures, SBOMs or attestations of all of {source.said}, of which this is a part"
        else:
            return
        emit(Note(text))


def _is_something(source: ImageSource, subject: Digest) -> bool:
    return source.about is not None and any(True for _ in source.about(subject))


class RegistryAttachments(Struct, frozen=True):
    """What a registry has about manifests of a repository: `Attachments` of a source."""

    client: RegistryClient
    repository: str
    emit: Emit

    def __call__(self, subject: Digest, /) -> Iterator[tuple[BytesBlob, str | None]]:
        """See `Attachments`; raises RegistryError's family, ContentInvalid."""
        for entry in list_referrers(self.client, self.repository, subject):
            known = entry.media_type in INDEX_TYPES | MANIFEST_TYPES
            # the list under a fallback tag may name what was deleted since
            if known and self.client.find_manifest(self.repository, entry.digest) is not None:
                yield self.client.manifest(self.repository, entry.digest), None
            else:
                why = "is not there" if known else f"is {entry.media_type}, which is not known"
                self.emit(Note(f"{entry.digest}, which refers to {subject}, is left out: it {why}", Level.WARNING))
        for kind in COSIGN:
            tag = f"{subject.algorithm}-{subject.hex}.{kind}"
            if is_tag(tag) and self.client.find_manifest(self.repository, tag) is not None:
                yield self.client.manifest(self.repository, tag), tag
