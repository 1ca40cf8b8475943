"""What the live region says: a value made of events and a clock, and its lines at a width. Draws nothing.

⠹   Compiling 2 targets                                          1m 23s
              13/41 ━━━━━━━━━╺━━━━━━━━━━━━━━ about 2m 05s left
              libsqlite3-sys build script 1m 20s, tokio 3s
↓ cache 34.2 MB, 8.1 MB/s
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from cargoship.cli.render import words
from cargoship.cli.render.forecast import Forecast
from cargoship.events import (
    BlobPushed,
    BlobQueued,
    BytesMoved,
    CompileForeseen,
    CompileProgress,
    Event,
    PhaseEnded,
    PhaseStarted,
    SlotsUsed,
    UnitFinished,
    UnitsKept,
)
from cargoship.printable import printable

INDENT = words.COLUMN + 1
"""Where everything but spinner and status word begins: below what tools and we have printed."""
_BAR_CELLS = 24
_SUBJECT_LINES = 2
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINS_A_SECOND = 8
_RATE_OVER_S = 3.0
_WORTH_BYTES = 100_000
"""What is moved of less than this is not worth a line: manifests, an index."""
_LONG_S = 1.0
_SPOKEN = {"build": "build script", "build.rs": "compiling its build script", "bin": "program"}


@dataclass
class Flow:
    """Bytes of one kind that travel: their sum, and how many lately."""

    sent_bytes: int = 0
    received_bytes: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, moved: BytesMoved, now: float) -> None:
        """Some have travelled."""
        self.sent_bytes += moved.sent_bytes
        self.received_bytes += moved.received_bytes
        self.recent.append((now, moved.sent_bytes + moved.received_bytes))

    def rate(self, now: float) -> float:
        """Bytes a second, over the last seconds; 0 where nothing travels."""
        while self.recent and now - self.recent[0][0] > _RATE_OVER_S:
            self.recent.popleft()
        if not self.recent:
            return 0.0
        return sum(size for _, size in self.recent) / max(now - self.recent[0][0], 0.5)


@dataclass
class Phase:
    """A part of the work that runs."""

    name: str
    detail: str
    since: float
    done: int = 0
    total: int = 0
    active: tuple[str, ...] = ()


class Region:
    """Takes events; `lines` says what is to be seen at a width, `fraction` how far the work is.

    `clock` gives seconds, `jobs` is how many units are compiled at a time at most. Safe to share between threads:
    events come from those that work, and lines are asked for by the one that draws.
    """

    def __init__(self, clock: Callable[[], float], jobs: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._phases: dict[str, Phase] = {}
        self._since: dict[str, float] = {}
        self._forecast = Forecast(jobs)
        self._flows: dict[str, Flow] = {}
        self._slots: SlotsUsed | None = None
        self._queued_bytes = self._spared_bytes = 0
        self._queued = self._settled = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs."""
        return not self._phases

    def take(self, event: Event) -> None:
        """Take note of an event."""
        with self._lock:
            self._take(event, self._clock())

    def _take(self, event: Event, now: float) -> None:  # noqa: C901 - one for each event
        match event:
            case PhaseStarted(name=name, detail=detail):
                self._phases[name] = Phase(name, detail, now)
                self._since.clear()
            case PhaseEnded(name=name):
                self._phases.pop(name, None)
                self._since.clear()
            case CompileForeseen():
                self._forecast.expect(event)
            case UnitFinished(name=name):
                self._forecast.finished(name)
            case CompileProgress(active=active) if self._phases:
                phase = self._phase
                phase.done, phase.total, phase.active = event.done, event.total, active
                self._since = {name: self._since.get(name, now) for name in active}
                self._forecast.follow(active, now)
            case BytesMoved(what=what):
                self._flows.setdefault(what, Flow()).add(event, now)
            case BlobQueued(size_bytes=size_bytes):
                self._queued_bytes += size_bytes
                self._queued += 1
            case BlobPushed(size_bytes=size_bytes, how=how):
                # what was sent has been counted on its way
                self._spared_bytes += 0 if how == "pushed" else size_bytes
                self._settled += 1
            case SlotsUsed():
                self._slots = event
            case UnitsKept():
                self._flows.pop("cache", None)
            case _:
                pass

    def fraction(self) -> float | None:
        """How far the phase is that began last, from 0 to 1; None where nobody knows."""
        with self._lock:
            done, total, _ = self._progress() if self._phases else (0, 0, "")
        return min(done / total, 1.0) if total else None

    def lines(self, width: int) -> list[Text]:
        """The lines at a width of so many cells; none is wider."""
        with self._lock:
            return list(self._lines(width)) if self._phases else []

    def _lines(self, width: int) -> Iterator[Text]:
        phase, now = self._phase, self._clock()
        yield from self._title(phase, now, width)
        done, total, shown = self._progress()
        if total:
            yield _within(self._bar(done / total, shown, self._left(phase, now)), width)
        if phase.active:
            yield _within(Text(" " * INDENT + self._busy(now, width - INDENT), style="dim"), width)
        if self._slots is not None and self._slots.busy:
            there = f"{self._slots.busy} of {words.count(self._slots.slots, 'slot')} at {printable(self._slots.where)}"
            yield _within(Text(" " * INDENT + there, style="dim"), width)
        for name, flow in self._flows.items():
            if line := self._travelling(name, flow, now):
                yield _within(Text(" " * INDENT + line, style="dim"), width)

    @property
    def _phase(self) -> Phase:
        """What began last: what it is a part of says less."""
        return next(reversed(self._phases.values()))

    def _title(self, phase: Phase, now: float, width: int) -> Iterator[Text]:
        word, subject = words.running(phase.name, phase.detail)
        spin = _SPINNER[int(now * _SPINS_A_SECOND) % len(_SPINNER)]
        clock = words.duration(now - phase.since)
        # the time has the right edge, as far from what changes as can be
        room = max(width - INDENT - len(clock) - 2, 10)
        # what follows a semicolon is for logs, which keep it
        first, *more = _wrapped(subject.partition("; ")[0], room, _SUBJECT_LINES)
        title = Text.assemble((f"{spin} ", "green"), (word.rjust(words.COLUMN - 2), "bold green"), " ")
        title.append(set_cell_size(first, room))
        title.append(f"  {clock}", style="cyan")
        yield _within(title, width)
        for line in more:
            yield _within(Text(" " * INDENT + line), width)

    def _progress(self) -> tuple[float, float, str]:
        """Done, total, and both as text: units for a compilation, bytes for what goes to a registry."""
        phase = self._phase
        if phase.total:
            return phase.done, phase.total, f"{phase.done}/{phase.total}"
        if phase.name in {"publish", "copy"} and self._queued_bytes:
            flow = self._flows.get("registry", Flow())
            done = min(self._spared_bytes + flow.sent_bytes, self._queued_bytes)
            return (
                done,
                self._queued_bytes,
                (
                    f"{words.size(done)} of {words.size(self._queued_bytes)}, "
                    f"{min(self._settled, self._queued)} of {words.count(self._queued, 'blob')}"
                ),
            )
        return 0, 0, ""

    def _left(self, phase: Phase, now: float) -> str:
        if phase.name not in {"compile", "cook"}:
            return ""
        left_s = self._forecast.left_s(now)
        return "" if left_s is None or left_s < _LONG_S else f"about {words.duration(left_s)} left"

    def _bar(self, fraction: float, shown: str, left: str) -> Text:
        full = int(min(fraction, 1.0) * _BAR_CELLS)
        bar = Text(" " * INDENT)
        bar.append("━" * full, style="green")
        bar.append("━" * (_BAR_CELLS - full), style="bright_black")
        bar.append(f" {shown}")
        bar.append(f"  {left}" if left else "", style="cyan")
        return bar

    def _busy(self, now: float, room: int) -> str:
        """What is compiled now, what began first in front, and how long each has taken."""
        parts: list[str] = []
        oldest = sorted(self._since.items(), key=lambda each: each[1])
        for number, (name, since) in enumerate(oldest):
            took = now - since
            part = printable(_spoken(name)) + (f" {words.duration(took)}" if took >= _LONG_S else "")
            rest = len(oldest) - number
            more = f" and {rest} more"
            if parts and cell_len(", ".join([*parts, part])) + (len(more) if rest > 1 else 0) > room:
                return ", ".join(parts) + more
            parts.append(part)
        return ", ".join(parts)

    def _travelling(self, name: str, flow: Flow, now: float) -> str:
        rate = flow.rate(now)
        if not rate or flow.sent_bytes + flow.received_bytes < _WORTH_BYTES:
            return ""
        moved = [f"{arrow} {words.size(size)}" for arrow, size in (("↑", flow.sent_bytes), ("↓", flow.received_bytes))
                 if size >= _WORTH_BYTES]  # fmt: skip
        return f"{name} {' '.join(moved)}, {words.size(int(rate))}/s"


def _spoken(name: str) -> str:
    """What cargo's progress calls a unit, in words: `openssl-sys(build)` is the run of its build script."""
    package, _, kind = name.partition("(")
    kind = kind.removesuffix(")")
    return f"{package} {_SPOKEN.get(kind, kind)}".rstrip()


def _wrapped(text: str, width: int, lines_max: int) -> list[str]:
    """Text in lines; what is too much is cut, which a mark shows."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if cell_len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > lines_max:
        lines = [*lines[: lines_max - 1], " ".join(lines[lines_max - 1 :])]
    return [line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…" for line in lines]


def _within(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
