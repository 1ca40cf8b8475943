"""Colours and links: whether there are any, and those that we use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cargoship.printable import styled

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|)")
"""A sequence, or an escape that begins none: what stands around a sequence must not become one without it."""


def wants_colour(choice: str, env: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to colour: the option, then variables, cargo's own word, the terminal.

    NO_COLOR is that of no-color.org, and comes first; then FORCE_COLOR (force-color.org) and CLICOLOR_FORCE.
    """
    if choice != "auto":
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    if (cargo := env.get("CARGO_TERM_COLOR")) in {"always", "never"}:
        return cargo == "always"
    return terminal and env.get("TERM") != "dumb" and env.get("CLICOLOR") != "0"


def without_escapes(text: str) -> str:
    """A line without colours, links and other escape sequences."""
    return _ESCAPES.sub(lambda match: r"\x1b" if match[0] == "\x1b" else "", text)


@dataclass(frozen=True)
class Paint:
    """Colours text and makes links of it, or leaves it as it is."""

    enabled: bool
    links: bool = False

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

    def link(self, text: str, url: str) -> str:
        """A link (OSC 8)."""
        return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\" if self.links else text

    def tool_line(self, line: str) -> str:
        """A line of another tool: with its colours and links, or without those that are not wanted."""
        return styled(line if self.enabled else without_escapes(line))

    def _sgr(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.enabled and text else text


NO_COLOURS = Paint(enabled=False)
