"""What is said about an image when it is pushed: known when it is known what a repository has already.

Documents that are the same each time (SBOMs) are pushed as trees. What differs from run to run
(provenance) or is made for one repository (signatures) is made here, by a witness who sees what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from msgspec import Struct, structs

from cargoship.errors import ContentInvalid
from cargoship.http.parallel import each
from cargoship.oci.descriptor import MANIFEST_TYPES, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import Manifest, decode_manifest, encode_json, encode_manifest
from cargoship.oci.reference import Reference
from cargoship.oci.referrer import Referrer
from cargoship.printable import printable
from cargoship.registry.client import RegistryClient
from cargoship.registry.referrers import attach_all, listed_by_api, listed_by_tag, subject_of
from cargoship.registry.shared_tag import settle


class Present(Protocol):
    """What a repository has about manifests of it."""

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """What refers to it; raises RegistryError's family, ContentInvalid."""
        ...

    def tagged(self, subject: Digest, suffix: str) -> Sequence[Descriptor]:
        """The layers under the tag that cosign makes of a digest (`.sig`, `.att`); raises as `referrers`."""
        ...


class TaggedLayers(Struct, frozen=True):
    """Documents under cosign's tag for a subject (sigstore/cosign, specs/SIGNATURE_SPEC.md); others' stay there.

    What tells two apart is in their digests and annotations.
    """

    subject: Digest
    suffix: str
    layers: tuple[BytesBlob, ...]
    """With their annotations in the descriptors."""


class Testimony(Struct, frozen=True):
    """What is to be added."""

    referrers: tuple[Referrer, ...] = ()
    tagged: tuple[TaggedLayers, ...] = ()


class Witness(Protocol):
    """Says what is to be said of an image in a repository."""

    def testify(self, repository: Reference, present: Present) -> Testimony:
        """What is not said there yet; raises what making it raises: SigningFailed, OSError."""
        ...


class NothingPresent(Struct, frozen=True):
    """What a repository has about an image that it has not."""

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:  # noqa: ARG002 - the protocol's
        """See `Present`."""
        return ()

    def tagged(self, subject: Digest, suffix: str) -> Sequence[Descriptor]:  # noqa: ARG002 - the protocol's
        """See `Present`."""
        return ()


class RegistryPresent:
    """What a registry says that it has.

    Who asks what refers to one of the manifests of an image asks of the others too, and whether what is said `about`
    the image is there: all of it is asked at once, `jobs` questions at a time. The first answer tells whether the
    registry keeps lists of its own.
    """

    def __init__(
        self,
        client: RegistryClient,
        repository: str,
        subjects: Sequence[Digest] = (),
        about: Sequence[Referrer] = (),
        jobs: int = 1,
    ) -> None:
        self._client = client
        self._repository = repository
        self._subjects = subjects
        self._about = about
        self._jobs = jobs
        self._known: dict[Digest, Sequence[Descriptor]] = {}
        self._names: dict[Digest | str, Digest | None] = {}
        self._keeps_lists = True

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """See `Present`."""
        if not self._known:
            self._ask((subject, *self._subjects), self._about)
        self._ask((subject,), ())
        return self._known[subject]

    def missing(self, about: Sequence[Referrer]) -> list[Referrer]:
        """What of it is not there; raises as `referrers`."""
        self._ask((), about)
        return [said for said in about if self._names[_name(said)] != said.descriptor.digest]

    def _ask(self, subjects: Sequence[Digest], about: Sequence[Referrer]) -> None:
        """What is not known yet, of these manifests."""

        def refer(subject: Digest) -> None:
            found = listed_by_api(self._client, self._repository, subject) if self._keeps_lists else None
            self._keeps_lists = found is not None
            # one that gives an empty list may keep none
            self._known[subject] = found or listed_by_tag(self._client, self._repository, subject)

        def find(name: Digest | str) -> None:
            self._names[name] = self._client.find_manifest(self._repository, name)

        lists = [partial(refer, subject) for subject in dict.fromkeys(subjects) if subject not in self._known]
        names = [partial(find, name) for name in dict.fromkeys(map(_name, about)) if name not in self._names]
        # the answer to the first tells how the other lists are asked for
        questions = [*lists[:1], *names, *lists[1:]]
        for _ in each(_call, questions, jobs=self._jobs, budget=self._client.budget):
            pass

    def tagged(self, subject: Digest, suffix: str) -> Sequence[Descriptor]:
        """See `Present`."""
        return _layers(self._client, self._repository, cosign_tag(subject, suffix))


