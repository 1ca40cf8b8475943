"""Public keys as files, as `cosign generate-key-pair` writes them."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cargoship.signing.keys import PublicKey


def pem_of(key: PublicKey) -> str:
    """What such a file holds."""
    return key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
