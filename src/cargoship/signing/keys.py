"""Keys: private ones, as cosign keeps them or as PKCS#8 has them, and public ones that signatures are checked with.

cosign's own form is a PEM block of JSON: a password becomes a key by scrypt, and that opens a box of NaCl with PKCS#8
in it (https://github.com/theupdateframework/go-tuf/blob/v0.7.0/encrypted/encrypted.go).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import SigningFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    Public = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

KEY_BYTES_MAX = 64 << 10
PASSWORD = "COSIGN_PASSWORD"  # noqa: S105 - a variable's name
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,60})-----\s*([A-Za-z0-9+/=\s]*)-----END \1-----")
_OF_COSIGN = frozenset({b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY"})
_OF_OTHERS = frozenset({b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"EC PRIVATE KEY", b"RSA PRIVATE KEY"})
_SCRYPT_BYTES_MAX = 1 << 30
"""cosign's own parameters take 64 MiB."""
_RSA_BITS_MIN = 2048


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are checked with."""

    key: Public = field(repr=False)

    @cached_property
    def hint(self) -> str:
        """What names it in bundles: the SHA-256 of its SubjectPublicKeyInfo, in base64."""
        return base64.b64encode(hashlib.sha256(self._der()).digest()).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether its private half has signed a message, by an algorithm that is not weak."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding  # noqa: PLC0415

        # cosign 2 takes SHA-256 with any curve, cosign 3 the curve's own
        for algorithm in {type(each): each for each in (_hash_of(self.key), hashes.SHA256())}.values():
            try:
                match self.key:
                    case ed25519.Ed25519PublicKey():
                        self.key.verify(signature, message)
                    case ec.EllipticCurvePublicKey():
                        self.key.verify(signature, message, ec.ECDSA(algorithm))
                    case _:
                        self.key.verify(signature, message, padding.PKCS1v15(), algorithm)
            except InvalidSignature:
                continue
            return True
        return False

    def _der(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

        return self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class PrivateKey:
    """A key that signs."""

    key: Private = field(repr=False)

    @cached_property
    def public(self) -> PublicKey:
        """What others check its signatures with."""
        return PublicKey(self.key.public_key())

    def sign(self, message: bytes) -> bytes:
        """The signature of a message: the same each time, so that what is signed again is the same to the byte."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding  # noqa: PLC0415

        match self.key:
            case ed25519.Ed25519PrivateKey():
                return self.key.sign(message)
            case ec.EllipticCurvePrivateKey():
                algorithm = _hash_of(self.public.key)
                try:
                    return self.key.sign(message, ec.ECDSA(algorithm, deterministic_signing=True))  # RFC 6979
                except UnsupportedAlgorithm:  # an OpenSSL before 3.2
                    return self.key.sign(message, ec.ECDSA(algorithm))
            case _:
                return self.key.sign(message, padding.PKCS1v15(), _hash_of(self.public.key))


def load_private(data: bytes, password: str | None, said: str) -> PrivateKey:
    """Read a private key; `said` is what it is called in messages. Raises SigningFailed."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_der_private_key,
        load_pem_private_key,
    )

    label, body = _block(data, said)
    try:
        if label in _OF_COSIGN:
            loaded = load_der_private_key(_opened(body, password, said), None)
        elif label in _OF_OTHERS:
            locked = label == b"ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in data
            if locked and not password:
                raise _no_password(said)
            loaded = load_pem_private_key(data, (password or "").encode() if locked else None)
        else:
            raise SigningFailed(
                f"{said} has no private key in it",
                hint="name the private key: `cosign generate-key-pair` calls it cosign.key",
            )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # what the library says may quote the key
        raise SigningFailed(f"{said} is no private key, or {PASSWORD} is not its password") from error
    return PrivateKey(_strong_private(loaded, said))


def load_public(data: bytes, said: str) -> PublicKey:
    """Read a public key (PEM); raises SigningFailed."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    label, _ = _block(data, said)
    if label != b"PUBLIC KEY":
        raise SigningFailed(f"{said} has no public key in it", hint="`cosign generate-key-pair` calls it cosign.pub")
    try:
        loaded = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningFailed(f"{said} is no public key that is known here") from error
    return PublicKey(_strong(loaded, said))


