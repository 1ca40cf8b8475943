"""An OCI image layout in a folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.writable import check_writable
from cargoship.events import Emit, Written
from cargoship.oci.archive import docker_manifest, is_for_docker
from cargoship.oci.files import write_atomically, writing
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference


@dataclass(frozen=True)
class LayoutDestination:
    """The folder `path`, made or added to; `names` are written beside the image."""

    path: Path
    names: tuple[Reference, ...]
    emit: Emit

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path)

    def publish(self, index: Index) -> None:
        """See `Destination.publish`; raises OutputError, ContentInvalid for a damaged layout."""
        write_layout(self.path, index, names=self.names)
        self.emit(Written("OCI layout", str(self.path)))


@dataclass(frozen=True)
class OwnLayoutDestination:
    """The folder `path`, which holds the latest image and nothing else.

    It is also what `docker load` reads, as a tar of its files: Docker's manifest for the platform `native` is there.
    """

    path: Path
    names: tuple[Reference, ...]
    native: Platform
    emit: Emit

    def check(self) -> None:
        """See `Destination.check`."""
        check_writable(self.path)

    def publish(self, index: Index) -> None:
        """See `Destination.publish`; raises OutputError."""
        making = self.path.with_name(f".{self.path.name}-{os.getpid()}")
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(making, ignore_errors=True)
        try:
            write_layout(making, index, names=self.names)
            if is_for_docker(index):
                write_atomically(making / "manifest.json", docker_manifest(index, self.native, self.names))
            with writing(self.path):
                self._replace(making)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        self.emit(Written("OCI layout", str(self.path)))

    def _replace(self, making: Path) -> None:
        # A folder that is not empty cannot be replaced in one step: the old one steps aside for a moment.
        old = making.with_name(making.name + "-old")
        if self.path.exists():
            self.path.rename(old)
        making.rename(self.path)
        shutil.rmtree(old, ignore_errors=True)
