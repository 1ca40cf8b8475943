"""Who is trusted to have compiled what a cache holds, and who signs what is saved.

Keys and identities are those of `signing`; a machine has a key of its own for its own folder, so that what it compiles
by itself is found again without anybody having set up a key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cargoship.errors import CacheUnavailable, ContentInvalid, SigningFailed
from cargoship.settings.trust import TrustedIdentity, parse_trusted
from cargoship.unitcache.packs.index import SaveSignature
from cargoship.unitcache.packs.signatures import envelope_of

if TYPE_CHECKING:
    from cargoship.signing.keys import PublicKey
    from cargoship.signing.signer import KeySigner, Signer

THIS_MACHINE = "this machine"
_MACHINE_KEY = "machine.key"


class TrustedSigners(Struct, frozen=True):
    """Keys and identities with the names that people have given them. Pure, but for Sigstore's roots of trust."""

    keys: tuple[tuple[str, PublicKey], ...] = ()
    identities: tuple[TrustedIdentity, ...] = ()
    services: Path | None = None
    """A file with the services that vouch for identities, if they are not Sigstore's public ones."""

    def with_key(self, name: str, key: PublicKey) -> TrustedSigners:
        """With one more; a key that is trusted already keeps its name."""
        if any(each.hint == key.hint for _, each in self.keys):
            return self
        return replace(self, keys=(*self.keys, (name, key)))

    def signer_of(self, signature: SaveSignature) -> str:
        """The name of who has signed a list of units; raises ContentInvalid, which says why it is nobody trusted."""
        bundle = envelope_of(signature)
        for name, key in self.keys:
            if bundle.envelope.signed_by(key):
                return name
        if bundle.has_certificate and self.identities:
            from cargoship.signing.identity import refusal_of

            refusals = {
                each: refusal_of(bundle.data, each.identity, each.issuer, self.services) for each in self.identities
            }
            for each, refusal in refusals.items():
                if refusal is None:
                    return each.identity
            raise ContentInvalid(f"it is of no identity that is trusted: {next(iter(refusals.values()))}")
        raise ContentInvalid("it is of nobody who is trusted")


def open_trust(texts: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> TrustedSigners:
    """What a setting names; raises SigningFailed for a key that cannot be read, UsageError."""
    from cargoship.signing.services import named_services
    from cargoship.signing.signer import open_public

    trust = TrustedSigners(services=named_services(env, cwd))
    for text in texts:
        match parse_trusted(text):
            case TrustedIdentity() as identity:
                trust = replace(trust, identities=(*trust.identities, identity))
            case str() as spec:
                key = open_public(spec, env=env, cwd=cwd)
                name = spec if not spec.lstrip().startswith("-----") else f"the key {key.hint}"
                trust = trust.with_key(name, key)
    return trust


def open_saver(spec: str, *, env: Mapping[str, str], cwd: Path) -> Signer:
    """Who signs what is saved; raises SigningFailed."""
    from cargoship.signing.signer import open_signer

    return open_signer(spec, env=env, cwd=cwd)


def machine_signer(cache_dir: Path, *, make: bool) -> KeySigner | None:
    """The key that this machine signs the units of its own folder with; it is made where there is none.

    None where it may not be made, or cannot be kept: then nothing of this machine's own is taken. Raises
    CacheUnavailable for a file that is no key.
    """
    from cargoship.reading import read_file
    from cargoship.signing.keys import KEY_BYTES_MAX, load_private
    from cargoship.signing.signer import KeySigner

    path = cache_dir / _MACHINE_KEY
    for _ in range(2):
        try:
            return KeySigner(load_private(read_file(path, KEY_BYTES_MAX), None, str(path)))
        except FileNotFoundError:
            if not make or not _make_key(path):
                return None
        except OSError:
            return None
        except SigningFailed as error:
            raise CacheUnavailable(error.message, hint="remove it, and another one is made") from error
    return None


def _make_key(path: Path) -> bool:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    data = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    unfinished = path.with_name(f".{_MACHINE_KEY}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(data)
        try:
            # of two that make one at once, the first one counts
            os.link(unfinished, path)
        except FileExistsError:
            pass
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError:
        return False
    return True
