"""The records of a project's builds: a folder in its target folder that never grows beyond a bound."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.files import replacing
from cargoship.reading import read_file
from cargoship.records.model import BYTES_MAX, RunRecord, decode_record, encode_record

RECORDS_MAX = 50
"""How many builds are remembered."""
FOLDER_BYTES_MAX = 32 << 20
"""What all records of a project may take; the newest one stays, whatever its size."""
_SUFFIX = ".json"
_NAME = re.compile(rf"\d{{8}}T\d{{6}}\.\d{{3}}Z-[0-9a-f]{{4}}{re.escape(_SUFFIX)}")
"""What is called otherwise is no record, and stays."""


def record_folder(target_dir: Path) -> RecordFolder:
    """Where the builds of a target folder leave their records."""
    return RecordFolder(target_dir / "cargoship" / ".records")


class RecordFolder(Struct, frozen=True):
    """Records as files that are called by the times of their builds."""

    path: Path

    def keep(self, record: RunRecord) -> Path:
        """Write a record, whole or not at all, and remove the oldest beyond the bounds; raises OSError.

        A folder that is a link is none: a project may come with one, to files of somebody else.
        """
        if self.path.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "it is a link", str(self.path))
        place = self.path / f"{record.id}{_SUFFIX}"
        with replacing(place) as stream:
            stream.write(encode_record(record))
        left = FOLDER_BYTES_MAX
        for number, each in enumerate(self.files()):
            with contextlib.suppress(FileNotFoundError):  # another build removes, too
                left -= each.stat().st_size
                if number and (number >= RECORDS_MAX or left < 0):
                    each.unlink()
        return place

    def files(self) -> list[Path]:
        """The files of the records, the newest first."""
        try:
            names = sorted((each for each in self.path.iterdir() if _is_record(each)), reverse=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return names

    def latest(self) -> RunRecord:
        """The record of the last build; raises UsageError where there is none, ContentInvalid."""
        files = self.files()
        if not files:
            raise UsageError("no build has left a record here", hint="build with cargoship build")
        return load_record(files[0])

    def readable(self) -> Iterator[RunRecord]:
        """All that can be read, the newest first."""
        for each in self.files():
            with contextlib.suppress(ContentInvalid):
                yield load_record(each)

    def before(self, record: RunRecord) -> RunRecord | None:
        """The last build before this one that made its images; None where there is none."""
        older = (each for each in self.files() if each.stem < record.id)
        for each in older:
            with contextlib.suppress(ContentInvalid):
                found = load_record(each)
                if found.outcome == "built":
                    return found
        return None


def load_record(path: Path) -> RunRecord:
    """Read a record's file; raises ContentInvalid, also where it cannot be read."""
    try:
        data = read_file(path, BYTES_MAX)
    except OSError as error:
        raise ContentInvalid(f"cannot read {path}: {error.strerror or error}", hint="name another record") from error
    return decode_record(data, str(path))


def _is_record(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None
