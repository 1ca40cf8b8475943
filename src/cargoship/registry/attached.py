"""Copying what is about images and is in none of them: signatures, SBOMs, attestations.

Two conventions: manifests with a subject (distribution-spec 1.1, "Listing Referrers"), and cosign's tags that are made
of the subject's digest (sigstore/cosign, specs/SIGNATURE_SPEC.md, "Signature Discovery").
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from cargoship.errors import ContentInvalid
from cargoship.events import Emit, Level, Note
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, BytesBlob
from cargoship.oci.digest import Digest
from cargoship.registry.client import RegistryClient
from cargoship.registry.parallel import each
from cargoship.registry.push import Published
from cargoship.registry.referrers import enlist, fallback_tag, list_referrers
from cargoship.registry.tree import Tree, read_tree

_COSIGN = ("sig", "att", "sbom")
_MANIFESTS_MAX = 1000
_JOBS = 4


class Push(Protocol):
    """Pushes a tree to the target."""

    def __call__(self, tree: Tree, *, tags: tuple[str, ...]) -> Published:
        """See `push_tree`."""
        ...


@dataclass(frozen=True)
class _Found:
    """A manifest that is about another one; `tag` is the name by which it is found, None: by its subject."""

    manifest: BytesBlob
    tag: str | None = None


@dataclass(frozen=True)
class Attached:
    """What is about manifests of one repository, on its way to another; `push` pushes there."""

    reader: RegistryClient
    source: str
    writer: RegistryClient
    target: str
    push: Push
    emit: Emit

    def copy(self, subjects: Iterable[Digest]) -> list[Published]:
        """Copy what is about these, what is about that, and so on; one result for each manifest.

        Raises RegistryError's family, and ContentInvalid for more than anybody attaches.
        """
        done: list[Published] = []
        seen = set(subjects)
        wave = sorted(seen)
        while wave:
            answers = each(self._about, wave, jobs=_JOBS, budget=self.reader.budget)
            found = list(itertools.chain.from_iterable(answers))
            new = {one.manifest.descriptor.digest for one in found} - seen
            seen |= new
            if len(seen) > _MANIFESTS_MAX:
                raise ContentInvalid(f"more is attached to what is in {self.source} than is accepted")
            # in an order that does not depend on which answer came first
            found.sort(key=lambda one: (one.manifest.descriptor.digest, one.tag or ""))
            done += [self._give(one) for one in found]
            wave = sorted(new)
        return done

    def _about(self, subject: Digest) -> list[_Found]:
        return [*self._referrers(subject), *self._tagged(subject)]

    def _referrers(self, subject: Digest) -> Iterator[_Found]:
        for entry in list_referrers(self.reader, self.source, subject):
            known = entry.media_type in INDEX_TYPES | MANIFEST_TYPES
            # the list under a fallback tag may name what was deleted since
            if known and self.reader.find_manifest(self.source, entry.digest) is not None:
                yield _Found(self.reader.manifest(self.source, entry.digest))
            else:
                why = "is not there" if known else f"is {entry.media_type}, which is not known"
                self.emit(Note(f"{entry.digest}, which refers to {subject}, is left out: it {why}", Level.WARNING))

    def _tagged(self, subject: Digest) -> Iterator[_Found]:
        for kind in _COSIGN:
            tag = f"{fallback_tag(subject)}.{kind}"
            if self.reader.find_manifest(self.source, tag) is not None:
                yield _Found(self.reader.manifest(self.source, tag), tag)

    def _give(self, found: _Found) -> Published:
        tree = read_tree(self.reader, self.source, found.manifest)
        if found.tag is None:
            published = self.push(tree, tags=())
            enlist(self.writer, self.target, found.manifest)
            return published
        before = self.writer.find_manifest(self.target, found.tag)
        if before not in {None, found.manifest.descriptor.digest}:
            name = f"{self.writer.registry}/{self.target}:{found.tag}"
            self.emit(Note(f"{name} was {before} and is replaced", Level.WARNING))
        return self.push(tree, tags=(found.tag,))
