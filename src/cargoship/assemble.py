"""From artifacts to images: layers on a base, as the settings say. Pure but for reading files.

What is the same for every platform is the same blob.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from cargoship.bases.base import Base
from cargoship.image_inputs import ImageInputs
from cargoship.image_layers import file_layers, image_config
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.image import Image, make_image
from cargoship.oci.layer import Layer, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.tar import LayerEntry
from cargoship.plan import ImagePlan
from cargoship.platforms import row


def layers_of(
    sources: ImageInputs,
    base: Base,
    binaries: Mapping[str, Path],
    probe: Path | None = None,
    *,
    epoch: int,
    below: Iterable[LayerEntry] | None = None,
    unpacked: Path | None = None,
) -> Iterator[Layer]:
    """The layers that an image has above its base, for one platform, each as soon as it is made.

    `binaries` are paths by name, `probe` is what a health check asks by, `epoch` the time of everything in them
    (seconds since 1970), `below` the folders of the base whose owners and rights are kept (None: those that it says).
    Binaries in the folder `unpacked` are known by their content, and their layers kept for all target folders.
    Raises IncludeInvalid, ContentInvalid (a file that changes while it is read), OutputError.
    """
    folders = tuple(base.folders if below is None else below)
    for layer in file_layers(sources.image, sources.files, binaries, probe):
        entries = tuple(_known_by_content(entry, unpacked) for entry in layer.entries)
        yield build_layer(
            entries,
            store=sources.store if entries == layer.entries else sources.kept,
            compression=sources.compression, epoch=epoch, created_by=layer.created_by, below=folders,
        )  # fmt: skip


def _known_by_content(entry: LayerEntry, unpacked: Path | None) -> LayerEntry:
    """A file that was unpacked a moment ago as what it is: by its place and times nobody would know it again."""
    source = entry.source
    if unpacked is None or not isinstance(source, Path) or not source.is_relative_to(unpacked):
        return entry
    with source.open("rb") as stream:
        digest, size_bytes = Digest.of_stream(stream)
    blob = FileBlob(Descriptor("application/octet-stream", digest, size_bytes), source)
    return LayerEntry.file(entry.path, blob, entry.mode, entry.uid, entry.gid)


def image_of(
    image: ImagePlan,
    platform: Platform,
    base: Base,
    layers: Sequence[Layer],
    *,
    created: str,
    annotations: Mapping[str, str],
) -> Image:
    """One platform's image: the base's layers and these, run as the settings say."""
    about_base = {
        name: value
        for name, value in (
            ("org.opencontainers.image.base.name", base.name),
            ("org.opencontainers.image.base.digest", None if base.digest is None else str(base.digest)),
        )
        if value is not None
    }
    config = image_config(image, base.config)
    if row(platform).is_wasm:
        # nothing is started beside a program
        config = replace(config, healthcheck=None)
    return make_image(
        platform=platform,
        config=config,
        layers=(*base.layers, *layers),
        created=created,
        annotations={**about_base, **annotations},
        below=base.steps,
    )
