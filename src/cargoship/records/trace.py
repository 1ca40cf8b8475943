"""A record as events of Chrome's tracing format, which Perfetto, Speedscope and chrome://tracing show.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format).
Times are microseconds. One process has the phases, the other the units, by rows in which they do not overlap.
"""

from __future__ import annotations

from typing import Any

from cargoship.records.model import RunRecord
from cargoship.records.schedule import CompiledUnits

_PHASES, _UNITS = 1, 2
_MICRO = 1_000_000


def trace_of(record: RunRecord) -> dict[str, Any]:
    """The document, ready for JSON."""
    compiled = CompiledUnits.of(record)
    events: list[dict[str, Any]] = [_named(_PHASES, "phases"), _named(_UNITS, "units")]
    for row, phase in enumerate(record.phases):
        about: dict[str, Any] = {"detail": phase.detail} if phase.detail else {}
        events.append(_event(phase.name, "phase", phase.began, phase.ended - phase.began, _PHASES, row, about))
    for place, lane in compiled.lanes().items():
        unit = compiled.units[place]
        about = {"target": unit.target, "state": unit.state, "bytes": unit.size, "because": list(unit.because)}
        events.append(_event(unit.name, unit.kind, unit.began or 0.0, unit.seconds, _UNITS, lane, about))
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"project": record.project, "began": record.began, "cargoship": record.cargoship},
    }


def _event(
    name: str, kind: str, began: float, seconds: float, process: int, row: int, about: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": name, "cat": kind, "ph": "X", "ts": round(began * _MICRO), "dur": round(max(seconds, 0.0) * _MICRO),
        "pid": process, "tid": row, "args": about,
    }  # fmt: skip


def _named(process: int, name: str) -> dict[str, Any]:
    return {"name": "process_name", "ph": "M", "pid": process, "args": {"name": name}}
