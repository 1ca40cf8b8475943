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


def listed(known: Iterable[str]) -> str:
    """Return the names, sorted, cut off where they are very many."""
    names = sorted(known)
    more = f" and {len(names) - _LISTED_MAX} more" if len(names) > _LISTED_MAX else ""
    return ", ".join(names[:_LISTED_MAX]) + more
