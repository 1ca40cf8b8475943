"""From a plan to the destinations of each of its images."""

from __future__ import annotations

import platform as machine
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cargoship.destinations.archive import ArchiveDestination
from cargoship.destinations.daemon import DaemonDestination
from cargoship.destinations.destination import Destination
from cargoship.destinations.layout import LayoutDestination, OwnLayoutDestination
from cargoship.destinations.registry import registry_destinations
from cargoship.events import Emit
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import ImagePlan, Output, OutputKind, Plan
from cargoship.platforms import row
from cargoship.process import Runner


def outputs_of(image: ImagePlan, plan: Plan) -> tuple[Output, ...]:
    """The files and folders that an image is written to; with no destination at all, a layout below cargo's target."""
    if plan.outputs or plan.push or plan.load:
        return tuple(output.for_image(image.name) for output in plan.outputs)
    return (Output(OutputKind.OCI, plan.target_dir / "cargoship" / image.name),)


def destinations_of(
    image: ImagePlan, plan: Plan, *, runner: Runner, env: Mapping[str, str], emit: Emit
) -> tuple[Destination, ...]:
    """Everywhere an image goes: files first, registries last, since others see those."""
    return tuple(_destinations(image, plan, runner, env, emit))


@contextmanager
def checking(plan: Plan, *, runner: Runner, env: Mapping[str, str], emit: Emit) -> Iterator[None]:
    """Beside the work of the block, find out whether every destination will take its image.

    Raises at the block's end what publishing would raise.
    """
    found = [each for image in plan.images for each in _destinations(image, plan, runner, env, emit)]
    checks = [_Check(destination) for destination in found]
    for check in checks:
        check.start()
    yield
    for check in checks:
        check.result()


class _Check(threading.Thread):
    """One destination's check. A daemon, so that a registry that hangs cannot hold up the end of the program."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(daemon=True)
        self._destination = destination
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._destination.check()
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error

    def result(self) -> None:
        self.join()
        if self._error is not None:
            raise self._error


def _destinations(
    image: ImagePlan, plan: Plan, runner: Runner, env: Mapping[str, str], emit: Emit
) -> Iterator[Destination]:
    names = image.references or (Reference.parse(f"{image.name}:latest"),)
    native = _native_platform()
    for output in outputs_of(image, plan):
        match output.kind:
            case OutputKind.OCI if not plan.outputs:
                yield OwnLayoutDestination(output.path, names, native, emit)
            case OutputKind.OCI:
                yield LayoutDestination(output.path, names, emit)
            case OutputKind.OCI_ARCHIVE:
                yield ArchiveDestination(output.path, names, native, emit, docker=False)
            case OutputKind.DOCKER_ARCHIVE:
                yield ArchiveDestination(output.path, names, native, emit)
    if plan.load:
        yield DaemonDestination(names, runner, env, emit, plan.target_dir / "cargoship")
    if plan.push:
        yield from registry_destinations(image.references, env=env, runner=runner, emit=emit)


def _native_platform() -> Platform:
    """The platform that a container engine on this machine runs: Linux, on this processor."""
    return row(machine.machine()).platform
