"""On which line of a file a setting stands. It is looked for when something is wrong with it, and not before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cargoship.decoding import Undecodable, decode_toml
from cargoship.reading import read_utf8

_LINES_MAX = 5000


def line_shown(path: Path, keys: Sequence[str]) -> str:
    """The file, and the line on which a key begins where that is found: `Cargo.toml:12`.

    Parsers of TOML tell no lines: the shortest beginning of the file that has the key ends with its value.
    """
    try:
        lines = read_utf8(path).splitlines(keepends=True)
    except (OSError, ValueError):
        return str(path)
    above, inside = 0, False
    for number, line in enumerate(lines[:_LINES_MAX], start=1):
        # a key begins a line of its own, or stands in the line of its table
        if inside or keys[-1] in line:
            try:
                document = decode_toml("".join(lines[:number]))
            except Undecodable:
                inside = True
                continue
            if _has(document, keys):
                return f"{path}:{above + 1}"
        above, inside = number, False
    return str(path)


def _has(document: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
