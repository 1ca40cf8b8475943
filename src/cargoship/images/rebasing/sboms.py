"""SBOMs of an image, rewritten for the one that it became: what has changed is the base, and the digests.

An SBOM says of a base from a registry its name and digest, and nothing of what is in it; so all that differs in the
SBOM of the new image is known. SBOMs of others list what was in the old base, and are not taken along.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from cargoship.bases.base import Base
from cargoship.bom.cyclonedx import MEDIA_TYPE as CYCLONEDX
from cargoship.bom.spdx import MEDIA_TYPE as SPDX
from cargoship.errors import ContentInvalid
from cargoship.oci.artifact import artifact_of
from cargoship.oci.descriptor import MANIFEST_TYPES, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import Manifest, decode_manifest
from cargoship.oci.referrer import Referrer
from cargoship.registry.source import ImageSource

REBASED_FROM = "dev.cargoship.rebased-from"
"""On an SBOM that was made of another image's: the digest of that image."""
DOCUMENT_BYTES_MAX = 64 << 20
_NAMESPACE = "https://cargoship.dev/bom/"


class Renaming(Struct, frozen=True):
    """What is called otherwise in the new image's SBOMs: digests of images, digest and name of the base."""

    digests: Mapping[Digest, Digest]
    names: Mapping[str, str]

    @classmethod
    def of(cls, images: Sequence[tuple[Digest, Digest]], bases: Sequence[tuple[Base, Base]]) -> Renaming | None:
        """The renaming for images by old and new digest; None where an SBOM says more of a base than its name."""
        digests = dict(images)
        names: dict[str, str] = {}
        for old, new in bases:
            if old.name is None or old.digest is None or new.name is None or new.digest is None:
                return None
            digests[old.digest] = new.digest
            names[old.name] = new.name
        return cls(digests, names)

    def document(self, data: bytes) -> bytes:
        """An SBOM with the new digests and names."""
        for old, new in self.digests.items():
            data = data.replace(old.hex.encode(), new.hex.encode())
            data = data.replace(_serial(old), _serial(new))
        for name, other in self.names.items():
            data = data.replace(f'"{name}"'.encode(), f'"{other}"'.encode())
        return data


def _serial(image: Digest) -> bytes:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_NAMESPACE}{image}")).encode()


def renamed_sboms(
    source: ImageSource, renaming: Renaming, subjects: Sequence[tuple[Digest, Descriptor]]
) -> Iterator[Referrer]:
    """What cargoship's own SBOMs of the old images (by digest) say, rewritten for the new ones.

    Raises ContentInvalid for a damaged SBOM, RegistryError's family.
    """
    if source.about is None:
        return
    for old, new in subjects:
        for manifest, _ in source.about(old):
            said = decode_manifest(manifest.data) if manifest.descriptor.media_type in MANIFEST_TYPES else None
            layer = None if said is None else _sbom(said)
            if said is None or layer is None:
                continue
            data = _read(source, layer)
            if _serial(old) not in data:
                continue
            annotations = {**said.annotations, REBASED_FROM: str(old)}
            yield Referrer(artifact_of(new, layer.media_type, renaming.document(data), annotations=annotations))


def count_about(source: ImageSource, subjects: Sequence[Digest]) -> int:
    """How much is said about these images, of any kind."""
    if source.about is None:
        return 0
    return sum(1 for each in subjects for _ in source.about(each))


def _sbom(manifest: Manifest) -> Descriptor | None:
    return next((layer for layer in manifest.layers if layer.media_type in {CYCLONEDX, SPDX}), None)


def _read(source: ImageSource, layer: Descriptor) -> bytes:
    if layer.size_bytes > DOCUMENT_BYTES_MAX:
        raise ContentInvalid(f"an SBOM has {layer.size_bytes} bytes; more than any has are not read")
    with source.content.blob(layer).open() as stream:
        data = stream.read(layer.size_bytes + 1)
    if Digest.of(data, layer.digest.algorithm) != layer.digest:
        raise ContentInvalid(f"{layer.digest} has other contents than its digest says")
    return data
