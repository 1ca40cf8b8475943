"""Manifests and indexes as typed values, and the one way in which cargoship writes JSON.

Specs: image-spec manifest.md, image-index.md, descriptor.md; Docker's manifest v2 schema 2 reads the same. What comes
from outside is bounded and checked here; unknown fields are left alone, for the raw bytes stay the truth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.platform import Platform

MANIFEST_BYTES_MAX = 4 << 20
"""Larger manifests and indexes are refused, as registries do (distribution-spec, "Pushing Manifests")."""

_SCHEMA_VERSION = 2
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    variant: str | None = None


class _Descriptor(msgspec.Struct, rename="camel"):
    media_type: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    schema_version: int
    config: _Descriptor
    layers: list[_Descriptor]
    media_type: str | None = None
    annotations: dict[str, str] | None = None
    subject: _Descriptor | None = None
    artifact_type: str | None = None
    manifests: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Index(msgspec.Struct, rename="camel"):
    schema_version: int
    manifests: list[_Descriptor]
    media_type: str | None = None
    annotations: dict[str, str] | None = None
    layers: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True)
class Manifest:
    """An image's manifest: its config and layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    subject: Descriptor | None = None
    artifact_type: str | None = None


@dataclass(frozen=True)
class IndexManifest:
    """An index: descriptors of manifests, each with its platform."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


def decode_manifest(raw: bytes, media_type: str | None = None) -> Manifest:
    """Read a manifest; `media_type` is what its descriptor or the registry called it. Raises ContentInvalid."""
    wire = decode_json(raw, _Manifest, "manifest")
    if wire.manifests is not msgspec.UNSET:
        # one document that is a manifest to some and an index to others (CVE-2021-41190)
        raise ContentInvalid("a manifest also claims to be an index")
    kind = _media_type("manifest", wire.schema_version, wire.media_type, media_type, MANIFEST_TYPES)
    return Manifest(
        media_type=kind or MediaType.OCI_MANIFEST,
        config=_descriptor(wire.config),
        layers=tuple(_descriptor(layer) for layer in wire.layers),
        annotations=wire.annotations or {},
        subject=None if wire.subject is None else _descriptor(wire.subject),
        artifact_type=wire.artifact_type,
    )


def decode_index(raw: bytes, media_type: str | None = None) -> IndexManifest:
    """Read an index or a manifest list; `media_type` as for `decode_manifest`. Raises ContentInvalid."""
    wire = decode_json(raw, _Index, "index")
    if wire.layers is not msgspec.UNSET:
        raise ContentInvalid("an index also claims to be a manifest")
    kind = _media_type("index", wire.schema_version, wire.media_type, media_type, INDEX_TYPES)
    return IndexManifest(
        media_type=kind or MediaType.OCI_INDEX,
        manifests=tuple(_descriptor(child) for child in wire.manifests),
        annotations=wire.annotations or {},
    )


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
    if descriptor.annotations:
        document["annotations"] = dict(descriptor.annotations)
    if descriptor.artifact_type is not None:
        document["artifactType"] = descriptor.artifact_type
    return document


def encode_json(document: object) -> bytes:
    """JSON with sorted keys and without white space: the same document always gives the same bytes."""
    return msgspec.json.encode(document, order="sorted")


_T = TypeVar("_T")


def decode_json(raw: bytes, form: type[_T], what: str, *, bytes_max: int = MANIFEST_BYTES_MAX) -> _T:
    """Read JSON from outside into a typed value; raises ContentInvalid with the place that is wrong."""
    if len(raw) > bytes_max:
        raise ContentInvalid(f"a {what} has {len(raw)} bytes; more than {bytes_max} are not accepted")
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContentInvalid(f"a {what} is not valid: {error}") from error


def parse_platform(os: str, architecture: str, variant: str | None) -> Platform:
    """A platform from outside; raises ContentInvalid for text that no platform's name can be."""
    for word in (os, architecture, variant or "none"):
        if not _WORD.fullmatch(word):
            raise ContentInvalid(f"{word!r} is not a part of a platform")
    return Platform(os, architecture, variant or None)


def _descriptor(wire: _Descriptor) -> Descriptor:
    platform = wire.platform
    return Descriptor(
        media_type=wire.media_type,
        digest=Digest.parse(wire.digest),
        size_bytes=wire.size,
        platform=None if platform is None else parse_platform(platform.os, platform.architecture, platform.variant),
        annotations=wire.annotations or {},
        artifact_type=wire.artifact_type,
    )


def _media_type(what: str, schema: int, inside: str | None, outside: str | None, allowed: frozenset[str]) -> str | None:
    if schema != _SCHEMA_VERSION:
        raise ContentInvalid(f"a {what} has the schema version {schema}; only {_SCHEMA_VERSION} is supported")
    if inside is not None and outside is not None and inside != outside:
        raise ContentInvalid(f"a {what} says that it is {inside}, and its descriptor says {outside}")
    kind = inside or outside
    if kind is not None and kind not in allowed:
        raise ContentInvalid(f"{kind} is not the media type of a {what}")
    return kind
