"""What is known of the units that lie in a build directory: what cargoship has seen them made of.

cargo takes for fresh what times say. What nobody has seen being made may have come of anything: of a source that was
edited since and has an old time, of a compiler wrapper that was set then. The history of a build directory has the
units that an earlier run compiled, or put there, with the digests of what they were made of.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.oci.files import replacing

_FILE = ".cargoship-history.json"
_BYTES_MAX = 64 << 20


class UnitOrigin(msgspec.Struct, frozen=True):
    """How a unit came to be."""

    unit: str
    """A digest of what tells it from other units."""
    own: str
    """A digest of all that decides what comes out of it, beside what it reads and what it depends on."""
    key: str
    inputs: dict[str, str]
    output: str
    stamp_ns: int
    """The time of its fingerprint; another one is that of another compilation."""
    said: str = ""
    """What the run of a build script has said, relative to the build directory."""


class _History(msgspec.Struct, frozen=True):
    units: dict[str, UnitOrigin]


def read_history(build_dir: Path) -> dict[str, UnitOrigin]:
    """What is known of units, by places of fingerprints; nothing where it cannot be read."""
    try:
        with (build_dir / _FILE).open("rb") as stream:
            return decode_json(stream.read(_BYTES_MAX), _History).units
    except (OSError, Undecodable):
        return {}


def write_history(build_dir: Path, more: Mapping[str, UnitOrigin]) -> None:
    """Add to what is known, and leave out what is not there any more; that it cannot be written is no matter."""
    units = {place: made for place, made in read_history(build_dir).items() if _is_folder(build_dir, place)}
    with contextlib.suppress(OSError), replacing(build_dir / _FILE) as written:
        written.write(msgspec.json.encode(_History({**units, **more})))


def _is_folder(build_dir: Path, place: str) -> bool:
    return os.path.isdir(f"{build_dir}/{place}")  # noqa: PTH112 - takes what no file can be called, too


def make_stale(build_dir: Path, place: str, said: str = "") -> None:
    """Let cargo make a unit again, and what depends on it; `said` is as in `UnitOrigin`. Raises OSError."""
    # of a run, cargo asks this file how old it is
    if said:
        (build_dir / said).unlink(missing_ok=True)
    shutil.rmtree(build_dir / place)


def stamp_of(build_dir: Path, fingerprint: str) -> int | None:
    """The time of the file that cargo looks at first, in ns since 1970; None where there is none."""
    try:
        # of each unit of a build, several times: in text, for paths as objects cost more than the files
        with os.scandir(f"{build_dir}/{fingerprint}") as found:
            there = {entry.name: entry for entry in found}
        hashes = [entry for name, entry in there.items() if (told := there.get(f"{name}.json")) and told.is_file()]
        return hashes[0].stat().st_mtime_ns if len(hashes) == 1 else None
    except OSError:
        return None
