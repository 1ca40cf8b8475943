"""What the last build in a target directory made of each image, to tell what has changed since.

It is a memory for people and no cache: what cannot be read or written costs a word in a summary.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from msgspec import Struct

from cargoship.errors import OutputError
from cargoship.oci.files import write_atomically
from cargoship.oci.index import Index

_BYTES_MAX = 4096


class LastBuilt(msgspec.Struct, frozen=True):
    """An image as it was built: its digest, and the bytes of all that it consists of, on all platforms."""

    digest: str
    size_bytes: int

    @classmethod
    def of(cls, index: Index) -> LastBuilt:
        """What is remembered of an image."""
        return cls(str(index.digest), sum(image.size_bytes for image in index.children))


class LastBuilds(Struct, frozen=True):
    """The images that were built last, by their names, in a folder."""

    folder: Path

    def replaced(self, name: str, now: LastBuilt) -> LastBuilt | None:
        """Remember an image; what it was before, if that is known."""
        path = self.folder / f"{name}.json"
        before = None
        with contextlib.suppress(OSError, msgspec.MsgspecError), path.open("rb") as stream:
            before = msgspec.json.decode(stream.read(_BYTES_MAX), type=LastBuilt)
        if before != now:
            with contextlib.suppress(OutputError, OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                write_atomically(path, msgspec.json.encode(now))
        return before
