"""The files in which crates come from registries, where cargo keeps them beside what it has unpacked.

`CARGO_HOME/registry/cache/INDEX/NAME-VERSION.crate` is where `registry/src/INDEX/NAME-VERSION` came from
(https://doc.rust-lang.org/cargo/guide/cargo-home.html). Vendored crates have none.
"""

from __future__ import annotations

from pathlib import Path

from cargoship.bom.crates import Crate
from cargoship.oci.digest import Hashing

_FILE_BYTES_MAX = 256 << 20
"""crates.io takes 10 MiB, and a few more from those who ask."""
_PART_BYTES = 1 << 20


def sha512_of(crate: Crate, folder: Path) -> str:
    """SHA-512 of a crate's file, in hexadecimal, where `folder` has its unpacked sources.

    Empty where the file is not there, or is another one than the lock file says.
    """
    index = folder.parent
    path = index.parent.parent / "cache" / index.name / f"{folder.name}.crate"
    sha256, sha512 = Hashing(), Hashing("sha512")
    try:
        with path.open("rb") as stream:
            while part := stream.read(_PART_BYTES):
                sha256.update(part)
                sha512.update(part)
                if sha256.size_bytes > _FILE_BYTES_MAX:
                    return ""
    except OSError:
        return ""
    return sha512.digest.hex if sha256.digest.hex == crate.checksum else ""
