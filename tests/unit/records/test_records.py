"""Records of builds: what is noted, that they can be read again, and that nothing grows without a bound."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cargoship.errors import CompileFailed, ContentInvalid, UsageError
from cargoship.events import (
    BytesMoved,
    CompileProgress,
    Event,
    PhaseEnded,
    PhaseStarted,
    UnitFinished,
    UnitReport,
    UnitsReported,
    UnitsRestored,
    ignore,
)
from cargoship.oci.platform import Platform
from cargoship.pipeline import build
from cargoship.process import Command, Completed
from cargoship.records import folder as folders
from cargoship.records.folder import RecordFolder, load_record, record_folder
from cargoship.records.model import Machine, RunRecord, UnitSpan, decode_record, encode_record, record_schema
from cargoship.records.recorder import Outcome, Recorder, bounded
from support.build_records import image_record
from support.scripted import said
from support.shop import Shop

pytestmark = pytest.mark.usefixtures("few_time_zones")

BEGAN_S = 1_800_000_000.0


def record(number: int = 0, **fields: object) -> RunRecord:
    about: dict[str, Any] = {
        "id": f"20270115T0800{number:02}.000Z-0a0b", "began": "2027-01-15T08:00:00.000Z", "seconds": 12.5,
        "cargoship": "0.1.0", "project": "app", "machine": Machine(2, "x86_64-unknown-linux-gnu"), **fields,
    }  # fmt: skip
    return RunRecord(**about)


def unit(package: str, **fields: object) -> UnitReport:
    about: dict[str, Any] = {
        "version": "1.0.0", "kind": "lib", "target": "x", "is_for_host": False, "is_local": False, "state": "compiled",
        "began_s": BEGAN_S + 1, "seconds": 2.0, "size_bytes": 100, "because": (), "waits_for": None, "needs": (),
    }  # fmt: skip
    return UnitReport(**{**about, "package": package, **fields})


def recorded(*events: Event, outcome: Outcome | None = None) -> RunRecord:
    recorder = Recorder(ignore, lambda: BEGAN_S)
    for event in events:
        recorder.emit(event)
    return recorder.record(outcome or Outcome("app"))


def test_units_phases_and_traffic_are_noted() -> None:
    made = recorded(
        PhaseStarted("compile"),
        UnitsRestored(1, 1, 3, 500, 0.2, 9.0),
        UnitsReported((unit("a"), unit("b", needs=(0,), because=("the file b.rs",))), "host", ("the file b.rs",)),
        # another invocation, whose places begin again
        UnitsReported((unit("c"), unit("d", waits_for=0, needs=(0,))), "host"),
        PhaseEnded("compile", 3.0, "2 units"),
        BytesMoved("registry", 10, 0),
        BytesMoved("registry", 5, 7),
    )
    assert [(each.package, each.began, each.ended, each.needs) for each in made.units] == [
        ("a", 1.0, 3.0, ()),
        ("b", 1.0, 3.0, (0,)),
        ("c", 1.0, 3.0, ()),
        ("d", 1.0, 3.0, (2,)),
    ]
    assert made.units[3].waits_for == 2
    assert [(each.name, each.detail) for each in made.phases] == [("compile", "2 units")]
    assert (made.traffic["registry"].sent, made.traffic["registry"].received) == (15, 7)
    assert (made.cache.restored, made.cache.spared_seconds, made.cache.because) == (1, 9.0, ("the file b.rs",))
    assert made.machine.host == "host"
    assert made.began == "2027-01-15T08:00:00.000Z"
    assert made.id.startswith("20270115T080000.000Z-")


def test_without_a_cache_the_progress_of_cargo_tells_of_units() -> None:
    made = recorded(
        CompileProgress(0, 3, ("syn", "cc(build.rs)")),
        UnitFinished("cc", "build-script-build", fresh=False, name="cc(build.rs)"),
        UnitFinished("syn", "syn", fresh=False, name="syn"),
        UnitFinished("old", "old", fresh=True, name="old"),
    )
    assert [(each.name, each.state) for each in made.units] == [
        ("cc build.rs", "compiled"),
        ("syn lib", "compiled"),
        ("old lib", "present"),
    ]
    assert made.units_by == "progress"
    assert made.units[2].began is None


def test_a_record_is_what_its_schema_says() -> None:
    import jsonschema  # noqa: PLC0415 - seconds

    made = recorded(
        UnitsReported((unit("a", because=("x",)),), "host"), PhaseStarted("compile"), PhaseEnded("compile", 1)
    )
    document = json.loads(encode_record(made))
    jsonschema.validate(document, record_schema())
    assert (document["format"], document["version"]) == ("cargoship-build", 1)
    assert encode_record(decode_record(encode_record(made), "it")) == encode_record(made)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "is no record of a build"),
        (b"{}", "is no record of a build"),
        (b'{"format": "other", "version": 1}', "its format is not cargoship-build"),
        (b'{"format": "cargoship-build", "version": 2}', "newer cargoship: it is a record of version 2"),
        (b'{"format": "cargoship-build", "version": 1}', "is damaged"),
        (encode_record(record())[:-20], "is no record of a build"),
        (encode_record(record(units=(UnitSpan("a", "1", "lib", "x", "compiled", needs=(7,)),))), "units that are not"),
        (
            encode_record(record(units=(UnitSpan("a", "1", "lib", "x", "compiled", began=1e300),))),
            "times that no build",
        ),
        (encode_record(record(seconds=-1.0)), "times that no build"),
    ],
)
def test_what_cannot_be_read_is_one_clear_word(data: bytes, word: str, tmp_path: Path) -> None:
    place = tmp_path / "r.json"
    place.write_bytes(data)
    with pytest.raises(ContentInvalid, match=word) as raised:
        load_record(place)
    assert str(place) in raised.value.message
    assert raised.value.hint


def test_a_folder_of_records_never_grows_beyond_its_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = RecordFolder(tmp_path / "records")
    with pytest.raises(UsageError, match="no build has left a record"):
        kept.latest()
    monkeypatch.setattr(folders, "RECORDS_MAX", 3)
    for number in range(5):
        kept.keep(record(number))
    assert [each.id[13:15] for each in kept.readable()] == ["04", "03", "02"]
    monkeypatch.setattr(folders, "FOLDER_BYTES_MAX", 10)
    kept.keep(record(6))
    assert [each.id[13:15] for each in kept.readable()] == ["06"], "the newest stays, whatever its size"


def test_files_of_others_stay_where_the_folder_leads_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project may come with a link in the place of its records."""
    monkeypatch.setattr(folders, "RECORDS_MAX", 2)
    others = tmp_path / "others"
    others.mkdir()
    for number in range(9):
        (others / f"{number}.json").write_text("{}")
    link = tmp_path / "records"
    link.symlink_to(others)
    with pytest.raises(NotADirectoryError, match="it is a link"):
        RecordFolder(link).keep(record(1))
    assert len(list(others.iterdir())) == 9
    for number in range(4):
        RecordFolder(others).keep(record(number))
    assert len(list(others.iterdir())) == 9 + 2


