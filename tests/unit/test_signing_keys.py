"""Keys as cosign keeps them and as others do; what is no key, or a weak one, is refused and never shown."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from nacl.secret import SecretBox

from cargoship.errors import SigningFailed
from cargoship.signing.keys import PublicKey, load_private, load_public
from cargoship.signing.signer import open_public, open_signer
from support.public_keys import pem_of

MESSAGE = b"an image"


def pkcs8(key: ec.EllipticCurvePrivateKey, lock: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock or NoEncryption())


def boxed(key: ec.EllipticCurvePrivateKey, password: str, *, label: str = "SIGSTORE", cost: int = 1 << 14) -> bytes:
    """As `cosign generate-key-pair` writes it."""
    salt, nonce = os.urandom(32), os.urandom(SecretBox.NONCE_SIZE)
    opener = hashlib.scrypt(password.encode(), salt=salt, n=min(cost, 1 << 14), r=8, p=1, dklen=32, maxmem=1 << 28)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = SecretBox(opener).encrypt(der, nonce).ciphertext

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    document = {
        "kdf": {"name": "scrypt", "params": {"N": cost, "r": 8, "p": 1}, "salt": text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": text(nonce)},
        "ciphertext": text(sealed),
    }
    body = base64.encodebytes(json.dumps(document).encode()).decode()
    return (
        f"-----BEGIN ENCRYPTED {label} PRIVATE KEY-----\n{body}-----END ENCRYPTED {label} PRIVATE KEY-----\n".encode()
    )


@pytest.mark.parametrize("label", ["SIGSTORE", "COSIGN"])
@pytest.mark.parametrize("password", ["", "pässword"])
def test_keys_of_cosign_open_with_their_password_alone(label: str, password: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = boxed(key, password, label=label)
    found = load_private(data, password, "k")
    assert found.public.verifies(key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())), MESSAGE)
    for other in (None, "another"):
        with pytest.raises(SigningFailed) as refused:
            load_private(data, other, "k")
        assert "COSIGN_PASSWORD" in f"{refused.value} {refused.value.hint}"


def test_a_key_that_asks_for_all_memory_is_refused() -> None:
    with pytest.raises(SigningFailed, match="more memory"):
        load_private(boxed(ec.generate_private_key(ec.SECP256R1()), "", cost=1 << 26), "", "k")


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_what_is_signed_again_is_the_same_and_nothing_else_verifies(curve: ec.EllipticCurve) -> None:
    key = load_private(pkcs8(ec.generate_private_key(curve)), None, "k")
    signature = key.sign(MESSAGE)
    assert signature == key.sign(MESSAGE)
    public = load_public(pem_of(key.public).encode(), "k.pub")
    assert public.hint == key.public.hint
    assert public.verifies(signature, MESSAGE)
    assert not public.verifies(signature, b"another")
    assert not public.verifies(b"", MESSAGE)


def test_a_locked_key_in_pkcs8_opens() -> None:
    data = pkcs8(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"hunter2"))
    load_private(data, "hunter2", "k")
    for other in (None, "", "another"):
        with pytest.raises(SigningFailed) as refused:
            load_private(data, other, "k")
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - weak on purpose
        ec.generate_private_key(ec.SECP224R1()),
        ec.generate_private_key(ec.SECP256K1()),
        dsa.generate_private_key(1024),  # noqa: S505 - the same
    ],
    ids=["rsa 1024", "p-224", "secp256k1", "dsa"],
)
def test_weak_keys_are_refused(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey) -> None:
    with pytest.raises(SigningFailed):
        load_private(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), None, "k")
    with pytest.raises(SigningFailed):
        load_public(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "k")


@pytest.mark.parametrize(
    "data", [b"", b"text", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", b"\xff" * 70000]
)
def test_what_is_no_key_is_refused_and_not_shown(data: bytes) -> None:
    for load in (lambda: load_private(data, "p", "k"), lambda: load_public(data, "k")):
        with pytest.raises(SigningFailed) as refused:
            load()
        assert "AAAA" not in str(refused.value)


def test_keys_that_are_not_read_are_called_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "large.pub").write_bytes(b"-" * (70 << 10))
    (tmp_path / "two.pub").write_text(2 * pem_of(PublicKey(ec.generate_private_key(ec.SECP256R1()).public_key())))
    for spec, says in (
        ("large.pub", "large.pub cannot be read: it has more than 64 KiB"),
        ("two.pub", "two.pub has 2 keys in it"),
        ("awskms:///alias/release", "awskms:///alias/release is no file, and keys are read from files and variables"),
        ("env://KEY", "the variable KEY has no key in it"),
        ("none.pub", "none.pub cannot be read: No such file or directory"),
    ):
        for read in (open_public, open_signer):
            with pytest.raises(SigningFailed, match=re.escape(says)) as refused:
                read(spec, env={}, cwd=tmp_path)
            assert refused.value.hint or "keys in it" in says


def test_keys_have_no_face() -> None:
    key = load_private(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), None, "k"
    )
    assert repr(key) == "PrivateKey()"
