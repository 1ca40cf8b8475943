"""Plain lines with what a CI host makes of them: groups that fold, and annotations beside the code.

GitHub: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
GitLab: https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
"""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cargoship.cli.render import words
from cargoship.events import Event, PhaseEnded, PhaseStarted, ToolOutput
from cargoship.printable import printable_lines

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.cli.render.renderer import Renderer

_LONG = frozenset({"sysroot", "trial", "compile"})
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HEADLINE = re.compile(r"(?P<level>error|warning)(?:\[(?P<code>\w+)\])?: (?P<text>.+)")
_ARROW = re.compile(r"\s*--> (?P<file>.+?):(?P<line>\d+):(?P<column>\d+)")
_ANNOTATIONS_MAX = 10
"""GitHub shows no more of a step."""


_COMMAND = re.compile(r"^(?=\s*(?:::[A-Za-z][A-Za-z-]*(?:\s[^\n]*)?::|##\[))", re.MULTILINE)
"""What GitHub's runner takes for an instruction, no matter who has written it."""


class Unobeyed:
    """A stream for the words of others: none of them is an instruction to the runner."""

    def __init__(self, stderr: TextIO) -> None:
        self._stderr = stderr

    def write(self, text: str) -> int:
        """Write text, which begins a line."""
        return self._stderr.write(_COMMAND.sub("| ", text))

    def flush(self) -> None:
        """Hand over what was written."""
        self._stderr.flush()


@dataclass(frozen=True)
class Annotation:
    """What rustc says of a place in the code; `file` as it says it."""

    level: str
    text: str
    code: str | None
    file: str
    line: int
    column: int


class Diagnostics:
    """Finds rustc's headlines and the places below them in the lines that cargo passes on."""

    def __init__(self) -> None:
        self._headline: re.Match[str] | None = None

    def feed(self, line: str) -> Iterator[Annotation]:
        """What a line completes."""
        bare = _COLOUR.sub("", line)
        arrow = _ARROW.fullmatch(bare)
        if arrow is not None and self._headline is not None:
            found, self._headline = self._headline, None
            place = (arrow["file"], int(arrow["line"]), int(arrow["column"]))
            yield Annotation(found["level"], found["text"], found["code"], *place)
        else:
            # the place follows its headline at once, or there is none
            self._headline = _HEADLINE.fullmatch(bare)


class HostedRenderer(ABC):
    """The lines of another renderer, with the long phases folded away."""

    def __init__(self, inner: Renderer, stderr: TextIO) -> None:
        self._inner = inner
        self._stderr = stderr
        self._open: list[str] = []
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        with self._lock:
            if isinstance(event, PhaseStarted) and event.name in _LONG:
                # groups do not nest: one that is inside of another is part of it
                if not self._open:
                    self._write(self.opened(event.name, " ".join(words.running(event.name, event.detail)[:2])))
                self._open.append(event.name)
            self._inner.emit(event)
            if isinstance(event, PhaseEnded) and self._open and self._open[-1] == event.name:
                self._open.pop()
                if not self._open:
                    self._leave(event.name)

    def close(self, *, failed: bool) -> None:
        """See `Renderer.close`."""
        self._leave_all()
        self._inner.close(failed=failed)

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`; what went wrong is not folded away."""
        self._leave_all()
        self._inner.fail(failure)

    def _leave_all(self) -> None:
        with self._lock:
            outermost = self._open[0] if self._open else None
            self._open.clear()
            self._leave(outermost)

    def _leave(self, name: str | None) -> None:
        """End the group that is open, if any."""
        if name is not None:
            self._write(self.closed(name))

    @abstractmethod
    def opened(self, name: str, title: str) -> str:
        """The line that begins a group."""

    @abstractmethod
    def closed(self, name: str) -> str:
        """The line that ends it."""

    def _write(self, line: str) -> None:
        try:
            self._stderr.write(line + "\n")
            self._stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; the work goes on


class GithubRenderer(HostedRenderer):
    """Groups and annotations; `folders` is where rustc's paths may start, `root` the checkout."""

    def __init__(self, inner: Renderer, stderr: TextIO, *, folders: tuple[Path, ...], root: Path | None) -> None:
        super().__init__(inner, stderr)
        self._folders = folders
        self._root = root
        self._diagnostics = Diagnostics()
        self._found: list[Annotation] = []
        self._annotated = 0

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        super().emit(event)
        if isinstance(event, ToolOutput):
            self._found += self._diagnostics.feed(event.line)

    def _leave(self, name: str | None) -> None:
        """End the group; annotations follow it: inside they would be folded away, and stand between rustc's words."""
        super()._leave(name)
        # errors first, for there is room for a few
        for each in sorted(self._found, key=lambda found: found.level):
            if self._annotated < _ANNOTATIONS_MAX:
                self._annotated += 1
                self._write(self._annotation(each))
        self._found.clear()

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        super().fail(failure)
        text = failure.message + (f"\n{failure.hint}" if failure.hint else "")
        self._write(f"::error title=cargoship::{_data(text)}")

    def opened(self, name: str, title: str) -> str:
        """See `HostedRenderer.opened`."""
        del name
        return f"::group::{_data(title)}"

    def closed(self, name: str) -> str:
        """See `HostedRenderer.closed`."""
        del name
        return "::endgroup::"

    def _annotation(self, found: Annotation) -> str:
        title = f",title={_property(found.code)}" if found.code else ""
        place = f"file={_property(self._place(found.file))},line={found.line},col={found.column}"
        return f"::{found.level} {place}{title}::{_data(found.text)}"

    def _place(self, file: str) -> str:
        """The path from the checkout's root, as annotations want it."""
        path = next((folder / file for folder in self._folders if (folder / file).is_file()), Path(file))
        if self._root is not None and path.is_relative_to(self._root):
            return path.relative_to(self._root).as_posix()
        return file


class GitlabRenderer(HostedRenderer):
    """Sections; `now` gives seconds since 1970."""

    def __init__(self, inner: Renderer, stderr: TextIO, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(inner, stderr)
        self._now = now

    def opened(self, name: str, title: str) -> str:
        """See `HostedRenderer.opened`."""
        return f"\x1b[0Ksection_start:{int(self._now())}:cargoship_{name}[collapsed=true]\r\x1b[0K{title}"

    def closed(self, name: str) -> str:
        """See `HostedRenderer.closed`."""
        return f"\x1b[0Ksection_end:{int(self._now())}:cargoship_{name}\r\x1b[0K"


def _data(text: str) -> str:
    return printable_lines(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
