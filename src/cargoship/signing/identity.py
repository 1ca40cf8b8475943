"""Signatures of identities, checked by Sigstore's own library: certificate, time, the log's entry, the signature."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from cargoship.attest.statement import MEDIA_TYPE
from cargoship.errors import SigningFailed
from cargoship.signing.bundle import read_bundle
from cargoship.signing.services import read_services

if TYPE_CHECKING:
    from sigstore.verify import Verifier


def refusal_of(bundle: bytes, identity: str, issuer: str, services: Path | None = None) -> str | None:
    """Why a bundle is not that of an identity; None: it is. Raises SigningFailed without the library.

    `services` is a file with others than Sigstore's public services (`services.named_services`).
    """
    verifier = _verifier(services)
    from sigstore.errors import Error  # noqa: PLC0415 - an extra
    from sigstore.models import Bundle  # noqa: PLC0415
    from sigstore.verify.policy import Identity  # noqa: PLC0415

    try:
        kind, payload = verifier.verify_dsse(Bundle.from_json(bundle), Identity(identity=identity, issuer=issuer))
        # two readers of one text may find different things in it, and what was checked is what the library has found
        if kind != MEDIA_TYPE or payload != read_bundle(bundle).envelope.payload:
            return "what is signed is not what it says"
    except Error as error:
        return str(error)[:500] or type(error).__name__
    except Exception as error:  # noqa: BLE001 - what is in a bundle is anybody's: whatever it breaks, it is not valid
        return f"it cannot be checked ({type(error).__name__})"
    return None


@functools.cache
def _verifier(services: Path | None) -> Verifier:
    try:
        from sigstore.verify import Verifier  # noqa: PLC0415
    except ImportError as error:
        raise SigningFailed(
            "checking identities takes the extra `sign`", hint="pip install 'cargoship[sign]', or check a key: --key"
        ) from error
    if services is not None:
        return Verifier(trusted_root=read_services(services).trusted_root)
    try:
        return Verifier(trusted_root=read_services(None).trusted_root)
    except Exception:  # noqa: BLE001 - without a network the roots that came with the library count
        return Verifier(trusted_root=read_services(None, offline=True).trusted_root)
