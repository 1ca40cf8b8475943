"""What somebody probably meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

_LISTED_MAX = 20
_LETTERS = 3
"""For so many letters one slip is forgiven."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the closest known name, or else the one that begins with it, or nothing."""
    candidates = {each.lower(): each for each in known}
    short = name.lower()
    close = nearest_word(short, candidates) or _completed(short, candidates)
    return f'; did you mean "{candidates[close]}"?' if close else ""


def nearest_word(name: str, known: Iterable[str]) -> str | None:
    """The known name that so few slips make of `name` that it was probably meant: one for each three letters.

    What all of them begin with, such as `--`, counts for nothing. Words that merely have letters in common are not
    near: `cluster` is no slip for `user`.
    """
    words = list(known)
    ends = [at + 1 for at, letter in enumerate(name) if letter in "-_"]
    cut = max((end for end in ends if all(each.startswith(name[:end]) for each in words)), default=0)
    short = name[cut:]
    found = [
        (slips, each)
        for each in words
        if abs(len(each) - len(name)) <= (bound := max(len(each), len(name)) - cut) // _LETTERS
        and (slips := _slips(short, each[cut:])) <= bound // _LETTERS
    ]
    return min(found, key=lambda each: each[0])[1] if found else None


def _completed(name: str, known: Iterable[str]) -> str | None:
    """The shortest known name that `name` is the beginning of: `shop` for `shop-server`."""
    found = [each for each in known if len(name) >= _LETTERS and each.startswith(name)]
    return min(found, key=len) if found else None


def _slips(one: str, other: str) -> int:
    """How many letters are missing, too many, wrong, or in each other's place (optimal string alignment distance)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, its in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != its)))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                row[j] = min(row[j], older[j - 2] + 1)
    return row[-1]


def listed(known: Iterable[str], most: int = _LISTED_MAX) -> str:
    """Return the names, sorted, cut off where they are more than `most`."""
    names = sorted(known)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
