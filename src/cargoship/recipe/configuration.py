"""cargo's configuration in a workspace, as one document that needs no other file of the project but those it names.

What it includes is put into it; files that it names (a linker, a wrapper of rustc, a linker script) go along.
"""

from __future__ import annotations

import re
from pathlib import Path

from cargoship.cargo.config import texts_of
from cargoship.errors import ManifestInvalid
from cargoship.reading import is_file, read_file
from cargoship.recipe.document import Table, as_table, parse, read_optional

_BYTES_MAX = 1 << 20
_BETWEEN_WORDS = re.compile(r"[\s=,]+")
_BEFORE_A_FILE = re.compile(r"^(?:@|-T)")
_PROGRAMS = frozenset({"rustc", "rustc-wrapper", "rustc-workspace-wrapper", "linker"})


def read_config(root: Path) -> Table | None:
    """What the configuration in a workspace's root says, with what it includes; raises ManifestInvalid."""
    for path in (root / ".cargo" / "config", root / ".cargo" / "config.toml"):
        if is_file(path):
            return _whole(path, ())
    return None


def named_files(root: Path, config: Table | None) -> dict[str, str]:
    """The texts of files below `root` that the configuration names, by their paths.

    Raises ManifestInvalid for a program among them that is no text: a recipe cannot hold it.
    """
    found = {}
    programs = set(_programs(config))
    for word in sorted({word for text in texts_of(config) for word in _BETWEEN_WORDS.split(text)} | programs):
        name = _BEFORE_A_FILE.sub("", word)
        path = Path(name)
        if not ("/" in name or "." in name) or path.is_absolute() or ".." in path.parts or not is_file(root / path):
            continue
        text = _text(root / path)
        if text is not None:
            found[path.as_posix()] = text
        elif word in programs:
            raise ManifestInvalid(
                f"cargo's configuration names the program {path}, which no recipe can hold: it is no text, or large",
                hint="name it as it is found on PATH, or copy it before cooking and set it by a variable",
            )
    return found


def _text(path: Path) -> str | None:
    try:
        return read_file(path, _BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError):
        return None


def _programs(value: object) -> list[str]:
    found = []
    for name, each in value.items() if isinstance(value, dict) else ():
        found += [each] if name in _PROGRAMS and isinstance(each, str) else _programs(each)
    return found


def _whole(path: Path, above: tuple[Path, ...]) -> Table:
    """A file with what it includes: that is as if it stood before the file's own words (cargo 1.94)."""
    text = read_optional(path)
    if text is None or path in above:
        raise ManifestInvalid(f"{above[-1] if above else path} includes {path}, which is not there or includes it too")
    own = parse(text, path)
    include = own.pop("include", [])
    merged: Table = {}
    for entry in include if isinstance(include, list) else [include]:
        name = entry if isinstance(entry, str) else as_table(entry).get("path")
        file = path.parent / name if isinstance(name, str) else None
        if file is not None and (is_file(file) or as_table(entry).get("optional") is not True):
            merged = _merged(merged, _whole(file, (*above, path)))
    return _merged(merged, own)


def _merged(low: Table, high: Table) -> Table:
    """As cargo merges configuration: tables key by key, arrays one after the other."""
    found = dict(low)
    for name, value in high.items():
        there = low.get(name)
        if isinstance(value, dict) and isinstance(there, dict):
            found[name] = _merged(there, value)
        elif isinstance(value, list) and isinstance(there, list):
            found[name] = [*there, *value]
        else:
            found[name] = value
    return found
