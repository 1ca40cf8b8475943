"""The inside of a unit's frame: a head that lists its files, and then their content, one after the other.

    4 bytes   length of the head, big-endian
    head      JSON: the format's version, and a row for each file
    content   of all files with a size, in the order of the rows

Frames come from places that nobody vouches for. `read_head` accepts only what can do nothing outside of the build
directory: plain relative paths, links that lead to files of the same unit, sizes that add up.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from cargoship.errors import ContentInvalid
from cargoship.unitcache.packs.index import FORMAT

UNIT_BYTES_MAX = 4 << 30
"""What a unit may unpack to."""
FRAME_BYTES_MAX = 512 << 20
"""What a unit may have as a frame, which is held in memory."""
WINDOW_LOG = 26
"""64 MiB: frames with a larger window are not read, for it is memory. `packing` writes smaller ones."""
FILES_MAX = 100_000
_HEAD_BYTES_MAX = 32 << 20
_LENGTH_BYTES = 4
_PATH_MAX = 1024
_NAME_BYTES_MAX = 255
STAGING = ".cargoship"
"""A folder of the build directory that no unit may write to: files are staged there."""


class FileKind(enum.StrEnum):
    """What a row of the head stands for."""

    FILE = "f"
    PROGRAM = "x"
    FOLDER = "d"
    LINK = "l"
    """A symbolic link; `target` is its text."""
    SAME = "h"
    """A hard link; `target` is the path of a file of an earlier row."""


CONTENT = frozenset({FileKind.FILE, FileKind.PROGRAM})


class FileRecord(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A file of a unit. Only files and programs have a size."""

    path: Annotated[str, msgspec.Meta(max_length=_PATH_MAX)]
    kind: FileKind
    size: Annotated[int, msgspec.Meta(ge=0, le=UNIT_BYTES_MAX)] = 0
    target: Annotated[str, msgspec.Meta(max_length=_PATH_MAX)] = ""


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    files: Annotated[tuple[FileRecord, ...], msgspec.Meta(max_length=FILES_MAX)]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Head)


def write_head(rows: Sequence[FileRecord]) -> bytes:
    """The start of a frame, with its length. Raises ContentInvalid for rows that `read_head` would not take."""
    check(rows)
    head = _ENCODER.encode(_Head(FORMAT, tuple(rows)))
    if len(head) > _HEAD_BYTES_MAX:
        raise ContentInvalid("the list of its files is too long")
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head


def head_end(start: bytes | memoryview) -> int | None:
    """Where the content begins in an unpacked frame, as far as `start` tells; None: too little was given."""
    if len(start) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(start[:_LENGTH_BYTES], "big")
    if length > _HEAD_BYTES_MAX:
        raise ContentInvalid("the list of a unit's files is too long")
    return _LENGTH_BYTES + length


def read_head(data: bytes | memoryview, unpacked: int) -> tuple[FileRecord, ...]:
    """The rows of a head, for a frame that unpacks to `unpacked` bytes; raises ContentInvalid."""
    end = head_end(data)
    if end is None or end > len(data):
        raise ContentInvalid("a unit ends before its content")
    try:
        head = _DECODER.decode(data[_LENGTH_BYTES:end])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContentInvalid(f"the list of a unit's files cannot be read: {error}") from error
    if head.format != FORMAT:
        raise ContentInvalid(f"a unit of format {head.format}, where {FORMAT} is known")
    check(head.files)
    if end + sum(row.size for row in head.files) != unpacked:
        raise ContentInvalid(f"the files of a unit are not the {unpacked} bytes that it has")
    return head.files


def check(rows: Sequence[FileRecord]) -> None:
    """Raise ContentInvalid for rows that would reach outside of a build directory, or of their own unit."""
    paths: dict[str, FileRecord] = {}
    folders: set[str] = set()
    for row in rows:
        check_path(row.path)
        if row.path in paths:
            raise ContentInvalid(f"{row.path!r} is twice in a unit")
        if row.kind not in CONTENT and row.size:
            raise ContentInvalid(f"{row.path!r} has content, but is no file")
        if row.kind is FileKind.SAME and (row.target not in paths or paths[row.target].kind not in CONTENT):
            raise ContentInvalid(f"{row.path!r} is the same as {row.target!r}, which is no file of its unit")
        paths[row.path] = row
        folders.update(parents(row.path))
    for row in rows:
        if row.kind is FileKind.FOLDER:
            folders.add(row.path)
        elif row.path in folders:
            raise ContentInvalid(f"{row.path!r} is a file and a folder at once")
    for row in rows:
        if row.kind is FileKind.LINK:
            leads_to(row.path, row.target, paths, folders)


def check_path(path: str) -> None:
    """Raise ContentInvalid for what is no plain relative path with slashes."""
    names = path.split("/")
    plain = path.isprintable() and "\\" not in path and names[0] != STAGING
    if not plain or any(name in {"", ".", ".."} or len(name.encode()) > _NAME_BYTES_MAX for name in names):
        raise ContentInvalid(f"{path!r} is not a path inside a build directory")


def parents(path: str) -> Iterator[str]:
    """The folders that a path lies in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def leads_to(path: str, target: str, *owned: Collection[str]) -> None:
    """Raise ContentInvalid unless the symbolic link at `path` leads to one of the paths that its unit owns.

    No folder of a unit is a link, so that the text of the link tells where it leads.
    """
    names = path.split("/")[:-1]
    for name in PurePosixPath(target).parts:
        if name != "..":
            names.append(name)
        elif names:
            names.pop()
        else:
            break
    else:
        if not target.startswith("/") and any("/".join(names) in paths for paths in owned):
            return
    raise ContentInvalid(f"{path!r} links to {target!r}, which is not in its unit")


def content_size(rows: Iterable[FileRecord]) -> int:
    """Bytes of all files."""
    return sum(row.size for row in rows)
