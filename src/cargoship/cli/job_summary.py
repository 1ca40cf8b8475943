"""The summary of a build that a CI host shows with its job, in Markdown."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cargoship.cli.render import words
from cargoship.cli.render.hosted import Annotation, Diagnostics
from cargoship.events import CompileProgress, Event, ToolOutput, UnitFinished, UnitsRestored

if TYPE_CHECKING:
    from cargoship.cli.failures import Failure
    from cargoship.destinations import Published
    from cargoship.pipeline import BuildResult

_SLOWEST = 5
_ERRORS_MAX = 10
_WORTH_TELLING_S = 1.0


class Observer:
    """What a build's events tell of its units: how many were compiled, restored or fresh, and which took long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._took: dict[str, float] = {}
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
                case CompileProgress():
                    self._follow(event.active)
                case _:
                    pass

    def slowest(self) -> list[tuple[str, float]]:
        """The crates that cargo was busy with for the longest, in seconds, as its progress shows it."""
        with self._lock:
            self._follow(())
            long = [(name, took) for name, took in self._took.items() if took >= _WORTH_TELLING_S]
        return sorted(long, key=lambda each: -each[1])[:_SLOWEST]

    def _follow(self, active: tuple[str, ...]) -> None:
        now = self._clock()
        for name in [name for name in self._since if name not in active]:
            self._took[name] = max(self._took.get(name, 0.0), now - self._since.pop(name))
        for name in active:
            self._since.setdefault(name, now)


def job_summary(result: BuildResult, observed: Observer) -> str:
    """The summary of a build."""
    lines: list[str] = []
    for built in result.images:
        names = ", ".join(f"`{tag}`" for each in built.published for tag in each.tags)
        lines += [f"### {built.name}", "", f"`{built.reference}`" + (f" ({names})" if names else ""), ""]
        lines += ["| platform | size | layers | digest |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {image.platform} | {words.size(image.size_bytes)} | {len(image.layers)} | `{image.digest}` |"
            for image in built.index.children
        ]
        lines.append("")
    lines += [f"{_units(observed)}{_times(result)}", ""]
    slow = observed.slowest()
    if slow:
        lines += ["| slowest to compile | |", "| --- | --- |"]
        lines += [f"| {name} | {words.duration(took)} |" for name, took in slow]
        lines.append("")
    return "\n".join(lines) + "\n"


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
    told = ", ".join(f"{name} {words.duration(spent)}" for name, spent in phases.items())
    total = result.seconds.get("total", sum(result.seconds.values()))
    return f"Took {words.duration(total)}" + (f": {told}." if told else ".")
