"""The files of an image in a folder, as a container sees them: for Dockerfiles, and for looking at."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.writable import check_writable
from cargoship.errors import OutputError
from cargoship.events import Emit, Written
from cargoship.oci.files import writing
from cargoship.oci.index import Index
from cargoship.oci.unpack import unpack


@dataclass(frozen=True)
class RootDestination:
    """The new folder `path`, with a folder for each platform, such as linux/arm64 or linux/arm/v7, in it.

    For images whose base is built in: layers of others may hold what only root on Linux can make.
    """

    path: Path
    emit: Emit

    def check(self) -> None:
        """See `Destination.check`; raises OutputError for a folder that holds something."""
        check_writable(self.path)
        self._refuse_what_is_there()

    def publish(self, index: Index) -> None:
        """See `Destination.publish`; raises OutputError, ContentInvalid."""
        self._refuse_what_is_there()
        making = self.path.with_name(f".{self.path.name}-{os.getpid()}")
        try:
            with writing(self.path, temporary=making):
                for image in index.children:
                    unpack(image.layers, making / str(image.platform))
                making.rename(self.path)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        self.emit(Written("files", str(self.path)))

    def _refuse_what_is_there(self) -> None:
        with writing(self.path):
            if self.path.is_dir() and any(self.path.iterdir()):
                raise OutputError(
                    f"cannot write {self.path}: the folder is not empty", hint="remove it first, or name another one"
                )
