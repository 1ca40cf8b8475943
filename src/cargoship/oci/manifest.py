"""Manifests and indexes as typed values, and the one way in which cargoship writes JSON.

Specs: image-spec manifest.md, image-index.md, descriptor.md; Docker's manifest v2 schema 2 reads the same. What comes
from outside is bounded and checked here; unknown fields are left alone, for the raw bytes stay the truth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Struct, field

from cargoship.decoding import Undecodable
from cargoship.decoding import decode_json as decode
from cargoship.errors import ContentInvalid
from cargoship.oci import field_names
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.platform import Platform

MANIFEST_BYTES_MAX = 4 << 20
"""Larger manifests and indexes are refused, as registries do (distribution-spec, "Pushing Manifests")."""

_SCHEMA_VERSION = 2
_KNOWN = INDEX_TYPES | MANIFEST_TYPES
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


_GENERIC = frozenset(
    {"", "application/json", "application/octet-stream", "binary/octet-stream", "text/plain", "text/json"}
)
_FIELDS = {name.casefold(): name for name in ("mediaType", "manifests", "config", "layers", "fsLayers")}
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"


# null stands where Go's programs had nothing to write: it is the same as nothing
class _Platform(msgspec.Struct):
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    os_features: list[str | None] | None = msgspec.field(default=None, name="os.features")
    features: list[str | None] | None = None


class _Descriptor(msgspec.Struct, rename="camel"):
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    media_type: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    platform: _Platform | None = None
    annotations: dict[str, str | None] | None = None
    artifact_type: str | None = None
    urls: list[str | None] | None = None
    data: str | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    schema_version: int
    config: _Descriptor
    layers: list[_Descriptor] | None = None
    media_type: str | None = None
    annotations: dict[str, str | None] | None = None
    subject: _Descriptor | None = None
    artifact_type: str | None = None
    manifests: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Index(msgspec.Struct, rename="camel"):
    schema_version: int
    manifests: list[_Descriptor] | None
    media_type: str | None = None
    annotations: dict[str, str | None] | None = None
    layers: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Manifest(Struct, frozen=True):
    """An image's manifest: its config and layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None
    artifact_type: str | None = None


