"""Manifests that are about another one: signatures, SBOMs, attestations (distribution-spec 1.1, "Listing Referrers").

Registries without that API get the specification's fallback: an index under a tag made of the subject's digest, that
clients keep themselves. Nothing there stops two writers from overwriting each other; what is done about it is told at
`attach`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from cargoship.errors import ContentInvalid, RegistryError
from cargoship.oci.descriptor import INDEX_TYPES, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, IndexManifest, decode_index, encode_index
from cargoship.registry.challenge import Scope
from cargoship.registry.client import RegistryClient
from cargoship.registry.links import next_page
from cargoship.registry.wire import Ask

_OK = 200
_NO_SUCH_API = frozenset({400, 404, 405, 501})
_PAGES_MAX = 1_000
_TRIES = 40
_LOOKS = 2
"""How often in a row an entry has to be seen before it counts as being there for good."""
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 2.0
_writing = threading.Lock()
"""Writers of one process take turns; only other machines are left to quarrel with."""


def list_referrers(
    client: RegistryClient, repository: str, subject: Digest, *, artifact_type: str | None = None
) -> tuple[Descriptor, ...]:
    """What refers to `subject`, all of it or of one type; nothing for a subject that is not there.

    Raises RegistryError's family, ContentInvalid.
    """
    told = _from_api(client, repository, subject, artifact_type)
    found = _from_tag(client, repository, subject) if told is None else told
    # a registry need not filter, and the tag cannot
    return tuple(entry for entry in found if artifact_type in {None, entry.artifact_type})


def attach(client: RegistryClient, repository: str, manifest: BytesBlob) -> None:
    """Push a manifest that has a subject, and see to it that it is listed among the subject's referrers.

    What the manifest names has to be there already. Without the referrers API the list under the tag is read, added
    to, written and read again, until the entry is seen there twice with a pause that is longer than such a round
    takes: a writer that read the list before ours was there has written by then, and ours is added again. Raises
    RegistryError's family, ContentInvalid (also for a manifest without a subject).
    """
    subject, entry = _described(manifest)
    noted = client.put_manifest(repository, manifest.descriptor.digest, manifest)
    if noted != subject:
        _keep(client, repository, subject, entry, wanted=True)


def enlist(client: RegistryClient, repository: str, manifest: BytesBlob) -> None:
    """See to it that a manifest that is there already is listed among its subject's referrers; raises as `attach`."""
    subject, entry = _described(manifest)
    if _from_api(client, repository, subject, None) is None:
        _keep(client, repository, subject, entry, wanted=True)


def detach(client: RegistryClient, repository: str, digest: Digest) -> bool:
    """Delete a manifest, and take it off the list of what it refers to; False where there was none."""
    if client.find_manifest(repository, digest) is None:
        return False
    manifest = client.manifest(repository, digest)
    deleted = client.delete_manifest(repository, digest)
    if subject_of(manifest) is not None:
        subject, entry = _described(manifest)
        # only where the list is a tag's: the API's is made from what is there
        if client.find_manifest(repository, fallback_tag(subject)) is not None:
            _keep(client, repository, subject, entry, wanted=False)
    return deleted


def fallback_tag(subject: Digest) -> str:
    """The tag of the list of referrers, for registries that keep none."""
    return f"sha256-{subject.hex}"


def _from_api(
    client: RegistryClient, repository: str, subject: Digest, artifact_type: str | None
) -> list[Descriptor] | None:
    """What the API says; None where there is no such API."""
    url = f"/v2/{repository}/referrers/{subject}"
    if artifact_type is not None:
        url += f"?artifactType={quote(artifact_type, safe='')}"
    found: list[Descriptor] = []
    for page in range(_PAGES_MAX):
        ask = Ask("GET", url, f"what refers to sha256:{subject.short} in {repository}", {"Accept": MediaType.OCI_INDEX})
        response, data = client.session.content(
            ask,
            (Scope.pull(repository),),
            limit_bytes=MANIFEST_BYTES_MAX,
            ok=(_OK, *_NO_SUCH_API) if page == 0 else (_OK,),
        )
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        # a web page with 200 is the answer of some servers to any address that they do not know
        if response.status != _OK or kind not in INDEX_TYPES:
            return None
        found += decode_index(data, MediaType.OCI_INDEX).manifests
        following = next_page(response.headers.get("link", ""))
        if following is None:
            return found
        url = client.session.resolve(following, asked=url)
    raise RegistryError(f"{client.registry} gives what refers to {subject} in too many pages")


def _from_tag(client: RegistryClient, repository: str, subject: Digest) -> tuple[Descriptor, ...]:
    if client.find_manifest(repository, fallback_tag(subject)) is None:
        return ()
    listed = client.manifest(repository, fallback_tag(subject))
    return decode_index(listed.data, listed.descriptor.media_type).manifests


def _keep(client: RegistryClient, repository: str, subject: Digest, entry: Descriptor, *, wanted: bool) -> None:
    """Make the tag's list have an entry, or not have it; see `attach`."""

    def right(entries: tuple[Descriptor, ...]) -> bool:
        return any(known.digest == entry.digest for known in entries) is wanted

    def mended(entries: tuple[Descriptor, ...]) -> tuple[Descriptor, ...]:
        others = tuple(known for known in entries if known.digest != entry.digest)
        return (*others, entry) if wanted else others

    with _writing:
        for wait_s in _waits(client, right, mended, repository, subject):
            client.budget.sleep(wait_s)


def _waits(
    client: RegistryClient,
    right: Callable[[tuple[Descriptor, ...]], bool],
    mended: Callable[[tuple[Descriptor, ...]], tuple[Descriptor, ...]],
    repository: str,
    subject: Digest,
) -> Iterator[float]:
    """Seconds to wait between looks; ends when the list has been right often enough."""
    budget = client.budget
    seen = written = 0
    slowest_s = _FIRST_WAIT_S
    for _ in range(_TRIES):
        began = budget.clock()
        entries = _from_tag(client, repository, subject)
        if right(entries):
            seen += 1
            # nobody quarrels about a list that was right before anything was written
            if seen >= _LOOKS or not written:
                return
        else:
            seen = 0
            written += 1
            index = IndexManifest(MediaType.OCI_INDEX, mended(entries))
            blob = BytesBlob.of(MediaType.OCI_INDEX, encode_index(index))
            client.put_manifest(repository, fallback_tag(subject), blob)
        slowest_s = max(slowest_s, budget.clock() - began)
        # those who collided should not meet again
        yield min(slowest_s * (2.0 + 2.0 * budget.jitter()), _LONGEST_WAIT_S)
    raise RegistryError(
        f"{client.registry}: the list of what refers to {subject} in {repository} is changed by others all the time",
        hint="try again when fewer runs attach things to this image",
    )


def _described(manifest: BytesBlob) -> tuple[Digest, Descriptor]:
    """The subject of a manifest, and how lists of referrers describe it (distribution-spec, "Pushing Manifests")."""
    document = _document(manifest)
    subject = subject_of(manifest)
    if subject is None:
        raise ContentInvalid(f"{manifest.descriptor.digest} has no subject: it refers to nothing")
    config = document.get("config")
    kind = document.get("artifactType") or (config.get("mediaType") if isinstance(config, Mapping) else None)
    annotations = document.get("annotations")
    entry = replace(
        manifest.descriptor,
        artifact_type=kind if isinstance(kind, str) else None,
        annotations=dict(annotations) if isinstance(annotations, Mapping) else {},
    )
    return subject, entry


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
