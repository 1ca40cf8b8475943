"""The figures of bench/dockerfiles.py as a table in Markdown and as a chart in SVG: text, from numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

Seconds = Mapping[str, Mapping[str, float]]
"""By way, then by change."""
_COLOURS = ("#9aa5b1", "#7b8794", "#f0a04b", "#3e8ed0", "#1f9d66")
_WHOLE_FROM = 10
_BAR, _GAP, _LEFT, _WIDTH = 14, 26, 110, 760


def table(seconds: Seconds, ways: Sequence[str], changes: Sequence[str]) -> str:
    """Seconds, and in brackets how many times as quick as `naive` and as `zigbuild`, where both were measured."""
    measured = [way for way in ways if way in seconds]
    lines = ["| | " + " | ".join(changes) + " |", "| --- |" + " --- |" * len(changes)]
    for way in measured:
        cells = []
        for change in changes:
            mine = seconds[way].get(change)
            if mine is None:
                cells.append("")
                continue
            ratios = []
            for other in ("naive", "zigbuild"):
                theirs = seconds.get(other, {}).get(change)
                if other != way and theirs is not None and mine > 0:
                    ratios.append(f"{_times(theirs / mine)} {other}")
            cells.append(f"{mine:.1f} s" + (f" ({', '.join(ratios)})" if ratios else ""))
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _times(ratio: float) -> str:
    return f"{ratio:.0f}x" if ratio >= _WHOLE_FROM else f"{ratio:.2g}x"


BEGIN, END = "<!-- of bench/dockerfiles.json -->", "<!-- so far -->"


def report(record: Mapping[str, Any], ways: Sequence[str], changes: Sequence[str]) -> str:
    """Where and when it was measured, and the table."""
    where = (
        f"{record['project']} ({record['packages']} packages beside its own) on {record['machine']}, {record['rust']}, "
        f"Docker {record['engine']}, {record['date']}; load of the machine before the run: {record['load'][0]}."
    )
    return f"{where}\n\n{table(record['seconds'], ways, changes)}"


def replaced(page: str, text: str) -> str:
    """The page with the text between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def chart(seconds: Seconds, ways: Sequence[str], changes: Sequence[str], *, title: str) -> str:
    """Bars in groups, one group a change; each group has a scale of its own, for a first build dwarfs all others."""
    measured = [way for way in ways if way in seconds]
    height = 50 + len(changes) * (len(measured) * (_BAR + 2) + _GAP)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
            f'font-size="11"><rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
        ),
        f'<text x="10" y="20" font-size="14">{escape(title)}: seconds, each group with its own scale</text>',
    ]
    y = 36
    for change in changes:
        values = {way: seconds[way][change] for way in measured if change in seconds[way]}
        longest = max(values.values(), default=1.0) or 1.0
        parts.append(f'<text x="10" y="{y + 10}" font-weight="bold">{escape(change)}</text>')
        y += 16
        for way, value in values.items():
            width = max(1.0, value / longest * (_WIDTH - _LEFT - 80))
            colour = _COLOURS[list(ways).index(way) % len(_COLOURS)]
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 11}" text-anchor="end">{escape(way)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 6:.1f}" y="{y + 11}">{value:.1f}</text>')
            y += _BAR + 2
        y += _GAP - 16
    return "\n".join([*parts, "</svg>"]) + "\n"
