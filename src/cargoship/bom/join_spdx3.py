"""SBOMs in SPDX 3 of several images as one of the index that names them.

Elements are named by the image's digest and by what they are: under the index's name those of one crate fall together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from cargoship.bom.comments import with_facts_of
from cargoship.bom.sbom import uuid_of
from cargoship.bom.spdx3 import CONTEXT, relation_part
from cargoship.oci.digest import Digest

_Json = dict[str, Any]
_MAKER = "cargoship"
_DOCUMENT = "document"
_RELATIONS = frozenset({"Relationship", "LifecycleScopedRelationship"})


def join_spdx3(documents: Sequence[bytes], digest: Digest) -> bytes:
    """The SBOM of the index with this digest; raises ValueError, LookupError and the like for what is not cargoship's.

    A crate that two images have is there once, with the features of both.
    """
    base = f"https://cargoship.dev/spdx/{uuid_of(digest)}#"
    graphs = [_renamed(each, base) for each in documents]
    creation = _creation(graphs)
    image = _image(graphs, base, digest)
    found: dict[str, _Json] = {}
    for each in (one for graph in graphs for one in graph if one["type"] not in _RELATIONS):
        if "spdxId" in each:
            known = found.get(each["spdxId"])
            found[each["spdxId"]] = each if known is None else with_facts_of(known, each)
    found[image["spdxId"]] = image
    relations = list(_relations((one for graph in graphs for one in graph if one["type"] in _RELATIONS), base))
    document, sbom = found.pop(f"{base}{_DOCUMENT}"), found.pop(f"{base}bom")
    plain = [found[iri] for iri in sorted(found)]
    members = [each["spdxId"] for each in (*plain, *relations)]
    of_sbom = {iri for graph in graphs for one in graph if one["type"] == "software_Sbom" for iri in one["element"]}
    held = [each["spdxId"] for each in plain if each["spdxId"] in of_sbom]
    whole = [
        creation,
        {**document, "element": [sbom["spdxId"], *members]},
        {**sbom, "element": [*held, *(each["spdxId"] for each in relations)]},
        *plain,
        *relations,
    ]
    return msgspec.json.encode({"@context": CONTEXT, "@graph": whole})


def _renamed(document: bytes, base: str) -> list[_Json]:
    """The elements of a document, by the name of the index."""
    graph = msgspec.json.decode(document, type=dict[str, Any])["@graph"]
    (own,) = (each["spdxId"] for each in graph if each["type"] == "SpdxDocument")
    if not own.startswith("https://cargoship.dev/spdx/") or not own.endswith(f"#{_DOCUMENT}"):
        raise ValueError(own)
    former = own.removesuffix(_DOCUMENT)
    # the name has no character that JSON writes otherwise
    renamed = msgspec.json.encode(graph).replace(former.encode(), base.encode())
    return msgspec.json.decode(renamed, type=list[dict[str, Any]])


def _creation(graphs: Sequence[Sequence[_Json]]) -> _Json:
    made = [each for graph in graphs for each in graph if each["type"] == "CreationInfo"]
    tools = [{each["name"].partition(" ")[0] for each in graph if each["type"] == "Tool"} for graph in graphs]
    if len(made) != len(graphs) or not all(_MAKER in names for names in tools):
        raise ValueError(_MAKER)
    return {
        **made[0],
        "created": max(each["created"] for each in made),
        "createdUsing": sorted({tool for each in made for tool in each["createdUsing"]}),
    }


def _image(graphs: Sequence[Sequence[_Json]], base: str, digest: Digest) -> _Json:
    images = [each for graph in graphs for each in graph if each.get("spdxId") == f"{base}image"]
    first = images[0]
    name = quote(str(first["name"]).rpartition("/")[2], safe="")
    return {
        **first,
        "software_packageVersion": str(digest),
        "software_packageUrl": f"pkg:oci/{name}@sha256%3A{digest.hex}",
        "builtTime": max(each["builtTime"] for each in images),
        "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": digest.hex}],
    }


def _relations(listed: Iterable[_Json], base: str) -> Iterator[_Json]:
    """Those of one kind from one element are one; what one image does not know of itself, the index does not know."""
    groups: dict[tuple[str, str, str], list[_Json]] = {}
    for each in listed:
        groups.setdefault((each["from"], each["relationshipType"], each.get("scope", "")), []).append(each)
    for (source, kind, scope), own in sorted(groups.items()):
        to = sorted({iri for each in own for iri in each["to"]})
        made = {**own[0], "spdxId": f"{base}{relation_part(source, kind, to, scope)}", "to": to}
        if any(each.get("completeness") == "incomplete" for each in own):
            made["completeness"] = "incomplete"
        yield made
