"""Debian's signatures: an InRelease file is what one of the archive's own keys has signed, or it is nothing.

The certificates are those of the package debian-archive-keyring ("the keys in the keyrings don't fall under any
copyright"), one file each in `keys/`. Sequoia checks signatures, as apt itself does since Debian 13.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from cargoship.errors import ContentInvalid, UsageError


def signed_text(data: bytes, *, what: str, keys: Path | None = None) -> bytes:
    """What a clear-signed file says, without what stands around it.

    `keys` is a file of certificates that are trusted instead of Debian's. Raises ContentInvalid, UsageError.
    """
    import pysequoia  # noqa: PLC0415 - loaded when used

    if not data.lstrip().startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
        raise ContentInvalid(f"{what} is not a signed file", hint="is the mirror a mirror of Debian?")
    trusted = _own(keys) if keys else list(debian_certificates())
    try:
        # only what is inside of the signature is returned
        found = pysequoia.verify(data, store=lambda _: trusted)
    except (RuntimeError, ValueError, TypeError) as error:
        # its message carries a stack trace
        reason = str(error).partition("\n")[0]
        raise ContentInvalid(
            f"{what} is not signed by {'a key in ' + str(keys) if keys else 'a key of Debian'}: {reason}",
            hint="the mirror is damaged or forged, or this version of cargoship is older than the key",
        ) from error
    if not found.valid_sigs or found.bytes is None:
        raise ContentInvalid(f"{what} has no valid signature")
    return bytes(found.bytes)


@cache
def debian_certificates() -> tuple[Any, ...]:
    """Those of Debian's archive that come with cargoship, as pysequoia's `Cert`."""
    from pysequoia import Cert  # noqa: PLC0415 - loaded when used

    folder = resources.files("cargoship.debian") / "keys"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".asc")), key=lambda each: each.name)
    return tuple(Cert.from_bytes(each.read_bytes()) for each in files)


def _own(path: Path) -> list[Any]:
    from pysequoia import Cert  # noqa: PLC0415 - loaded when used

    try:
        return list(Cert.split_bytes(path.read_bytes()))
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{path} holds no OpenPGP certificates: {reason}", hint="CARGOSHIP_DEBIAN_KEYS names it"
        ) from error
