"""What an image is, wherever it lies: its index, platforms, layers, configuration and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cargoship.oci.archive_reader import read_archive
from cargoship.oci.config import ConfigFile
from cargoship.oci.descriptor import INDEX_TYPES, Descriptor
from cargoship.oci.image import Image
from cargoship.oci.index import Index
from cargoship.oci.layout import read_layout
from cargoship.oci.manifest import Manifest, decode_index
from cargoship.registry.pull import RemoteIndex


@dataclass(frozen=True)
class InspectedImage:
    """One image of an index."""

    descriptor: Descriptor
    manifest: Manifest
    config: ConfigFile

    @property
    def size_bytes(self) -> int:
        """What a pull transfers."""
        layers = sum(layer.size_bytes for layer in self.manifest.layers)
        return self.descriptor.size_bytes + self.manifest.config.size_bytes + layers


@dataclass(frozen=True)
class Inspection:
    """What was found at `target`; `annotations` are those of the index, or of the one image that it is."""

    target: str
    root: Descriptor
    annotations: dict[str, str]
    images: tuple[InspectedImage, ...]


def inspect_path(path: Path) -> Inspection:
    """Look at a layout's folder or an archive's file; raises ContentInvalid, OutputError, UsageError."""
    index = read_layout(path) if path.is_dir() else read_archive(path)
    return _of_index(str(path), index)


def inspect_remote(target: str, remote: RemoteIndex) -> Inspection:
    """From what a registry gave."""
    images = [(each.descriptor, Image(each.manifest.data, each.config.data, layers=())) for each in remote.images]
    root = remote.root.descriptor
    if root.media_type in INDEX_TYPES:
        annotations = dict(decode_index(remote.root.data).annotations)
    else:
        annotations = dict(images[0][1].manifest.annotations) if images else {}
    return Inspection(target, root, annotations, tuple(_image(each, image) for each, image in images))


def _of_index(target: str, index: Index) -> Inspection:
    images = tuple(_image(image.descriptor, image) for image in index.images())
    return Inspection(target, index.descriptor, dict(index.manifest.annotations), images)


def _image(descriptor: Descriptor, image: Image) -> InspectedImage:
    return InspectedImage(descriptor, image.manifest, image.config_file)
