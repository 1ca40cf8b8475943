"""The figures of the benchmarks: what is kept of samples, the page that shows it, and which scripts are in it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
BENCH = REPOSITORY / "bench"
PAGE = REPOSITORY / "docs" / "benchmarks.md"


@pytest.fixture(scope="module")
def modules() -> Iterator[dict[str, ModuleType]]:
    """`figures` and `all`, as the scripts load each other."""
    sys.path.insert(0, str(BENCH))
    try:
        made = {}
        for name in ("figures", "all"):
            spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
            assert spec is not None
            assert spec.loader is not None
            made[name] = importlib.util.module_from_spec(spec)
            # a dataclass looks its own module up
            sys.modules[spec.name] = made[name]
            spec.loader.exec_module(made[name])
        yield made
    finally:
        sys.path.remove(str(BENCH))
        for name in ("bench_figures", "bench_all", "figures"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def figures(modules: dict[str, ModuleType]) -> ModuleType:
    return modules["figures"]


@pytest.fixture(scope="module")
def every(modules: dict[str, ModuleType]) -> ModuleType:
    return modules["all"]


def measured(figures: ModuleType) -> dict[str, Any]:
    samples = figures.Samples()
    for wall_s in (1.0, 3.0, 2.0):
        samples.add("first", "ours", wall_s=wall_s, cpu_s=0.5, requests=7)
    samples.add("first", "theirs", wall_s=4.0, cpu_s=1.0)
    return {
        "commit": "abc1234", "date": "2026-01-31 12:00", "machine": "2 cores of X, 8 GiB", "load": [0.2, 1.5],
        "versions": {"peer": "1.0"}, "base": "ours", "rows": figures.summary(samples.rows),
    }  # fmt: skip


def test_a_summary_has_median_and_spread(figures: ModuleType) -> None:
    spread = measured(figures)["rows"]["first"]["ours"]["wall_s"]
    assert spread == {"median": 2.0, "least": 1.0, "greatest": 3.0, "runs": 3}


def test_a_table_has_ratios_to_the_base(figures: ModuleType) -> None:
    assert figures.table(measured(figures)).splitlines() == [
        "|  |  | wall, s | CPU, s | requests | wall, times ours | CPU, times ours |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| first | ours | 2.00 (1.00 to 3.00) | 0.50 (0.50 to 0.50) | 7 | 1.00 | 1.00 |",
        "|  | theirs | 4.00 | 1.00 |  | 2.00 | 2.00 |",
    ]


def test_a_caption_says_what_the_figures_depend_on(figures: ModuleType) -> None:
    part = measured(figures)
    assert figures.caption(part) == (
        "1 to 3 rounds; commit abc1234, 2026-01-31 12:00, 2 cores of X, 8 GiB, peer 1.0; load 0.2 before, 1.5 after."
    )
    assert figures.caption({**part, "load": [1.0, 2.0]}).endswith("**Others used the machine.**")


def test_a_page_gets_the_tables_of_its_marks(figures: ModuleType) -> None:
    page = f"# Title\n\n{figures.BEGIN.format('one')}\nold\n{figures.END}\n\nmore\n"
    part = measured(figures)
    once = figures.replaced(page, {"one": part})
    shown = f"{figures.table(part)}\n\n{figures.caption(part)}"
    assert once == f"# Title\n\n{figures.BEGIN.format('one')}\n{shown}\n{figures.END}\n\nmore\n"
    assert figures.replaced(once, {"one": part}) == once
    assert "Not measured yet." in figures.replaced(page, {})


def test_the_page_shows_the_figures_that_are_kept(figures: ModuleType, every: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    known = json.loads(every.FIGURES.read_text(encoding="utf-8"))
    assert figures.replaced(page, known) == page, "bench/all.py --page writes the tables"
    assert not figures.unknown(figures.named_in(page), every.PARTS)
    assert set(known) <= set(figures.named_in(page)), "what was measured is shown"


def test_every_script_is_in_a_part_or_left_out_for_a_reason(every: ModuleType) -> None:
    scripts = {path.name for path in BENCH.glob("*.py")}
    taken = {part.script for part in every.PARTS.values()}
    assert taken | set(every.LEFT_OUT) == scripts
    assert not taken & set(every.LEFT_OUT)
    assert all(every.LEFT_OUT.values())


def test_every_script_is_described(every: ModuleType) -> None:
    described = (BENCH / "README.md").read_text(encoding="utf-8")
    assert not [part.script for part in every.PARTS.values() if f"bench/{part.script}" not in described]


def test_the_usual_hour_has_parts_that_fit_into_it(every: ModuleType) -> None:
    assert sum(part.minutes for part in list(every.PARTS.values())[:8]) <= 60
