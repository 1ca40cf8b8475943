"""What the bytes of an image are: layers, files, and the crates in its programs. Images come from anybody."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.context import Context
from cargoship.elf.read import is_elf
from cargoship.elf.sizes import Part, PartKind, program_parts
from cargoship.errors import CannotStart, ContentInvalid, UsageError
from cargoship.images.layered import LayeredImage, open_layers
from cargoship.images.opening import platform_in_image
from cargoship.oci.digest import Digest
from cargoship.oci.index import nearest, no_such_platform
from cargoship.oci.platform import Platform
from cargoship.rootfs.scan import read_from_layer
from cargoship.rootfs.tree import FileNode
from cargoship.rootfs.view import RootFs

_PROGRAMS_MAX = 8
"""Of the executable files of an image the largest are taken apart."""
_PROGRAM_BYTES_MAX = 1 << 30
_FILES_MAX = 2_000_000
_STRIPPABLE = (".symtab", ".strtab", ".debug_", ".zdebug_")
"""Sections that `strip` takes out; .gnu_debugdata and names of what is loaded (.dynsym, .dynstr) are none."""


class LayerSize(Struct, frozen=True):
    """A layer: what a pull transfers, and who made it where the image says."""

    digest: Digest
    size_bytes: int
    made_by: str


class FileSize(Struct, frozen=True):
    """A file that a container sees, with the number of its layer, from 0 at the bottom."""

    path: str
    size_bytes: int
    layer: int


class ProgramSize(Struct, frozen=True):
    """A program, and what its bytes are: together that is its size."""

    path: str
    size_bytes: int
    parts: tuple[Part, ...]

    @property
    def strippable_bytes(self) -> int:
        """Of symbols and debug information, which no program needs to run."""
        return sum(
            part.size_bytes for part in self.parts
            if part.kind is PartKind.SECTION and part.name.startswith(_STRIPPABLE)
        )  # fmt: skip


class ImageSize(Struct, frozen=True):
    """An image for one platform; a program that is no image has None for it, and no layers and files."""

    platform: Platform | None
    digest: Digest | None
    size_bytes: int
    """What a pull transfers; of a program its size."""
    unpacked_bytes: int
    layers: tuple[LayerSize, ...]
    files: tuple[FileSize, ...]
    """The largest first."""
    programs: tuple[ProgramSize, ...]


def sizes_of(target: str, context: Context, *, platforms: Sequence[str] = ()) -> tuple[ImageSize, ...]:
    """What the bytes of an image are on each of its platforms, or those named, or those of the program that a file is.

    Raises ContentInvalid for what is damaged, RegistryError's family, UsageError, PlatformUnknown, and CannotStart for
    an index without an image.
    """
    wanted = [platform_in_image(name) for name in platforms]
    path = context.cwd / target
    if path.is_file() and (alone := _program(path, target)) is not None:
        if wanted:
            raise UsageError(f"{target} is a program, and no image with platforms", hint="leave out --platform")
        return (ImageSize(None, None, alone.size_bytes, alone.size_bytes, (), (), (alone,)),)
    with open_layers(target, context) as found:
        images = tuple(map(_sizes, _chosen(target, found.images, wanted)))
    if not images:
        raise CannotStart(f"{target} has no image in it", hint="name an image, or an index of images")
    return images


def _chosen(target: str, images: Sequence[LayeredImage], wanted: Sequence[Platform]) -> Sequence[LayeredImage]:
    """The images for some platforms, in the order of the index; all where none is named. Raises PlatformUnknown."""
    if not wanted:
        return images
    there = [image.listed or image.platform for image in images]
    chosen = set()
    for platform in wanted:
        position = nearest(there, platform)
        if position is None:
            raise no_such_platform(target, platform, there)
        chosen.add(position)
    return [image for position, image in enumerate(images) if position in chosen]


def _program(path: Path, name: str) -> ProgramSize | None:
    try:
        with path.open("rb") as stream:
            if not is_elf(stream.read(4)):
                return None
            parts = program_parts(stream)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}", hint="name another file") from error
    return ProgramSize(name, sum(part.size_bytes for part in parts), parts)


def _sizes(image: LayeredImage) -> ImageSize:
    root = image.root()
    files = sorted(_files(root.tree.root, ""), key=lambda file: (-file.size_bytes, file.path))
    history = image.config_file.history
    made_by = history if len(history) == len(image.layers) else ("",) * len(image.layers)
    descriptors = [layer.descriptor for layer in image.layers]
    return ImageSize(
        image.platform,
        image.digest,
        image.size_bytes,
        sum(file.size_bytes for file in files),
        tuple(LayerSize(each.digest, each.size_bytes, made) for each, made in zip(descriptors, made_by, strict=True)),
        tuple(files),
        tuple(_programs(root, files)),
    )


def _files(folder: FileNode, path: str) -> Iterator[FileSize]:
    """All plain files; each once, whatever names it has."""
    pending, seen = [(path, folder)], set()
    while pending:
        path, node = pending.pop()
        for name, child in node.children.items():
            if child.is_folder:
                pending.append((f"{path}/{name}", child))
            elif child.is_file and id(child) not in seen:
                seen.add(id(child))
                if len(seen) > _FILES_MAX:
                    raise ContentInvalid("the image has more files than are looked at")
                yield FileSize(f"{path}/{name}", child.size_bytes, child.layer)


def _programs(root: RootFs, files: list[FileSize]) -> Iterator[ProgramSize]:
    """The largest that are programs; libraries, and what is not ELF, are shown as files alone."""
    left = _PROGRAMS_MAX
    for file in files:
        found = root.find(file.path)
        if not left or found is None or not found.node.is_executable or file.size_bytes > _PROGRAM_BYTES_MAX:
            continue
        content = read_from_layer(root.layers[found.node.layer].blob, found.node.path, _PROGRAM_BYTES_MAX) or b""
        left -= 1
        if is_elf(content):
            try:
                yield ProgramSize(file.path, len(content), program_parts(io.BytesIO(content)))
            except CannotStart:
                continue
