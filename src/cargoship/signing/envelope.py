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


def decode_envelope(said: object) -> Envelope:
    """Read an envelope of a statement that anybody may have written; raises ContentInvalid."""
    if not isinstance(said, Mapping) or said.get("payloadType") != MEDIA_TYPE:
        raise ContentInvalid("it is no envelope with a statement of in-toto in it")
    listed = said.get("signatures")
    if not isinstance(listed, list) or not 1 <= len(listed) <= _SIGNATURES_MAX:
        raise ContentInvalid("it has no signature, or more than anybody makes")
    signatures = tuple(_bytes(each.get("sig") if isinstance(each, Mapping) else None) for each in listed)
    return Envelope(_bytes(said.get("payload")), signatures)


def read_envelope(data: bytes) -> Envelope:
    """Read an envelope that stands alone; raises ContentInvalid."""
    try:
        return decode_envelope(decode_json(data, dict[str, Any]))
    except Undecodable as error:
        raise ContentInvalid(f"it is no envelope: {error}") from error


_SIGNATURES_MAX = 100


def pae(payload: bytes) -> bytes:
    """What is signed: the payload with its type before it."""
    kind = MEDIA_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise ContentInvalid("it lacks a part")
    try:
        # the specification allows both alphabets
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ContentInvalid("a part of it is no base64") from error
