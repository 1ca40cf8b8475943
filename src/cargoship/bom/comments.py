"""Facts of a component as a comment, for SPDX has no place of its own for them: written, and read to join two."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_BETWEEN = "; "


def comment_of(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values as `name: value; name: value`."""
    return _BETWEEN.join(f"{fact}: {value}" for fact, value in facts)


def with_facts_of(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """An SPDX element with the facts of another one for the same component: of a fact that differs, all values."""
    facts: dict[str, set[str]] = {}
    for comment in (one.get("comment", ""), other.get("comment", "")):
        for fact in filter(None, comment.split(_BETWEEN)):
            name, _, value = fact.partition(": ")
            facts.setdefault(name, set()).update(value.split(","))
    if not facts:
        return one
    return {**one, "comment": comment_of((name, ",".join(sorted(facts[name]))) for name in sorted(facts))}
