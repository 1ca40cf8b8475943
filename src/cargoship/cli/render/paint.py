"""Colours: whether there are any, and the four that we use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def wants_colour(choice: str, env: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to colour: the option, then NO_COLOR (no-color.org), CLICOLOR_FORCE, cargo's own word, the terminal."""
    if choice != "auto":
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if env.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    if (cargo := env.get("CARGO_TERM_COLOR")) in {"always", "never"}:
        return cargo == "always"
    return terminal and env.get("TERM") != "dumb" and env.get("CLICOLOR") != "0"


def without_escapes(text: str) -> str:
    """A line without colours, links and other escape sequences."""
    return _ESCAPES.sub("", text)


def printable(text: str) -> str:
    """Text of unknown origin for a terminal: what is not printable becomes visible."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


@dataclass(frozen=True)
class Paint:
    """Colours text, or leaves it as it is."""

    enabled: bool

    def good(self, text: str) -> str:
        """Green, as cargo's own status words."""
        return self._sgr("1;32", text)

    def bad(self, text: str) -> str:
        """Red."""
        return self._sgr("1;31", text)

    def warn(self, text: str) -> str:
        """Yellow."""
        return self._sgr("1;33", text)

    def strong(self, text: str) -> str:
        """Bold."""
        return self._sgr("1", text)

    def dim(self, text: str) -> str:
        """Faint."""
        return self._sgr("2", text)

    def tool_line(self, line: str) -> str:
        """A line of another tool: as it is, or without the colours that are not wanted."""
        return line if self.enabled else without_escapes(line)

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text


NO_COLOURS = Paint(enabled=False)
