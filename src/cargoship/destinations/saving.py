"""Images that exist, written to a folder or an archive, with all that is said about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cargoship.errors import UsageError
from cargoship.events import Emit, Note, Written, count
from cargoship.native import native_platform
from cargoship.oci.archive import write_archive
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.target import ArchiveTarget, ImageTarget, LayoutTarget
from cargoship.oci.tree import read_tree
from cargoship.registry.attachments import referrers_of, tell_what_is_left
from cargoship.registry.copy import chosen_root
from cargoship.registry.source import ImageSource


def save_image(
    source: ImageSource, target: ImageTarget, emit: Emit, *, platforms: Sequence[Platform], referrers: bool
) -> None:
    """Write an image, whole or not at all, under the name that the target gives it, else under those that it has.

    With `referrers` what is said about it becomes entries of a layout or OCI archive without a name; without it, what a
    folder or archive has is kept, beside the image's one entry. Raises OutputError, UsageError, PlatformUnknown, and
    what reading the source raises.
    """
    root = chosen_root(source, platforms)
    tree = read_tree(source.content, root, source.each)
    kept = referrers or source.reference is None
    about = referrers_of(source, [each.descriptor.digest for each in tree.manifests()]) if kept else ()
    match target:
        case LayoutTarget(path, select):
            write_layout(path, tree, names=_names(source, select, path), about=about, as_entries=referrers)
            emit(Written("OCI layout", str(path)))
        case ArchiveTarget(path, select, docker):
            if referrers and docker:
                raise UsageError(
                    "a Docker archive has one image alone", hint="write referrers to oci:FOLDER or oci-archive:FILE"
                )
            write_archive(
                path, tree,
                names=_names(source, select, path), native=native_platform(), docker=docker,
                about=() if docker else about, as_entries=referrers,
            )  # fmt: skip
            emit(Written("Docker archive" if docker else "OCI archive", str(path)))
            if docker and about:
                left = f"{count(len(about), 'attached document')} (SBOMs, attestations, signatures)"
                emit(Note(f"left behind: {left}, for which a Docker archive has no place"))
        case _:
            raise UsageError(f"an image cannot be written to {target}")
    tell_what_is_left(source, root.descriptor.digest, emit, along=kept)


def _names(source: ImageSource, select: object, path: Path) -> tuple[Reference, ...]:
    if select is None:
        return source.names
    text = str(select)
    if "/" in text or ":" in text:
        return (Reference.parse(text),)
    if source.names:
        return (source.names[0].with_tag(text),)
    name = "".join(each if each.isascii() and each.isalnum() else "-" for each in path.stem.lower()).strip("-")
    return (Reference.parse(f"{name or 'image'}:{text}"),)
