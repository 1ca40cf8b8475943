"""From a plan to the destinations of each of its images."""

from __future__ import annotations

import itertools
import platform as machine
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from cargoship.destinations.archive import ArchiveDestination
from cargoship.destinations.daemon import DaemonDestination
from cargoship.destinations.destination import Destination
from cargoship.destinations.layout import LayoutDestination, OwnLayoutDestination
from cargoship.destinations.registry import RegistryDestination, registry_destinations
from cargoship.destinations.rootfs import RootDestination
from cargoship.events import Emit
from cargoship.oci.descriptor import Blob
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import ImagePlan, Output, OutputKind, Plan
from cargoship.platforms import row
from cargoship.process import Runner
from cargoship.registry.early import Turns
from cargoship.registry.known import BlobMemory
from cargoship.registry.push import Published


def outputs_of(image: ImagePlan, plan: Plan) -> tuple[Output, ...]:
    """The files and folders that an image is written to; with no destination at all, a layout below cargo's target."""
    if plan.outputs or plan.push or plan.load:
        return tuple(output.for_image(image.name) for output in plan.outputs)
    return (Output(OutputKind.OCI, plan.target_dir / "cargoship" / image.name),)


class Places:
    """Everywhere that the images of a plan go; a context, at whose end nothing is on its way any more.

    `known` says where registries can mount blobs from.
    """

    def __init__(self, plan: Plan, *, runner: Runner, env: Mapping[str, str], emit: Emit, known: BlobMemory) -> None:
        turns = Turns()
        self._places: dict[str, tuple[Destination, ...]] = {}
        for image in plan.images:
            own = _own_destinations(image, plan, runner, env, emit)
            # files first, registries last, since others see those
            far = image.references if plan.push else ()
            registries = registry_destinations(
                far, tagged=not plan.push_by_digest, env=env, runner=runner, emit=emit, known=known, turns=turns
            )
            self._places[image.name] = (*own, *registries)

    def __enter__(self) -> Self:
        """Itself; nothing is sent before it is asked for."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop what is on its way: after an error nobody waits for an upload."""
        for place in itertools.chain.from_iterable(self._places.values()):
            if isinstance(place, RegistryDestination):
                place.early.close()

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Beside the work of the block, find out whether every destination will take its image.

        Raises at the block's end what publishing would raise.
        """
        checks = [_Check(place) for place in itertools.chain.from_iterable(self._places.values())]
        for check in checks:
            check.start()
        yield
        for check in checks:
            check.result()

    def offer(self, image: ImagePlan, blobs: Iterable[Blob]) -> None:
        """Let registries have blobs of an image before the image exists; see `EarlyUploads.offer`."""
        blobs = tuple(blobs)
        for place in self._places[image.name]:
            if isinstance(place, RegistryDestination):
                place.early.offer(blobs)

    def publish(self, image: ImagePlan, index: Index) -> tuple[Published, ...]:
        """Put an image everywhere it goes; raises as `Destination.publish` does."""
        return tuple(done for place in self._places[image.name] if (done := place.publish(index)) is not None)


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


def _own_destinations(
    image: ImagePlan, plan: Plan, runner: Runner, env: Mapping[str, str], emit: Emit
) -> Iterator[Destination]:
    names = image.references or (Reference.parse(f"{image.name}:latest"),)
    native = native_platform()
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
            case OutputKind.ROOTFS:
                yield RootDestination(output.path, emit)
    if plan.load:
        yield DaemonDestination(names, runner, env, emit, plan.target_dir / "cargoship")


def native_platform() -> Platform:
    """The platform that a container engine on this machine runs: Linux, on this processor."""
    return row(machine.machine()).platform
