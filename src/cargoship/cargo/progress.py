r"""cargo's standard error, taken apart into progress, its own status lines, and everything else.

With `PROGRESS` cargo draws a progress bar although nobody's terminal is there: a line padded with spaces that
ends with \r and no \n, which the next text overwrites (preceded by ESC [K where colours are on). Lines for people end
with \n as ever. Written after src/cargo/core/shell.rs and src/cargo/util/progress.rs of cargo, and tested on what it
really prints.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from cargoship.events import CompileProgress, ToolOutput

PROGRESS: Mapping[str, str] = {
    "term.progress.when": '"always"',
    "term.progress.width": "400",
    "term.quiet": "false",
}
"""Makes cargo draw its progress bar into a pipe, wide enough for the names of all that compiles at once.

Keys of its configuration, with values as TOML has them. A cargo that is to be quiet draws it too, but without the word
that it is known by.
"""


def name_in_progress(package: str, target: str, kinds: Collection[str], *, runs: bool = False) -> str:
    """What cargo's progress bar calls a unit (`name_for_progress` in src/cargo/core/compiler/job_queue)."""
    if runs:
        return f"{package}(build)"
    kind = next(iter(kinds), "lib")
    if kind == "custom-build":
        return f"{package}(build.rs)"
    return f"{target}({kind})" if kind in _NAMED_BY_TARGET else package


_NAMED_BY_TARGET = frozenset({"bin", "test", "bench", "example"})
_ERASE = b"\x1b[K"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STATUS_COLUMNS = 12
# Status lines begin with one of these, right-aligned in twelve columns. A list, so that no text of a compiler or
# build script that looks alike is taken for one; a word that is not here is only shown where it might be hidden.
_VERBS = frozenset(
    {
        "Adding",
        "Archiving",
        "Blocking",
        "Building",
        "Checking",
        "Compiling",
        "Credential",
        "Dirty",
        "Doc-tests",
        "Documenting",
        "Downgrading",
        "Downloaded",
        "Downloading",
        "Executable",
        "Fetch",
        "Finished",
        "Fresh",
        "Generated",
        "Ignored",
        "Locking",
        "Removed",
        "Removing",
        "Replacing",
        "Resolving",
        "Running",
        "Scraping",
        "Unchanged",
        "Unpacking",
        "Updated",
        "Updating",
        "Upgrading",
        "Vendoring",
        "Waiting",
    }
)
_COUNT = re.compile(r"(?P<done>[0-9]+)/(?P<total>[0-9]+)(?:: (?P<names>.*))?$")
_BAR = re.compile(r"^\[[=> -]*\] *")


class StatusLine(Struct, frozen=True):
    """What cargo does now, such as `Compiling serde v1.0.229`; `line` is as cargo wrote it, colours included."""

    verb: str
    line: str


Written = CompileProgress | StatusLine | ToolOutput


class StderrReader:
    """Takes cargo's standard error in pieces as they come; a piece may end anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._searched = 0

    def feed(self, data: bytes) -> list[Written]:
        """Return what is complete now, in order."""
        found: list[Written] = []
        self._rest += data
        start = 0
        position = self._searched
        while (end := _next_end(self._rest, position)) >= 0:
            segment = self._rest[start:end]
            position = end + 1
            if self._rest[end : end + 1] == b"\n":
                found.append(_line(segment))
                start = position
            elif (drawn := _drawing(segment)) is not None:
                found += drawn
                start = position
            # else: a \r inside somebody's line, which goes on
        self._rest = self._rest[start:]
        self._searched = len(self._rest)
        return found

    def finish(self) -> list[Written]:
        """Return a last line without an end."""
        rest, self._rest, self._searched = self._rest, b"", 0
        return [_line(rest)] if rest.removeprefix(_ERASE).strip() else []


def _next_end(data: bytes, start: int) -> int:
    newline = data.find(b"\n", start)
    carriage = data.find(b"\r", start, newline if newline >= 0 else len(data))
    return carriage if carriage >= 0 else newline


def _line(raw: bytes) -> StatusLine | ToolOutput:
    text = raw.removeprefix(_ERASE).removesuffix(b"\r").decode("utf-8", "replace")
    verb, _ = _status(text)
    return ToolOutput(text) if verb is None else StatusLine(verb, text)


def _drawing(raw: bytes) -> list[Written] | None:
    """Read a redrawn line; None for what is none, empty for one that tells nothing about the compilation."""
    text = raw.removeprefix(_ERASE).decode("utf-8", "replace")
    if not text.strip():
        return []
    verb, rest = _status(text)
    if verb is None:
        return None
    match = _COUNT.match(_BAR.sub("", rest).rstrip())
    if verb != "Building" or match is None:
        return []
    names = [name.strip() for name in (match["names"] or "").split(",")]
    active = tuple(name for name in names if name and name != "...")
    return [CompileProgress(int(match["done"]), int(match["total"]), active)]


def _status(text: str) -> tuple[str | None, str]:
    plain = _ANSI.sub("", text)
    head, rest = plain[:_STATUS_COLUMNS], plain[_STATUS_COLUMNS:]
    verb = head.strip()
    if verb in _VERBS and rest.startswith(" ") and not head.endswith(" "):
        return verb, rest[1:]
    return None, plain
