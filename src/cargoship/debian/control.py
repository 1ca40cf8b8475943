"""Paragraphs of fields, as control files, Packages and Release have them (Debian Policy, 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cargoship.errors import ContentInvalid

_NEWLINE = 10
_NAME = re.compile(r"[!-,.-9;-~][!-9;-~]*")


def parse_paragraph(text: str, *, what: str) -> Mapping[str, str]:
    """The fields of one paragraph by their names in lower case, in their order; raises ContentInvalid.

    A field of several lines keeps them, the first blank of each included.
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.split("\n"):
        if not line.strip():
            continue
        if line[0] in " \t":
            if not name:
                raise ContentInvalid(f"{what} begins with a continued line")
            found[name] += "\n" + line.rstrip()
            continue
        word, colon, value = line.partition(":")
        name = word.lower()
        if not colon or not _NAME.fullmatch(word) or name in found:
            raise ContentInvalid(f"{what} has a line that is no field, or a field twice: {line[:80]!r}")
        found[name] = value.strip()
    return found


def paragraphs(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the paragraphs of a file begin and end."""
    start, size = 0, len(data)
    while start < size:
        if data[start] == _NEWLINE:
            start += 1
            continue
        end = data.find(b"\n\n", start)
        end = size if end < 0 else end
        yield start, end
        start = end


def decode_control(data: bytes, *, what: str) -> str:
    """UTF-8, as all of Debian's control files are; raises ContentInvalid."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ContentInvalid(f"{what} is not UTF-8") from error
