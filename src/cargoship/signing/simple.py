"""Simple signing: what cosign before 3 signs, under tags (sigstore/cosign, specs/SIGNATURE_SPEC.md)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import CargoshipError, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference

SIMPLE_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
_KIND = "cosign container image signature"
_KINDS = frozenset({_KIND, "atomic container signature"})
PAYLOAD_BYTES_MAX = 1 << 20


class SimplePayload(Struct, frozen=True):
    """What was signed: an image by its digest, in a repository."""

    digest: Digest
    repository: str
    """As its signer called it."""

    def is_of(self, reference: Reference) -> bool:
        """Whether it was signed for this repository."""
        try:
            return Reference.parse(self.repository).name == reference.name
        except CargoshipError:
            return False


def simple_payload(repository: str, digest: Digest) -> bytes:
    """What is signed, as cosign writes it."""
    return msgspec.json.encode(
        {
            "critical": {
                "identity": {"docker-reference": repository},
                "image": {"docker-manifest-digest": str(digest)},
                "type": _KIND,
            },
            "optional": None,
        }
    )


def read_simple(data: bytes) -> SimplePayload:
    """Read what anybody may have written; raises ContentInvalid."""
    try:
        critical = decode_json(data, dict[str, Any])["critical"]
        kind, digest = critical["type"], critical["image"]["docker-manifest-digest"]
        repository = critical["identity"]["docker-reference"]
    except (Undecodable, KeyError, TypeError) as error:
        raise ContentInvalid("it is no signature of an image") from error
    if kind not in _KINDS or not isinstance(digest, str) or not isinstance(repository, str):
        raise ContentInvalid("it is no signature of an image")
    return SimplePayload(Digest.parse(digest), repository)
