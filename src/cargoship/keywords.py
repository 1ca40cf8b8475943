"""Keywords of the library's calls that Python does not check: names that there are not, texts in place of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cargoship.cargo.suggest import did_you_mean
from cargoship.errors import CargoshipError, KeywordInvalid
from cargoship.settings.fields import BY_KEY

_LISTS = frozenset(
    {"also", "binaries", "bins", "clusters", "exclude", "features", "outputs", "packages", "parts", "platforms", "tags"}
)
"""Keywords that take several texts."""


def check_keywords(
    call: str,
    given: Mapping[str, object],
    kind: Sequence[str],
    *,
    more: Mapping[str, object] = {},
    without: Mapping[str, str] = {},
) -> None:
    """Refuse keywords that a call does not have, which Python lets through; raises KeywordInvalid.

    `more` are those that the call names itself, `without` those of `kind` that it does not take, and why.
    """
    known = [name for name in (*more, *kind) if name not in without]
    for name in given:
        if name not in known:
            raise _unknown(call, name, known, without.get(name))
    _check_texts(call, {**given, **more})


def _unknown(call: str, name: str, known: Sequence[str], reason: str | None) -> CargoshipError:
    key = name.replace("_", "-")
    if reason is None and key in BY_KEY and "settings" in known:
        reason = f'settings have their own place: settings={{"{key}": ...}}'
    guess = "" if reason else did_you_mean(name, known)
    return KeywordInvalid(
        f"cargoship.{call} has no keyword {name!r}{guess}", hint=reason or f"there are {', '.join(known)}"
    )


def _check_texts(call: str, given: Mapping[str, object]) -> None:
    """Refuse one text where several belong: Python would take its letters. Raises KeywordInvalid."""
    for name, value in given.items():
        if isinstance(value, str) and name.partition("[")[0] in _LISTS:
            raise KeywordInvalid(f"cargoship.{call}: {name} is the text {value!r}", hint=f"give a list: [{value!r}]")
