"""Statements of in-toto: what is said (a predicate) of which files (subjects), by their digests.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
_SUBJECTS_BYTES_MAX = 10 << 20
STATEMENT_BYTES_MAX = 64 << 20
"""An SBOM of the largest images has a few megabytes."""
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
        return _speak_of(self.subjects, digest)


class Heading(Struct, frozen=True):
    """Of what a statement is, and what kind of thing it says: all that counts where its signature is judged."""

    subjects: tuple[Subject, ...]
    predicate_type: str

    def speaks_of(self, digest: Digest) -> bool:
        """See `Statement.speaks_of`."""
        return _speak_of(self.subjects, digest)


class _Wire(Struct):
    """What is not looked at is passed over: a few bytes of JSON can be many objects."""

    kind: str | None = msgspec.field(name="_type", default=None)
    predicate_type: str | None = msgspec.field(name="predicateType", default=None)
    subject: msgspec.Raw = msgspec.Raw(b"null")
    predicate: msgspec.Raw = msgspec.Raw(b"null")


def decode_heading(data: bytes) -> Heading:
    """Read what a statement is about, and nothing of what it says; raises ContentInvalid."""
    return _heading(_wire(data))


def split_statement(data: bytes) -> tuple[Heading, bytes]:
    """Read what a statement is about, with what it says as it is written there; raises ContentInvalid."""
    said = _wire(data)
    return _heading(said), bytes(said.predicate)


def decode_statement(data: bytes) -> Statement:
    """Read a statement that anybody may have written; raises ContentInvalid."""
    said = _wire(data)
    heading = _heading(said)
    predicate = _decoded(said.predicate)
    if predicate is not None and not isinstance(predicate, dict):
        raise ContentInvalid("an attestation is no statement of in-toto: its predicate is no object")
    return Statement(heading.subjects, heading.predicate_type, predicate or {})


def _wire(data: bytes) -> _Wire:
    if len(data) > STATEMENT_BYTES_MAX:
        raise ContentInvalid(f"an attestation has {len(data)} bytes; more than any has are not read")
    try:
        return decode_json(data, _Wire)
    except Undecodable as error:
        raise ContentInvalid(f"an attestation is no statement of in-toto: {error}") from error


def _heading(said: _Wire) -> Heading:
    if said.kind not in _TYPES or said.predicate_type is None:
        raise ContentInvalid("an attestation is no statement of in-toto")
    if len(bytes(said.subject)) > _SUBJECTS_BYTES_MAX:
        raise ContentInvalid("an attestation speaks of more things than any does")
    return Heading(_subjects(_decoded(said.subject)), said.predicate_type)


def _decoded(part: msgspec.Raw) -> object:
    try:
        return decode_json(bytes(part), Any)
    except Undecodable as error:
        raise ContentInvalid(f"an attestation is no statement of in-toto: {error}") from error


def _speak_of(subjects: Iterable[Subject], digest: Digest) -> bool:
    return any(each.digests.get(str(digest.algorithm)) == digest.hex for each in subjects)


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
