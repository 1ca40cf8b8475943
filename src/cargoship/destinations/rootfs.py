"""The files of an image in a folder, as a container sees them: for Dockerfiles, and for looking at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.destinations.writable import check_writable
from cargoship.errors import OutputError
from cargoship.events import Emit, Written
from cargoship.oci.files import Taken, atomic_folder, writing
from cargoship.oci.index import Index
from cargoship.oci.unpack import unpack_layers


@dataclass(frozen=True)
class RootDestination(Destination):
    """The new folder `path`, with a folder for each platform, such as linux/arm64 or linux/arm/v7, in it.

    For images whose base is built in: layers of others may hold what only root on Linux can make.
    """

    path: Path
    emit: Emit

    def check(self) -> None:
        """See `Destination.check`; raises OutputError for a folder that holds something."""
        check_writable(self.path)
        self._refuse_what_is_there()

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:  # noqa: ARG002 - no place for it
        """See `Destination.publish`; raises OutputError, ContentInvalid."""
        self._refuse_what_is_there()
        with writing(self.path), atomic_folder(self.path, taken=Taken.REFUSE) as making:
            for image in index.runnable:
                unpack_layers(image.layers, making / str(image.platform))
        self.emit(Written("files", str(self.path)))

    def _refuse_what_is_there(self) -> None:
        with writing(self.path):
            if self.path.is_dir() and any(self.path.iterdir()):
                raise OutputError(
                    f"cannot write {self.path}: the folder is not empty", hint="remove it first, or name another one"
                )
