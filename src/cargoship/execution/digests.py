"""Content of files by digest: each file is read once, and those of a toolchain once for all builds."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import CargoshipError
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically
from cargoship.reading import read_file
from cargoship.reapi.client import OCTETS

_MEMORY_BYTES_MAX = 8 << 20


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """What a file is known by, as long as nobody changes it."""

    inode: int
    size_bytes: int
    time_ns: int
    """Of its inode: no program can set it."""
    hex: str


@dataclass
class ContentDigests:
    """Digests of files, by their paths. Safe to share between threads.

    `memory` is a file that keeps those which `remembered` has asked for.
    """

    memory: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _known: dict[str, Identity] = field(default_factory=dict, repr=False)
    _kept: dict[str, Identity] = field(default_factory=dict, repr=False)

    def blob(self, path: str) -> FileBlob:
        """A file as a blob; raises OSError."""
        status = os.stat(path)  # noqa: PTH116 - text all the way: there are many
        with self._lock:
            known = self._known.get(path)
        if known is None or (known.inode, known.size_bytes, known.time_ns) != (
            status.st_ino, status.st_size, status.st_ctime_ns
        ):  # fmt: skip
            with Path(path).open("rb") as stream:
                digest, size = Digest.of_stream(stream)
            known = Identity(status.st_ino, size, status.st_ctime_ns, digest.hex)
            with self._lock:
                self._known[path] = known
        return FileBlob(Descriptor(OCTETS, Digest(known.hex), known.size_bytes), Path(path))

    def remembered(self, path: str) -> FileBlob:
        """The same, for a file that seldom changes; raises OSError."""
        with self._lock:
            if not self._kept:
                self._kept = self._read()
                self._known = {**self._kept, **self._known}
        blob = self.blob(path)
        with self._lock:
            self._kept[path] = self._known[path]
        return blob

    def write(self) -> None:
        """Keep what was asked to be remembered; what cannot be written is read again next time."""
        with self._lock:
            kept = dict(self._kept)
        if kept:
            with contextlib.suppress(OSError, CargoshipError):
                self.memory.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self.memory, msgspec.json.encode(kept))

    def _read(self) -> dict[str, Identity]:
        try:
            return decode_json(read_file(self.memory, _MEMORY_BYTES_MAX), dict[str, Identity])
        except (OSError, Undecodable):
            return {}