class IndexManifest(Struct, frozen=True):
    """An index: descriptors of manifests, each with its platform."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


def decode_manifest(raw: bytes, media_type: str | None = None) -> Manifest:
    """Read a manifest; `media_type` is what its descriptor or the registry called it. Raises ContentInvalid."""
    wire = decode_content(raw, _Manifest, "manifest")
    if _says(wire.manifests):
        # one document that is a manifest to some and an index to others (CVE-2021-41190)
        raise ContentInvalid("a manifest also claims to be an index")
    kind = _media_type("manifest", wire.schema_version, wire.media_type, media_type, MANIFEST_TYPES)
    return Manifest(
        media_type=kind or MediaType.OCI_MANIFEST,
        config=_descriptor(wire.config),
        layers=tuple(_descriptor(layer) for layer in wire.layers or ()),
        annotations=_texts(wire.annotations),
        subject=None if wire.subject is None else _descriptor(wire.subject),
        artifact_type=wire.artifact_type,
    )


def decode_index(raw: bytes, media_type: str | None = None) -> IndexManifest:
    """Read an index or a manifest list; `media_type` as for `decode_manifest`. Raises ContentInvalid."""
    wire = decode_content(raw, _Index, "index")
    if _says(wire.layers):
        raise ContentInvalid("an index also claims to be a manifest")
    kind = _media_type("index", wire.schema_version, wire.media_type, media_type, INDEX_TYPES)
    return IndexManifest(
        media_type=kind or MediaType.OCI_INDEX,
        manifests=tuple(_descriptor(child) for child in wire.manifests or ()),
        annotations=_texts(wire.annotations),
    )


def _says(raw: msgspec.Raw | msgspec.UnsetType) -> bool:
    """Whether a field is there with something in it."""
    return raw is not msgspec.UNSET and bytes(raw) != b"null"


def is_generic(media_type: str) -> bool:
    """Whether a media type says nothing about what a document is."""
    return media_type in _GENERIC


def kind_of(raw: bytes, said: str, what: str) -> str:
    """The media type of a document that may be a manifest or index; `said` is what its place calls it.

    Its own word counts (image-spec, descriptor.md, guards against two meanings), then that of its place, and where both
    say nothing its fields. What is neither keeps the type that it came with. Raises ContentInvalid with `what` as its
    name for a document that contradicts, is none, or is an image of Docker's schema 1.
    """
    said = said.partition(";")[0].strip().lower()
    document = {
        _FIELDS.get(name.casefold(), name): value for name, value in _object(raw, what, insist=said in _KNOWN).items()
    }
    inside = document.get("mediaType")
    inside = inside if isinstance(inside, str) and not is_generic(inside) else ""
    if said.startswith(_SCHEMA_1) or inside.startswith(_SCHEMA_1) or ("fsLayers" in document and not inside):
        raise ContentInvalid(
            f"{what} is an image of Docker's schema 1, which engines have given up",
            hint="make one of today's kind: skopeo copy --format v2s2 docker://OLD docker://NEW",
        )
    if said in _KNOWN and inside and said != inside:
        raise ContentInvalid(f"{what} was sent as {said} but says that it is {inside}")
    if inside or said in _KNOWN or not is_generic(said):
        return inside or said
    if "manifests" in document:
        return MediaType.OCI_INDEX
    return MediaType.OCI_MANIFEST if {"config", "layers"} <= document.keys() else said


def _object(raw: bytes, what: str, *, insist: bool) -> dict[str, Any]:
    """The JSON object that a document is; nothing for something else, unless there is reason to insist."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        if insist:
            raise ContentInvalid(f"{what} is not a manifest: it is not JSON") from error
        return {}
    if insist and not isinstance(document, dict):
        raise ContentInvalid(f"{what} is not a manifest")
    return document if isinstance(document, dict) else {}


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's bytes."""
    document: dict[str, Any] = {
        "schemaVersion": _SCHEMA_VERSION,
        "mediaType": manifest.media_type,
        "config": descriptor_json(manifest.config),
        "layers": [descriptor_json(layer) for layer in manifest.layers],
    }
    if manifest.annotations:
        document["annotations"] = dict(manifest.annotations)
    if manifest.subject is not None:
        document["subject"] = descriptor_json(manifest.subject)
    if manifest.artifact_type is not None:
        document["artifactType"] = manifest.artifact_type
    return encode_json(document)


def encode_index(index: IndexManifest) -> bytes:
    """The index's bytes."""
    document: dict[str, Any] = {
        "schemaVersion": _SCHEMA_VERSION,
        "mediaType": index.media_type,
        "manifests": [descriptor_json(child) for child in index.manifests],
    }
    if index.annotations:
        document["annotations"] = dict(index.annotations)
    return encode_json(document)


