"""What benchmarks have measured: values of every round, what is kept of them, and the tables of a page. Pure.

A script writes samples (`--json`): rows, sides and measures, with the values of all rounds. bench/all.py keeps of them
the median, the least and the greatest, and what they depend on: commit, machine, load, versions.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures of {} -->", "<!-- end of figures -->"
BUSY_LOAD = 1.0
"""A machine with so much to do before a part begins has others at work."""
_MEASURES = {
    # name in JSON: heading, decimals, whether the spread is shown
    "wall_s": ("wall, s", 2, True),
    "cpu_s": ("CPU, s", 2, True),
    "registry_cpu_s": ("CPU of the registry, s", 2, False),
    "memory_mib": ("MiB", 0, False),
    "requests": ("requests", 0, False),
    "sent_mb": ("MB sent", 1, False),
    "received_mb": ("MB received", 1, False),
    "tags": ("tags", 0, False),
    "stored_mb": ("MB stored", 1, False),
    "ms": ("ms", 0, True),
    "units": ("units", 0, False),
}
_RATIOS = ("wall_s", "cpu_s", "ms")


@dataclass
class Samples:
    """Values as they are measured, by row, side and measure."""

    rows: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    def add(self, row: str, side: str, **measures: float) -> None:
        """One round of one side."""
        for name, value in measures.items():
            self.rows.setdefault(row, {}).setdefault(side, {}).setdefault(name, []).append(value)

    def write(self, path: Path | None) -> None:
        """For other programs, where one asks for it."""
        if path is not None:
            path.write_text(json.dumps({"rows": self.rows}, indent=2) + "\n")


def summary(rows: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> dict[str, Any]:
    """Median, least and greatest of each measure, and of how many rounds."""
    return {
        row: {
            side: {name: _spread(values) for name, values in measures.items() if values}
            for side, measures in sides.items()
        }
        for row, sides in rows.items()
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    rounded = {"median": statistics.median(values), "least": min(values), "greatest": max(values)}
    return {**{name: round(value, 4) for name, value in rounded.items()}, "runs": len(values)}


def table(part: Mapping[str, Any]) -> str:
    """A part's figures in Markdown; ratios are those of medians, to the side `base` of the same row."""
    rows, base = part["rows"], part["base"]
    names = [name for name in _MEASURES if any(name in side for sides in rows.values() for side in sides.values())]
    compared = [name for name in _RATIOS if name in names]
    several = any(len(sides) > 1 for sides in rows.values())
    heads = ["", "", *(_MEASURES[name][0] for name in names)]
    heads += [f"{_MEASURES[name][0].partition(',')[0]}, times {base}" for name in compared] if several else []
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for row, sides in rows.items():
        for number, (side, measures) in enumerate(sides.items()):
            cells = [row if number == 0 else "", side, *(_cell(name, measures.get(name)) for name in names)]
            cells += [_ratio(measures.get(name), sides.get(base, {}).get(name)) for name in compared if several]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    _, decimals, ranged = _MEASURES[name]
    shown = f"{spread['median']:.{decimals}f}"
    if not ranged or spread["runs"] == 1:
        return shown
    return f"{shown} ({spread['least']:.{decimals}f} to {spread['greatest']:.{decimals}f})"


def _ratio(own: Mapping[str, float] | None, base: Mapping[str, float] | None) -> str:
    return "" if own is None or base is None or not base["median"] else f"{own['median'] / base['median']:.2f}"


def caption(part: Mapping[str, Any]) -> str:
    """What a part's figures depend on, in one line."""
    before, after = part["load"]
    runs = [each["runs"] for sides in part["rows"].values() for side in sides.values() for each in side.values()]
    rounds = f"{min(runs)} to {max(runs)} rounds" if min(runs) != max(runs) else f"{runs[0]} round{'s' * (runs[0] > 1)}"
    peers = "".join(f", {name} {version}" for name, version in part["versions"].items())
    busy = " **Others used the machine.**" if before >= BUSY_LOAD else ""
    return (
        f"{rounds}; commit {part['commit']}, {part['date']}, {part['machine']}{peers}; load {before:.1f} before, "
        f"{after:.1f} after.{busy}"
    )


def named_in(page: str) -> list[str]:
    """The parts whose tables a page has."""
    return re.findall(BEGIN.replace("{}", r"(\S+)"), page)


def replaced(page: str, parts: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with a table of each part where it is marked; what was never measured says so."""
    for name in named_in(page):
        begin = BEGIN.format(name)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(END)
        text = f"{table(parts[name])}\n\n{caption(parts[name])}" if name in parts else "Not measured yet."
        page = f"{before}{begin}\n{text}\n{END}{after}"
    return page


def unknown(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Names that nobody knows, in their order."""
    there = set(known)
    return [name for name in names if name not in there]
