"""A tar archive that container engines load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.writable import check_writable
from cargoship.events import Emit, Written
from cargoship.oci.archive import write_archive
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference


@dataclass(frozen=True)
class ArchiveDestination:
    """The file `path`: an OCI archive, with `docker` also one for `docker load`, of the platform `native`."""

    path: Path
    names: tuple[Reference, ...]
    native: Platform
    emit: Emit
    docker: bool = True

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path.parent)

    def publish(self, index: Index) -> None:
        """See `Destination.publish`; raises OutputError, UsageError (zstd for Docker)."""
        write_archive(self.path, index, names=self.names, native=self.native, docker=self.docker)
        self.emit(Written("Docker archive" if self.docker else "OCI archive", str(self.path)))
