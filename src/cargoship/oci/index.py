"""Indexes: one name for an image on several platforms (image-spec, image-index.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cargoship.errors import PlatformUnknown, UsageError
from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import SHA256, Algorithm, Digest
from cargoship.oci.image import Image
from cargoship.oci.manifest import IndexManifest, decode_index, encode_index
from cargoship.oci.platform import Platform

# Other names of systems and processors, and what a platform without a variant means (containerd's platforms package,
# `normalizeOS` and `normalizeArch`).
_SYSTEMS = {"macos": "darwin"}
_PROCESSORS = {
    "i386": ("386", None), "x86_64": ("amd64", None), "x86-64": ("amd64", None), "aarch64": ("arm64", None),
    "armhf": ("arm", "v7"), "armel": ("arm", "v6"),
}  # fmt: skip
_LEVELLED = frozenset({"arm", "amd64"})
"""Processors whose variants are numbers, of which a higher one runs what is for a lower one."""
_IMPLIED_VARIANT = {"arm64": "v8", "amd64": "v1", "arm": "v7"}


@dataclass(frozen=True)
class Index:
    """Images under one digest. The raw bytes are the truth.

    `nested` are the indexes inside this one; cargoship makes none, others do.
    """

    raw: bytes = field(repr=False)
    children: tuple[Image, ...]
    nested: tuple[Index, ...] = ()
    algorithm: Algorithm = SHA256
    """The one by which it is named."""

    @cached_property
    def manifest(self) -> IndexManifest:
        """The index as a typed value; raises ContentInvalid."""
        return decode_index(self.raw)

    @cached_property
    def blob(self) -> BytesBlob:
        """The index as a blob."""
        return BytesBlob.of(self.manifest.media_type, self.raw, self.algorithm)

    @property
    def descriptor(self) -> Descriptor:
        """What it is."""
        return self.blob.descriptor

    @property
    def digest(self) -> Digest:
        """Its digest."""
        return self.descriptor.digest

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms of its images, in its order; artifacts have none."""
        return tuple(image.platform for image in self.runnable)

    @property
    def runnable(self) -> tuple[Image, ...]:
        """Its images that a platform runs: not what is said about them inside of it."""
        return tuple(image for image in self.images() if image.platform.os != "unknown")

    def images(self) -> Iterator[Image]:
        """Every image in it and in the indexes inside it."""
        yield from self.children
        for index in self.nested:
            yield from index.images()

    def blobs(self) -> Iterator[Blob]:
        """Every layer and config, each digest once: what has to be there before the manifests."""
        seen: set[Digest] = set()
        for image in self.images():
            for blob in (*(layer.blob for layer in image.layers), image.config_blob):
                if blob.descriptor.digest not in seen:
                    seen.add(blob.descriptor.digest)
                    yield blob

    def manifests(self) -> Iterator[BytesBlob]:
        """Every manifest, each digest once, in the order in which they can be pushed: this index is the last."""
        seen: set[Digest] = set()
        for blob in self._manifests():
            if blob.descriptor.digest not in seen:
                seen.add(blob.descriptor.digest)
                yield blob

    def _manifests(self) -> Iterator[BytesBlob]:
        for image in self.children:
            yield image.manifest_blob
        for index in self.nested:
            yield from index._manifests()  # noqa: SLF001 - its own class
        yield self.blob


def index_of(images: Sequence[Image], *, annotations: Mapping[str, str]) -> Index:
    """A new index. Its order is that of the platforms' names, whatever the order of `images`.

    Raises UsageError when two images are for one platform.
    """
    ordered = tuple(sorted(images, key=lambda image: (str(image.platform), image.digest)))
    for one, other in itertools.pairwise(ordered):
        if one.platform == other.platform and one.platform.os != "unknown":
            raise UsageError(f"two images are for {one.platform}: an index has one for each platform")
    manifest = IndexManifest(MediaType.OCI_INDEX, tuple(image.descriptor for image in ordered), annotations)
    return Index(encode_index(manifest), ordered)


def choose(index: Index, platform: Platform) -> Image:
    """The image for a platform: the same variant, or one that such a processor also runs, the nearest first.

    A platform without a variant means the usual one (arm64 is v8). For 32-bit ARM a lower variant will do, as in
    containerd. Raises PlatformUnknown that says what the index has.
    """
    images = tuple(index.images())
    position = nearest([image.platform for image in images], platform)
    if position is None:
        raise no_such_platform(str(index.digest), platform, index.platforms)
    return images[position]


def nearest(platforms: Sequence[Platform | None], platform: Platform) -> int | None:
    """Which of the platforms is the best for `platform`, by the rules of `choose`; None when none will do."""
    wanted = normalized_platform(platform)
    best: tuple[int, int] | None = None
    for position, candidate in enumerate(platforms):
        if candidate is None:
            continue
        distance = _distance(wanted, normalized_platform(candidate))
        if distance is not None and (best is None or distance < best[0]):
            best = (distance, position)
    return None if best is None else best[1]


def is_listed_wrongly(listed: Platform, said: Platform) -> bool:
    """Whether who chooses by `listed`, as an index has it, gets an image that its config calls one for something else.

    An image for a lower variant runs there too. A config that names none is believed to be for the one that is listed:
    tools that set variants in indexes leave configs as they are (docs.docker.com, "docker manifest annotate").
    """
    one, other = usual_platform(listed), usual_platform(said)
    if (one.os, one.architecture) != (other.os, other.architecture):
        return True
    return one.architecture in _LEVELLED and said.variant is not None and nearest([said], listed) is None


def no_such_platform(what: str, platform: Platform, has: Sequence[Platform]) -> PlatformUnknown:
    """The error for an index or layout without an image for a platform."""
    names = ", ".join(sorted(str(found) for found in has if found.os != "unknown"))
    hint = f"it has {names or 'no image'}"
    wanted = usual_platform(platform)
    kin = (usual_platform(found) for found in has)
    akin = sorted(str(each) for each in kin if (each.os, each.architecture) == (wanted.os, wanted.architecture))
    if akin:
        hint += f"; --platform {akin[0]} takes that one, which runs on such processors alone"
    return PlatformUnknown(f"{what} has no image for {platform}", hint=hint)


def normalized_platform(platform: Platform) -> Platform:
    """The platform by its usual names, with the variant that it means when it names none."""
    usual = usual_platform(platform)
    return Platform(usual.os, usual.architecture, usual.variant or _IMPLIED_VARIANT.get(usual.architecture))


def usual_platform(platform: Platform) -> Platform:
    """The platform by the names that Go has for it, as engines take `Linux/x86_64` for linux/amd64."""
    system, processor = platform.os.lower(), platform.architecture.lower()
    variant = platform.variant.lower() if platform.variant else None
    processor, implied = _PROCESSORS.get(processor, (processor, variant))
    if processor in {"arm", "arm64"} and variant and variant.isdecimal():
        variant = f"v{variant}"
    return Platform(_SYSTEMS.get(system, system), processor, variant or implied)


def _distance(wanted: Platform, found: Platform) -> int | None:
    """How far a platform is below the wanted one; None when it cannot stand in for it."""
    if (wanted.os, wanted.architecture) != (found.os, found.architecture):
        return None
    if wanted.variant == found.variant:
        return 0
    levels = [int(variant[1:]) for variant in (wanted.variant or "", found.variant or "") if variant[1:].isdecimal()]
    if wanted.architecture in _LEVELLED and len(levels) == 2 and levels[1] < levels[0]:  # noqa: PLR2004 - both
        return levels[0] - levels[1]
    return None
