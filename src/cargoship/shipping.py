"""The last steps of a build: programs become images, and images are published when all of them exist."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from msgspec import Struct

from cargoship import assemble
from cargoship.clock import Clock, phase
from cargoship.debug_symbols import KnownSymbols, symbol_referrers
from cargoship.destinations import About, Published, outputs_of, reference_of
from cargoship.events import LayerAssembled
from cargoship.image_inputs import ImageInputs
from cargoship.lastbuilt import LastBuilds, LastBuilt
from cargoship.oci.image import Image
from cargoship.oci.index import Index, index_of
from cargoship.oci.layer import BlobStore
from cargoship.oci.platform import Platform
from cargoship.plan import ImagePlan, Output, Plan
from cargoship.resources import BuildResources
from cargoship.start_checks import Programs
from cargoship.statements.attestations import attested
from cargoship.statements.sboms import DescribedImage, KnownCrates


class BuiltImage(Struct, frozen=True):
    """An image that exists, and where."""

    name: str
    reference: str
    """repository@digest where it was pushed, else KIND:PATH@digest of what was written, else its name in the engine."""
    index: Index
    published: tuple[Published, ...]
    outputs: tuple[Output, ...]
    changed: bool = True
    """Whether it differs from what was there before: in its registries, else in the last build of this project."""
    delta_bytes: int | None = None
    """How many bytes it has more than the last build of it in this target directory; None: there was none."""
    seconds: float = 0.0
    """What it took to assemble and to publish it."""


class BuildResult(Struct, frozen=True):
    """What a run made: its plan, its images, and what took how long (seconds by phase, and `total`)."""

    plan: Plan
    images: tuple[BuiltImage, ...]
    seconds: Mapping[str, float]
    target_dirs: tuple[Path, ...] = ()
    """Where each workspace has left its record."""


class AssembledImage(Struct, frozen=True):
    """An image that exists, and has no name yet."""

    index: Index
    about: About
    seconds: float
    """What it took."""


class AssembledBuild(Struct, frozen=True):
    """All images of a build, none of which has a name yet."""

    resources: BuildResources
    images: tuple[AssembledImage, ...]
    """In the order of the plan."""
    clock: Clock

    def published(self) -> BuildResult:
        """Publish them, one after the other; raises as destinations do."""
        made, emit = self.resources.plan, self.resources.context.emit
        with (
            phase(emit, "publish" if made.push else "load" if made.load else "write"),
            self.clock.measured("publish"),
        ):
            images = [
                _publish(self.resources, image, assembled)
                for image, assembled in zip(made.images, self.images, strict=True)
            ]
        BlobStore(made.target_dir / "cargoship" / ".blobs").prune()
        self.resources.kept.prune()
        return BuildResult(made, tuple(images), self.clock.seconds(), (made.target_dir,))


def assembled(
    resources: BuildResources,
    sources: Sequence[ImageInputs],
    programs: Sequence[Programs],
    crates: KnownCrates,
    clock: Clock,
    symbols: KnownSymbols | None = None,
) -> AssembledBuild:
    """Verify and assemble every image; nothing of one is sent before all are verified. Raises as these steps do."""
    made = resources.plan
    whole = [each.finished(own) for each, own in zip(sources, programs, strict=True)]
    with clock.measured("verify"):
        resources.check_before([own for own, was in zip(whole, sources, strict=True) if was.unfinished])
        if resources.context.verify:
            resources.verifier.after(whole, programs)
    if any(own.image.settings.smoke for own in whole):
        from cargoship.smoke import Smoke  # noqa: PLC0415 - few settings ask for it

        context = resources.context
        with clock.phase("smoke"):
            Smoke(resources.plan, resources.verifier.layer_cache, context.runner, context.env, context.emit).run(
                whole, programs
            )
    with clock.phase("assemble"):
        resources.offer_bases(whole)
        indexes = [_timed(partial(_index, resources, each, own)) for each, own in zip(whole, programs, strict=True)]
        about = [
            attested(
                DescribedImage(each, index, own, crates, made, resources.verifier.layer_cache),
                resources.statements.inside(own),
                resources.c_libraries,
            )
            for each, (index, _), own in zip(whole, indexes, programs, strict=True)
        ]
        kept = symbols if symbols and made.keeps_attestations else {}
        images = []
        for each, image, (_, taken), own in zip(whole, about, indexes, programs, strict=True):
            more = symbol_referrers(each.image, image.index, kept, made.created)
            said = resources.statements.about(each, image, own).with_referrers(more)
            images.append(AssembledImage(image.index, said, taken))
    return AssembledBuild(resources, tuple(images), clock)


def _index(resources: BuildResources, sources: ImageInputs, programs: Programs) -> Index:
    made, context = resources.plan, resources.context
    own = sources.compression.annotations()
    if not context.verify:
        own["dev.cargoship.verified"] = "false"
    annotations = {**sources.image.annotations, **own}

    def image_for(platform: Platform) -> Image:
        base = sources.bases[platform]
        below = resources.verifier.folders(sources, base)
        layers = []
        probe = sources.probes.get(platform)
        made_of = programs[platform]
        for layer in assemble.layers_of(
            sources, base, made_of, probe, epoch=made.epoch, below=below, unpacked=resources.scratch
        ):
            layers.append(layer)
            # travels while the next one is compressed
            resources.places.offer(sources.image, [layer.blob])
            blob = layer.descriptor
            context.emit(LayerAssembled(f"{platform} {layer.created_by}", str(blob.digest), blob.size_bytes))
        return assemble.image_of(sources.image, platform, base, layers, created=made.created, annotations=annotations)

    with ThreadPoolExecutor(min(4, len(made.platforms))) as workers:
        images = list(workers.map(image_for, made.platforms))
    return index_of(images, annotations={**sources.image.index_annotations, **own})


def _timed(make: Callable[[], Index]) -> tuple[Index, float]:
    begun = time.monotonic()
    return make(), time.monotonic() - begun


def _publish(resources: BuildResources, image: ImagePlan, own: AssembledImage) -> BuiltImage:
    made, index = resources.plan, own.index
    begun = time.monotonic()
    published = resources.places.publish(image, index, own.about)
    taken = own.seconds + time.monotonic() - begun
    reference = reference_of(image, made, index.digest, published)
    now = LastBuilt.of(index)
    before = LastBuilds(made.target_dir / "cargoship" / ".blobs" / "last").replaced(image.name, now)
    return BuiltImage(
        image.name, reference, index, published, outputs_of(image, made),
        changed=any(each.changed for each in published) if published else before is None or before.digest != now.digest,
        delta_bytes=None if before is None else now.size_bytes - before.size_bytes,
        seconds=taken,
    )  # fmt: skip