def descriptor_json(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor as it stands in a JSON document."""
    document: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size_bytes,
    }
    if descriptor.platform is not None:
        platform = descriptor.platform
        document["platform"] = {"os": platform.os, "architecture": platform.architecture}
        if platform.variant:
            document["platform"]["variant"] = platform.variant
        document["platform"] |= descriptor.platform_details
    if descriptor.urls:
        document["urls"] = list(descriptor.urls)
    if descriptor.data is not None:
        document["data"] = descriptor.data
    if descriptor.annotations:
        document["annotations"] = dict(descriptor.annotations)
    if descriptor.artifact_type is not None:
        document["artifactType"] = descriptor.artifact_type
    return document


def encode_json(document: object) -> bytes:
    """JSON with sorted keys and without white space: the same document always gives the same bytes."""
    return msgspec.json.encode(document, order="sorted")


_T = TypeVar("_T")


def decode_content(raw: bytes, form: type[_T], what: str, *, bytes_max: int = MANIFEST_BYTES_MAX) -> _T:
    """Read JSON from outside into a typed value; raises ContentInvalid with the place that is wrong."""
    if len(raw) > bytes_max:
        raise ContentInvalid(f"{_one(what)} has {len(raw)} bytes; more than {bytes_max} are not accepted")
    try:
        written = _canonical(raw, form) if issubclass(form, msgspec.Struct) else None
        return decode(raw if written is None else msgspec.json.encode(written), form)
    except (Undecodable, field_names.TwoMeanings) as error:
        raise ContentInvalid(f"{_one(what)} is not valid: {error}") from error


def _canonical(raw: bytes, form: type[msgspec.Struct]) -> dict[str, Any] | None:
    """An object that is written as only Go's programs read it; None for what can be decoded, or not, as it is."""
    try:
        found = field_names.object_as_go_reads_it(raw, form)
    except field_names.TwoMeanings:
        raise
    except (ValueError, RecursionError):
        return None
    return None if found is None or not found[1] else found[0]


def index_document(raw: bytes) -> dict[str, Any]:
    """All that an index says, with the names that `decode_index` knows fields by; raises ContentInvalid."""
    decode_content(raw, _Index, "index")
    found = field_names.object_as_go_reads_it(raw, _Index)
    return {} if found is None else found[0]


def _one(what: str) -> str:
    return f"{'an' if what[:1] in 'aeiou' else 'a'} {what}"


def parse_platform(os: str | None, architecture: str | None, variant: str | None) -> Platform | None:
    """A platform from outside; None where it does not say one. Raises ContentInvalid for what no platform is called."""
    if not os or not architecture:
        return None
    for word in (os, architecture, variant or "none"):
        if not _WORD.fullmatch(word):
            raise ContentInvalid(f"{word!r} is not a part of a platform")
    return Platform(os, architecture, variant or None)


def _descriptor(wire: _Descriptor) -> Descriptor:
    platform = wire.platform
    try:
        found = None if platform is None else parse_platform(platform.os, platform.architecture, platform.variant)
    except ContentInvalid as error:
        raise ContentInvalid(f"{wire.digest[:80]}: {error.message}") from error
    return Descriptor(
        media_type=wire.media_type or "",
        digest=Digest.parse(wire.digest),
        size_bytes=wire.size,
        platform=found,
        annotations=_texts(wire.annotations),
        artifact_type=wire.artifact_type,
        urls=tuple(filter(None, wire.urls or ())),
        data=wire.data,
        platform_details={} if platform is None else _details(platform),
    )


def _details(platform: _Platform) -> dict[str, str | Sequence[str]]:
    """What a platform says beside what an image is chosen by (image-spec, image-index.md, `platform`)."""
    found: dict[str, str | Sequence[str]] = {}
    if platform.os_version:
        found["os.version"] = platform.os_version
    for name, words in (("os.features", platform.os_features), ("features", platform.features)):
        if known := list(filter(None, words or ())):
            found[name] = known
    return found


def _texts(table: Mapping[str, str | None] | None) -> dict[str, str]:
    return {key: text or "" for key, text in (table or {}).items()}


def _media_type(what: str, schema: int, inside: str | None, outside: str | None, allowed: frozenset[str]) -> str | None:
    if schema != _SCHEMA_VERSION:
        raise ContentInvalid(f"{_one(what)} has the schema version {schema}; only {_SCHEMA_VERSION} is supported")
    inside, outside = (None if text is None or is_generic(text) else text for text in (inside, outside))
    if inside is not None and outside is not None and inside != outside:
        raise ContentInvalid(f"{_one(what)} says that it is {inside}, and its descriptor says {outside}")
    kind = inside or outside
    if kind is not None and kind not in allowed:
        raise ContentInvalid(f"{kind} is not the media type of a {what}")
    return kind
