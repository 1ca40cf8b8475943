"""The referrers API of the in-memory registry (distribution-spec, "Listing Referrers")."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from cargoship.testing.exchange import Call, Reply
from cargoship.testing.holdings import Holdings, Repository

_INDEX = "application/vnd.oci.image.index.v1+json"


def subject_in(body: bytes) -> str | None:
    """The digest of what a manifest says that it is about."""
    subject = json.loads(body).get("subject")
    return subject.get("digest") if isinstance(subject, dict) else None


def answer_referrers(holdings: Holdings, call: Call, name: str, reference: str) -> Reply:
    """GET: the manifests that are about another, as an index; `artifactType` chooses among them."""
    if not holdings.referrers:
        return Reply.error(404, "UNSUPPORTED", "no such endpoint")
    wanted = call.query.get("artifactType")
    repository = holdings.repositories.get(name, Repository())
    found = [
        _descriptor(digest, *manifest)
        for digest, manifest in sorted(repository.manifests.items())
        if digest > call.query.get("last", "") and subject_in(manifest[1]) == reference
    ]
    found = [entry for entry in found if wanted in {None, entry.get("artifactType")}]
    headers = {"Content-Type": _INDEX}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    page = found[: holdings.referrers_page]
    if len(page) < len(found):
        query = {"last": str(page[-1]["digest"])} | ({"artifactType": wanted} if wanted else {})
        headers["Link"] = f'</v2/{name}/referrers/{reference}?{urlencode(query)}>; rel="next"'
    document = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": page}
    return Reply(200, headers, json.dumps(document).encode())


def _descriptor(digest: str, media_type: str, body: bytes) -> dict[str, object]:
    document = json.loads(body)
    entry = {"mediaType": media_type, "digest": digest, "size": len(body)}
    artifact_type = document.get("artifactType") or document.get("config", {}).get("mediaType")
    if artifact_type:
        entry["artifactType"] = artifact_type
    if document.get("annotations"):
        entry["annotations"] = document["annotations"]
    return entry
