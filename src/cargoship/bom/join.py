"""SBOMs of several images as one of the index that names them, out of the documents alone.

For who merges images that exist already: the graph of their crates is not at hand. Only documents that cargoship wrote
are joined, for only of these is it known what each part of them means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from cargoship.bom.comments import with_facts_of
from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX_TYPE
from cargoship.bom.join_spdx3 import join_spdx3
from cargoship.bom.sbom import uuid_of
from cargoship.bom.spdx import MEDIA_TYPE as SPDX_TYPE
from cargoship.bom.spdx3 import is_spdx3
from cargoship.decoding import is_too_much
from cargoship.oci.digest import Digest

_Json = dict[str, Any]
_TOOL = "cargoship"
_OWN_LICENSES = "hasExtractedLicensingInfos"


def join_sboms(media_type: str, documents: Sequence[bytes], digest: Digest) -> bytes | None:
    """The SBOM of the index with this digest, whose images have these SBOMs; None where they cannot be joined.

    That is where one of them is not cargoship's, or larger than those are, or they are of several versions of the
    format. The order of the documents is that of the images.
    """
    if any(map(is_too_much, documents)):
        return None
    try:
        if media_type == SPDX_TYPE and all(map(is_spdx3, documents)):
            return join_spdx3(documents, digest)
        read = [msgspec.json.decode(each, type=dict[str, Any]) for each in documents]
        match media_type:
            case _ if media_type == CYCLONEDX_TYPE and _alike(read, "specVersion"):
                return msgspec.json.encode(_cyclonedx(read, digest))
            case _ if media_type == SPDX_TYPE and _alike(read, "spdxVersion"):
                return msgspec.json.encode(_spdx(read, digest))
            case _:
                return None
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _alike(documents: Sequence[_Json], key: str) -> bool:
    return len({each[key] for each in documents}) == 1


def _cyclonedx(documents: Sequence[_Json], digest: Digest) -> _Json:
    first = documents[0]
    tools = [tool for each in documents for tool in each["metadata"]["tools"]["components"]]
    if not all(_TOOL in {tool["name"] for tool in each["metadata"]["tools"]["components"]} for each in documents):
        raise ValueError(_TOOL)
    image = first["metadata"]["component"]
    purl = f"pkg:oci/{quote(str(image['name']).rpartition('/')[2], safe='')}@sha256%3A{digest.hex}"
    components: dict[str, _Json] = {}
    needs: dict[str, set[str]] = {}
    for each in (one for document in documents for one in document["components"]):
        known = components.get(each["bom-ref"])
        components[each["bom-ref"]] = each if known is None else _component(known, each)
    for each in (one for document in documents for one in document["dependencies"]):
        needs.setdefault(each["ref"], set()).update(each["dependsOn"])
    (root,) = (each["ref"] for each in first["dependencies"][:1])
    whole = all(part["aggregate"] == "complete" for each in documents for part in each["compositions"])
    metadata = {
        **first["metadata"],
        "timestamp": max(each["metadata"]["timestamp"] for each in documents),
        "tools": {"components": _distinct(sorted(tools, key=lambda tool: (tool["name"], tool["version"])))},
        "component": {**image, "version": str(digest), "purl": purl},
    }
    return {
        **first,
        "serialNumber": uuid_of(digest).urn,
        "metadata": metadata,
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(needs[ref])} for ref in (root, *sorted(needs.keys() - {root}))
        ],
        "compositions": [{"aggregate": "complete" if whole else "incomplete", "assemblies": [root]}],
    }


def _component(one: _Json, other: _Json) -> _Json:
    """What two images have: in the image if it is in one of them, with the features of both."""
    found = {**one}
    if "required" in {one["scope"], other["scope"]}:
        found["scope"] = "required"
    facts: dict[str, set[str]] = {}
    for each in (*one.get("properties", ()), *other.get("properties", ())):
        facts.setdefault(each["name"], set()).update(each["value"].split(","))
    if facts:
        found["properties"] = [{"name": name, "value": ",".join(sorted(facts[name]))} for name in sorted(facts)]
    return found


def _spdx(documents: Sequence[_Json], digest: Digest) -> _Json:
    first = documents[0]
    creators = [sorted(each["creationInfo"]["creators"]) for each in documents]
    if not all(any(maker.startswith(f"Tool: {_TOOL}-") for maker in each) for each in creators):
        raise ValueError(_TOOL)
    (described,) = (
        each["relatedSpdxElement"] for each in first["relationships"] if each["relationshipType"] == "DESCRIBES"
    )
    packages: dict[str, _Json] = {}
    for each in (one for document in documents for one in document["packages"]):
        known = packages.get(each["SPDXID"])
        packages[each["SPDXID"]] = each if known is None else with_facts_of(known, each)
    image = packages.pop(described)
    name = str(image["name"])
    purl = f"pkg:oci/{quote(name.rpartition('/')[2], safe='')}@sha256%3A{digest.hex}"
    image = {
        **image,
        "versionInfo": str(digest),
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest.hex}],
        "externalRefs": [{**image["externalRefs"][0], "referenceLocator": purl}],
    }
    relations = [each for document in documents for each in document["relationships"]]
    licenses = [each for document in documents for each in document.get(_OWN_LICENSES, ())]
    return {
        **first,
        "documentNamespace": f"https://cargoship.dev/spdx/{uuid_of(digest)}",
        "creationInfo": {
            **first["creationInfo"],
            "created": max(each["creationInfo"]["created"] for each in documents),
            "creators": sorted({maker for each in creators for maker in each}),
        },
        "packages": [image, *(packages[key] for key in sorted(packages))],
        **({_OWN_LICENSES: _distinct(sorted(licenses, key=lambda each: each["licenseId"]))} if licenses else {}),
        "relationships": _distinct(relations),
    }


def _distinct(items: Sequence[_Json]) -> list[Mapping[str, Any]]:
    return list({msgspec.json.encode(each, order="sorted"): each for each in items}.values())
