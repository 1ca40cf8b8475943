"""An OCI image layout in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.destinations.writable import check_writable
from cargoship.events import Emit, Written
from cargoship.oci.archive import docker_manifest, is_for_docker
from cargoship.oci.files import Taken, atomic_folder, write_atomically, writing
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference

_OWN_PLACE = "it is in cargo's target folder: name another one with CARGO_TARGET_DIR"


@dataclass(frozen=True)
class LayoutDestination(Destination):
    """The folder `path`, made or added to; `names` are written beside the image.

    With `drop` what earlier runs wrote to it goes where nothing in it names that any more. `as_entries` is about what
    is said of the image: see `oci.layout.beside`.
    """

    path: Path
    names: tuple[Reference, ...]
    emit: Emit
    drop: bool = False
    as_entries: bool = False

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path)

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:
        """See `Destination.publish`; raises OutputError, ContentInvalid for a damaged layout."""
        write_layout(
            self.path, index, names=self.names, drop=self.drop, about=about.kept_in_files, as_entries=self.as_entries
        )  # fmt: skip
        self.emit(Written("OCI layout", str(self.path)))


@dataclass(frozen=True)
class OwnLayoutDestination(Destination):
    """The folder `path`, which holds the latest image and nothing else.

    It is also what `docker load` reads, as a tar of its files: Docker's manifest for the platform `native` is there.
    """

    path: Path
    names: tuple[Reference, ...]
    native: Platform
    emit: Emit
    as_entries: bool = False

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path, hint=_OWN_PLACE)

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:
        """See `Destination.publish`; raises OutputError."""
        with writing(self.path), atomic_folder(self.path, taken=Taken.REPLACE) as making:
            write_layout(making, index, names=self.names, about=about.kept_in_files, as_entries=self.as_entries)
            if is_for_docker(index):
                write_atomically(making / "manifest.json", docker_manifest(index, self.native, self.names))
        self.emit(Written("OCI layout", str(self.path)))
