"""Where a finished image goes: a registry, a container engine, an image layout, an archive."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cargoship.destinations.destination import About
from cargoship.destinations.plan_destinations import PlanDestinations, outputs_of, reference_of
from cargoship.destinations.registry import RegistryDestination, registry_destinations
from cargoship.registry.push import Published

if TYPE_CHECKING:
    from cargoship.destinations.archive import ArchiveDestination
    from cargoship.destinations.daemon import DaemonDestination, Engine
    from cargoship.destinations.destination import Destination
    from cargoship.destinations.layout import LayoutDestination, OwnLayoutDestination
    from cargoship.destinations.rootfs import RootDestination

__all__ = [
    "About",
    "ArchiveDestination",
    "DaemonDestination",
    "Destination",
    "Engine",
    "LayoutDestination",
    "OwnLayoutDestination",
    "PlanDestinations",
    "Published",
    "RegistryDestination",
    "RootDestination",
    "outputs_of",
    "reference_of",
    "registry_destinations",
]

_HOME = {
    "ArchiveDestination": "archive",
    "DaemonDestination": "daemon",
    "Destination": "destination",
    "Engine": "daemon",
    "LayoutDestination": "layout",
    "OwnLayoutDestination": "layout",
    "RootDestination": "rootfs",
}
"""Where those are that few builds need: each is loaded when somebody asks for it."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
