"""What is said of a record: by `timings`, and in short at the end of a build."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cargoship.cli.commands.history import sparkline
from cargoship.cli.main import main
from cargoship.cli.paint import NO_COLOURS
from cargoship.cli.results.timed import short_text
from cargoship.cli.session import World
from cargoship.records.folder import RecordFolder
from cargoship.records.model import CacheUse, RunRecord, Traffic, UnitSpan
from support.build_records import build_record, image_record, sample_record, unit_span


def timings(tmp_path: Path, *argv: str, record: RunRecord | None = None) -> tuple[int, str, str]:
    folder = RecordFolder(tmp_path / "records")
    place = folder.keep(record or sample_record(9))
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(["timings", *argv, str(place)], World({"PATH": ""}, tmp_path, stdout, stderr))
    return code, stdout.getvalue(), stderr.getvalue()


def test_a_record_is_described_in_words(tmp_path: Path) -> None:
    RecordFolder(tmp_path / "records").keep(sample_record(1, seconds=10.5, images=(image_record(size=4_000_000),)))
    code, text, _ = timings(tmp_path)
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "app of 2027-01-15 08:00 UTC in 12s on 2 cores: 6 compiled, 1 restored"
    assert lines[1] == "2.0s longer than the build before, app +2.0 MB"
    assert "phases metadata 0.3s, compile 8.2s" in lines
    assert (
        lines[lines.index("slowest units") + 1] == "     4.0s  sys 1.0.0 build script run for x86_64-unknown-linux-musl"
    )
    assert "critical path 8.0s; compiling took 8.0s, all units together 14s" in lines
    at = lines.index("why units were compiled")
    assert lines[at + 1] == "     9.0s  4 units compiled: the file helper/src/lib.rs"
    assert lines[at + 2].strip() == "beginning with helper 1.0.0 lib"
    assert "     9.0s  x86_64-unknown-linux-musl, of that 4.0s in build scripts" in lines


def test_programs_get_the_same_as_json_and_as_a_trace(tmp_path: Path) -> None:
    document = json.loads(timings(tmp_path, "--format", "json")[1])
    assert [each["unit"] for each in document["critical_path"]["units"]] == [
        "cc 1.0.0 lib", "sys 1.0.0 build script run", "app 1.0.0 bin",
    ]  # fmt: skip
    assert document["critical_path"]["seconds"] == 8.0
    assert document["compiled"] == {"units": 6, "seconds": 14.0, "span": 8.0, "cores": 2, "spared_by_a_core": 0.0}
    assert document["reasons"][0] == {
        "because": ["the file helper/src/lib.rs"], "roots": ["helper 1.0.0 lib"], "units": 4, "seconds": 9.0,
    }  # fmt: skip
    trace = json.loads(timings(tmp_path, "--format", "trace")[1])
    assert sum(each["ph"] == "X" for each in trace["traceEvents"]) == 6 + 2


def test_what_a_cluster_has_compiled_is_told_apart(tmp_path: Path) -> None:
    units = tuple(
        msgspec.structs.replace(unit, where="reapi://there" if unit.package == "helper" else "")
        for unit in sample_record().units
    )
    record = sample_record(9, units=units, traffic={"cluster": Traffic(3_000_000, 500_000)})
    line = "2 of 6 units compiled at reapi://there in 3.5s; 3.0 MB sent, 500.0 kB fetched"
    assert line in timings(tmp_path, record=record)[1].splitlines()
    assert line in short_text(record, None, NO_COLOURS)
    document = json.loads(timings(tmp_path, "--format", "json", record=record)[1])
    assert document["elsewhere"] == {"reapi://there": {"units": 2, "seconds": 3.5}}


def test_a_build_that_came_as_a_whole_has_nothing_to_time(tmp_path: Path) -> None:
    recalled = build_record(cache=CacheUse(recalled=True))
    assert "the whole build came from the cache" in timings(tmp_path, record=recalled)[1]
    assert "the whole build came from the cache" in short_text(recalled, None, NO_COLOURS)


def test_the_end_of_a_build_is_reported_in_cargos_shape() -> None:
    before = build_record(seconds=20.0, images=(image_record(size=4_000_000),))
    assert short_text(sample_record(), before, NO_COLOURS).splitlines() == [
        "       Timed slowest: sys 1.0.0 build script run 4.0s, app 1.0.0 bin 3.0s, app 1.0.0 bin 2.5s",
        "             critical path 8.0s: 3 units, ending in app 1.0.0 bin",
        "             4 units compiled: the file helper/src/lib.rs",
        "             2 units compiled: the cache having nothing of it yet",
        "             7.5s less than the build before, app +2.0 MB",
    ]


def test_a_build_for_fewer_platforms_is_no_smaller_image() -> None:
    """After `run` or `--load`, which build for one, the next image had grown by a whole one."""
    both = image_record()
    alone = msgspec.structs.replace(both, platforms=both.platforms[:1])
    assert len(both.platforms) > 1
    said = short_text(build_record(1, images=(both,)), build_record(images=(alone,)), NO_COLOURS)
    assert "app +" not in said


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda data: data[: len(data) // 2], "is no record of a build"),
        (lambda data: data.replace(b'"version":1', b'"version":7', 1), "newer cargoship"),
        (lambda _: b"\x7fELF", "is no record of a build"),
    ],
)
def test_what_is_no_record_is_a_clear_word(tmp_path: Path, change: Callable[[bytes], bytes], word: str) -> None:
    place = RecordFolder(tmp_path).keep(sample_record())
    place.write_bytes(change(place.read_bytes()))
    stderr = io.StringIO()
    code = main(["timings", str(place)], World({"PATH": ""}, tmp_path, io.StringIO(), stderr))
    assert code == 55
    assert word in stderr.getvalue()
    assert "Traceback" not in stderr.getvalue()


@pytest.mark.thorough
def test_ten_thousand_units_are_reported_in_a_few_lines(tmp_path: Path) -> None:
    units = tuple(unit_span(f"crate{n}", n / 10, 0.2, *([n - 1] if n else [])) for n in range(10_000))
    code, text, _ = timings(tmp_path, record=build_record(units=units))
    assert code == 0
    assert "and 9988 shorter units" in text
    assert len(text.splitlines()) < 40


def test_names_in_a_record_do_not_reach_the_terminal_as_they_are(tmp_path: Path) -> None:
    evil = UnitSpan("\x1b]0;x\x07evil", "1", "lib", "\x1b[2J", "\x1b[1m", began=0.0, seconds=1.0, because=("\x1b[31m",))
    assert "\x1b" not in timings(tmp_path, record=build_record(units=(evil,), project="\x1b[2J"))[1]


@pytest.mark.parametrize(
    ("values", "bars"),
    [([1, 2, 4, 8], "▂▃▅█"), ([0, 0], "▁▁"), ([None, 5], " █"), ([], ""), ([None], " ")],
)
def test_bars_are_as_high_as_values_are_large(values: list[float | None], bars: str) -> None:
    assert sparkline(values) == bars
