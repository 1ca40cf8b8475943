"""A tar archive that container engines load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.destinations.writable import check_writable
from cargoship.events import Emit, Level, Note, Written
from cargoship.oci.archive import write_archive
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference


@dataclass(frozen=True)
class ArchiveDestination(Destination):
    """The file `path`: an OCI archive, with `docker` also one for `docker load`, of the platform `native`."""

    path: Path
    names: tuple[Reference, ...]
    native: Platform
    emit: Emit
    docker: bool = True
    as_entries: bool = False

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path.parent)

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:
        """See `Destination.publish`; raises OutputError, UsageError (zstd for Docker)."""
        if self.docker and about.kept_in_files:
            text = "a Docker archive holds the image alone, and nothing that is said about it: oci-archive: does"
            self.emit(Note(text, Level.VERBOSE))
        write_archive(
            self.path, index,
            names=self.names, native=self.native, docker=self.docker,
            about=() if self.docker else about.kept_in_files, as_entries=self.as_entries,
        )  # fmt: skip
        self.emit(Written("Docker archive" if self.docker else "OCI archive", str(self.path)))
