"""One live region at the foot of a terminal; everything else scrolls above it as it was written."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.segment import Segment
from rich.table import Column
from rich.text import Text

from cargoship.cli.render import words
from cargoship.events import BlobPushed, CompileProgress, Event, PhaseEnded, PhaseStarted

if TYPE_CHECKING:
    from cargoship.cli.failures import Failure
    from cargoship.cli.render.paint import Paint

_FRAMES_A_SECOND = 8
_BAR_COLUMNS = 24


class LiveRenderer:
    """A row for each phase that runs: what it is, how far, what is compiled now, for how long."""

    def __init__(self, stderr: TextIO, paint: Paint, verbosity: int) -> None:
        self._paint = paint
        self._verbosity = verbosity
        self._stderr = stderr
        self._lock = threading.Lock()
        self._console = Console(
            file=stderr, force_terminal=True, no_color=not paint.enabled, highlight=False, legacy_windows=False
        )
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold green]{task.description}"),
            _Bar(),
            _Count(),
            TextColumn("{task.fields[detail]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            expand=True,
            refresh_per_second=_FRAMES_A_SECOND,
            # what others write to our streams goes where they sent it
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._rows: dict[str, TaskID] = {}
        self._pushed: tuple[int, int] = (0, 0)

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._update(event)
            line = words.line_of(event, self._verbosity, self._paint)
            if line is not None:
                self._console.print(_Verbatim(line), soft_wrap=True)

    def close(self, *, failed: bool) -> None:
        """See `Renderer.close`."""
        del failed
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._rows.clear()
            self._progress.stop()

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        with contextlib.suppress(OSError, ValueError):
            self._stderr.write(failure.text(self._paint))

    def _update(self, event: Event) -> None:
        match event:
            case PhaseStarted(name=name, detail=detail):
                word, subject = words.running(name, detail)
                self._rows[name] = self._progress.add_task(word.rjust(words.COLUMN - 2), total=None, detail=subject)
                self._progress.start()
            case PhaseEnded(name=name):
                row = self._rows.pop(name, None)
                if row is not None:
                    self._progress.remove_task(row)
                if not self._rows:
                    self._progress.stop()
            case CompileProgress(done=done, total=total, active=active) if self._rows:
                # cargo's progress belongs to the phase that began last
                row = next(reversed(self._rows.values()))
                self._progress.update(row, completed=done, total=total or None, detail=", ".join(active))
            case BlobPushed(size_bytes=size_bytes) if "publish" in self._rows:
                blobs, sum_bytes = self._pushed[0] + 1, self._pushed[1] + size_bytes
                self._pushed = (blobs, sum_bytes)
                detail = f"{words.count(blobs, 'blob')}, {words.size(sum_bytes)}"
                self._progress.update(self._rows["publish"], detail=detail)
            case _:
                return


class _Bar(ProgressColumn):
    """A bar where the total is known, else nothing: most phases only take their time."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=_BAR_COLUMNS)

    def render(self, task: Task) -> RenderableType:
        """See `ProgressColumn.render`."""
        return Text() if task.total is None else self._bar.render(task)


class _Count(ProgressColumn):
    """`done/total` where the total is known."""

    def render(self, task: Task) -> RenderableType:
        """See `ProgressColumn.render`."""
        return Text() if task.total is None else Text(f"{int(task.completed)}/{int(task.total)}")


class _Verbatim:
    """A line for the terminal exactly as a tool wrote it, escape sequences and all."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        yield Segment(self._line)
        yield Segment.line()
