"""Images with their layers, opened where they are, no matter who made them: what is needed to look into them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from cargoship.bases.remote import CachedContent, RemoteBases
from cargoship.context import Context
from cargoship.errors import ContentInvalid, RegistryRefused
from cargoship.events import count
from cargoship.images.opening import open_image
from cargoship.native import native_platform
from cargoship.oci.config import ConfigFile, ImageConfig, decode_config
from cargoship.oci.content import Content, kept_away
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import is_image
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import decode_manifest
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.oci.target import ImageTarget, RegistryTarget
from cargoship.registry.pull import read_images
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.view import RootFs, view_of

_SAYS_OF = "vnd.docker.reference.type"
"""What BuildKit's attestations have (moby/buildkit, docs/attestations/attestation-storage.md)."""

_ENCRYPTED = "+encrypted"
"""Of a layer's type (containers/ocicrypt, docs/SPEC.md): what its bytes are, only who has a key knows."""


class LayeredImage(Struct, frozen=True):
    """One image for one platform; layers are in a registry until they are read."""

    platform: Platform
    digest: Digest
    config_file: ConfigFile
    layers: tuple[Layer, ...]
    layer_cache: LayerCache
    size_bytes: int
    """What a pull transfers."""
    listed: Platform | None = None
    """What its index says that it is for, by which engines choose; `platform` is what its config says."""

    @property
    def config(self) -> ImageConfig:
        """How it is run."""
        return self.config_file.run

    def root(self) -> RootFs:
        """Its root file system; raises as `view_of` does."""
        try:
            return view_of(self.layers, self.layer_cache)
        except RegistryRefused as error:
            makers = (layer.descriptor for layer in self.layers if layer.descriptor.is_its_makers)
            away = next((each for each in makers if each.digest.short in error.message), None)
            if away is None:
                raise
            raise kept_away(away) from error
        except ContentInvalid as error:
            # one that is called so and is none is unpacked by engines
            if not any(_ENCRYPTED in layer.descriptor.media_type for layer in self.layers):
                raise
            hint = "a layer of it is encrypted: look at the image as skopeo copy --decryption-key makes it"
            raise ContentInvalid(error.message, hint=hint) from error


class LayeredImages(Struct, frozen=True):
    """All images that a target has; `missing` is what its index names and is not there."""

    digest: Digest
    images: Sequence[LayeredImage]
    missing: tuple[Descriptor, ...]


@contextlib.contextmanager
def open_layers(text: str, context: Context) -> Iterator[LayeredImages]:
    """The images that a target has; layers in a registry come through the cache of bases, and stay there."""
    layer_cache = LayerCache(context.cache_dir / "layers")
    target = ImageTarget.parse(text, context.cwd)
    if not isinstance(target, RegistryTarget):
        with open_image(target, context) as source:
            yield _images(source.content, source.root, layer_cache)
        return
    cache = context.cache_dir / "bases"
    with RemoteBases(open_client=context.connect, cache=cache, emit=context.emit, called="the image") as remote:
        yield _images(CachedContent(remote, target.reference), remote.root(target.reference), layer_cache)


def _is_passed_over(entry: Descriptor, platform: Platform) -> bool:
    """Whether engines never take an entry of an index for an image, such as an attestation."""
    if entry.platform == UNKNOWN or _SAYS_OF in entry.annotations:
        return True
    return entry.platform is None and platform == UNKNOWN


def _images(content: Content, root: BytesBlob, layer_cache: LayerCache) -> LayeredImages:
    found = read_images(content, root)
    images = []
    for each in found.images:
        manifest = decode_manifest(each.manifest.data, each.manifest.descriptor.media_type)
        config = decode_config(each.config.data) if is_image(manifest) else None
        if config is None or (len(found.images) > 1 and _is_passed_over(each.descriptor, config.platform)):
            continue
        digest = each.descriptor.digest
        if len(config.diff_ids) != len(manifest.layers):
            raise ContentInvalid(
                f"image {digest} has {count(len(manifest.layers), 'layer')}, and its config has {len(config.diff_ids)}"
            )
        layers = tuple(
            Layer(content.blob(blob), diff) for blob, diff in zip(manifest.layers, config.diff_ids, strict=True)
        )
        # engines take an image that does not say what it is for as one for themselves
        platform = native_platform() if config.platform == UNKNOWN else config.platform
        packed = sum(blob.size_bytes for blob in (*manifest.layers, manifest.config, each.descriptor))
        images.append(LayeredImage(platform, digest, config, layers, layer_cache, packed, each.descriptor.platform))
    return LayeredImages(root.descriptor.digest, images, found.missing)
