"""Whose units are taken from caches, as a person writes it: public keys, and identities of CI jobs."""

from __future__ import annotations

from msgspec import Struct

from cargoship.errors import UsageError

_BY = " by "
_BEGIN = "-----BEGIN "


class TrustedIdentity(Struct, frozen=True):
    """A CI job that signs without a key: what its certificate says, and whose word that is."""

    identity: str
    issuer: str


def parse_trusted(text: str) -> str | TrustedIdentity:
    """What is trusted: a key (a file, `env://NAME`, or PEM itself), or an identity; raises UsageError."""
    if _BY in text and not text.lstrip().startswith(_BEGIN):
        identity, _, issuer = (part.strip() for part in text.partition(_BY))
        if not identity or not issuer.startswith("https://"):
            raise UsageError(
                f"{text!r} is no identity of a CI job",
                hint="write IDENTITY by ISSUER, where the issuer begins with https://",
            )
        return TrustedIdentity(identity, issuer)
    if not text.strip():
        raise UsageError("nobody is trusted by an empty text", hint="name a public key: cosign.pub, or env://NAME")
    if "PRIVATE KEY-----" in text:
        raise UsageError("what is trusted is a public key, and this is a private one")
    return text
