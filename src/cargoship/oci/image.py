"""Images: a manifest, its config and its layers, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from cargoship.errors import ContentInvalid
from cargoship.oci.config import (
    ConfigFile,
    ImageConfig,
    append_history,
    decode_config,
    encode_config,
    replace_run,
)
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import Manifest, decode_manifest, encode_manifest
from cargoship.oci.platform import Platform

if TYPE_CHECKING:
    # whoever only reads images does without the tools that make layers
    from cargoship.oci.layer import Layer

_CONFIG_TYPES: frozenset[str] = frozenset({MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG})
_NO_PLATFORM = Platform("unknown", "unknown")


def is_image_config(descriptor: Descriptor) -> bool:
    """Whether a manifest with this config is an image, and not some other artifact."""
    return descriptor.media_type in _CONFIG_TYPES


@dataclass(frozen=True)
class Image:
    """An image for one platform. The raw bytes are the truth; everything else is read from them.

    An artifact that is no image (an SBOM, say) is an Image too: its platform is unknown/unknown.
    """

    raw_manifest: bytes = field(repr=False)
    raw_config: bytes = field(repr=False)
    layers: tuple[Layer, ...]

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest; raises ContentInvalid."""
        return decode_manifest(self.raw_manifest)

    @cached_property
    def config_file(self) -> ConfigFile:
        """The whole config; raises ContentInvalid."""
        if not is_image_config(self.manifest.config):
            return ConfigFile(_NO_PLATFORM, ImageConfig(), ())
        return decode_config(self.raw_config)

    @property
    def config(self) -> ImageConfig:
        """How to run it; raises ContentInvalid."""
        return self.config_file.run

    @property
    def platform(self) -> Platform:
        """What it runs on; raises ContentInvalid."""
        return self.config_file.platform

    @cached_property
    def manifest_blob(self) -> BytesBlob:
        """The manifest as a blob."""
        return BytesBlob.of(self.manifest.media_type, self.raw_manifest)

    @cached_property
    def config_blob(self) -> BytesBlob:
        """The config as a blob."""
        return BytesBlob.of(self.manifest.config.media_type, self.raw_config)

    @cached_property
    def descriptor(self) -> Descriptor:
        """What an index says of this image: the manifest's descriptor, with the platform."""
        return replace(self.manifest_blob.descriptor, platform=self.platform, artifact_type=self.manifest.artifact_type)

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return self.descriptor.digest

    @property
    def size_bytes(self) -> int:
        """What a pull of it transfers: manifest, config and layers, as compressed."""
        return len(self.raw_manifest) + len(self.raw_config) + sum(layer.descriptor.size_bytes for layer in self.layers)


def make_image(
    *,
    platform: Platform,
    config: ImageConfig,
    layers: Sequence[Layer],
    created: str,
    annotations: Mapping[str, str],
    author: str | None = None,
) -> Image:
    """A new image; `layers` lowest first, `created` in RFC 3339."""
    raw_config = encode_config(platform, config, _facts(layers), created=created, author=author)
    return _assemble(raw_config, tuple(layers), MediaType.OCI_MANIFEST, MediaType.OCI_CONFIG, annotations)


def append_layers(image: Image, layers: Sequence[Layer], *, created: str) -> Image:
    """The image with more layers on top; `created` is the RFC 3339 time of the new ones and of the image."""
    raw_config = append_history(image.raw_config, _facts(layers), created=created)
    return _rebuilt(image, raw_config, (*image.layers, *layers))


def with_config(image: Image, config: ImageConfig) -> Image:
    """The image, run in another way; settings that `ImageConfig` does not know are kept."""
    return _rebuilt(image, replace_run(image.raw_config, config), image.layers)


def with_annotations(image: Image, annotations: Mapping[str, str]) -> Image:
    """The image with these annotations on its manifest besides those that it has."""
    manifest = replace(image.manifest, annotations={**image.manifest.annotations, **annotations})
    return Image(encode_manifest(manifest), image.raw_config, image.layers)


def _facts(layers: Sequence[Layer]) -> list[tuple[Digest, str]]:
    return [(layer.diff_id, layer.created_by) for layer in layers]


def _rebuilt(image: Image, raw_config: bytes, layers: tuple[Layer, ...]) -> Image:
    manifest = image.manifest
    if not is_image_config(manifest.config):
        raise ContentInvalid(f"{image.digest} is an artifact, not an image")
    return _assemble(raw_config, layers, manifest.media_type, manifest.config.media_type, manifest.annotations)


def _assemble(
    raw_config: bytes,
    layers: tuple[Layer, ...],
    manifest_type: str,
    config_type: str,
    annotations: Mapping[str, str],
) -> Image:
    manifest = Manifest(
        media_type=manifest_type,
        config=Descriptor(config_type, Digest.of(raw_config), len(raw_config)),
        layers=tuple(layer.descriptor for layer in layers),
        annotations=annotations,
    )
    return Image(encode_manifest(manifest), raw_config, layers)
