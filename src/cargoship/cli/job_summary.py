"""The summary of a build that a CI host shows with its job, in Markdown."""

from __future__ import annotations

import html
import re
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cargoship.cli.render import words
from cargoship.cli.render.hosted import Annotation, Diagnostics
from cargoship.events import Event, ToolOutput, UnitFinished, UnitsRestored
from cargoship.records.schedule import misses

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.destinations import Published
    from cargoship.records.model import PlatformRecord, RunRecord
    from cargoship.shipping import BuildResult

_SLOWEST = 5
_ERRORS_MAX = 10
_WORTH_TELLING_S = 1.0


class Observer:
    """What a build's events tell of its units: how many were compiled, restored or fresh, and what rustc found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.compiled = 0
        self.fresh = 0
        self.restored: UnitsRestored | None = None
        self.errors: list[Annotation] = []
        self._diagnostics = Diagnostics()

    def emit(self, event: Event) -> None:
        """Take note of an event; comes from several threads."""
        with self._lock:
            match event:
                case UnitFinished():
                    self.fresh += event.fresh
                    self.compiled += not event.fresh
                case UnitsRestored():
                    self.restored = event
                case ToolOutput():
                    found = self._diagnostics.feed(event.line)
                    self.errors += [each for each in found if each.level == "error"]
                case _:
                    pass


def job_summary(
    result: BuildResult, observed: Observer, record: RunRecord | None = None, before: RunRecord | None = None
) -> str:
    """The summary of a build; what took long, and what has changed since the build `before`, is from their records."""
    lines: list[str] = []
    for built in result.images:
        names = ", ".join(f"`{tag}`" for each in built.published for tag in each.tags)
        lines += [f"### {built.name}", "", f"`{built.reference}`" + (f" ({names})" if names else ""), ""]
        lines += ["| platform | size | change | layers | digest |", "| --- | --- | --- | --- | --- |"]
        sizes = {each.platform: each.size for each in _image_of(before, built.name)}
        lines += [
            f"| {image.platform} | {words.size(image.size_bytes)} | "
            f"{_change(image.size_bytes, sizes.get(str(image.platform)))} | {len(image.layers)} | `{image.digest}` |"
            for image in built.index.children
        ]
        lines.append("")
    lines += [f"{_units(observed)}{_times(result)}", ""]
    if record is not None:
        lines += [*_slowest(record), *_cache(record)]
    return "\n".join(lines) + "\n"


def _image_of(record: RunRecord | None, name: str) -> Sequence[PlatformRecord]:
    images = () if record is None else record.images
    return next((image.platforms for image in images if image.name == name), ())


def _change(size_bytes: int, before_bytes: int | None) -> str:
    if before_bytes is None:
        return ""
    more = size_bytes - before_bytes
    return f"{'+' if more > 0 else '-'}{words.size(abs(more))}" if more else "none"


def _slowest(record: RunRecord) -> list[str]:
    timed = [unit for unit in record.units if unit.began is not None and unit.seconds >= _WORTH_TELLING_S]
    slow = sorted(timed, key=lambda unit: -unit.seconds)[:_SLOWEST]
    rows = [f"| {_cell(unit.name)} | {_cell(unit.target)} | {words.duration(unit.seconds)} |" for unit in slow]
    return ["| slowest to compile | for | |", "| --- | --- | --- |", *rows, ""] if rows else []


def _cache(record: RunRecord) -> list[str]:
    """What became of units, and why those were compiled that were."""
    states = Counter(unit.state for unit in record.units)
    if not states:
        return []
    lines = ["| units | | |", "| --- | --- | --- |"]
    lines += [f"| {state} | {number} | |" for state, number in sorted(states.items())]
    for miss in [miss for miss in misses(record) if miss.because][:_SLOWEST]:
        about = _cell("; ".join(miss.because))
        lines.append(f"| because of {about} | {miss.units} | {words.duration(miss.seconds)} |")
    return [*lines, ""]


def failed_summary(failure: Failure, observed: Observer) -> str:
    """The summary of a run that failed: the error as it was shown, and what rustc found where."""
    lines = ["### cargoship failed", "", *_quoted(failure.text().rstrip("\n")), ""]
    if observed.errors:
        lines += ["| rustc | |", "| --- | --- |"]
        lines += [f"| `{each.file}:{each.line}` | {_cell(each.text)} |" for each in observed.errors[:_ERRORS_MAX]]
        lines.append("")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> list[str]:
    """Text as it is, whatever it has of Markdown: in a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + "text", text, fence]


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "&#124;").replace("`", "&#96;")


def merged_summary(published: Sequence[Published]) -> str:
    """The summary of images that were put into registries without a build."""
    lines = ["| image | tags |", "| --- | --- |"]
    lines += [f"| `{each.reference}` | {', '.join(f'`{tag}`' for tag in each.tags)} |" for each in published]
    return "\n".join([*lines, "", ""])


def _units(observed: Observer) -> str:
    found = observed.restored
    if found is None and not (observed.compiled or observed.fresh):
        return ""  # somebody else compiled, or nobody had to
    said = f"{words.count(observed.compiled, 'unit')} compiled, {observed.fresh} fresh"
    if found is None:
        return said + ". "
    spared = f", which spares {words.duration(found.spared_s)} of compiling" if found.spared_s else ""
    return f"{said}; {found.found} of {found.total} were in the cache{spared}. "


def _times(result: BuildResult) -> str:
    phases = {name: spent for name, spent in result.seconds.items() if name != "total" and spent >= _WORTH_TELLING_S}
    listed = ", ".join(f"{name} {words.duration(spent)}" for name, spent in phases.items())
    total = result.seconds.get("total", sum(result.seconds.values()))
    return f"Took {words.duration(total)}" + (f": {listed}." if listed else ".")