def _block(data: bytes, said: str) -> tuple[bytes, bytes]:
    """The label of the only PEM block, and what is in it."""
    found: list[tuple[bytes, bytes]] = _PEM.findall(data) if len(data) <= KEY_BYTES_MAX else []
    if len(found) != 1 and b"-----BEGIN EC PARAMETERS-----" in data:
        found = [each for each in found if each[0] != b"EC PARAMETERS"]
    if len(found) != 1:
        # an old form with headers inside
        legacy = re.search(rb"-----BEGIN ((?:EC|RSA) PRIVATE KEY)-----\s*Proc-Type:", data[:KEY_BYTES_MAX])
        if legacy is not None:
            return legacy[1], b""
        if len(found) > 1:
            raise SigningFailed(
                f"{said} has {len(found)} keys in it", hint="put the one that is meant into a file of its own"
            )
        raise SigningFailed(f"{said} is no key in PEM form", hint="a key begins with -----BEGIN")
    return found[0]


def _opened(body: bytes, password: str | None, said: str) -> bytes:
    """PKCS#8 out of cosign's box; raises SigningFailed, ValueError."""
    if password is None:
        raise _no_password(said)
    try:
        parameters = decode_json(base64.b64decode(body), dict[str, Any])
        scrypt, cipher = parameters["kdf"], parameters["cipher"]
        cost, block, lanes = (int(scrypt["params"][name]) for name in ("N", "r", "p"))
        salt, nonce, sealed = (
            base64.b64decode(each) for each in (scrypt["salt"], cipher["nonce"], parameters["ciphertext"])
        )
        kinds = (scrypt["name"], cipher["name"])
    except (KeyError, TypeError, Undecodable, binascii.Error) as error:
        raise ValueError("no box of cosign's") from error
    if kinds != ("scrypt", "nacl/secretbox"):
        raise SigningFailed(f"{said} is locked in a way that is not known here")
    if not (cost > 1 and block > 0 and 0 < lanes <= 16) or 128 * cost * block > _SCRYPT_BYTES_MAX:  # noqa: PLR2004
        raise SigningFailed(f"{said} asks for more memory than a key takes")
    from nacl.exceptions import CryptoError  # noqa: PLC0415
    from nacl.secret import SecretBox  # noqa: PLC0415

    key = hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=_SCRYPT_BYTES_MAX + (64 << 20), dklen=32
    )
    try:
        return SecretBox(key).decrypt(sealed, nonce)
    except CryptoError as error:
        raise SigningFailed(f"{PASSWORD} is not the password of {said}") from error


def _no_password(said: str) -> SigningFailed:
    return SigningFailed(f"{said} is locked with a password", hint=f"put it into {PASSWORD}; empty, if it has none")


def _strong_private(key: object, said: str) -> Private:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    if isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        _strong(key.public_key(), said)
        return key
    raise SigningFailed(f"{said} is of a kind that nothing is signed with here", hint="use ECDSA, Ed25519 or RSA")


def _strong(key: object, said: str) -> Public:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            return key
        case rsa.RSAPublicKey() if key.key_size >= _RSA_BITS_MIN:
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case _:
            raise SigningFailed(
                f"{said} is too weak, or of a kind that is not known here",
                hint="use ECDSA on P-256, P-384 or P-521, Ed25519, or RSA with 2048 bits and more",
            )


def _hash_of(key: Public) -> hashes.HashAlgorithm:
    """The one that goes with a key; Ed25519 has its own."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    size = key.curve.key_size if isinstance(key, ec.EllipticCurvePublicKey) else 0
    return {384: hashes.SHA384(), 521: hashes.SHA512()}.get(size, hashes.SHA256())
