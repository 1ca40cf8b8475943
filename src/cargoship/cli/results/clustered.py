"""What a cluster would make of a project's builds, as text or JSON. A record comes from anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cargoship.cli.render import words
from cargoship.errors import UsageError
from cargoship.printable import printable
from cargoship.records.cluster import RUNS_HERE, ClusterForecast, fullest
from cargoship.records.folder import record_folder
from cargoship.records.link import link_of

if TYPE_CHECKING:
    from pathlib import Path

    from cargoship.cli.paint import Paint
    from cargoship.context import Context
    from cargoship.records.cluster import PathStep, SlotsForecast
    from cargoship.records.link import Link
    from cargoship.records.model import RunRecord, UnitSpan

_SLOTS_MAX = 10_000
_MANY = 16
_CHAIN_MAX = 12
_COLUMNS = 9


def parse_slots(text: str) -> tuple[int, ...]:
    """Read `1,4,16`; raises UsageError."""
    parts = [part.strip() for part in text.split(",")]
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= len(str(_SLOTS_MAX))]
    if len(numbers) != len(parts) or not all(0 < each <= _SLOTS_MAX for each in numbers) or len(numbers) > _MANY:
        raise UsageError(f"{text!r} are no numbers of slots", hint="write --remote-slots 1,4,16,64")
    return tuple(sorted(set(numbers)))


class ClusterOutlook:
    """Forecasts for one project; raises UsageError where no build has left times, ContentInvalid."""

    def __init__(self, target_dir: Path, slots: tuple[int, ...], link: Link) -> None:
        record = fullest(record_folder(target_dir).readable())
        if record is None:
            raise UsageError(
                "no build has left times of units here", hint="build with cargoship build, then ask for slots again"
            )
        self.record = record
        self.link = link
        self.forecast = ClusterForecast.of(record, link)
        if not self.forecast.known:
            raise UsageError("no build here has compiled a unit whose time is known", hint="build with --no-cache once")
        self.here = self.forecast.here()
        self.rows = [self.forecast.on(number) for number in slots]
        self.help = self.forecast.help(self.rows[-1])

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "record": self.record.id,
            "units": self.forecast.known,
            "units_of_unknown_time": len(self.record.units) - self.forecast.known,
            "seconds": round(self.forecast.seconds, 3),
            "link": {
                "sent_bytes_per_second": round(self.link.sent_bytes_s),
                "received_bytes_per_second": round(self.link.received_bytes_s),
                "round_trip_seconds": round(self.link.round_trip_s, 6),
            },
            "here": {"cores": self.forecast.cores, "seconds": round(self.here, 3)},
            "slots": [
                {
                    "slots": row.slots,
                    "seconds": round(row.seconds, 3),
                    "sent_bytes": row.sent_bytes,
                    "received_bytes": row.received_bytes,
                    "critical_path": [self._step(step) for step in row.path],
                }
                for row in self.rows
            ],
            "would_help": [
                {"unit": self._unit(each.place).name, "target": self._unit(each.place).target,
                 "spared_by_half": round(each.spared, 3), "how": _how(self._unit(each.place))}
                for each in self.help
            ],
        }  # fmt: skip

    def text(self, paint: Paint) -> str:
        """For people."""
        unknown = len(self.record.units) - self.forecast.known
        units, seconds = words.count(self.forecast.known, "unit"), words.duration(self.forecast.seconds)
        title = f"{paint.strong('On a cluster')}, foreseen from {_began(self.record)}"
        lines = [
            f"{title}: {units}, {seconds} one after the other"
            + (f"; of {unknown} more nobody knows the time" if unknown else ""),
            f"{words.duration(self.here):>{_COLUMNS}}  here, on {words.count(self.forecast.cores, 'core')}",
            *(self._row(row) for row in self.rows),
        ]
        last = self.rows[-1]
        lines.append(f"{paint.strong('critical path')} on {words.count(last.slots, 'slot')}")
        # of a long one, what takes longest
        long = sorted(last.path, key=lambda step: -_whole(step))[:_CHAIN_MAX]
        lines += [self._link_of(step) for step in last.path if step in long]
        if more := len(last.path) - len(long):
            lines.append(f"{'':>{_COLUMNS}}  and {words.count(more, 'shorter unit')}")
        if self.help:
            lines.append(paint.strong("what would help"))
        for each in self.help:
            unit = self._unit(each.place)
            less = f"{words.duration(each.spared):>{_COLUMNS}}  less"
            lines.append(f"{less} where {printable(unit.name)} takes half as long: {_how(unit)}")
        return "\n".join(lines)

    def _row(self, row: SlotsForecast) -> str:
        factor = self.here / row.seconds if row.seconds else 1.0
        took = f"{words.duration(row.seconds):>{_COLUMNS}}  {words.count(row.slots, 'slot')}"
        moved = f"sends {words.size(row.sent_bytes)}, fetches {words.size(row.received_bytes)}"
        return f"{took}, {factor:.1f} times as fast; {moved}"

    def _link_of(self, step: PathStep) -> str:
        parts = [("waits for a slot", step.waited), ("travels", step.travelled)]
        said = "".join(f", {what} {words.duration(seconds)}" for what, seconds in parts if seconds >= 0.1)  # noqa: PLR2004
        return f"{words.duration(step.seconds):>{_COLUMNS}}  {printable(self._unit(step.place).name)}{said}"

    def _step(self, step: PathStep) -> dict[str, Any]:
        unit = self._unit(step.place)
        return {
            "unit": unit.name, "target": unit.target, "seconds": round(step.seconds, 3),
            "waited": round(step.waited, 3), "travelled": round(step.travelled, 3),
        }  # fmt: skip

    def _unit(self, place: int) -> UnitSpan:
        return self.record.units[place]


def outlook_of(target_dir: Path, slots: tuple[int, ...], link: str | None, context: Context) -> ClusterOutlook:
    """Foresee a project's build on a cluster; raises UsageError, RemoteFailed, ContentInvalid."""
    return ClusterOutlook(target_dir, slots, link_of(link, context))


def _whole(step: PathStep) -> float:
    return step.seconds + step.waited + step.travelled


def _began(record: RunRecord) -> str:
    return f"the build of {printable(record.began)[:16].replace('T', ' ')} UTC"


def _how(unit: UnitSpan) -> str:
    """What a person can do about a unit."""
    if unit.kind == RUNS_HERE:
        return "it runs here; a library of the system, or a feature less, may spare it"
    if not unit.local:
        return "fewer of its features, a newer version, or another crate"
    if unit.kind == "bin":
        return "more of it in libraries, more codegen-units, or no fat LTO"
    return "two crates that do not need each other, or fewer features of what it needs"
