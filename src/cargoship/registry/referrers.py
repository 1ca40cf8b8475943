"""Manifests that are about another one: signatures, SBOMs, attestations (distribution-spec 1.1, "Listing Referrers").

Registries without that API get the specification's fallback: an index under a tag made of the subject's digest, that
clients keep themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from msgspec import Struct, structs

from cargoship.errors import ContentInvalid, Forbidden, RegistryError, RegistryRefused, Unauthorized
from cargoship.http.links import next_page
from cargoship.oci.descriptor import INDEX_TYPES, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, IndexManifest, decode_index, encode_index
from cargoship.printable import printable
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.client import RegistryClient
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.refusals import ABSENT, NO_REPOSITORY, OTHER_KINDS
from cargoship.registry.shared_tag import settle

_OK = 200
_NO_SUCH_API = frozenset({400, 404, 405, 406, 501})
_PAGES_MAX = 1_000
_REFERENCE_MAX = 64


def list_referrers(
    client: RegistryClient, repository: str, subject: Digest, *, artifact_type: str | None = None
) -> tuple[Descriptor, ...]:
    """What refers to `subject`, all of it or of one type; nothing for a subject that is not there.

    Raises RegistryError's family, ContentInvalid.
    """
    # some answer that nothing is there of lists that they do not keep (sigstore/sigstore-js, pull 1187)
    found = listed_by_api(client, repository, subject, artifact_type=artifact_type) or listed_by_tag(
        client, repository, subject
    )
    # a registry need not filter, and the tag cannot
    return tuple(entry for entry in found if artifact_type in {None, entry.artifact_type})


def attach(client: RegistryClient, repository: str, manifest: BytesBlob) -> None:
    """Push a manifest that has a subject, and see to it that it is listed among the subject's referrers.

    What the manifest names has to be there already. Without the referrers API the list under the tag is changed, as
    `settle` does it. Raises RegistryError's family, ContentInvalid (also for a manifest without a subject).
    """
    attach_all(client, repository, [manifest])


def attach_all(client: RegistryClient, repository: str, manifests: Sequence[BytesBlob]) -> None:
    """`attach` for several with the same subject, whose list is changed once."""
    unlisted: dict[Digest, list[Descriptor]] = {}
    for manifest in manifests:
        subject, entry = _described(manifest)
        if _put(client, repository, manifest) != subject or not _is_listed(client, repository, subject):
            unlisted.setdefault(subject, []).append(entry)
    for subject, entries in unlisted.items():
        _keep(client, repository, subject, entries, wanted=True)


def _is_listed(client: RegistryClient, repository: str, subject: Digest) -> bool:
    """Whether a registry that says that it has noted a subject has lists: some have none (sigstore-js, pull 1183).

    Asked once, and again where there may have been no such repository before.
    """
    if not client.session.lists_referrers:
        listed_by_api(client, repository, subject)
    return client.session.lists_referrers is not False


def _put(client: RegistryClient, repository: str, manifest: BytesBlob) -> Digest | None:
    try:
        return client.put_manifest(repository, manifest.descriptor.digest, manifest)
    except RegistryRefused as error:
        if error.hint not in {None, ABSENT, NO_REPOSITORY, OTHER_KINDS}:
            raise
        hint = (
            "it says something about the image, and some registries take no manifest that refers to another: "
            'attest = "none" or "index" leaves out SBOMs and provenance, signature-format = ["cosign-2"] signs without'
        )
        raise type(error)(error.message, hint=hint) from error


def enlist(client: RegistryClient, repository: str, manifest: BytesBlob) -> None:
    """See to it that a manifest that is there already is listed among its subject's referrers; raises as `attach`."""
    subject, entry = _described(manifest)
    listed = listed_by_api(client, repository, subject)
    if listed is None or entry.digest not in {each.digest for each in listed}:
        _keep(client, repository, subject, [entry], wanted=True)


def detach(client: RegistryClient, repository: str, digest: Digest) -> bool:
    """Delete a manifest, and take it off the list of what it refers to; False where there was none."""
    manifest = client.manifest_if_there(repository, digest)
    if manifest is None:
        return False
    deleted = client.delete_manifest(repository, digest)
    if subject_of(manifest) is not None:
        subject, entry = _described(manifest)
        # only where the list is a tag's: the API's is made from what is there
        if client.find_manifest(repository, fallback_tag(subject)) is not None:
            _keep(client, repository, subject, [entry], wanted=False)
    return deleted


def fallback_tag(subject: Digest) -> str:
    """The tag of the list of referrers, for registries that keep none (distribution-spec, "Referrers Tag Schema")."""
    return f"{subject.algorithm}-{subject.hex[:_REFERENCE_MAX]}"


def listed_by_api(
    client: RegistryClient, repository: str, subject: Digest, *, artifact_type: str | None = None
) -> tuple[Descriptor, ...] | None:
    """What the API says; None where there is no such API. Raises as `list_referrers`."""
    url = f"/v2/{repository}/referrers/{subject}"
    if artifact_type is not None:
        url += f"?artifactType={quote(artifact_type, safe='')}"
    found: list[Descriptor] = []
    seen: set[str] = set()
    for page in range(_PAGES_MAX):
        ask = NamedRequest(
            "GET", url, f"what refers to {subject.brief} in {repository}", {"Accept": MediaType.OCI_INDEX}
        )
        try:
            response, data = client.session.content(
                ask,
                (Scope.pull(repository),),
                limit_bytes=MANIFEST_BYTES_MAX,
                ok=(_OK, *_NO_SUCH_API) if page == 0 else (_OK,),
            )
        except (Unauthorized, Forbidden):
            if page > 0:
                raise
            # what stands before a registry may refuse addresses that it does not know; who has no rights hears it again
            client.session.lists_referrers = False
            return None
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        # a web page with 200 is the answer of some servers to any address that they do not know
        client.session.lists_referrers = response.status == _OK and kind in INDEX_TYPES
        if not client.session.lists_referrers:
            return None
        found += decode_index(data, MediaType.OCI_INDEX).manifests
        following = next_page(response.headers.get("link", ""))
        if following is None:
            return tuple(found)
        url = client.session.follow(following, asked=url, what=ask.what, sends=False)
        if url in seen:
            break
        seen.add(url)
    raise RegistryError(f"{client.registry} gives what refers to {subject} in too many pages")


