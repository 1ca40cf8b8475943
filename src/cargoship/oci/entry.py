"""What a layer holds: files, folders and symbolic links, each with its place, owner and rights."""

from __future__ import annotations

import enum
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.errors import IncludeInvalid
from cargoship.oci.descriptor import Blob

_MODE_MAX = 0o7777
_NO_PATH = re.compile(r"(^|/)\.{0,2}(/|\Z)|\0")  # an empty part, . or ..
_WHITEOUT = re.compile(r"(^|/)\.wh\.")  # image-spec, layer.md, "Whiteouts"


class EntryKind(enum.Enum):
    """What an entry is in the file system."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


Source = Path | bytes | Blob


@dataclass(frozen=True)
class LayerEntry:
    """One thing in a layer.

    `path` is relative, with slashes, and never leaves the root. `mode` holds permission bits alone. A file has a
    `source`: a path that is read when the archive is written, bytes, or a blob whose digest is then checked. A
    symlink has a `link`, kept as it is. Raises IncludeInvalid for a path that an image cannot hold.
    """

    path: str
    kind: EntryKind
    mode: int
    source: Source | None = field(default=None, repr=False)
    link: str | None = None
    uid: int = 0
    gid: int = 0

    def __post_init__(self) -> None:
        """Refuse what no image can hold."""
        if _NO_PATH.search(self.path):
            raise IncludeInvalid(f"{self.path!r} is not a path inside an image")
        if _WHITEOUT.search(self.path):
            raise IncludeInvalid(
                f"{self.path!r} cannot be in an image: names that begin with .wh. mean deletion there",
                hint="rename the file",
            )
        try:
            f"{self.path}{self.link or ''}".encode()
        except UnicodeEncodeError as error:
            raise IncludeInvalid(f"{self.path!r} is not UTF-8", hint="rename the file") from error
        if not 0 <= self.mode <= _MODE_MAX or self.uid < 0 or self.gid < 0:
            raise IncludeInvalid(f"{self.path}: mode {self.mode:o} or owner {self.uid}:{self.gid} is out of range")
        if (self.source is not None) != (self.kind is EntryKind.FILE):
            raise IncludeInvalid(f"{self.path}: a file, and nothing else, has a content")
        if (self.link is not None) != (self.kind is EntryKind.SYMLINK) or self.link == "" or "\0" in (self.link or ""):
            raise IncludeInvalid(f"{self.path}: a symlink, and nothing else, has a target")

    @classmethod
    def file(cls, path: str, source: Source, mode: int = 0o644, uid: int = 0, gid: int = 0) -> LayerEntry:
        """A file; a `source` that is a symlink is followed."""
        return cls(path, EntryKind.FILE, mode, source=source, uid=uid, gid=gid)

    @classmethod
    def directory(cls, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> LayerEntry:
        """A folder; its parents need not be given."""
        return cls(path, EntryKind.DIRECTORY, mode, uid=uid, gid=gid)

    @classmethod
    def symlink(cls, path: str, link: str, uid: int = 0, gid: int = 0) -> LayerEntry:
        """A symbolic link to `link`."""
        return cls(path, EntryKind.SYMLINK, 0o777, link=link, uid=uid, gid=gid)

    @property
    def size_bytes(self) -> int:
        """Size of the content now; raises IncludeInvalid when its file cannot be read."""
        match self.source:
            case None:
                return 0
            case bytes():
                return len(self.source)
            case Path():
                return file_status(self.path, self.source).st_size
            case _:
                return self.source.descriptor.size_bytes


def file_status(path: str, source: Path) -> os.stat_result:
    """Status of the regular file behind an entry (symlinks followed); raises IncludeInvalid."""
    try:
        status = source.stat()
    except OSError as error:
        raise IncludeInvalid(f"{source} (for /{path}) cannot be read: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISREG(status.st_mode):
        raise IncludeInvalid(f"{source} (for /{path}) is not a regular file")
    return status
