"""An SBOM as SPDX 3.0 (https://spdx.github.io/spdx-spec/v3.0.1/), in its JSON-LD form.

Everything is an element of one graph, with an IRI made of the image's digest. The scope of a relationship says which
crates ran while others were compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cargoship.bom.comments import comment_of
from cargoship.bom.component import Component, Kind
from cargoship.bom.libraries import cpe_of
from cargoship.bom.licenses import own_licenses
from cargoship.bom.sbom import Sbom
from cargoship.bom.spdx import download_of
from cargoship.oci.digest import Digest

CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"

_VERSION = "3.0.1"
_CREATION = "_:creation"
_DATA_LICENSE = "CC0-1.0"
_PURPOSES = {Kind.PROGRAM: "application", Kind.IMAGE: "container", Kind.DATA: "data"}


def spdx3(sbom: Sbom) -> bytes:
    """The SBOM as SPDX 3.0.1; the same bytes for the same SBOM."""
    return msgspec.json.encode({"@context": CONTEXT, "@graph": list(_Graph(sbom).elements())})


class _Graph:
    def __init__(self, sbom: Sbom) -> None:
        self._sbom = sbom
        self._base = f"https://cargoship.dev/spdx/{sbom.uuid}#"
        self._ids = {each.ref: self._iri(_part(each)) for each in sbom.components}
        self._image = self._iri("image")
        self._names: dict[tuple[str, str], str] = {}

    def _iri(self, part: str) -> str:
        return f"{self._base}{part}"

    def elements(self) -> Iterator[Mapping[str, Any]]:
        sbom = self._sbom
        tools = [(self._iri(f"tool-{_plain(name)}"), name, said) for name, said in sbom.tools]
        packages = [self._package(each) for each in sbom.components]
        files = [self._file(each) for each in sbom.components if each.file]
        licenses = list(self._licenses())
        relations = list(self._relations())
        image = self._image_package()
        yield {
            "type": "CreationInfo",
            "@id": _CREATION,
            "specVersion": _VERSION,
            "created": sbom.created,
            "createdBy": [self._iri("maker")] if not sbom.creator else [self._creator()],
            "createdUsing": [iri for iri, _, _ in tools],
        }
        maker = self._element("SoftwareAgent", self._iri("maker"), name="cargoship")
        yield maker
        yield from (self._element("Tool", iri, name=f"{name} {said}".strip()) for iri, name, said in tools)
        everything = [image, *packages, *files, *licenses, *relations]
        agents = [
            self._element("Organization", iri, name=name, externalIdentifier=[_identifier(at)] if at else [])
            for (name, at), iri in self._names.items()
        ]
        bom = self._iri("bom")
        data = self._license_iri(_DATA_LICENSE)
        members = [str(each["spdxId"]) for each in (*agents, *everything)]
        yield self._element(
            "SpdxDocument",
            self._iri("document"),
            name=sbom.name,
            profileConformance=["core", "software", "simpleLicensing"],
            dataLicense=data,
            rootElement=[bom],
            element=[bom, str(maker["spdxId"]), *(iri for iri, _, _ in tools), *members, data],
        )
        yield self._element(
            "software_Sbom",
            bom,
            name=sbom.name,
            software_sbomType=["build"],
            rootElement=[self._image],
            element=members,
        )
        yield from agents
        yield from everything
        yield self._license(_DATA_LICENSE)

    def _element(self, kind: str, iri: str, **fields: object) -> dict[str, Any]:
        kept = {name: value for name, value in fields.items() if value not in ("", None, [])}
        return {"type": kind, "spdxId": iri, "creationInfo": _CREATION, **kept}

    def _agent(self, name: str, at: str = "") -> str:
        return self._names.setdefault((name, at), self._iri(f"organization-{_digest(name, *([at] if at else []))}"))

    def _creator(self) -> str:
        """Who answers for the image, and for what in it is the project's own."""
        return self._agent(self._sbom.name, self._sbom.creator)

    def _made_by(self, each: Component) -> list[str]:
        if each.home:
            return [self._agent(each.supplier or each.name, each.home)]
        own = self._sbom.creator and each.supplier == self._sbom.name
        return [self._creator()] if own else []

    def _image_package(self) -> Mapping[str, Any]:
        sbom = self._sbom
        return self._element(
            "software_Package",
            self._image,
            name=sbom.name,
            software_packageVersion=str(sbom.digest),
            software_packageUrl=sbom.purl,
            software_primaryPurpose="container",
            suppliedBy=self._agent(sbom.name),
            originatedBy=[self._creator()] if sbom.creator else [],
            builtTime=sbom.created,
            verifiedUsing=[_hash(sbom.digest.hex)],
        )

    def _package(self, each: Component) -> Mapping[str, Any]:
        identifiers = [("packageUrl", each.purl), ("cpe23", cpe_of(each))]
        return self._element(
            "software_Package",
            self._ids[each.ref],
            name=each.name,
            comment=comment_of(each.facts),
            software_packageVersion=each.version,
            software_packageUrl=each.purl,
            software_downloadLocation=download_of(each),
            software_sourceInfo=f"in the image at {each.place}" if each.place else "",
            software_primaryPurpose=_PURPOSES.get(each.kind, "library"),
            suppliedBy=self._agent(each.supplier) if each.supplier else None,
            originatedBy=self._made_by(each),
            verifiedUsing=_hashes(each),
            externalIdentifier=[
                {"type": "ExternalIdentifier", "externalIdentifierType": kind, "identifier": text}
                for kind, text in identifiers
                if text
            ],
        )

    def _file(self, each: Component) -> Mapping[str, Any]:
        """What it comes in, described as BSI TR-03183-2 (2.1.0, section 5.2.2) has it."""
        is_archive = each.kind is Kind.CRATE
        url = download_of(each)
        source = {"type": "ExternalRef", "externalRefType": "sourceArtifact", "locator": [url]}
        return self._element(
            "software_File",
            self._file_iri(each),
            name=each.file,
            software_primaryPurpose="source" if is_archive else "executable",
            # `container`: of a file whose parts can be told apart; what is not named does not hold
            software_additionalPurpose=["archive", "container"] if is_archive else ["executable", "container"],
            verifiedUsing=_hashes(each),
            externalRef=[source] if url else [],
        )

    def _file_iri(self, each: Component) -> str:
        return f"{self._ids[each.ref]}-file"

    def _licenses(self) -> Iterator[Mapping[str, Any]]:
        expressions = sorted({each.license for each in self._sbom.components if each.license} - {_DATA_LICENSE})
        yield from (self._license(text) for text in expressions)
        for name in sorted({name for text in expressions for name in own_licenses(text)}):
            yield self._element(
                "simplelicensing_SimpleLicensingText",
                self._iri(name),
                name=name,
                simplelicensing_licenseText="NOASSERTION",
            )

    def _license(self, expression: str) -> Mapping[str, Any]:
        """An expression, and where what SPDX does not list in it is declared (`customIdToUri`)."""
        own = own_licenses(expression)
        return self._element(
            "simplelicensing_LicenseExpression",
            self._license_iri(expression),
            simplelicensing_licenseExpression=expression,
            simplelicensing_customIdToUri=[
                {"type": "DictionaryEntry", "key": name, "value": self._iri(name)} for name in sorted(own)
            ],
        )

    def _license_iri(self, expression: str) -> str:
        return self._iri(f"license-{_digest(expression)}")

    def _relations(self) -> Iterator[Mapping[str, Any]]:
        sbom = self._sbom
        shipped = {each.ref: each.is_shipped for each in sbom.components}
        complete = "complete" if sbom.is_whole else "incomplete"
        yield self._relation(self._image, "contains", [self._ids[ref] for ref in sbom.top], completeness=complete)
        for each in sbom.components:
            runs = [self._ids[ref] for ref in each.needs if not each.is_shipped or shipped[ref]]
            builds = [self._ids[ref] for ref in each.needs if each.is_shipped and not shipped[ref]]
            scope = "runtime" if each.is_shipped else "build"
            own = self._ids[each.ref]
            if runs:
                yield self._scoped(own, runs, scope)
            if builds:
                yield self._scoped(own, builds, "build")
            if each.license:
                # what its maker says is what is taken over: nobody has come to another conclusion
                for kind in ("hasConcludedLicense", "hasDeclaredLicense"):
                    yield self._relation(own, kind, [self._license_iri(each.license)])
            if each.file:
                yield self._relation(own, "hasDistributionArtifact", [self._file_iri(each)])
            if each.file and each.kind is Kind.CRATE:
                yield self._relation(self._file_iri(each), "generates", [own])

    def _scoped(self, one: str, others: list[str], scope: str) -> Mapping[str, Any]:
        return self._element(
            "LifecycleScopedRelationship",
            self._iri(relation_part(one, "dependsOn", others, scope)),
            **{"from": one, "to": others, "relationshipType": "dependsOn", "scope": scope},
        )

    def _relation(self, one: str, kind: str, others: list[str], **more: object) -> Mapping[str, Any]:
        return self._element(
            "Relationship",
            self._iri(relation_part(one, kind, others)),
            **{"from": one, "to": others, "relationshipType": kind, **more},
        )


