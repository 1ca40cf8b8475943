"""DSSE envelopes: a statement with its signatures (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.attest.statement import MEDIA_TYPE, STATEMENT_BYTES_MAX
from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid
from cargoship.signing.keys import PrivateKey, PublicKey

ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"
ENVELOPE_BYTES_MAX = STATEMENT_BYTES_MAX * 3 // 2


class Envelope(Struct, frozen=True):
    """What was signed, and by how many."""

    payload: bytes
    signatures: tuple[bytes, ...]

    def signed_by(self, key: PublicKey) -> bool:
        """Whether one of the signatures is of this key."""
        return any(key.verifies(each, pae(self.payload)) for each in self.signatures)


def sealed(payload: bytes, key: PrivateKey) -> dict[str, Any]:
    """The envelope of a statement, signed; as JSON has it."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": MEDIA_TYPE,
        "signatures": [{"sig": base64.b64encode(key.sign(pae(payload))).decode(), "keyid": key.public.hint}],
    }


def encode_envelope(envelope: Mapping[str, Any]) -> bytes:
    """The same bytes for the same envelope."""
    return msgspec.json.encode(envelope)


class _Wire(Struct):
    """What is not looked at is passed over: a few bytes of JSON can be many objects."""

    payload_type: str | None = msgspec.field(name="payloadType", default=None)
    payload: str | None = None
    signatures: msgspec.Raw = msgspec.Raw(b"null")


class _WireSignature(Struct):
    sig: str | None = None


def read_envelope(data: bytes) -> Envelope:
    """Read an envelope of a statement that anybody may have written; raises ContentInvalid."""
    try:
        said = decode_json(data, _Wire)
        if said.payload_type != MEDIA_TYPE:
            raise ContentInvalid("it is no envelope with a statement of in-toto in it")
        if len(bytes(said.signatures)) > _SIGNATURES_BYTES_MAX:
            raise ContentInvalid("it has more signatures than anybody makes")
        listed = decode_json(bytes(said.signatures), list[_WireSignature])
    except Undecodable as error:
        raise ContentInvalid(f"it is no envelope: {error}") from error
    if not 1 <= len(listed) <= _SIGNATURES_MAX:
        raise ContentInvalid("it has no signature, or more than anybody makes")
    return Envelope(_bytes(said.payload), tuple(_bytes(each.sig) for each in listed))


_SIGNATURES_MAX = 100
_SIGNATURES_BYTES_MAX = 4 << 20
"""Some have certificates beside them."""


def pae(payload: bytes) -> bytes:
    """What is signed: the payload with its type before it."""
    kind = MEDIA_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _bytes(text: str | None) -> bytes:
    if text is None:
        raise ContentInvalid("it lacks a part")
    try:
        # the specification allows both alphabets
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ContentInvalid("a part of it is no base64") from error
