"""What the bytes of an image are, as text or JSON. An image comes from anybody: nothing in it reaches a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cargoship.cli.render import words
from cargoship.elf.sizes import PartKind
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.elf.sizes import Part
    from cargoship.images.sizes import ImageSize, ProgramSize

_COLUMNS = 10
_MUCH = 0.1
"""The share of a program in symbols and debug information that is worth a word."""


def sizes_text(target: str, images: Sequence[ImageSize], number: int, paint: Paint) -> str:
    """The sizes for people, with so many lines of each kind."""
    lines = [paint.strong(printable(target))]
    for image in images:
        if image.platform is not None:
            pull, unpacked = words.size(image.size_bytes), words.size(image.unpacked_bytes)
            lines.append(f"{paint.strong(str(image.platform))}  {pull} to pull, {unpacked} unpacked")
            lines += _listed(
                "layers",
                [(layer.size_bytes, layer.made_by or str(layer.digest)) for layer in image.layers],
                number,
                paint,
                ordered=True,
            )
            lines += _listed("files", [(file.size_bytes, file.path) for file in image.files], number, paint)
        for program in image.programs:
            lines += _program(program, number, paint)
    return "\n".join(lines)


def _listed(
    title: str, sizes: Sequence[tuple[int, str]], number: int, paint: Paint, *, ordered: bool = False
) -> Iterator[str]:
    yield f"  {paint.dim(title)}"
    for size_bytes, name in sizes if ordered else sizes[:number]:
        yield f"  {words.size(size_bytes):>{_COLUMNS}}  {printable(name)}"
    rest = () if ordered else sizes[number:]
    if rest:
        yield f"  {words.size(sum(size for size, _ in rest)):>{_COLUMNS}}  {words.count(len(rest), 'more file')}"


def _program(program: ProgramSize, number: int, paint: Paint) -> Iterator[str]:
    yield f"  {paint.dim('in')} {printable(program.path)}, {words.size(program.size_bytes)}"
    if all(part.kind in {PartKind.SECTION, PartKind.HEADERS} for part in program.parts):
        yield f"  {'':>{_COLUMNS}}  it has no symbols (strip = true): which crates its bytes are of is not known"
    if (without := program.strippable_bytes) >= _MUCH * program.size_bytes:
        what = f"{words.size(without)} are symbols and debug information"
        yield f"  {'':>{_COLUMNS}}  {what}: strip = true in its profile leaves them out"
    for part in program.parts[:number]:
        yield _line(_name(part), part.size_bytes, program.size_bytes)
    rest = program.parts[number:]
    if rest:
        yield _line(f"{len(rest)} more", sum(part.size_bytes for part in rest), program.size_bytes)


def _line(name: str, size_bytes: int, of_bytes: int) -> str:
    share = 100 * size_bytes / of_bytes if of_bytes else 0.0
    return f"  {words.size(size_bytes):>{_COLUMNS}}  {share:>4.1f} %  {name}"


def _name(part: Part) -> str:
    name = printable(part.name)
    match part.kind:
        case PartKind.SECTION:
            return f"[{name}]"
        case PartKind.C:
            return f"{name} (C)" if name.endswith(".c") else name
        case PartKind.CRATE | PartKind.HEADERS:
            return name


def sizes_document(target: str, images: Sequence[ImageSize]) -> dict[str, Any]:
    """The same for programs, whole."""
    return {
        "target": target,
        "images": [
            {
                "platform": None if image.platform is None else str(image.platform),
                "digest": None if image.digest is None else str(image.digest),
                "size_bytes": image.size_bytes,
                "unpacked_bytes": image.unpacked_bytes,
                "layers": [
                    {"digest": str(layer.digest), "size_bytes": layer.size_bytes, "made_by": layer.made_by}
                    for layer in image.layers
                ],
                "files": [
                    {"path": file.path, "size_bytes": file.size_bytes, "layer": file.layer} for file in image.files
                ],
                "programs": [
                    {
                        "path": program.path,
                        "size_bytes": program.size_bytes,
                        "parts": [
                            {"kind": part.kind.value, "name": part.name, "size_bytes": part.size_bytes}
                            for part in program.parts
                        ],
                    }
                    for program in image.programs
                ],
            }
            for image in images
        ],
    }
