"""An SBOM as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/), in its JSON form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cargoship.bom.comments import comment_of
from cargoship.bom.component import Component, Kind
from cargoship.bom.libraries import cpe_of
from cargoship.bom.licenses import has_plus, own_licenses
from cargoship.bom.sbom import Sbom
from cargoship.oci.digest import Digest

MEDIA_TYPE = "application/spdx+json"
PREDICATE_TYPE = "https://spdx.dev/Document"
"""https://github.com/in-toto/attestation/tree/main/spec/predicates."""

_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"
_NONE = "NOASSERTION"
_PURPOSES = {Kind.PROGRAM: "APPLICATION", Kind.IMAGE: "CONTAINER", Kind.DATA: "OTHER"}
_CRATE_URL = "https://static.crates.io/crates/{0}/{0}-{1}.crate"


def spdx(sbom: Sbom) -> bytes:
    """The SBOM as SPDX 2.3; the same bytes for the same SBOM."""
    ids = {each.ref: _id(each) for each in sbom.components}
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": sbom.name,
        "documentNamespace": f"https://cargoship.dev/spdx/{sbom.uuid}",
        "creationInfo": {
            "created": sbom.created,
            "creators": [*_creator(sbom), *(f"Tool: {name}-{said.partition(' ')[0]}" for name, said in sbom.tools)],
        },
        "packages": [_image(sbom), *(_package(each, ids[each.ref]) for each in sbom.components)],
        **_own_licenses(sbom),
        "relationships": [
            _relation(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relation(_IMAGE, "CONTAINS", ids[ref]) for ref in sbom.top),
            *(relation for each in sbom.components for relation in _relations(each, sbom, ids)),
        ],
    }
    return msgspec.json.encode(document)


def _own_licenses(sbom: Sbom) -> Mapping[str, Any]:
    """Licences that SPDX does not list have to be declared: "Other licensing information detected"."""
    names = sorted({name for each in sbom.components for name in own_licenses(each.license)
                    if not has_plus(each.license)})  # fmt: skip
    infos = [{"licenseId": name, "extractedText": _NONE} for name in names]
    return {"hasExtractedLicensingInfos": infos} if infos else {}


def _creator(sbom: Sbom) -> Iterator[str]:
    """Who answers for the image; the format has a place for mail addresses alone."""
    if sbom.creator:
        yield f"Organization: {sbom.name}" + ("" if "://" in sbom.creator else f" ({sbom.creator})")


def _relations(each: Component, sbom: Sbom, ids: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    shipped = {one.ref: one.is_shipped for one in sbom.components}
    for ref in each.needs:
        if each.is_shipped and not shipped[ref]:
            yield _relation(ids[ref], "BUILD_DEPENDENCY_OF", ids[each.ref])
        else:
            yield _relation(ids[each.ref], "DEPENDS_ON", ids[ref])


def _relation(one: str, kind: str, other: str) -> Mapping[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _id(each: Component) -> str:
    """A name of letters, digits, dots and hyphens; the digest keeps those apart that this makes alike."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{each.name}-{each.version}").strip("-")
    return f"SPDXRef-{each.kind.value}-{plain[:80]}-{Digest.of(each.ref.encode()).hex[:8]}"


def _image(sbom: Sbom) -> Mapping[str, Any]:
    return {
        "name": sbom.name,
        "SPDXID": _IMAGE,
        "versionInfo": str(sbom.digest),
        "supplier": f"Organization: {sbom.name}",
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": _NONE,
        "copyrightText": _NONE,
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [{"algorithm": "SHA256", "checksumValue": sbom.digest.hex}],
        "externalRefs": [_reference("PACKAGE-MANAGER", "purl", sbom.purl)],
    }


def _package(each: Component, name: str) -> Mapping[str, Any]:
    return {key: value for key, value in _fields(each, name) if value not in ("", [])}


def _fields(each: Component, name: str) -> Iterator[tuple[str, Any]]:
    yield "name", each.name
    yield "SPDXID", name
    yield "versionInfo", each.version
    yield "packageFileName", each.place or each.file
    yield "supplier", f"Organization: {each.supplier}" if each.supplier else _NONE
    yield "downloadLocation", download_of(each) or _NONE
    yield "filesAnalyzed", False
    sums = (("SHA256", each.sha256), ("SHA512", each.sha512))
    yield "checksums", [{"algorithm": kind, "checksumValue": value} for kind, value in sums if value]
    yield "licenseConcluded", _NONE
    # a tool that takes `MPL-2.0+` for no licence refuses the whole document
    yield "licenseDeclared", _NONE if has_plus(each.license) else each.license or _NONE
    yield "licenseComments", each.license if has_plus(each.license) else ""
    yield "copyrightText", _NONE
    yield "primaryPackagePurpose", _PURPOSES.get(each.kind, "LIBRARY")
    yield "comment", comment_of(each.facts)
    references = []
    if each.purl:
        references.append(_reference("PACKAGE-MANAGER", "purl", each.purl))
    if cpe_of(each):
        references.append(_reference("SECURITY", "cpe23Type", cpe_of(each)))
    yield "externalRefs", references


def _reference(category: str, kind: str, locator: str) -> Mapping[str, str]:
    return {"referenceCategory": category, "referenceType": kind, "referenceLocator": locator}


def download_of(each: Component) -> str:
    """Where a component's sources can be had; empty where that is not known."""
    if each.kind is Kind.CRATE and each.purl and "?" not in each.purl:
        return _CRATE_URL.format(each.name, each.version)
    return ""
