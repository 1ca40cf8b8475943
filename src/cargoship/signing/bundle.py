"""Sigstore's bundles, as cosign 3 attaches them (https://github.com/sigstore/protobuf-specs, sigstore_bundle.proto)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid
from cargoship.signing.envelope import ENVELOPE_BYTES_MAX, Envelope, read_envelope, sealed
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
_AROUND_BYTES_MAX = 4 << 20
_HINT = re.compile(r"[A-Za-z0-9+/=_.:-]{1,100}")


@dataclass(frozen=True)
class Bundle:
    """A statement's envelope, and what it can be checked with."""

    envelope: Envelope
    has_certificate: bool
    """Whether a certificate of Fulcio's vouches for the signer, and not a key that is known already."""
    data: bytes = field(repr=False)
    hint: str | None = None
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


class _WireKey(msgspec.Struct):
    hint: str | None = None


class _WireMaterial(msgspec.Struct):
    public_key: _WireKey | None = msgspec.field(name="publicKey", default=None)
    certificate: msgspec.Raw = msgspec.Raw()
    chain: msgspec.Raw = msgspec.field(name="x509CertificateChain", default=msgspec.Raw())


class _Wire(msgspec.Struct):
    """What is not looked at is passed over: a few bytes of JSON can be many objects."""

    media_type: str | None = msgspec.field(name="mediaType", default=None)
    material: _WireMaterial | None = msgspec.field(name="verificationMaterial", default=None)
    envelope: msgspec.Raw = msgspec.field(name="dsseEnvelope", default=msgspec.Raw())


def read_bundle(data: bytes) -> Bundle:
    """Read a bundle that anybody may have written; raises ContentInvalid for what is none, or signs no statement."""
    if len(data) > ENVELOPE_BYTES_MAX:
        raise ContentInvalid("it is larger than any bundle")
    try:
        said = decode_json(data, _Wire)
    except Undecodable as error:
        raise ContentInvalid(f"it is no bundle: {error}") from error
    if said.media_type not in _TYPES:
        raise ContentInvalid("it is no bundle of Sigstore's")
    if not bytes(said.envelope):
        raise ContentInvalid("it signs a file, and no statement about an image")
    envelope = read_envelope(bytes(said.envelope))
    if len(envelope.signatures) != 1:
        raise ContentInvalid("it has several signatures, and a bundle has one")
    # what reads the whole, certificates and log, makes objects of all that is in it
    if len(data) - len(envelope.payload) * 4 // 3 > _AROUND_BYTES_MAX:
        raise ContentInvalid("it has more around its statement than any bundle")
    material = said.material or _WireMaterial()
    has_certificate = any(bytes(each) not in {b"", b"null"} for each in (material.certificate, material.chain))
    hint = (material.public_key.hint if material.public_key is not None else None) or ""
    return Bundle(envelope, has_certificate, data, hint if _HINT.fullmatch(hint) else "")
