"""Where a finished image goes: a registry, a container engine, an image layout, an archive."""

from __future__ import annotations

from cargoship.destinations.archive import ArchiveDestination
from cargoship.destinations.daemon import DaemonDestination, Engine
from cargoship.destinations.destination import Destination
from cargoship.destinations.layout import LayoutDestination, OwnLayoutDestination
from cargoship.destinations.plan_destinations import PlanDestinations, outputs_of, reference_of
from cargoship.destinations.registry import RegistryDestination, registry_destinations
from cargoship.destinations.rootfs import RootDestination
from cargoship.registry.push import Published

__all__ = [
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