def listed_by_tag(client: RegistryClient, repository: str, subject: Digest) -> tuple[Descriptor, ...]:
    """What the list says that clients keep themselves; raises as `list_referrers`."""
    return _list_of_tag(client, repository, subject).manifests


def _list_of_tag(client: RegistryClient, repository: str, subject: Digest) -> IndexManifest:
    return _list_in(_under_tag(client, repository, subject), client, repository, subject)


def _under_tag(client: RegistryClient, repository: str, subject: Digest) -> BytesBlob | None:
    return client.manifest_if_there(repository, fallback_tag(subject))


def _list_in(listed: BytesBlob | None, client: RegistryClient, repository: str, subject: Digest) -> IndexManifest:
    # where the tag is the subject itself it is no list of it: GitLab's registry gives that (oras-project/oras-go#1396)
    if listed is None or listed.descriptor.digest == subject:
        return IndexManifest(MediaType.OCI_INDEX, ())
    if listed.descriptor.media_type not in INDEX_TYPES:
        place = f"{client.registry}/{repository}:{fallback_tag(subject)}"
        raise ContentInvalid(
            f"{place} is no list of what refers to an image, but {printable(listed.descriptor.media_type)}",
            hint="somebody has given that tag to something else: take it away, or give it to the list again",
        )
    return decode_index(listed.data, listed.descriptor.media_type)


class _SharedList(Struct):
    """A tag's list of referrers, that is to have entries (`wanted`), or not to have them."""

    client: RegistryClient
    repository: str
    subject: Digest
    changed: Sequence[Descriptor]
    wanted: bool
    is_written: bool = False

    def read(self) -> IndexManifest:
        listed = _under_tag(self.client, self.repository, self.subject)
        if self.is_written and listed is not None and listed.descriptor.digest == self.subject:
            tag = fallback_tag(self.subject)
            raise RegistryError(
                f"{self.client.registry} took a list of what refers to an image under the tag {tag} of "
                f"{self.repository}, and does not give it",
                hint='leave out what refers to images, or put it into the index: attest = "none", or "index"',
            )
        return _list_in(listed, self.client, self.repository, self.subject)

    def entries(self, found: IndexManifest) -> Sequence[Descriptor]:
        return found.manifests

    def mended(self, found: IndexManifest) -> IndexManifest | None:
        digests = {entry.digest for entry in self.changed}
        there = digests & {known.digest for known in found.manifests}
        if there == (digests if self.wanted else set()):
            return None
        others = tuple(known for known in found.manifests if known.digest not in digests)
        entries = (*others, *self.changed) if self.wanted else others
        return structs.replace(found, media_type=MediaType.OCI_INDEX, manifests=entries)

    def write(self, made: IndexManifest) -> None:
        blob = BytesBlob.of(MediaType.OCI_INDEX, encode_index(made))
        self.client.put_manifest(self.repository, fallback_tag(self.subject), blob)
        self.is_written = True


def _keep(
    client: RegistryClient, repository: str, subject: Digest, changed: Sequence[Descriptor], *, wanted: bool
) -> None:
    """Make the tag's list have entries, or not have them; see `attach`."""
    what = f"{client.registry}: the list of what refers to {subject} in {repository}"
    settle(_SharedList(client, repository, subject, changed, wanted), client.budget, subject=subject, what=what)


def as_listed(manifest: BytesBlob) -> BytesBlob:
    """A manifest with what lists of referrers say of it: its kind and its annotations; raises ContentInvalid."""
    return replace(manifest, descriptor=_entry(manifest))


def _described(manifest: BytesBlob) -> tuple[Digest, Descriptor]:
    """The subject of a manifest, and how lists of referrers describe it (distribution-spec, "Pushing Manifests")."""
    subject = subject_of(manifest)
    if subject is None:
        raise ContentInvalid(f"{manifest.descriptor.digest} has no subject: it refers to nothing")
    return subject, _entry(manifest)


def _entry(manifest: BytesBlob) -> Descriptor:
    document = _document(manifest)
    config = document.get("config")
    kind = document.get("artifactType") or (config.get("mediaType") if isinstance(config, Mapping) else None)
    annotations = document.get("annotations")
    return replace(
        manifest.descriptor,
        artifact_type=kind if isinstance(kind, str) else None,
        annotations=dict(annotations) if isinstance(annotations, Mapping) else {},
    )


def subject_of(manifest: BytesBlob) -> Digest | None:
    """What a manifest says that it is about, if anything; raises ContentInvalid for what is no manifest."""
    # nearly all do, and need not be parsed once more
    if b'"subject"' not in manifest.data:
        return None
    subject = _document(manifest).get("subject")
    digest = subject.get("digest") if isinstance(subject, Mapping) else None
    return Digest.parse(digest) if isinstance(digest, str) else None


def _document(manifest: BytesBlob) -> Mapping[str, object]:
    try:
        document = json.loads(manifest.data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, Mapping):
        raise ContentInvalid(f"{manifest.descriptor.digest} is not a manifest")
    return document
