"""An OCI image layout in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cargoship.events import Emit, Written
from cargoship.oci.index import Index
from cargoship.oci.layout import write_layout
from cargoship.oci.reference import Reference


@dataclass(frozen=True)
class LayoutDestination:
    """The folder `path`, made or added to; `names` are written beside the image."""

    path: Path
    names: tuple[Reference, ...]
    emit: Emit

    def publish(self, index: Index) -> None:
        """See `Destination.publish`; raises OutputError."""
        write_layout(self.path, index, names=self.names)
        self.emit(Written("OCI layout", str(self.path)))
