"""One JSON object a line, for programs that drive cargoship.

Every object has `event`: an event's class in kebab case with the event's own fields, `error`, or `result`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO

from msgspec import structs

from cargoship.cli.render.document import line
from cargoship.events import CompileProgress, Event, Note, UnitsReported
from cargoship.printable import without_passwords

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_INTERVAL_S = 0.1


class JsonRenderer:
    """Events as they are; notes by verbosity, and compile progress at most ten times a second."""

    def __init__(self, stderr: TextIO, verbosity: int, clock: Callable[[], float]) -> None:
        self._stderr = stderr
        self._verbosity = verbosity
        self._clock = clock
        self._lock = threading.Lock()
        self._progress_at = float("-inf")

    def emit(self, event: Event) -> None:
        """See `Renderer.emit`."""
        if self._verbosity < 0 or (isinstance(event, Note) and event.level > self._verbosity + 1):
            return
        # as much as all other lines together; the record of the build has it
        if isinstance(event, UnitsReported):
            return
        with self._lock:
            if isinstance(event, CompileProgress):
                now = self._clock()
                if event.done != event.total and now - self._progress_at < _INTERVAL_S:
                    return
                self._progress_at = now
            fields = structs.asdict(event)
            if isinstance(event, Note):
                fields["level"] = event.level.name.lower()
                fields["text"] = without_passwords(event.text)
            self._write({"event": _CAPITAL.sub("-", type(event).__name__).lower(), **fields})

    def close(self, *, failed: bool) -> None:
        """See `Renderer.close`."""

    def fail(self, failure: Failure) -> None:
        """See `Renderer.fail`."""
        with self._lock:
            self._write(
                {
                    "event": "error",
                    "message": failure.message,
                    "hint": failure.hint,
                    "details": failure.details,
                    "exit_code": failure.exit_code,
                }
            )

    def result(self, document: Mapping[str, object]) -> None:
        """The outcome, as it also goes into the metadata file."""
        with self._lock:
            self._write({"event": "result", **document})

    def _write(self, value: object) -> None:
        try:
            self._stderr.write(line(value) + "\n")
            self._stderr.flush()
        except (OSError, ValueError):
            return  # nobody reads any more; the work goes on
