"""Images: a manifest, its config and its layers, as immutable values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cargoship.oci.config import (
    ConfigFile,
    ImageConfig,
    decode_config,
    encode_config,
)
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import SHA256, Algorithm, Digest
from cargoship.oci.manifest import Manifest, decode_manifest, encode_manifest, is_generic
from cargoship.oci.platform import UNKNOWN, Platform

if TYPE_CHECKING:
    # anybody who only reads images does without the tools that make layers
    from cargoship.oci.layer import Layer

_CONFIG_TYPES: frozenset[str] = frozenset({MediaType.OCI_CONFIG, MediaType.DOCKER_CONFIG})


def is_image(manifest: Manifest) -> bool:
    """Whether a manifest is that of an image, and not of some other artifact: a signature, an SBOM.

    Tools that are careless about the type of the config (Harbor's and Artifactory's users meet them) are not about that
    of the layers; signatures have the config of an image, and no layers of one (sigstore/cosign, SIGNATURE_SPEC.md).
    """
    layers = [_is_layer(layer) for layer in manifest.layers]
    if manifest.config.media_type in _CONFIG_TYPES:
        return not layers or any(layers)
    return is_generic(manifest.config.media_type) and bool(layers) and all(layers)


def _is_layer(descriptor: Descriptor) -> bool:
    return "tar" in descriptor.media_type or is_generic(descriptor.media_type)


@dataclass(frozen=True)
class Image:
    """An image for one platform. The raw bytes are the truth; everything else is read from them.

    An artifact that is no image (an SBOM, say) is an Image too: its platform is unknown/unknown.
    """

    raw_manifest: bytes = field(repr=False)
    raw_config: bytes = field(repr=False)
    layers: tuple[Layer, ...]
    algorithm: Algorithm = SHA256
    """The one by which its manifest is named."""

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest; raises ContentInvalid."""
        return decode_manifest(self.raw_manifest)

    @cached_property
    def config_file(self) -> ConfigFile:
        """The whole config; raises ContentInvalid."""
        if not is_image(self.manifest):
            return ConfigFile(UNKNOWN, ImageConfig(), ())
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
        return BytesBlob.of(self.manifest.media_type, self.raw_manifest, self.algorithm)

    @cached_property
    def config_blob(self) -> BytesBlob:
        """The config as a blob."""
        config = self.manifest.config
        return BytesBlob.of(config.media_type, self.raw_config, config.digest.algorithm)

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
    below: Sequence[Mapping[str, Any]] = (),
) -> Image:
    """A new image; `layers` lowest first, `created` in RFC 3339, `below` the history of what it stands on."""
    raw_config = encode_config(platform, config, _facts(layers), created=created, author=author, below=below)
    manifest = Manifest(
        media_type=MediaType.OCI_MANIFEST,
        config=Descriptor(MediaType.OCI_CONFIG, Digest.of(raw_config), len(raw_config)),
        layers=tuple(layer.descriptor for layer in layers),
        annotations=annotations,
    )
    return Image(encode_manifest(manifest), raw_config, tuple(layers))


def _facts(layers: Sequence[Layer]) -> list[tuple[Digest, str]]:
    return [(layer.diff_id, layer.created_by) for layer in layers]
