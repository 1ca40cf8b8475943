"""Statements of in-toto: what is said (a predicate) of which files (subjects), by their digests.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest

MEDIA_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"
"""The annotation that BuildKit and others tell a statement's predicate by."""
_SUBJECTS_MAX = 10_000
STATEMENT_BYTES_MAX = 64 << 20
"""A bill of the largest images has a few megabytes."""
_TYPE = "https://in-toto.io/Statement/v1"
_TYPES = frozenset({_TYPE, "https://in-toto.io/Statement/v0.1"})
"""The older one has the same fields, and BuildKit and cosign 2 write it."""


class Subject(Struct, frozen=True):
    """What is spoken of. The name is for people; the digests alone, by algorithm in hexadecimal, count."""

    name: str
    digests: Mapping[str, str]

    @classmethod
    def of(cls, digest: Digest, name: str = "") -> Subject:
        """What has this digest."""
        return cls(name, {str(digest.algorithm): digest.hex})


class Statement(Struct, frozen=True):
    """A predicate, and its subjects."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def encode(self) -> bytes:
        """The same bytes for the same statement."""
        subjects = [
            {**({"name": each.name} if each.name else {}), "digest": dict(each.digests)} for each in self.subjects
        ]
        return msgspec.json.encode(
            {
                "_type": _TYPE,
                "subject": subjects,
                "predicateType": self.predicate_type,
                "predicate": self.predicate,
            }
        )

    def speaks_of(self, digest: Digest) -> bool:
        """Whether it is about what has this digest."""
        return any(each.digests.get(str(digest.algorithm)) == digest.hex for each in self.subjects)


def decode_statement(data: bytes) -> Statement:
    """Read a statement that anybody may have written; raises ContentInvalid."""
    if len(data) > STATEMENT_BYTES_MAX:
        raise ContentInvalid(f"an attestation has {len(data)} bytes; more than any has are not read")
    try:
        said = decode_json(data, dict[str, Any])
    except Undecodable as error:
        raise ContentInvalid(f"an attestation is no statement of in-toto: {error}") from error
    kind, predicate_type, predicate = said.get("_type"), said.get("predicateType"), said.get("predicate")
    if kind not in _TYPES or not isinstance(predicate_type, str):
        raise ContentInvalid("an attestation is no statement of in-toto")
    if predicate is not None and not isinstance(predicate, dict):
        raise ContentInvalid("an attestation is no statement of in-toto: its predicate is no object")
    return Statement(_subjects(said.get("subject")), predicate_type, predicate or {})


def _subjects(listed: object) -> tuple[Subject, ...]:
    if not isinstance(listed, list) or not listed:
        raise ContentInvalid("an attestation speaks of nothing")
    if len(listed) > _SUBJECTS_MAX:
        raise ContentInvalid(f"an attestation speaks of {len(listed)} things; more than any does is not read")
    found = []
    for each in listed:
        digests = each.get("digest") if isinstance(each, dict) else None
        if not isinstance(digests, dict) or not all(isinstance(value, str) for value in digests.values()):
            raise ContentInvalid("an attestation speaks of something without a digest")
        name = each.get("name")
        found.append(Subject(name if isinstance(name, str) else "", digests))
    return tuple(found)
