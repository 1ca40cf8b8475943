"""What somebody probably meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LISTED_MAX = 20


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the closest known name, or nothing."""
    candidates = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), candidates, n=1)
    return f'; did you mean "{candidates[close[0]]}"?' if close else ""


def listed(known: Iterable[str], most: int = _LISTED_MAX) -> str:
    """Return the names, sorted, cut off where they are more than `most`."""
    names = sorted(known)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
