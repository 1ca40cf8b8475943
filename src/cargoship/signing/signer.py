"""Who signs: a key, or the identity that a CI system gives its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from cargoship.errors import SigningFailed
from cargoship.reading import read_file
from cargoship.signing.bundle import key_bundle
from cargoship.signing.keys import KEY_BYTES_MAX, PASSWORD, PrivateKey, PublicKey, load_private, load_public

KEYLESS = "keyless"
FROM_ENVIRONMENT = "env://"


class Signer(Protocol):
    """Signs statements of in-toto."""

    @property
    def name(self) -> str:
        """What tells its signatures from those of others; no secret."""
        ...

    @property
    def key(self) -> PrivateKey | None:
        """The key; None where each signature has one of its own. With a key the same is signed in the same bytes."""
        ...

    def bundle(self, statement: bytes) -> bytes:
        """The statement, signed, as Sigstore's bundle; raises SigningFailed."""
        ...


class KeySigner(Struct, frozen=True):
    """Signs with a key."""

    key: PrivateKey

    @property
    def name(self) -> str:
        """See `Signer`."""
        return self.key.public.hint

    def bundle(self, statement: bytes) -> bytes:
        """See `Signer`."""
        return key_bundle(statement, self.key)


def open_signer(spec: str, *, env: Mapping[str, str], cwd: Path) -> Signer:
    """What a setting names: a key, read and tried, or `keyless`, if there is an identity. Raises SigningFailed."""
    if spec == KEYLESS:
        from cargoship.signing.keyless import open_keyless  # noqa: PLC0415 - heavy, and an extra

        return open_keyless(env, cwd)
    said, data = _read(spec, env, cwd)
    key = load_private(data, env.get(PASSWORD), said)
    message = b"a key that signs what it cannot verify is of no use"
    if not key.public.verifies(key.sign(message), message):  # pragma: no cover - a fault of the library
        raise SigningFailed(f"what {said} signs cannot be verified")
    return KeySigner(key)


def open_public(spec: str, *, env: Mapping[str, str], cwd: Path) -> PublicKey:
    """The public key that a person names: a file, or `env://NAME`; raises SigningFailed."""
    said, data = _read(spec, env, cwd)
    return load_public(data, said)


def _read(spec: str, env: Mapping[str, str], cwd: Path) -> tuple[str, bytes]:
    if spec.startswith(FROM_ENVIRONMENT):
        name = spec.removeprefix(FROM_ENVIRONMENT)
        value = env.get(name)
        if not value:
            raise SigningFailed(f"the variable {name} has no key in it", hint="is it a secret that this job may read?")
        # some systems keep line ends as two characters
        return f"the key in {name}", value.replace("\\n", "\n").encode()
    path = cwd / spec
    if "://" in spec and not path.exists():
        raise SigningFailed(
            f"{spec} is no file, and keys are read from files and variables alone",
            hint="name a file, or env://NAME; `cosign public-key --key URL` prints a service's public key",
        )
    try:
        return spec, read_file(path, KEY_BYTES_MAX)
    except OSError as error:
        raise SigningFailed(
            f"the key {spec} cannot be read: {error.strerror or error}",
            hint="name a key's file, as `cosign generate-key-pair` writes it, or env://NAME for a variable that has it",
        ) from error
