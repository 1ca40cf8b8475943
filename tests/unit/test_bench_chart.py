"""The chart and the table of the Dockerfile benchmark: text from numbers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

PLACE = Path(__file__).parents[2] / "bench" / "dockerfiles_chart.py"
WAYS, CHANGES = ("naive", "zigbuild", "build"), ("first", "edit")
SECONDS = {
    "naive": {"first": 600.0, "edit": 500.0},
    "zigbuild": {"first": 200.0, "edit": 20.0},
    "build": {"first": 100.0},
}


@pytest.fixture(scope="module")
def drawn() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dockerfiles_chart", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_ratios_to_both(drawn: ModuleType) -> None:
    assert drawn.table(SECONDS, WAYS, CHANGES).splitlines() == [
        "| | first | edit |",
        "| --- | --- | --- |",
        "| naive | 600.0 s (0.33x zigbuild) | 500.0 s (0.04x zigbuild) |",
        "| zigbuild | 200.0 s (3x naive) | 20.0 s (25x naive) |",
        "| build | 100.0 s (6x naive, 2x zigbuild) |  |",
    ]


def test_the_page_says_where_it_was_measured(drawn: ModuleType) -> None:
    record = {
        "project": "web", "packages": 99, "machine": "2 cores of X, 8 GiB", "rust": "rustc 1.96.0", "engine": "26.1",
        "date": "2026-01-31", "load": [0.5, 1, 1], "seconds": SECONDS,
    }  # fmt: skip
    text = drawn.report(record, WAYS, CHANGES)
    assert text.startswith(
        "web (99 packages beside its own) on 2 cores of X, 8 GiB, rustc 1.96.0, Docker 26.1, 2026-01-31"
    )
    page = f"# Title\n\n{drawn.BEGIN}\nold\n{drawn.END}\n\nmore\n"
    once = drawn.replaced(page, text)
    assert once == f"# Title\n\n{drawn.BEGIN}\n{text}\n{drawn.END}\n\nmore\n"
    assert drawn.replaced(once, text) == once


def test_the_chart_is_whole_and_to_scale(drawn: ModuleType) -> None:
    text = drawn.chart(SECONDS, WAYS, CHANGES, title="a & b")
    root = ET.fromstring(text)  # noqa: S314 - our own
    bars = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert len(bars) == 5
    assert bars[0] == pytest.approx(3 * bars[1], rel=0.01)
    assert bars[0] == pytest.approx(6 * bars[2], rel=0.01)
    said = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert said[0] == "a & b: seconds, each group with its own scale"
    assert {"600.0", "20.0", "100.0"} <= set(said)


def test_the_page_shows_what_was_measured(drawn: ModuleType) -> None:
    record = json.loads((PLACE.parent / "dockerfiles.json").read_text())
    ways, changes = (
        ("naive", "chef", "zigbuild", "dockerfile", "build"),
        ("first", "nothing", "edit", "version", "dependency"),
    )
    assert set(record["seconds"]) <= set(ways)
    page = (PLACE.parents[1] / "docs" / "benchmarks.md").read_text()
    assert drawn.replaced(page, drawn.report(record, ways, changes)) == page