def relation_part(one: str, kind: str, others: Sequence[str], scope: str = "") -> str:
    """What a relation is called in its document: the same for the same ends."""
    return f"relation-{_digest(one, kind, *([scope] if scope else []), *others)}"


def _hash(value: str, algorithm: str = "sha256") -> Mapping[str, str]:
    return {"type": "Hash", "algorithm": algorithm, "hashValue": value}


def _hashes(each: Component) -> list[Mapping[str, str]]:
    return [_hash(value, algorithm) for algorithm, value in (("sha256", each.sha256), ("sha512", each.sha512)) if value]


def _identifier(at: str) -> Mapping[str, str]:
    kind = "email" if "@" in at and "://" not in at else "urlScheme"
    return {"type": "ExternalIdentifier", "externalIdentifierType": kind, "identifier": at}


def _part(each: Component) -> str:
    return f"{each.kind.value}-{_plain(f'{each.name}-{each.version}')[:80]}-{_digest(each.ref)}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")


def _digest(*texts: str) -> str:
    return Digest.of("\0".join(texts).encode()).hex[:12]


class _Linked(msgspec.Struct):
    context: msgspec.Raw = msgspec.field(name="@context", default=msgspec.Raw())


def is_spdx3(document: bytes) -> bool:
    """Whether a document in SPDX's media type is of version 3, and so JSON-LD."""
    try:
        return bool(bytes(msgspec.json.decode(document, type=_Linked).context))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
