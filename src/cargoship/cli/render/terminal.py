"""What a terminal can do besides colours, as far as it says so in its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

_BEGIN = "\x1b[?2026h"
_END = "\x1b[?2026l"
_LINKING_PROGRAMS = frozenset({"Hyper", "iTerm.app", "terminology", "WezTerm", "vscode", "ghostty", "zed"})
_LINKING_TERMS = frozenset({"alacritty", "foot", "xterm-kitty", "xterm-ghostty"})
_VTE_WITH_LINKS = 5000
_VTE_WITH_PROGRESS = 7900


def shows_progress(env: Mapping[str, str]) -> bool:
    """Whether it shows progress outside of its text (OSC 9;4): those that take the sequence for something else do not.

    cargo's own switch decides, where it is set: `term.progress.term-integration`.
    """
    said = env.get("CARGO_TERM_PROGRESS_TERM_INTEGRATION")
    if said in {"true", "false"}:
        return said == "true"
    return bool(
        env.get("WT_SESSION")
        or env.get("ConEmuANSI") == "ON"
        or env.get("TERM_PROGRAM") in {"WezTerm", "ghostty"}
        or (env.get("TERM_PROGRAM") == "iTerm.app" and "P" in env.get("TERM_FEATURES", ""))
        or _number(env.get("VTE_VERSION")) >= _VTE_WITH_PROGRESS
    )


def shows_links(env: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether it shows links (OSC 8); cargo's own switch decides, where it is set: `term.hyperlinks`."""
    said = env.get("CARGO_TERM_HYPERLINKS")
    if said in {"true", "false"}:
        return said == "true"
    if not terminal or env.get("TERM") == "dumb":
        return False
    return bool(
        env.get("WT_SESSION")
        or env.get("DOMTERM")
        or env.get("KONSOLE_VERSION")
        or env.get("TERM_PROGRAM") in _LINKING_PROGRAMS
        or env.get("TERM") in _LINKING_TERMS
        or _number(env.get("VTE_VERSION")) >= _VTE_WITH_LINKS
    )


def progress_sequence(fraction: float | None) -> str:
    """OSC 9;4 (learn.microsoft.com, "Set the progress bar in the Windows Terminal"): a share, or that work goes on."""
    return "\x1b]9;4;3\x1b\\" if fraction is None else f"\x1b]9;4;1;{int(fraction * 100)}\x1b\\"


def progress_over(*, failed: bool) -> str:
    """OSC 9;4: no progress any more; after a failure it is shown as one."""
    return "\x1b]9;4;2;100\x1b\\" if failed else "\x1b]9;4;0\x1b\\"


class Synchronized:
    """A stream whose every piece the terminal shows at once (mode 2026), so that nothing flickers.

    Terminals that do not know the mode pass over it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """See `TextIO.write`."""
        if "\x1b[" in text:
            text = f"{_BEGIN}{text}{_END}"
        return self._stream.write(text)

    def flush(self) -> None:
        """See `TextIO.flush`."""
        self._stream.flush()

    def isatty(self) -> bool:
        """See `TextIO.isatty`."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """See `TextIO.fileno`."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """See `TextIO.encoding`."""
        return self._stream.encoding


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
