"""From a plan to the destinations of each of its images."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Self

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.destinations.registry import registry_destinations
from cargoship.events import Emit
from cargoship.native import native_platform
from cargoship.oci.descriptor import Blob
from cargoship.oci.digest import Digest
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import ImagePlan, Output, OutputKind, Plan
from cargoship.process import Runner
from cargoship.registry.connect import connect
from cargoship.registry.mount_sources import MountSources
from cargoship.registry.options import Access
from cargoship.registry.push import Published, PushOptions
from cargoship.registry.shared_clients import SharedClients
from cargoship.registry.upload_queue import BlobLocks
from cargoship.settings.attach import Attach

_NO_INDEX = frozenset({OutputKind.ROOTFS, OutputKind.WASM})
"""What holds no index that could be named by its digest."""


def outputs_of(image: ImagePlan, plan: Plan) -> tuple[Output, ...]:
    """The files and folders that an image is written to; with no destination at all, a layout below cargo's target."""
    if plan.outputs or plan.push or plan.load or plan.clusters:
        return tuple(output.for_image(image.name) for output in plan.outputs)
    return (Output(OutputKind.OCI, plan.target_dir / "cargoship" / image.name),)


def reference_of(image: ImagePlan, plan: Plan, digest: Digest, published: Sequence[Published]) -> str:
    """What an image can be reached by: the repository it was pushed to, else the first folder or file, with the digest.

    The first two are what `inspect`, `verify` and `copy` take. In an engine alone it is the name there: engines do not
    know an index by its digest. A name that was asked for and that nothing has is never the answer.
    """
    if published:
        return str(published[0].reference)
    for output in outputs_of(image, plan):
        return str(output) if output.kind in _NO_INDEX else f"{output}@{digest}"
    return _loaded_names(image)[0].familiar


def _loaded_names(image: ImagePlan) -> tuple[Reference, ...]:
    """What folders, archives and engines call an image."""
    return image.references or (Reference.parse(f"{image.name}:latest"),)


class PlanDestinations:
    """Everywhere that the images of a plan go; a context, at whose end nothing is on its way any more.

    `mount_sources` says where registries can mount blobs from.
    """

    def __init__(
        self, plan: Plan, *, runner: Runner, env: Mapping[str, str], emit: Emit, mount_sources: MountSources
    ) -> None:
        blob_locks = BlobLocks()
        self._clients = SharedClients(partial(connect, env=env, runner=runner, emit=emit, access=Access.PUSH))
        self._places: dict[str, tuple[Destination, ...]] = {}
        for image in plan.images:
            own = _own_destinations(image, plan, runner, env, emit)
            # files first, registries last, since others see those
            far = image.references if plan.push else ()
            registries = registry_destinations(
                far,
                tagged=not plan.push_by_digest,
                clients=self._clients,
                options=PushOptions(emit, mount_sources),
                blob_locks=blob_locks,
            )
            self._places[image.name] = (*own, *registries)

    def __enter__(self) -> Self:
        """Itself; nothing is sent before it is asked for."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop what is on its way: after an error nobody waits for an upload."""
        for place in itertools.chain.from_iterable(self._places.values()):
            place.close()
        self._clients.close()

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

    def foresee(self) -> None:
        """Find out what is known on this machine of whether they will take their images; raises as `checking` does."""
        for place in itertools.chain.from_iterable(self._places.values()):
            place.foresee()

    def offer(self, image: ImagePlan, blobs: Iterable[Blob]) -> None:
        """Let the places of an image have blobs of it before the image exists; see `Destination.offer`."""
        blobs = tuple(blobs)
        for place in self._places[image.name]:
            place.offer(blobs)

    def publish(self, image: ImagePlan, index: Index, about: About = NOTHING_SAID) -> tuple[Published, ...]:
        """Put an image everywhere it goes, with what is said about it; raises as `Destination.publish` does."""
        placed = (place.publish(index, about) for place in self._places[image.name])
        return tuple(done for done in placed if done is not None)


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
    names = _loaded_names(image)
    native = native_platform()
    outputs = outputs_of(image, plan)
    if outputs:
        yield from _written(image, plan, outputs, names, native, emit)
    for cluster in plan.clusters:
        from cargoship.destinations.cluster import ClusterDestination

        yield ClusterDestination(cluster, names, native, runner, env, emit, plan.target_dir / "cargoship")
    if plan.load:
        from cargoship.destinations.daemon import DaemonDestination

        yield DaemonDestination(names, runner, env, emit, plan.target_dir / "cargoship")


def _written(
    image: ImagePlan,
    plan: Plan,
    outputs: Iterable[Output],
    names: tuple[Reference, ...],
    native: Platform,
    emit: Emit,
) -> Iterator[Destination]:
    from cargoship.destinations.archive import ArchiveDestination
    from cargoship.destinations.layout import LayoutDestination, OwnLayoutDestination
    from cargoship.destinations.rootfs import RootDestination
    from cargoship.destinations.wasm import WasmDestination

    entries = plan.attest is Attach.ENTRIES
    for output in outputs:
        match output.kind:
            case OutputKind.OCI if not plan.outputs:
                yield OwnLayoutDestination(output.path, names, native, emit, entries)
            case OutputKind.OCI:
                yield LayoutDestination(
                    output.path, names, emit, drop=not image.settings.keep_blobs, as_entries=entries
                )
            case OutputKind.OCI_ARCHIVE:
                yield ArchiveDestination(output.path, names, native, emit, docker=False, as_entries=entries)
            case OutputKind.DOCKER_ARCHIVE:
                yield ArchiveDestination(output.path, names, native, emit)
            case OutputKind.ROOTFS:
                yield RootDestination(output.path, emit)
            case OutputKind.WASM:
                yield WasmDestination(output.path, names, emit)
