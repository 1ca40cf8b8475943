"""An SBOM as CycloneDX (https://cyclonedx.org/docs/1.6/json/), in the versions that scanners read.

Components are flat, for scanners drop nested ones; what belongs to what is in `dependencies`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cargoship.bom.component import Component, Kind
from cargoship.bom.libraries import cpe_of
from cargoship.bom.sbom import Sbom
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


def cyclonedx(sbom: Sbom, version: str) -> bytes:
    """The SBOM in this version of the format (1.5, 1.6 or 1.7); the same bytes for the same SBOM."""
    document: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "serialNumber": sbom.uuid.urn,
        "version": 1,
        "metadata": {
            "timestamp": sbom.created,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [_tool(name, said) for name, said in sbom.tools]},
            "component": {
                "type": "container",
                "bom-ref": _IMAGE,
                "name": sbom.name,
                "version": str(sbom.digest),
                "purl": sbom.purl,
            },
            "supplier": {"name": sbom.name},
            **_creator(sbom, version),
        },
        "components": [_component(each) for each in sbom.components],
        "dependencies": [
            {"ref": _IMAGE, "dependsOn": list(sbom.top)},
            *({"ref": each.ref, "dependsOn": list(each.needs)} for each in sbom.components),
        ],
        "compositions": [
            {"aggregate": "complete" if sbom.is_whole else "incomplete", "assemblies": [_IMAGE]},
        ],
    }
    return msgspec.json.encode(document)


def _creator(sbom: Sbom, version: str) -> Mapping[str, Any]:
    """Who answers for the image: 1.6 has another word for it."""
    if not sbom.creator:
        return {}
    contact = {"url": [sbom.creator]} if "://" in sbom.creator else {"contact": [{"email": sbom.creator}]}
    return {"manufacture" if version == "1.5" else "manufacturer": {"name": sbom.name, **contact}}


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
