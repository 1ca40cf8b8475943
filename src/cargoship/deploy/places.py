"""What is wanted where: the values that are found in documents, and what takes their place."""

from __future__ import annotations

import bisect
import enum
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

from msgspec import Struct

from cargoship.errors import DocumentInvalid, ReferenceUnknown
from cargoship.suggest import listed

SCHEME = "cargoship://"
# up to what cannot be in a name; what is found is checked afterwards, so that a misspelt one is not passed over
FOUND = re.compile(re.escape(SCHEME) + r"[^\s\"'`,;()\[\]<>|\\]*")
WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]*[A-Za-z0-9])?")
"""What YAML and JSON take for part of a text, wherever a reference can stand."""
_PUNCTUATION = ".:!?*}"
"""What may follow a reference in prose or in a template, and is no part of it."""
_REFERENCE_MAX = 400
"""Characters: cargo names files after binaries, and systems take 255 bytes for one."""
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REFERENCE = re.compile(rf"{re.escape(SCHEME)}(?P<name>{_PART}(?:/{_PART})?)(?:#(?P<part>name|digest))?")


class ReferencePart(enum.Enum):
    """How much of an image's reference is wanted."""

    ALL = ""
    """repository@digest"""
    NAME = "name"
    DIGEST = "digest"

    def of(self, reference: str) -> str:
        """Take the part from a digest reference."""
        name, _, digest = reference.partition("@")
        match self:
            case ReferencePart.ALL:
                return reference
            case ReferencePart.NAME:
                return name
            case ReferencePart.DIGEST:
                return digest


class Position(NamedTuple):
    """Where something stands; `line` and `column` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """As compilers write it, so that editors find it."""
        return f"{self.file}:{self.line}:{self.column}"


class Page(Struct, frozen=True, dict=True):
    """A text and what it is called."""

    name: str
    text: str

    def place(self, position: int) -> Position:
        """The place of a character."""
        ends = self._ends
        line = bisect.bisect_left(ends, position)
        return Position(self.name, line + 1, position - (ends[line - 1] if line else -1))

    def may_say(self, word: str) -> bool:
        """Whether something in it may be called so: it has the word, or escapes that might hide it."""
        return word in self.text or "\\" in self.text

    @cached_property
    def is_simple(self) -> bool:
        """Whether nothing in it stands for something else: no anchors, merges or escapes, if it is YAML."""
        return not any(each in self.text for each in ("&", "<<", "\\"))

    @cached_property
    def has_brackets(self) -> bool:
        """Whether a key in it may be something else than a word, if it is YAML."""
        return any(each in self.text for each in ("{", "[", "?"))

    @cached_property
    def _ends(self) -> list[int]:
        return [match.end() - 1 for match in re.finditer("\r?\n|\r", self.text)]


class NameReference(NamedTuple):
    """A binary or package by its name, or as PACKAGE/BINARY."""

    name: str


class FolderReference(NamedTuple):
    """A Cargo project by its folder, and the name of the service that is built from it.

    50,000 services may have one folder, and a path takes ten times as long to be looked up as its text.
    """

    folder: str
    service: str


class Spot(NamedTuple):
    """A stretch of a text that an image's reference, with `before` and `after` around it, takes the place of.

    A document may have 50,000, and a tuple is made in a third of a dataclass's time.
    """

    place: Position
    wanted: NameReference | FolderReference | None
    """None: no image, just `before` and `after`."""
    start: int
    end: int
    part: ReferencePart = ReferencePart.ALL
    before: str = ""
    after: str = ""
    is_plain: bool = False
    """Whether a word that means nothing to a parser, put there, surely makes no other document, though `before` or
    `after` are not empty."""

    def filled(self, reference: str) -> str:
        """What stands there with an image's digest reference."""
        return self.before + ("" if self.wanted is None else self.part.of(reference)) + self.after


class Demand(Struct, frozen=True):
    """A platform that an image has to be for, because a document says that it runs there."""

    place: Position
    wanted: NameReference | FolderReference
    platform: str


def written_reference(match: re.Match[str]) -> str:
    """What of a match of `FOUND` is meant as a reference."""
    return match[0].rstrip(_PUNCTUATION)


def parse_reference(text: str, place: Position) -> tuple[NameReference, ReferencePart]:
    """Parse cargoship://NAME, cargoship://PACKAGE/BINARY, with #name or #digest after it; raises ReferenceUnknown."""
    if len(text) > _REFERENCE_MAX:
        shown = text[: len(SCHEME) + 40]
        raise ReferenceUnknown(f"{place}: {shown}... is no reference to a binary: it has {len(text)} characters")
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ReferenceUnknown(
            f"{place}: {text} is no reference to a binary",
            hint=f"write {SCHEME}BINARY or {SCHEME}PACKAGE/BINARY, with #name or #digest after it for a part of it",
        )
    return NameReference(match["name"]), ReferencePart(match["part"] or "")


def splice(page: Page, spots: Iterable[Spot], reference: Callable[[NameReference | FolderReference], str]) -> str:
    """The text with each spot filled and every other character as it was; raises DocumentInvalid."""
    pieces = []
    done, last = 0, ("", "", -1, -1)
    for spot in sorted(spots, key=lambda each: (each.start, each.end)):
        image = "" if spot.wanted is None else reference(spot.wanted)
        now = (spot.filled(image), image, spot.start, spot.end)
        if spot.start < done:
            if last == now:
                continue  # an anchor brings several services to one place
            raise _at_odds(spot.place, image, last[1])
        pieces += [page.text[done : spot.start], now[0]]
        done, last = spot.end, now
    return "".join([*pieces, page.text[done:]])


def _at_odds(place: Position, image: str, other: str) -> DocumentInvalid:
    """Why one place cannot be filled: two images are meant, or an image and none."""
    if image and other:
        return DocumentInvalid(
            f"{place}: two images are wanted in one place: {listed({image, other})}",
            hint="an anchor is shared there; write the image out for each service",
        )
    return DocumentInvalid(
        f"{place}: an anchor is shared here by services that have an image of their own and services that have none",
        hint="write the build, or the image, out for each service",
    )
