"""Finding references in YAML, JSON and any other text, each with its exact place. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cargoship.deploy.nodes import YamlNode
from cargoship.deploy.places import FOUND, SCHEME, Page, Position, Spot, parse_reference, written_reference
from cargoship.errors import DocumentInvalid

_LINE_END = re.compile("[\n\r\x85\u2028\u2029]")
"""What YAML takes for one."""
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_JSON_KEY = re.compile(r"\s*:")
_PATH = re.compile(r"[\w.})>-]\\?/\Z")
"""The end of a registry, or of a variable for one, before an image's name; `://` is none."""
_PATH_CHARACTERS = 3


def in_text(page: Page) -> Iterator[Spot]:
    """Every reference of a text, wherever it stands; raises ReferenceUnknown."""
    yield from _in_stretch(page, 0, len(page.text))


def in_scalar(page: Page, scalar: YamlNode) -> Iterator[Spot]:
    """The references in a scalar of YAML; raises ReferenceUnknown, and DocumentInvalid for ones that escapes hide."""
    if FOUND.search(scalar.value) is None:
        return
    start, end = scalar.start, scalar.end
    if scalar.style in {"|", ">"}:
        # a comment may stand after the indicator
        line_end = _LINE_END.search(page.text, start, end)
        start = end if line_end is None else line_end.end()
    spots = list(_in_stretch(page, start, end))
    if len(spots) == len(FOUND.findall(scalar.value)):
        yield from spots
    elif scalar.style == '"':
        yield _rewritten(scalar.value, page.text.index('"', start), end, page.place(scalar.start))
    else:
        place = page.place(scalar.start)
        raise DocumentInvalid(f"{place}: the reference is written in an unusual way", hint="write it on one line")


def in_json(page: Page) -> Iterator[Spot]:
    """The references in texts of a JSON document that are no keys; the text is known to be JSON.

    Raises ReferenceUnknown.
    """
    for start, end, value in json_texts(page.text, 0, len(page.text), SCHEME):
        found = FOUND.findall(value)
        if not found:
            continue
        spots = list(_in_stretch(page, start, end))
        if len(spots) == len(found):
            yield from spots
        else:
            yield _rewritten(value, start, end, page.place(start))


def json_texts(text: str, start: int, end: int, word: str = "") -> Iterator[tuple[int, int, str]]:
    """The texts in a stretch of JSON that are no keys and may have a word: each one's start, end and value."""
    for match in _JSON_TEXT.finditer(text, start, end):
        if (word in match[0] or "\\" in match[0]) and not _JSON_KEY.match(text, match.end()):
            yield match.start(), match.end(), json.loads(match[0], strict=False)


def _in_stretch(page: Page, start: int, end: int) -> Iterator[Spot]:
    for match in FOUND.finditer(page.text, start, end):
        written = written_reference(match)
        place = page.place(match.start())
        _refuse_joined(page.text, match, place)
        named, part = parse_reference(written, place)
        yield Spot(place, named, match.start(), match.start() + len(written), part)


def _rewritten(value: str, start: int, end: int, place: Position) -> Spot:
    """A text in double quotes, written again, whose escapes hide the reference in it."""
    match = FOUND.search(value)
    if match is None or len(FOUND.findall(value)) > 1:
        raise DocumentInvalid(f"{place}: escapes hide the references in this text", hint="write them without escapes")
    written = written_reference(match)
    _refuse_joined(value, match, place)
    named, part = parse_reference(written, place)
    before = _quoted(value[: match.start()])[:-1]
    after = _quoted(value[match.start() + len(written) :])[1:]
    return Spot(place, named, start, end, part, before, after)


def _refuse_joined(text: str, match: re.Match[str], place: Position) -> None:
    """Raise DocumentInvalid for `ghcr.io/me/cargoship://web`: an image's whole name stands behind no other."""
    if _PATH.search(text, max(0, match.start() - _PATH_CHARACTERS), match.start()):
        raise DocumentInvalid(
            f"{place}: {written_reference(match)} is behind a path, and becomes a whole name, registry and all",
            hint="write it alone; -t, or the project's tags, say which registry that is",
        )


def _quoted(text: str) -> str:
    """In double quotes; halves of surrogate pairs, which only JSON's escapes can write, as such escapes."""
    return json.dumps(text, ensure_ascii=any("\ud800" <= character <= "\udfff" for character in text))
