"""Version numbers of packages and their order (Debian Policy, 5.6.12)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from cargoship.errors import ContentInvalid

# without an epoch there is no colon
_FORM = re.compile(r"(?:([0-9]{1,9}):([A-Za-z0-9.+:~-]+)|([A-Za-z0-9.+~-]+))")
_BYTES_MAX = 256
_PIECES = re.compile(r"([^0-9]*)([0-9]*)")
_LAST = 256

Part = tuple[tuple[int, ...] | int, ...]


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version: its text, and what it is ordered by."""

    text: str
    order: tuple[int, Part, Part]

    @classmethod
    def parse(cls, text: str) -> Version:
        """Parse `[epoch:]upstream[-revision]`; raises ContentInvalid."""
        match = _FORM.fullmatch(text)
        if match is None or len(text) > _BYTES_MAX:
            raise ContentInvalid(f"{text[:80]!r} is not a version of a Debian package")
        rest = match[2] or match[3]
        upstream, dash, revision = rest.rpartition("-")
        if not dash:
            upstream, revision = rest, ""
        # no revision is the same as the revision 0
        return cls(text, (int(match[1] or 0), _part(upstream), _part(revision or "0")))

    def __lt__(self, other: Version) -> bool:
        """Whether it is older."""
        return self.order < other.order

    def __eq__(self, other: object) -> bool:
        """Whether it is neither older nor newer: 1.0 and 1.00 are the same."""
        return isinstance(other, Version) and self.order == other.order

    def __hash__(self) -> int:
        """As the order goes."""
        return hash(self.order)

    def __str__(self) -> str:
        """As it was written."""
        return self.text

    def satisfies(self, operator: str, wanted: Version) -> bool:
        """Whether it is what a relation (`<<`, `<=`, `=`, `>=`, `>>`) asks for."""
        match operator:
            case "<<":
                return self < wanted
            case "<=":
                return self <= wanted
            case ">=":
                return self >= wanted
            case ">>":
                return self > wanted
            case _:
                return self == wanted


def _part(text: str) -> Part:
    """Words and numbers in turn, each word ended by 0: a tilde sorts before the end, letters before all else."""
    found: list[tuple[int, ...] | int] = []
    for word, number in _PIECES.findall(text):
        if word or number:
            found += [_word(word), int(number or 0)]
    return (*found, (0,))


def _word(text: str) -> tuple[int, ...]:
    return (*(-1 if sign == "~" else ord(sign) if sign.isalpha() else ord(sign) + _LAST for sign in text), 0)
