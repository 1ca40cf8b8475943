"""Which of Sigstore's services sign for identities, and whose word counts: the public ones, or an organisation's own.

An organisation that runs Fulcio and Rekor itself has a file with their places and roots of trust, a client trust
configuration (https://github.com/sigstore/protobuf-specs, sigstore_trustroot.proto). A project cannot name one: only
the environment can, for it decides whom a machine believes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cargoship.errors import SigningFailed
from cargoship.reading import read_file

if TYPE_CHECKING:
    from sigstore.models import ClientTrustConfig

TRUST_CONFIG = "CARGOSHIP_TRUST_CONFIG"
_BYTES_MAX = 4 << 20


def named_services(env: Mapping[str, str], cwd: Path) -> Path | None:
    """The file that the environment names; None for Sigstore's public services."""
    return cwd / env[TRUST_CONFIG] if env.get(TRUST_CONFIG) else None


def read_services(named: Path | None, *, offline: bool = False) -> ClientTrustConfig:
    """Services and roots of trust; raises SigningFailed for a file that is none, ImportError without the library.

    Of the public ones the roots come from Sigstore's own repository, `offline` from what came with the library.
    """
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415 - an extra

    # it tells of its network on the console
    logging.getLogger("sigstore").setLevel(logging.CRITICAL)
    if named is None:
        return ClientTrustConfig.production(offline=offline)
    try:
        config = ClientTrustConfig.from_json(read_file(named, _BYTES_MAX).decode())
        _ = config.trusted_root, config.signing_config
    except OSError as error:
        raise SigningFailed(
            f"{TRUST_CONFIG} names {named}, which cannot be read: {error.strerror or error}",
            hint="name a file, or unset the variable for the public services",
        ) from error
    except Exception as error:
        # the library raises what its own parts raise
        raise SigningFailed(
            f"{TRUST_CONFIG} names {named}, which is no trust configuration of Sigstore's ({type(error).__name__})",
            hint="it has a trustedRoot and a signingConfig; unset the variable for the public services",
        ) from error
    return config
