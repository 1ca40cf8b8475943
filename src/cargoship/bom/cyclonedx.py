"""An SBOM as CycloneDX (https://cyclonedx.org/docs/1.6/json/), in the versions that scanners read.

Components are flat, for scanners drop nested ones; what belongs to what is in `dependencies`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cargoship.bom.component import Component, Kind
from cargoship.bom.libraries import cpe_of
from cargoship.bom.sbom import Bill
from cargoship.bom.spdx import download_of

MEDIA_TYPE = "application/vnd.cyclonedx+json"
PREDICATE_TYPE = "https://cyclonedx.org/bom"
"""https://github.com/in-toto/attestation/tree/main/spec/predicates."""

_TYPES = {
    Kind.PROGRAM: "application",
    Kind.CRATE: "library",
    Kind.NATIVE: "library",
    Kind.LIBRARY: "library",
    Kind.PACKAGE: "library",
    Kind.DATA: "data",
    Kind.IMAGE: "container",
}
_IMAGE = "image"


def cyclonedx(bill: Bill, version: str) -> bytes:
    """The bill in this version of the format (1.5, 1.6 or 1.7); the same bytes for the same bill."""
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": bill.uuid.urn,
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [_tool(name, said) for name, said in bill.tools]},
            "component": {
                "type": "container",
                "bom-ref": _IMAGE,
                "name": bill.name,
                "version": str(bill.digest),
                "purl": bill.purl,
            },
            "supplier": {"name": bill.name},
            **_creator(bill, version),
        },
        "components": [_component(each) for each in bill.components],
        "dependencies": [
            {"ref": _IMAGE, "dependsOn": list(bill.top)},
            *({"ref": each.ref, "dependsOn": list(each.needs)} for each in bill.components),
        ],
        "compositions": [
            {"aggregate": "complete" if bill.is_whole else "incomplete", "assemblies": [_IMAGE]},
        ],
    }
    return msgspec.json.encode(document)


def _creator(bill: Bill, version: str) -> Mapping[str, Any]:
    """Who answers for the image: 1.6 has another word for it."""
    if not bill.creator:
        return {}
    contact = {"url": [bill.creator]} if "://" in bill.creator else {"contact": [{"email": bill.creator}]}
    return {"manufacture" if version == "1.5" else "manufacturer": {"name": bill.name, **contact}}


def _tool(name: str, said: str) -> Mapping[str, str]:
    return {"type": "application", "name": name, "version": said}


def _component(each: Component) -> Mapping[str, Any]:
    return {name: value for name, value in _fields(each) if value}


def _fields(each: Component) -> Iterator[tuple[str, Any]]:
    yield "type", _TYPES[each.kind]
    yield "bom-ref", each.ref
    yield "supplier", {"name": each.supplier} if each.supplier else None
    yield "name", each.name
    yield "version", each.version
    yield "scope", "required" if each.is_shipped else "excluded"
    yield "hashes", _hashes(each)
    yield "licenses", list(_licenses(each))
    yield "cpe", cpe_of(each)
    yield "purl", each.purl
    yield "externalReferences", list(_references(each))
    if each.place:
        yield "evidence", {"occurrences": [{"location": each.place}]}
    facts = (*_described(each), *((f"cargoship:{name}", value) for name, value in each.facts))
    yield "properties", [{"name": name, "value": value} for name, value in facts]


def _hashes(each: Component) -> list[Mapping[str, str]]:
    pairs = (("SHA-256", each.sha256), ("SHA-512", each.sha512))
    return [{"alg": algorithm, "content": value} for algorithm, value in pairs if value]


def _references(each: Component) -> Iterator[Mapping[str, Any]]:
    if each.repository:
        yield {"type": "vcs", "url": each.repository}
    url = download_of(each)
    if url and each.sha512:
        yield {"type": "distribution", "url": url, "hashes": _hashes(each)}


def _described(each: Component) -> Iterator[tuple[str, str]]:
    """What BSI wants to know of a file (its property taxonomy for CycloneDX, 0.1.2); in the order of their names."""
    if each.file:
        is_archive = each.kind is Kind.CRATE
        yield "bsi:component:archive", "archive" if is_archive else "no archive"
        yield "bsi:component:executable", "non-executable" if is_archive else "executable"
        yield "bsi:component:filename", each.file
        yield "bsi:component:structured", "structured"


def _licenses(each: Component) -> Iterator[Mapping[str, Any]]:
    if each.license:
        yield {"expression": each.license}
    elif each.license_text:
        yield {"license": {"name": each.license_text}}
