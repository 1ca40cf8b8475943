"""Any image, ours or not: whether it can start on each of its platforms, and what its programs are made of.

Everything is read here, layers included; what was read once is known by its digest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.bases.remote import RemoteBases
from cargoship.checks.finding import Code, Finding, Severity
from cargoship.checks.image import check_image
from cargoship.checks.program import Place, find_program, load_program
from cargoship.context import Context
from cargoship.elf.facts import ElfFacts
from cargoship.elf.read import is_elf, read_elf
from cargoship.errors import CannotStart, UsageError
from cargoship.oci.archive_reader import read_archive
from cargoship.oci.config import ImageConfig, decode_config
from cargoship.oci.digest import Digest
from cargoship.oci.image import is_image_config
from cargoship.oci.layer import Layer
from cargoship.oci.layout import read_layout
from cargoship.oci.manifest import decode_manifest
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.registry.pull import fetch_index
from cargoship.rootfs.book import LayerBook
from cargoship.rootfs.tree import Found
from cargoship.rootfs.view import RootFs, view_of

_KINDS = ("oci:", "oci-archive:", "docker-archive:")


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
    with _opened(target, context) as (digest, images):
        checked = tuple(Checked(each.platform, each.digest, tuple(each.findings())) for each in images)
    if not checked:
        raise CannotStart(f"{target} has no image in it", hint="name an image, or an index of images")
    return Examination(target, digest, checked)


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
    with _opened(target, context) as (_, images):
        return tuple(ImagePrograms(each.platform, each.digest, tuple(each.programs())) for each in images)


@dataclass(frozen=True)
class _Image:
    platform: Platform
    digest: Digest
    config: ImageConfig
    layers: tuple[Layer, ...]
    book: LayerBook

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

    def _libraries(self, found: Found, facts: ElfFacts, root: RootFs) -> tuple[tuple[str, str | None], ...]:
        loaded = load_program(found, root, Place(self.platform, self.config.env))
        if loaded is None:
            return tuple((name, None) for name in facts.needed)
        libraries = [(each.name, each.path) for each in loaded.everything[1:]]
        return (*libraries, *((name, None) for name in loaded.missing))


@contextlib.contextmanager
def _opened(target: str, context: Context) -> Iterator[tuple[Digest, Sequence[_Image]]]:
    book = LayerBook(context.cache_dir / "layers")
    path = context.cwd / _path(target)
    if path.exists():
        yield _of_path(path, book)
        return
    if target.startswith(_KINDS):
        raise UsageError(f"there is no {path}")
    reference = Reference.parse(target)
    cache = context.cache_dir / "bases"
    with RemoteBases(open_client=context.connect, cache=cache, emit=context.emit) as remote:
        yield _of_registry(reference, remote, book)


def _path(target: str) -> Path:
    for kind in _KINDS:
        if target.startswith(kind):
            return Path(target.removeprefix(kind))
    return Path(target)


def _of_path(path: Path, book: LayerBook) -> tuple[Digest, Sequence[_Image]]:
    index = read_layout(path) if path.is_dir() else read_archive(path)
    images = [
        _Image(image.platform, image.digest, image.config, image.layers, book)
        for image in index.images()
        if is_image_config(image.manifest.config) and image.platform.os != "unknown"
    ]
    return index.digest, images


def _of_registry(reference: Reference, remote: RemoteBases, book: LayerBook) -> tuple[Digest, Sequence[_Image]]:
    found = fetch_index(remote.client(reference), reference)
    images = []
    for image in found.images:
        manifest = decode_manifest(image.manifest.data, image.descriptor.media_type)
        if not is_image_config(manifest.config):
            continue
        platform = decode_config(image.config.data).platform
        if platform.os == "unknown":
            continue
        base = remote.find(reference.at(image.descriptor.digest), platform)
        images.append(_Image(platform, image.descriptor.digest, base.config, base.layers, book))
    return found.root.descriptor.digest, images
