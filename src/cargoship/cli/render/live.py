"""One live region at the foot of a terminal; everything else scrolls above it as it was written."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment

from cargoship.cli.render import words
from cargoship.cli.render.region import Region
from cargoship.cli.render.terminal import Synchronized, progress_over, progress_sequence, shows_progress
from cargoship.events import Event

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.cli.paint import Paint

_FRAMES_A_SECOND = 8


class LiveRenderer:
    """What runs now, how far it is, what is compiled and for how long, what travels."""

    def __init__(
        self,
        stderr: TextIO,
        paint: Paint,
        verbosity: int,
        env: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        width: int | None = None,
    ) -> None:
        self._paint = paint
        self._verbosity = verbosity
        self._stderr = stderr
        self._lock = threading.Lock()
        self._region = Region(clock, _jobs(env))
        self._console = Console(
            file=cast("TextIO", Synchronized(stderr)),
            force_terminal=True,
            no_color=not paint.enabled,
            highlight=False,
            legacy_windows=False,
            width=width,
        )
        self._progress = shows_progress(env)
        self._progress_sent = ""
        self._live: Live | None = None

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._region.take(event)
            self._show()
            line = words.line_of(event, self._verbosity, self._paint)
            if line is not None:
                self._console.print(_Verbatim(line), soft_wrap=True)

    def close(self, *, failed: bool) -> None:
        """See `Renderer.close`."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._hide()
            if self._progress_sent:
                self._stderr.write(progress_over(failed=failed))
                self._stderr.flush()

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        with contextlib.suppress(OSError, ValueError):
            self._stderr.write(failure.text(self._paint))

    def _show(self) -> None:
        """Have a region on the screen while something runs."""
        if self._region.is_empty:
            self._hide()
        elif self._live is None:
            self._live = Live(
                _Shown(self),
                console=self._console,
                refresh_per_second=_FRAMES_A_SECOND,
                transient=True,
                # what others write to our streams goes where they sent it
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _hide(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def refresh(self) -> None:
        """Draw the region now, and not when its turn comes."""
        if self._live is not None:
            self._live.refresh()

    def drawn(self, width: int) -> RenderResult:
        """The region as it is now."""
        yield from self._region.lines(width)
        if self._progress:
            sequence = progress_sequence(self._region.fraction())
            if sequence != self._progress_sent:
                self._progress_sent = sequence
                with contextlib.suppress(OSError, ValueError):
                    self._stderr.write(sequence)


class _Shown:
    """The region, made again for each frame."""

    def __init__(self, renderer: LiveRenderer) -> None:
        self._renderer = renderer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        return self._renderer.drawn(options.max_width)


class _Verbatim:
    """A line for the terminal exactly as a tool wrote it, escape sequences and all."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        yield Segment(self._line)
        yield Segment.line()


def _jobs(env: Mapping[str, str]) -> int:
    """How many units cargo compiles at a time, as far as that is reported outside of its settings' files."""
    said = env.get("CARGO_BUILD_JOBS", "")
    return int(said) if said.isdecimal() and int(said) else os.cpu_count() or 1
