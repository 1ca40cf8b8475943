"""What registries are known to have: a small local memory, so that a blob is mounted rather than sent again.

    <folder>/<hash of the registry's name>.json     layers' digests and the repositories that have them

It is advice alone. A registry is always asked whether it has a blob, and a mount that does not work is an upload; a
memory that is lost, damaged or cannot be written costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import OutputError
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically

_BLOBS_MAX = 4096
_REPOSITORIES_MAX = 4
_BYTES_MAX = 8 << 20


class MountSources(Protocol):
    """Remembers which repositories of a registry have which blobs."""

    def source(self, registry: str, repository: str, digest: Digest) -> str | None:
        """Another repository of the registry that had the blob when it was last looked at."""
        ...

    def remember(self, registry: str, repository: str, digests: Iterable[Digest]) -> None:
        """The repository has these blobs."""
        ...


class NoMountSources:
    """No memory at all."""

    def source(self, registry: str, repository: str, digest: Digest) -> str | None:  # noqa: ARG002 - the protocol's
        """See `MountSources.source`."""
        return None

    def remember(self, registry: str, repository: str, digests: Iterable[Digest]) -> None:
        """See `MountSources.remember`."""


class _File(msgspec.Struct):
    registry: str
    blobs: dict[str, list[str]]
    """By hexadecimal digest, the one that was seen last at the end; the last repository at the end too."""


class RememberedMountSources:
    """A memory in the files of `folder`; shared by threads and, with luck, by processes: the last writer wins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def source(self, registry: str, repository: str, digest: Digest) -> str | None:
        """See `MountSources.source`: the repository that was seen with it last."""
        with self._lock:
            found = self._read(registry).blobs.get(digest.hex, [])
        return next((name for name in reversed(found) if name != repository), None)

    def remember(self, registry: str, repository: str, digests: Iterable[Digest]) -> None:
        """See `MountSources.remember`."""
        with self._lock:
            file = self._read(registry)
            new = [each.hex for each in digests if repository not in file.blobs.get(each.hex, [])]
            if not new:
                return
            for name in new:
                repositories = file.blobs.pop(name, [])
                file.blobs[name] = [*repositories, repository][-_REPOSITORIES_MAX:]
            for name in list(file.blobs)[:-_BLOBS_MAX]:
                del file.blobs[name]
            with contextlib.suppress(OutputError):
                write_atomically(self._path(registry), msgspec.json.encode(file))

    def _path(self, registry: str) -> Path:
        return self._folder / f"{hashlib.sha256(registry.encode()).hexdigest()[:32]}.json"

    def _read(self, registry: str) -> _File:
        try:
            with self._path(registry).open("rb") as stream:
                file = decode_json(stream.read(_BYTES_MAX), _File)
        except (OSError, Undecodable):
            return _File(registry, {})
        return file if file.registry == registry else _File(registry, {})
