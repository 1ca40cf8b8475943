"""Signatures of identities, checked by Sigstore's own library: certificate, time, the log's entry, the signature."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from cargoship.errors import SigningFailed

if TYPE_CHECKING:
    from sigstore.verify import Verifier


def refusal_of(bundle: bytes, identity: str, issuer: str) -> str | None:
    """Why a bundle is not that of an identity; None: it is. Raises SigningFailed without the library."""
    verifier = _verifier()
    from sigstore.errors import Error  # noqa: PLC0415 - an extra
    from sigstore.models import Bundle  # noqa: PLC0415
    from sigstore.verify.policy import Identity  # noqa: PLC0415

    try:
        verifier.verify_dsse(Bundle.from_json(bundle), Identity(identity=identity, issuer=issuer))
    except Error as error:
        return str(error)[:500] or type(error).__name__
    except Exception as error:  # noqa: BLE001 - what is in a bundle is anybody's: whatever it breaks, it is not valid
        return f"it cannot be checked ({type(error).__name__})"
    return None


@functools.cache
def _verifier() -> Verifier:
    try:
        from sigstore.verify import Verifier  # noqa: PLC0415
    except ImportError as error:
        raise SigningFailed(
            "checking identities takes the extra `sign`", hint="pip install 'cargoship[sign]', or check a key: --key"
        ) from error
    logging.getLogger("sigstore").setLevel(logging.CRITICAL)
    try:
        return Verifier.production()
    except Exception:  # noqa: BLE001 - without a network the roots that came with the library count
        return Verifier.production(offline=True)