def cosign_tag(subject: Digest, suffix: str) -> str:
    """The tag that cosign looks under for what is about a digest."""
    return f"{subject.algorithm}-{subject.hex}.{suffix}"


def _name(said: Referrer) -> Digest | str:
    """What to ask a registry for."""
    return said.tag or said.descriptor.digest


def _call(question: Callable[[], None]) -> None:
    question()


def push_about(client: RegistryClient, repository: str, new: Sequence[Referrer], jobs: int) -> None:
    """Push what is said about manifests that are there, and is not there itself (`RegistryPresent.missing`)."""

    def put(group: Sequence[Referrer]) -> None:
        for said in group:
            if said.tag is not None:
                client.put_manifest(repository, said.tag, said.tree.root)
        attach_all(client, repository, [said.tree.root for said in group if said.tag is None])

    parallel = partial(each, jobs=jobs, budget=client.budget)
    # most have the same empty config, which a registry may not take from two at once
    blobs = {blob.descriptor.digest: blob for said in new for blob in said.tree.blobs()}
    list(parallel(partial(client.upload, repository), tuple(blobs.values())))
    # where a registry keeps no lists, changing one takes long: all that is about one manifest goes at once
    groups: dict[Digest | None, list[Referrer]] = {}
    for said in new:
        groups.setdefault(None if said.tag is not None else subject_of(said.tree.root), []).append(said)
    list(parallel(put, tuple(groups.values())))


def push_tagged(client: RegistryClient, repository: str, said: Testimony) -> None:
    """Push what a witness has said under tags; raises RegistryError's family, ContentInvalid."""
    for one in said.tagged:
        _push_tagged(client, repository, one)


class _SharedLayers(Struct, frozen=True):
    """Cosign's manifest for one subject, that is to have certain layers."""

    client: RegistryClient
    repository: str
    tag: str
    wanted: tuple[BytesBlob, ...]

    def read(self) -> Manifest | None:
        return _tagged(self.client, self.repository, self.tag)

    def entries(self, found: Manifest | None) -> Sequence[Descriptor]:
        return () if found is None else found.layers

    def mended(self, found: Manifest | None) -> Manifest | None:
        there = self.entries(found)
        known = {_identity(layer) for layer in there}
        new = [blob.descriptor for blob in self.wanted if _identity(blob.descriptor) not in known]
        if not new:
            return None
        layers = (*there, *new)
        config = _config_of(layers).descriptor
        if found is None:
            return Manifest(MediaType.OCI_MANIFEST, config, layers)
        return structs.replace(found, media_type=MediaType.OCI_MANIFEST, config=config, layers=layers)

    def write(self, made: Manifest | None) -> None:
        if made is None:
            return
        for blob in (*self.wanted, _config_of(made.layers)):
            self.client.upload(self.repository, replace(blob, descriptor=replace(blob.descriptor, annotations={})))
        manifest = BytesBlob.of(MediaType.OCI_MANIFEST, encode_manifest(made))
        self.client.put_manifest(self.repository, self.tag, manifest)


def _push_tagged(client: RegistryClient, repository: str, one: TaggedLayers) -> None:
    tag = cosign_tag(one.subject, one.suffix)
    shared = _SharedLayers(client, repository, tag, one.layers)
    settle(shared, client.budget, subject=one.subject, what=f"{client.registry}/{repository}:{tag}")


def _identity(layer: Descriptor) -> tuple[object, ...]:
    return layer.digest, tuple(sorted(layer.annotations.items()))


def _config_of(layers: Sequence[Descriptor]) -> BytesBlob:
    rootfs = {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]}
    document = {"architecture": "", "config": {}, "os": "", "rootfs": rootfs}
    return BytesBlob.of(MediaType.OCI_CONFIG, encode_json(document))


def _layers(client: RegistryClient, repository: str, tag: str) -> tuple[Descriptor, ...]:
    found = _tagged(client, repository, tag)
    return () if found is None else found.layers


def _tagged(client: RegistryClient, repository: str, tag: str) -> Manifest | None:
    """What stands under one of cosign's tags; raises ContentInvalid for what others have put there, which stays."""
    found = client.manifest_if_there(repository, tag)
    if found is None:
        return None
    if found.descriptor.media_type not in MANIFEST_TYPES:
        raise ContentInvalid(
            f"{client.registry}/{repository}:{tag} is no manifest of cosign's, but "
            f"{printable(found.descriptor.media_type)}",
            hint="somebody has given that tag to something else: take it away",
        )
    return decode_manifest(found.data, found.descriptor.media_type)
