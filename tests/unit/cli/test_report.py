"""The page of a report: one file, with the numbers of the record in it, whatever the record holds."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cargoship.cli.main import main
from cargoship.cli.results.reporting.compare import phase_changes, unit_changes
from cargoship.cli.results.reporting.page import report_page
from cargoship.cli.session import World
from cargoship.records.folder import RecordFolder
from cargoship.records.model import CacheUse, PhaseSpan, UnitSpan
from support.build_records import build_record, image_record, sample_record, unit_span

EVIL = "</script><img src=x onerror=alert(1)>\"'&"


@dataclass
class Page(HTMLParser):
    """Elements with their attributes, all text that is shown, and the data of the script."""

    source: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    _inside: str = ""
    data: Any = None

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = f"{tag} {dict(attrs).get('type')}"

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script application/json":
            self.data = json.loads(data)
        elif not self._inside.startswith(("script", "style")):
            self.text += data


def test_a_page_has_everything_in_it_and_fetches_nothing() -> None:
    page = Page(report_page(sample_record(), None, ()))
    assert not [(tag, name) for tag, attrs in page.elements for name in attrs if name in {"src", "onload"}]
    assert {attrs.get("href") for tag, attrs in page.elements if tag in {"a", "link"}} == {"data:,"}
    assert "url(" not in page.source
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.source)
    (policy,) = (attrs["content"] for tag, attrs in page.elements if "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_numbers_are_those_of_the_record() -> None:
    record = sample_record()
    page = Page(report_page(record, None, ()))
    assert [(each["name"], each["began"], each["seconds"], each["size"]) for each in page.data["units"]] == [
        (unit.name, unit.began, unit.seconds, unit.size) for unit in record.units
    ]
    assert [each["name"] for each in page.data["units"] if each["critical"]] == [
        "cc 1.0.0 lib", "sys 1.0.0 build script run", "app 1.0.0 bin",
    ]  # fmt: skip
    assert [each["lane"] for each in page.data["units"]][:2] == [0, 0]
    for text in ("6 compiled", "1 restored", "the file helper/src/lib.rs", "5.0 MB", "commit 000000000000"):
        assert text in page.text


def test_units_of_a_cluster_are_told_apart() -> None:
    unit = UnitSpan("one", "1", "lib", "t", "compiled", began=0.0, seconds=2.0, where="reapi://there:1")
    page = Page(report_page(sample_record(units=(unit,)), None, ()))
    assert page.data["units"][0]["where"] == "reapi://there:1"
    assert "compiled at reapi://there:1" in page.text


def test_where_the_units_of_each_target_came_from() -> None:
    units = [
        UnitSpan("app", "1", "bin", "x86_64-unknown-linux-musl", "compiled", began=0.0, seconds=2.0),
        UnitSpan("sys", "1", "build script run", "x86_64-unknown-linux-musl", "replaced", began=0.0, seconds=1.0),
        UnitSpan("one", "1", "lib", "x86_64-unknown-linux-musl", "restored", seconds=9.0),
        UnitSpan("one", "1", "lib", "aarch64-unknown-linux-musl", "present"),
        UnitSpan("macros", "1", "proc-macro", "x86_64-unknown-linux-gnu", "restored", for_host=True),
    ]
    page = Page(report_page(sample_record(units=tuple(units)), None, ()))
    for text in ("2 compiled, 1 restored", "1 present", "for the build itself"):
        assert text in page.text
    # those that were not compiled have taken nothing, and no bar of times
    alone = Page(report_page(sample_record(units=(units[2],)), None, ()))
    assert "1 restored" in alone.text
    assert "2 compiled" not in alone.text


def test_what_a_record_holds_cannot_leave_its_place() -> None:
    unit = UnitSpan(EVIL, "1", "lib", EVIL, "compiled", began=0.0, seconds=1.0, because=(EVIL,))
    record = sample_record(
        units=(unit,), project=EVIL, error=EVIL, outcome="failed", images=(image_record(EVIL),),
        cache=CacheUse(because=(EVIL,)), phases=(PhaseSpan(EVIL, 0, 1),),
    )  # fmt: skip
    sizes = {
        "target": EVIL,
        "images": [
            {
                "platform": EVIL,
                "files": [{"path": EVIL, "size_bytes": 1}],
                "programs": [
                    {"path": EVIL, "size_bytes": 1, "parts": [{"kind": "crate", "name": EVIL, "size_bytes": 1}]}
                ],
            }
        ],
    }
    page = Page(report_page(record, record, (sizes,), EVIL))
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert page.data["units"][0]["name"] == f"{EVIL} 1 lib"
    assert EVIL in page.text


def test_what_is_too_small_to_be_seen_is_one_row_and_a_stripped_program_says_so() -> None:
    parts = [
        ("section", ".text", 9_000_000),
        ("section", ".data", 999_900),
        ("section", ".a", 60),
        ("section", ".b", 40),
    ]
    program = {
        "path": "/app/x", "size_bytes": 10_000_000,
        "parts": [{"kind": kind, "name": name, "size_bytes": size} for kind, name, size in parts],
    }  # fmt: skip
    sizes = {"target": "x", "images": [{"platform": "linux/amd64", "files": [], "programs": [program]}]}
    page = Page(report_page(sample_record(), None, (sizes,)))
    assert "[.data]" in page.text
    assert "[.a]" not in page.text
    assert "2 more" in page.text
    assert "It has no symbols" in page.text
    program["parts"] = [{"kind": "crate", "name": "core", "size_bytes": 10_000_000}]
    assert "It has no symbols" not in Page(report_page(sample_record(), None, (sizes,))).text


def test_there_is_no_column_of_changes_where_nothing_was_before() -> None:
    record = build_record(images=(image_record(),), units=(unit_span("a", 0, 1.0),))
    assert "change" not in Page(report_page(record, None, ())).text.split("Images", 1)[1].split("Units", 1)[0]
    assert "gained by one core more" in Page(report_page(record, None, ())).text
    assert "-0.0s" not in Page(report_page(record, None, ())).text


@pytest.mark.thorough
def test_a_page_of_six_hundred_units_is_below_a_megabyte_and_of_ten_thousand_has_the_slowest() -> None:
    def units(number: int) -> tuple[UnitSpan, ...]:
        because = ("the cache having nothing of it yet",)
        return tuple(
            unit_span(f"some-crate-{n}", n / 7, n % 50 / 10 + 0.1, *range(max(0, n - 8), n), because=because)
            for n in range(number)
        )

    assert len(report_page(build_record(units=units(600)), None, ())) < 1_000_000
    page = Page(report_page(build_record(units=units(10_000)), None, ()))
    assert len(page.data["units"]) == 5000
    assert "5000 units that took least are left out." in page.text
    assert all(need < 5000 for unit in page.data["units"] for need in unit["needs"])


def test_a_build_that_came_as_a_whole_has_a_page_too() -> None:
    page = Page(report_page(build_record(cache=CacheUse(recalled=True), images=(image_record(),)), None, ()))
    assert "from the cache: nothing was compiled" in page.text


def test_what_is_otherwise_than_in_the_build_before() -> None:
    before = build_record(
        units=(unit_span("a", 0, 1.0), unit_span("b", 0, 2.0, version="0.9.0"), unit_span("gone", 0, 9.0)),
        phases=(PhaseSpan("compile", 0, 3), PhaseSpan("metadata", 0, 1)),
    )
    now = build_record(
        units=(unit_span("a", 0, 1.05), unit_span("b", 0, 5.0), unit_span("new", 0, 9.0)),
        phases=(PhaseSpan("compile", 0, 5), PhaseSpan("metadata", 0, 1), PhaseSpan("write", 5, 6)),
    )
    assert [(unit.package, unit.version, old) for unit, old in unit_changes(now, before)] == [("b", "1.0.0", 2.0)]
    assert phase_changes(now, before) == [("compile", 3, 5), ("write", 0, 1)]
    text = Page(report_page(now, before, ())).text
    assert "+3.0s" in text


def test_the_command_writes_a_whole_file_and_says_where(tmp_path: Path) -> None:
    place = RecordFolder(tmp_path / "records").keep(sample_record())
    stdout, stderr = io.StringIO(), io.StringIO()
    world = World({"PATH": "", "CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}, tmp_path, stdout, stderr)
    assert main(["report", str(place), "-o", "page.html"], world) == 0
    assert stdout.getvalue() == f"{tmp_path / 'page.html'}\n"
    # the layout of the record is not there: the rest of the page is
    assert "not looked at: there is no folder" in Page((tmp_path / "page.html").read_text()).text
    assert main(["report", str(place), "-o", "page.html/below"], world) != 0


@pytest.mark.parametrize(("desktop", "words"), [(None, "is not on PATH"), ("exit 3", "did not open ")])
def test_a_page_that_nothing_can_show_is_written_and_may_be_opened_elsewhere(
    desktop: str | None, words: str, tmp_path: Path
) -> None:
    place = RecordFolder(tmp_path / "records").keep(sample_record())
    stdout, stderr = io.StringIO(), io.StringIO()
    (tmp_path / "bin").mkdir()
    for name in ("xdg-open", "open") if desktop else ():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{desktop}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    world = World(
        {"PATH": str(tmp_path / "bin"), "CARGOSHIP_CACHE_DIR": str(tmp_path / "cache")}, tmp_path, stdout, stderr
    )
    assert main(["report", str(place), "--open"], world) == 30
    assert (tmp_path / "cargoship-report.html").exists()
    assert words in stderr.getvalue()
    assert "hint: the page is written" in stderr.getvalue()
    assert "Traceback" not in stderr.getvalue()
