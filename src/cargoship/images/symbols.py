"""Debug symbols that refer to an image: found, checked, and written where debuggers look for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from cargoship.context import Context
from cargoship.debug_symbols import ARTIFACT, LAYER, PLACE, PROGRAM, TITLE
from cargoship.elf.lines import DebugFile
from cargoship.errors import ContentInvalid, NothingAttached
from cargoship.images.opening import open_image, platform_in_image
from cargoship.oci.content import walk
from cargoship.oci.descriptor import INDEX_TYPES, MANIFEST_TYPES, Descriptor
from cargoship.oci.digest import Digest, Hashing
from cargoship.oci.files import atomic_file
from cargoship.oci.manifest import decode_manifest
from cargoship.oci.target import ImageTarget
from cargoship.registry.copy import chosen_root
from cargoship.registry.source import ImageSource

_BYTES_MAX = 8 << 30
_FILES_MAX = 1000
_PIECE = 1 << 20


class SymbolFile(Struct, frozen=True):
    """The symbols of one program, as a file."""

    program: str
    """What the program is called in the image; empty where that is not said."""
    build_id: str
    """In hexadecimal."""
    path: Path
    size_bytes: int


def fetch_symbols(target: str, folder: Path, context: Context, *, platforms: Sequence[str] = ()) -> list[SymbolFile]:
    """Write the symbols of an image into `folder`, as `.build-id/NN/REST.debug`: of all platforms, or of some.

    What is there already with the same content is left alone. Raises NothingAttached, PlatformUnknown, ContentInvalid,
    UsageError, OutputError, RegistryError's family.
    """
    wanted = [platform_in_image(each) for each in platforms]
    with open_image(ImageTarget.parse(target, context.cwd), context) as source:
        roots = [chosen_root(source, [each]).descriptor for each in wanted]
        layers = {str(each.digest): each for each in _layers(source, roots)}.values()
        if not layers:
            of = f" for {', '.join(platforms)}" if platforms else ""
            raise NothingAttached(
                f"no debug symbols are attached to {target}{of}",
                hint='build it with debug-symbols = "split" and push it, or write it to a layout',
            )
        return [_fetched(source, layer, folder) for layer in layers]


@contextmanager
def opened_symbols(target: str, context: Context, *, platforms: Sequence[str] = ()) -> Iterator[list[DebugFile]]:
    """The symbols of an image, kept in the cache folder and open to be read; raises as `fetch_symbols` does."""
    found = fetch_symbols(target, context.cache_dir / "symbols", context, platforms=platforms)
    with ExitStack() as held:
        yield [DebugFile(held.enter_context(each.path.open("rb")), each.path) for each in found]


def _layers(source: ImageSource, roots: Sequence[Descriptor]) -> Iterator[Descriptor]:
    if not roots:
        roots = [source.root.descriptor]
        if source.root.descriptor.media_type in INDEX_TYPES:
            roots = [*roots, *(each.descriptor for each in walk(source.content, source.root).entries)]
    size = count = 0
    for layer in (layer for root in roots for layer in _attached(source, root.digest)):
        size, count = size + layer.size_bytes, count + 1
        if size > _BYTES_MAX or count > _FILES_MAX:
            raise ContentInvalid(f"more symbols are attached to {source.said} than are read")
        yield layer


def _attached(source: ImageSource, subject: Digest) -> Iterator[Descriptor]:
    for manifest, _ in () if source.about is None else source.about(subject):
        if manifest.descriptor.media_type in MANIFEST_TYPES:
            read = decode_manifest(manifest.data, manifest.descriptor.media_type)
            if read.artifact_type == ARTIFACT:
                yield from (layer for layer in read.layers if layer.media_type == LAYER)


def _fetched(source: ImageSource, own: Descriptor, folder: Path) -> SymbolFile:
    match = PLACE.fullmatch(own.annotations.get(TITLE, ""))
    if match is None:
        raise ContentInvalid(f"symbols of {source.said} have the name {own.annotations.get(TITLE, '')!r}, no build id")
    path = folder / ".build-id" / match["start"] / f"{match['rest']}.debug"
    found = SymbolFile(own.annotations.get(PROGRAM, ""), match["start"] + match["rest"], path, own.size_bytes)
    if path.is_file() and path.stat().st_size == own.size_bytes:
        with path.open("rb") as there:
            if Digest.of_stream(there, own.digest.algorithm)[0] == own.digest:
                return found
    hashing = Hashing(own.digest.algorithm)
    left = own.size_bytes
    with atomic_file(path) as out, source.content.blob(own).open() as stream:
        while piece := stream.read(min(_PIECE, left + 1)):
            left -= len(piece)
            if left < 0:
                break
            hashing.update(piece)
            out.write(piece)
        if left or hashing.digest != own.digest:
            raise ContentInvalid(f"{own.digest} has other contents than its digest says")
    return found
