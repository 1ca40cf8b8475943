"""Sigstore's bundles, as cosign 3 attaches them (https://github.com/sigstore/protobuf-specs, sigstore_bundle.proto)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid
from cargoship.signing.envelope import ENVELOPE_BYTES_MAX, Envelope, decode_envelope, sealed
from cargoship.signing.keys import PrivateKey

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNED = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of a statement that says nothing but that the subject is signed."""
CONTENT = "dev.sigstore.bundle.content"
BUNDLE_PREDICATE = "dev.sigstore.bundle.predicateType"
_TYPES = frozenset(
    {
        BUNDLE_TYPE,
        "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "application/vnd.dev.sigstore.bundle+json;version=0.2",
        "application/vnd.dev.sigstore.bundle+json;version=0.3",
    }
)
BUNDLE_TYPES = _TYPES
_HINT = re.compile(r"[A-Za-z0-9+/=_.:-]{1,100}")


@dataclass(frozen=True)
class Bundle:
    """A statement's envelope, and what it can be checked with."""

    envelope: Envelope
    has_certificate: bool
    """Whether a certificate of Fulcio's vouches for the signer, and not a key that is known already."""
    data: bytes = field(repr=False)
    hint: str = ""
    """What it says of its key, as `PublicKey.hint` has it; anybody may have written that."""


def key_bundle(statement: bytes, key: PrivateKey) -> bytes:
    """A statement, signed by a key; the same bytes for the same statement and key."""
    return msgspec.json.encode(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": key.public.hint}},
            "dsseEnvelope": sealed(statement, key),
        }
    )


def read_bundle(data: bytes) -> Bundle:
    """Read a bundle that anybody may have written; raises ContentInvalid for what is none, or signs no statement."""
    if len(data) > ENVELOPE_BYTES_MAX:
        raise ContentInvalid("it is larger than any bundle")
    try:
        said = decode_json(data, dict[str, Any])
    except Undecodable as error:
        raise ContentInvalid(f"it is no bundle: {error}") from error
    if said.get("mediaType") not in _TYPES:
        raise ContentInvalid("it is no bundle of Sigstore's")
    if "dsseEnvelope" not in said:
        raise ContentInvalid("it signs a file, and no statement about an image")
    envelope = decode_envelope(said["dsseEnvelope"])
    if len(envelope.signatures) != 1:
        raise ContentInvalid("it has several signatures, and a bundle has one")
    material = said.get("verificationMaterial")
    parts = material if isinstance(material, Mapping) else {}
    has_certificate = any(part in parts for part in ("certificate", "x509CertificateChain"))
    return Bundle(envelope, has_certificate, data, _hint(parts.get("publicKey")))


def _hint(said: object) -> str:
    hint = said.get("hint") if isinstance(said, Mapping) else None
    return hint if isinstance(hint, str) and _HINT.fullmatch(hint) else ""
