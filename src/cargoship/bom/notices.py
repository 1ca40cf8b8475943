"""The notices of the crates whose code is in an image: one text, for those who have to hand it on with the program.

Licences such as MIT and BSD ask that their text goes with every copy. It is read from the crates' own sources, where
their authors have put it, and each text is there once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.bom.crates import Crate
from cargoship.printable import printable_lines, without_user
from cargoship.reading import read_file

PLACE = "licenses/THIRD-PARTY-NOTICES.txt"
"""Where it is in an image; certifications of several vendors look into /licenses."""
_NAME = re.compile(r"(?:un)?licen[cs]e|copying|copyright|notice|patents", re.IGNORECASE)
_CODE = re.compile(r"\.(?:rs|c|h|py|toml|sh|html?)$", re.IGNORECASE)
_FILE_BYTES_MAX = 1 << 20
_FILES_MAX = 24
_ABOVE_MAX = 4
_RULE = "=" * 78


class NoticedCrate(Struct, frozen=True):
    """A crate and the folder of its sources; `root` is the one that links in it must not lead out of.

    `carries` says that sources of a C library are in it, whose licence is in a folder below.
    """

    crate: Crate
    folder: Path | None
    root: Path | None = None
    carries: bool = False


def license_texts(noticed: NoticedCrate) -> tuple[str, ...]:
    """The texts of a crate's licence, in the order of their files' names; none where it brings none."""
    if noticed.folder is None:
        return ()
    named = [noticed.crate.license_text] if not noticed.crate.license and noticed.crate.license_text else []
    for folder in _folders(noticed):
        found = [text for path in _files(folder, named) if (text := _read(path, noticed.root or folder)) is not None]
        if noticed.carries:
            below = sorted(each for each in _listed(folder) if each.is_dir() and not each.is_symlink())
            for inner in below[:_FILES_MAX]:
                found += [text for path in _files(inner, ()) if (text := _read(path, inner)) is not None]
        if found:
            return tuple(dict.fromkeys(found))
    return ()


def notices_text(name: str, crates: Iterable[NoticedCrate], libraries: Sequence[str] = ()) -> bytes:
    """The notices of an image; the same bytes for the same crates. `libraries` are lines about what is in no crate."""
    ordered = sorted(crates, key=lambda each: (each.crate.name, each.crate.version, each.crate.source))
    numbers: dict[str, int] = {}
    entries = []
    for each in ordered:
        texts = license_texts(each)
        entries.append((each.crate, [numbers.setdefault(text, len(numbers) + 1) for text in texts]))
    lines = [f"Third-party notices of {name}", "", "The programs of this image have code of these crates in them:", ""]
    for crate, places in entries:
        lines += [*_about(crate, places), ""]
    if libraries:
        lines += ["And of these libraries:", "", *libraries, ""]
    for text, number in numbers.items():
        users = ", ".join(f"{crate.name} {crate.version}" for crate, places in entries if number in places)
        lines += [_RULE, f"Text {number}, of {users}", _RULE, "", text, ""]
    return "\n".join(lines).encode()


def _about(crate: Crate, places: Sequence[int]) -> Iterator[str]:
    yield printable_lines(f"{crate.name} {crate.version}")
    yield printable_lines(f"  licence: {crate.license or crate.license_text or 'none is said'}")
    if crate.authors:
        yield printable_lines(f"  by: {', '.join(crate.authors)}")
    if crate.repository:
        yield printable_lines(f"  from: {without_user(crate.repository)}")
    yield f"  {'text' if len(places) == 1 else 'texts'}: {', '.join(map(str, places)) or 'none in its sources'}"


def _folders(noticed: NoticedCrate) -> Iterator[Path]:
    """The crate's own folder, then those above it in the same repository: a workspace has its licence at the top."""
    folder = noticed.folder
    for _ in range(_ABOVE_MAX):
        if folder is None:
            return
        yield folder
        if noticed.root is None or folder == noticed.root or not folder.is_relative_to(noticed.root):
            return
        folder = folder.parent


def _files(folder: Path, named: Iterable[str]) -> list[Path]:
    found = {path for path in _listed(folder) if _NAME.match(path.name) and not _CODE.search(path.name)}
    found |= {folder / name for name in named}
    return sorted(found)[:_FILES_MAX]


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(path: Path, root: Path) -> str | None:
    """A file's text; None where it is none, or where a link leads out of the sources."""
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            return None
        text = read_file(path, _FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ").replace("\f", "\n")
    return "\n".join(line.rstrip() for line in printable_lines(text).strip("\n").split("\n")) or None