def test_damaged_records_are_passed_over_where_many_are_read(tmp_path: Path) -> None:
    kept = RecordFolder(tmp_path)
    for number in range(3):
        kept.keep(record(number))
    kept.files()[1].write_bytes(b"{")
    kept.keep(record(3, outcome="failed"))
    last = kept.latest()
    assert [each.id[13:15] for each in kept.readable()] == ["03", "02", "00"]
    before = kept.before(replace_id(last, "99"))
    assert before is not None
    assert before.id[13:15] == "02", "one that failed made nothing to compare with"


def replace_id(made: RunRecord, seconds: str) -> RunRecord:
    return record(int(seconds), outcome=made.outcome)


def test_of_very_many_units_the_slowest_stay_and_places_are_right() -> None:
    spans = [
        UnitSpan(
            "p", str(place), "lib", "x", "compiled", seconds=float(place % 10), needs=(place - 1,) if place else ()
        )
        for place in range(100)
    ]
    kept, left_out = bounded(spans, 30)
    assert (len(kept), left_out) == (30, 70)
    assert min(each.seconds for each in kept) == 7.0
    for each in kept:
        assert all(int(kept[place].version) == int(each.version) - 1 for place in each.needs)


def test_a_build_leaves_its_record_and_a_failed_one_too(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"app": ["app"]})
    context = replace(shop.context(), clock=lambda: BEGAN_S)
    result = build(structs.replace(shop.selection(), outputs=(shop.layout(),)), context)
    kept = record_folder(result.plan.target_dir)
    made = kept.latest()
    assert made.outcome == "built"
    assert [(each.name, each.digest) for each in made.images] == [("app", str(result.images[0].index.digest))]
    assert [each.platform for each in made.images[0].platforms] == ["linux/amd64", "linux/arm64"]
    assert {"metadata", "toolchain", "compile", "assemble", "write"} <= {each.name for each in made.phases}
    assert {each.name for each in made.units} == {"app bin"}

    def fails(_: Command) -> Completed:
        return said(code=101, stderr="error: could not compile `app`\n")

    shop.compiler = fails
    with pytest.raises(CompileFailed):
        build(shop.selection(), replace(context, clock=lambda: BEGAN_S + 60))
    last = kept.latest()
    assert (last.outcome, last.error, last.images) == ("failed", "CompileFailed", ())


def test_a_build_without_a_clock_or_a_writable_folder_is_built_all_the_same(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"app": ["app"]})
    selection = structs.replace(shop.selection(), outputs=(shop.layout(),))
    target = build(selection, shop.context()).plan.target_dir
    assert record_folder(target).files() == []
    (target / "cargoship").mkdir(exist_ok=True)
    (target / "cargoship" / ".records").write_text("in the way")
    assert build(selection, replace(shop.context(), clock=lambda: BEGAN_S)).images


def test_the_platforms_of_a_record_are_those_of_the_plan(tmp_path: Path) -> None:
    shop = Shop(tmp_path, {"app": ["app"]})
    selection = structs.replace(shop.selection(platforms=("linux/arm64",)), outputs=(shop.layout(),))
    made = build(selection, replace(shop.context(), clock=lambda: BEGAN_S))
    assert record_folder(made.plan.target_dir).latest().platforms == (str(Platform("linux", "arm64")),)


def test_an_image_of_an_engine_alone_is_in_no_registry() -> None:
    """`cargoship size` after `cargoship run` asked Docker Hub for a stranger's image of that name."""
    references = ("h.io/me/app@sha256:00", "oci:target/cargoship/app@sha256:00", "app:latest", "rootfs:out")
    made = [structs.replace(image_record(), reference=each) for each in references]
    assert [each.is_readable for each in made] == [True, True, False, False]
