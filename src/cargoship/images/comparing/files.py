"""Where the files of two images differ, and what of each: read from the layers that only one of them has."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from cargoship.images.comparing.difference import Change, Difference, DifferenceKind, value_difference
from cargoship.images.comparing.file_table import FileEntry, FileTable, contents_of, table_of
from cargoship.images.comparing.programs import Anatomy, anatomy_of, program_differences
from cargoship.oci.layer import Layer
from cargoship.rootfs.item import ItemKind

PROGRAMS_MAX = 2000
"""Of so many programs that differ it is said where; of more, that they do."""
_MARKS = {ItemKind.GONE, ItemKind.EMPTIED}
_WORDS = {
    ItemKind.FILE: "file",
    ItemKind.FOLDER: "folder",
    ItemKind.LINK: "symbolic link",
    ItemKind.SAME: "hard link",
    ItemKind.OTHER: "device or pipe",
    ItemKind.GONE: "removed by the layer",
    ItemKind.EMPTIED: "emptied by the layer",
}


def file_differences(
    one: Sequence[Layer], other: Sequence[Layer], *, is_whole: bool
) -> tuple[tuple[Difference, ...], bool]:
    """The files that differ, by path, and whether some of them are programs that say nothing of their crates.

    The layers are those that are to be read; with `is_whole` there is nothing below them. Raises ContentInvalid for a
    damaged layer, and what opening the layers' blobs raises.
    """
    old, new = table_of(one, is_whole=is_whole), table_of(other, is_whole=is_whole)
    changed = [path for path, entry in old.entries.items() if _differs(entry, new.entries.get(path))]
    paths = sorted({*changed, *(path for path in new.entries if path not in old.entries)})
    asked = [path for path in paths if _has_other_content(old.entries.get(path), new.entries.get(path))]
    asked = asked if len(asked) <= PROGRAMS_MAX else []
    before, after = _anatomies(one, old, asked), _anatomies(other, new, asked)
    programs = {path: (before.get(path), after.get(path)) for path in asked}
    found = tuple(_difference(path, old.entries.get(path), new.entries.get(path), programs) for path in paths)
    unexplained = any(
        each is not None and each.crates is None for pair in programs.values() if all(pair) for each in pair
    )
    return tuple(each for each in found if each is not None), unexplained


def _differs(entry: FileEntry, other: FileEntry | None) -> bool:
    return other is None or not entry.is_like(other)


def _has_other_content(one: FileEntry | None, other: FileEntry | None) -> bool:
    return (
        one is not None
        and other is not None
        and one.kind is other.kind is ItemKind.FILE
        and one.content != other.content
    )


def _anatomies(layers: Sequence[Layer], table: FileTable, paths: Sequence[str]) -> Mapping[str, Anatomy]:
    wanted: dict[int, set[str]] = {}
    for path in paths:
        wanted.setdefault(table.entries[path].layer, set()).add(path)
    found: dict[str, Anatomy] = {}
    for _, path, member, pieces in contents_of(layers, wanted):
        anatomy = anatomy_of(pieces, member.size)
        if anatomy is None:
            found.pop(path, None)
        else:
            found[path] = anatomy
    return found


def _difference(
    path: str,
    one: FileEntry | None,
    other: FileEntry | None,
    programs: Mapping[str, tuple[Anatomy | None, Anatomy | None]],
) -> Difference | None:
    name = "/" + path
    before, after = _present(one), _present(other)
    if before is not None and after is not None:
        return Difference(
            DifferenceKind.FILE, name, Change.CHANGED, details=(*_attributes(before, after), *_inside(path, programs))
        )
    if after is not None:
        return Difference(DifferenceKind.FILE, name, Change.ADDED, new=_said(after))
    if before is not None:
        return Difference(DifferenceKind.FILE, name, Change.REMOVED, old=_said(before))
    if one is not None and other is not None:
        return None
    # only one of them removes what is below: there it is gone
    mark = one or other
    assert mark is not None  # noqa: S101 - one of them has it
    return Difference(
        DifferenceKind.FILE, name, Change.ADDED if one is not None else Change.REMOVED, *_mark(mark, one is None)
    )


def _mark(mark: FileEntry, is_new: bool) -> tuple[object, object]:  # noqa: FBT001
    said = {"type": _WORDS[mark.kind]}
    return (said, None) if is_new else (None, said)


def _present(entry: FileEntry | None) -> FileEntry | None:
    return None if entry is None or entry.kind in _MARKS else entry


def _attributes(one: FileEntry, other: FileEntry) -> Iterator[Difference]:
    old, new = _said(one), _said(other)
    for name in {**old, **new}:
        yield from value_difference(DifferenceKind.ATTRIBUTE, name, old.get(name), new.get(name))


def _inside(path: str, programs: Mapping[str, tuple[Anatomy | None, Anatomy | None]]) -> Iterator[Difference]:
    before, after = programs.get(path, (None, None))
    if before is not None and after is not None:
        yield from program_differences(before, after)


def _said(entry: FileEntry) -> dict[str, object]:
    """An entry as JSON has it; what says nothing is left out."""
    document: dict[str, object] = {"type": _WORDS[entry.kind]}
    if entry.kind is ItemKind.FILE:
        document |= {"size": entry.size_bytes, "contents": f"blake2b-128:{entry.content.hex()}"}
    document |= {"mode": f"{entry.mode:04o}", "owner": f"{entry.uid}:{entry.gid}", "time": _time(entry.mtime)}
    if entry.link:
        document["link"] = entry.link
    if entry.device:
        document["device"] = entry.device
    if entry.attributes:
        document["xattrs"] = {name: _text(value) for name, value in entry.attributes}
    return document


def _time(text: str) -> str:
    """In RFC 3339 where it is a time, with the fraction of a second that it has."""
    whole, dot, fraction = text.partition(".")
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(whole))) + dot + fraction + "Z"
    except (ValueError, OverflowError, OSError):
        return text


def _text(value: str) -> str:
    """An extended attribute, in hexadecimal digits where it is no text: capabilities(7) are bytes."""
    return value if value.isprintable() else "0x" + value.encode("utf-8", "surrogateescape").hex()
