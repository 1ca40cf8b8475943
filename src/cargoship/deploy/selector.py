"""Kubernetes' label selectors: `app=web,tier!=cache,env in (a, b),!canary`. Pure.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from cargoship.errors import UsageError

_KEY = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|"
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<not>!)?==?\s*(?P<value>{_VALUE})")
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<not>not)?in\s*\((?P<values>[^()]*)\)")
_THERE = re.compile(rf"(?P<not>!)?\s*(?P<key>{_KEY})")
_COMMA = re.compile(r",(?![^(]*\))")


class _Requirement(Struct, frozen=True):
    key: str
    values: frozenset[str] | None
    """None: any value."""
    holds: bool

    def matches(self, labels: Mapping[str, str]) -> bool:
        there = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return there is self.holds


class Selector(Struct, frozen=True):
    """Which objects are meant, by their labels."""

    requirements: tuple[_Requirement, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Parse a selector; raises UsageError."""
        return cls(tuple(_requirement(part.strip(), text) for part in _COMMA.split(text)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is meant."""
        return all(each.matches(labels) for each in self.requirements)


def _requirement(part: str, whole: str) -> _Requirement:
    if match := _EQUAL.fullmatch(part):
        return _Requirement(match["key"], frozenset({match["value"]}), match["not"] is None)
    if match := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in match["values"].split(","))
        return _Requirement(match["key"], values, match["not"] is None)
    if match := _THERE.fullmatch(part):
        return _Requirement(match["key"], None, match["not"] is None)
    raise UsageError(
        f"the selector {whole!r} cannot be read at {part!r}", hint="such as app=web, tier!=cache, env in (a,b), !canary"
    )
