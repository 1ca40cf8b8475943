"""The words: sizes, times, and the one line that an event is worth.

Status lines have cargo's shape, a right-aligned word of twelve columns, for they stand between cargo's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cargoship import events
from cargoship.cli.paint import without_escapes
from cargoship.events import (
    BlobPushed,
    BlobQueued,
    BytesMoved,
    CompileForeseen,
    CompileProgress,
    Event,
    LayerAssembled,
    Level,
    Note,
    PhaseEnded,
    PhaseStarted,
    SlotsUsed,
    SourcesWritten,
    ToolOutput,
    UnitFinished,
    UnitsKept,
    UnitsReported,
    UnitsRestored,
    Written,
)
from cargoship.printable import printable, printable_lines, without_passwords

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint

count = events.count

COLUMN = 12
_COLUMNS = 80
_KILO = 1000
_MINUTE_S = 60
_TENTHS_BELOW_S = 10
_WORTH_TELLING_S = 0.5

# what a phase is called while it runs and when it is over
_PHASES: dict[str, tuple[str, str]] = {
    "metadata": ("Reading", "Read"),
    "toolchain": ("Locating", "Located"),
    "sysroot": ("Building", "Built"),
    "trial": ("Linking", "Linked"),
    "compile": ("Compiling", "Compiled"),
    "cook": ("Cooking", "Cooked"),
    "smoke": ("Starting", "Started"),
    "assemble": ("Assembling", "Assembled"),
    "publish": ("Publishing", "Published"),
    "load": ("Loading", "Loaded"),
    "write": ("Writing", "Wrote"),
    "copy": ("Copying", "Copied"),
    "merge": ("Merging", "Merged"),
}
_SUBJECTS = {
    "metadata": "the project",
    "toolchain": "the toolchain",
    "sysroot": "the standard library",
    "trial": "an empty program",
    "compile": "the project",
    "cook": "the dependencies",
    "smoke": "its programs",
    "assemble": "the image",
    "publish": "the image",
    "load": "the image",
    "write": "the image",
    "copy": "the image",
    "merge": "the images",
}


def size(size_bytes: int) -> str:
    """A size for people, in powers of 1000 as registries show it: `12.3 MB`."""
    if size_bytes < _KILO:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("kB", "MB", "GB"):
        value /= _KILO
        if value < _KILO - 0.05:
            return f"{value:.1f} {unit}"
    return f"{value / _KILO:.1f} TB"


def duration(seconds: float) -> str:
    """A time for people: `0.4s`, `32s`, `2m 05s`."""
    if seconds < _TENTHS_BELOW_S - 0.05:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def place(shown: str, path: Path | str, paint: Paint) -> str:
    """A file or folder as it is shown, which leads there where the terminal knows links."""
    text = printable(shown)
    return paint.link(text, Path(path).as_uri()) if Path(path).is_absolute() else text


def fitting(word: str, head: str, tail: str, paint: Paint) -> str:
    """A line in cargo's shape; two, where one would not fit on a terminal of 80 columns."""
    whole = COLUMN + len(f" {without_escapes(head)}: {tail}") <= _COLUMNS
    return (
        status(word, f"{head}: {tail}", paint) if whole else f"{status(word, head, paint)}\n{status('', tail, paint)}"
    )


def status(word: str, text: str, paint: Paint) -> str:
    """A line in cargo's shape."""
    return f"{paint.good(word.rjust(COLUMN)) if word else ' ' * COLUMN} {text}".rstrip()


def running(phase: str, detail: str) -> tuple[str, str]:
    """Word and subject of a phase that runs."""
    word = _PHASES.get(phase, (phase.capitalize(), ""))[0]
    return word, printable(detail) or _SUBJECTS.get(phase, "")


def _ended(phase: PhaseEnded, verbosity: int, paint: Paint) -> str | None:
    if phase.name == "write" and not verbosity:
        # what was written where has a line already
        return None
    word = _PHASES.get(phase.name, ("", phase.name.capitalize()))[1]
    about = printable(phase.detail) or _SUBJECTS.get(phase.name, "")
    return status(word, f"{about} in {duration(phase.seconds)}".lstrip(), paint)


def line_of(event: Event, verbosity: int, paint: Paint) -> str | None:  # noqa: C901, PLR0911 - one for each event
    """The line that an event is worth at a verbosity; None for one that does not get a line of its own."""
    match event:
        case Note(text=text, level=level):
            return _note(text, level, verbosity, paint)
        case ToolOutput(line=line):
            return paint.tool_line(line)
        case PhaseEnded():
            return _ended(event, verbosity, paint)
        case Written(what=what, path=path):
            return status("Wrote", f"{printable(what)} {place(path, path, paint)}", paint)
        case LayerAssembled(name=name, digest=digest, size_bytes=size_bytes):
            about = f"{printable(name)}, {size(size_bytes)} {paint.dim(digest)}"
            return status("Layer", about, paint) if verbosity else None
        case BlobPushed(digest=digest, size_bytes=size_bytes, how=how):
            return status(how.capitalize(), f"{digest} {size(size_bytes)}", paint) if verbosity else None
        case UnitFinished(package=package, target=target, fresh=fresh):
            word = "Fresh" if fresh else "Finished"
            return status(word, printable(f"{package} ({target})"), paint) if verbosity > 1 else None
        case UnitsRestored(restored=restored, total=total, size_bytes=size_bytes, seconds=seconds, spared_s=spared):
            if not restored:
                return None
            about = f"{restored} of {count(total, 'unit')}, {size(size_bytes)} in {duration(seconds)}"
            saved = f", which took {duration(spared)} to compile" if spared >= 1 else ""
            return status("Restored", about + saved, paint)
        case UnitsKept(units=units, size_bytes=size_bytes, seconds=seconds, waited_s=waited_s):
            waited = f", waited for {duration(waited_s)}" if waited_s >= _WORTH_TELLING_S else ""
            return status("Kept", f"{count(units, 'unit')}, {size(size_bytes)} in {duration(seconds)}{waited}", paint)
        case SourcesWritten(paths=paths):
            return status("Written", printable(f"by build scripts: {', '.join(paths)}"), paint) if verbosity else None
        case (
            PhaseStarted()
            | CompileProgress()
            | CompileForeseen()
            | BlobQueued()
            | BytesMoved()
            | UnitsReported()
            | SlotsUsed()
        ):
            return None


def _note(text: str, level: Level, verbosity: int, paint: Paint) -> str | None:
    text = without_passwords(text)
    match level:
        case Level.WARNING:
            return f"{paint.warn('warning')}: {printable_lines(text)}"
        case Level.INFO:
            return f"{paint.strong('note')}: {printable_lines(text)}"
        case Level.VERBOSE:
            return paint.dim(paint.tool_line(text)) if verbosity >= 1 else None
        case Level.DEBUG:
            return paint.dim(paint.tool_line(text)) if verbosity > 1 else None
