"""Any image, ours or not: whether it can start on each of its platforms, and what its programs are made of.

Everything is read here, layers included; what was read once is known by its digest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cargoship.bases.remote import CachedContent, RemoteBases
from cargoship.checks.finding import Code, Finding, Severity
from cargoship.checks.image import check_image
from cargoship.checks.program import ProgramContext, find_program, load_program
from cargoship.context import Context
from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import is_elf, read_elf
from cargoship.errors import CannotStart, ContentInvalid
from cargoship.events import count
from cargoship.images.opening import open_image
from cargoship.native import native_platform
from cargoship.oci.config import ImageConfig, decode_config
from cargoship.oci.content import Content
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import is_image
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import decode_manifest
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.oci.target import ImageTarget, RegistryTarget
from cargoship.registry.pull import read_images
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.tree import ResolvedPath
from cargoship.rootfs.view import RootFs, view_of

_SAYS_OF = "vnd.docker.reference.type"
"""What BuildKit's attestations have (moby/buildkit, docs/attestations/attestation-storage.md)."""


@dataclass(frozen=True)
class Checked:
    """One image of an index, and what was found."""

    platform: Platform
    digest: Digest
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing keeps it from starting."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


@dataclass(frozen=True)
class Examination:
    """What was found at `target`."""

    target: str
    digest: Digest
    images: tuple[Checked, ...]
    missing: tuple[Descriptor, ...] = ()
    """What the index names and is not there, so that it cannot be looked at."""

    @property
    def ok(self) -> bool:
        """Whether all of it can start."""
        return all(image.ok for image in self.images)


@dataclass(frozen=True)
class Program:
    """A program of an image, and where its loader finds what it needs (None: nowhere)."""

    path: str
    size_bytes: int
    facts: ElfFacts
    libraries: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True)
class ImagePrograms:
    """The programs of one image; `platform` and `digest` None for a file that is a program itself."""

    platform: Platform | None
    digest: Digest | None
    programs: tuple[Program, ...]


def verify(target: str, context: Context) -> Examination:
    """Whether an image starts: a layout's folder, an archive's file, or a reference in a registry.

    Raises ContentInvalid for a damaged one, RegistryError's family, UsageError, and CannotStart for an index without
    an image for Linux.
    """
    with _opened(target, context) as found:
        checked = tuple(Checked(each.platform, each.digest, tuple(each.findings())) for each in found.images)
    if not checked:
        raise CannotStart(f"{target} has no image in it", hint="name an image, or an index of images")
    return Examination(target, found.digest, checked, found.missing)


def inspect_programs(target: str, context: Context) -> tuple[ImagePrograms, ...]:
    """The programs of an image: what it starts, and what lies beside that; or the one that a file is.

    Raises as `verify` does.
    """
    path = context.cwd / target
    if path.is_file():
        with path.open("rb") as stream:
            start = stream.read(4)
        if is_elf(start):
            facts = read_elf(path)
            needed = tuple((name, None) for name in facts.needed)
            return (ImagePrograms(None, None, (Program(target, path.stat().st_size, facts, needed),)),)
    with _opened(target, context) as found:
        return tuple(ImagePrograms(each.platform, each.digest, tuple(each.programs())) for each in found.images)


@dataclass(frozen=True)
class _Image:
    platform: Platform
    digest: Digest
    config: ImageConfig
    layers: tuple[Layer, ...]
    book: LayerCache

    def root(self) -> RootFs:
        return view_of(self.layers, self.book)

    def findings(self) -> Iterator[Finding]:
        if self.platform.os != "linux":
            yield Finding(Severity.NOTE, Code.NOT_CHECKED, f"the image ({self.platform}) is not for Linux")
            return
        yield from check_image(self.root(), self.config, self.platform)

    def programs(self) -> Iterator[Program]:
        if self.platform.os != "linux":
            return
        root = self.root()
        argv = (*self.config.entrypoint, *self.config.cmd)
        found = find_program(argv[0], root, self.config.env, self.config.working_dir or "/") if argv else None
        if found is None:
            return
        beside = root.tree.files_below(found.path.rpartition("/")[0]) if found.path.startswith("/app/") else ()
        for each in dict.fromkeys((found.path, *(other.path for other in beside if other.node.is_executable))):
            again = root.find(each)
            facts = None if again is None else root.elf(again)
            if again is not None and facts is not None:
                yield Program(each, again.node.size_bytes, facts, self._libraries(again, facts, root))

    def _libraries(self, found: ResolvedPath, facts: ElfFacts, root: RootFs) -> tuple[tuple[str, str | None], ...]:
        loaded = load_program(found, root, ProgramContext(self.platform, self.config.env))
        if loaded is None:
            return tuple((name, None) for name in facts.needed)
        libraries = [(each.name, each.path) for each in loaded.everything[1:]]
        return (*libraries, *((name, None) for name in loaded.missing))


@dataclass(frozen=True)
class _Images:
    digest: Digest
    images: Sequence[_Image]
    missing: tuple[Descriptor, ...]


@contextlib.contextmanager
def _opened(text: str, context: Context) -> Iterator[_Images]:
    """The images that a target has; layers in a registry come through the cache of bases, and stay there."""
    book = LayerCache(context.cache_dir / "layers")
    target = ImageTarget.parse(text, context.cwd)
    if not isinstance(target, RegistryTarget):
        with open_image(target, context) as source:
            yield _images(source.content, source.root, book)
        return
    cache = context.cache_dir / "bases"
    with RemoteBases(open_client=context.connect, cache=cache, emit=context.emit) as remote:
        yield _images(CachedContent(remote, target.reference), remote.root(target.reference), book)


def _is_passed_over(entry: Descriptor, platform: Platform) -> bool:
    """Whether engines never take an entry of an index for an image, such as an attestation."""
    if entry.platform == UNKNOWN or _SAYS_OF in entry.annotations:
        return True
    return entry.platform is None and platform == UNKNOWN


def _images(content: Content, root: BytesBlob, book: LayerCache) -> _Images:
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
        images.append(_Image(platform, digest, config.run, layers, book))
    return _Images(root.descriptor.digest, images, found.missing)
