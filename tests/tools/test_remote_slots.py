"""`plan --remote-slots` foresees from the records of a project's builds, over a link that is given or measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cargoship.records.folder import record_folder
from support.build_records import sample_record
from support.programs import RunCargoship
from support.projects import project
from support.reapi import running_server

pytestmark = pytest.mark.tools


def test_a_plan_tells_what_slots_would_bring(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", name="app")
    asked = ("plan", app, "--remote-slots", "4,1")
    assert "no build has left times of units here" in run_cargoship(*asked, check=False).stderr
    record_folder(app / "target").keep(sample_record(1))
    said = run_cargoship(*asked).stdout
    assert "7 units" in said
    assert "critical path on 4 slots" in said
    assert "less where" in said
    document = json.loads(run_cargoship(*asked, "--remote-link", "10Mbit,50ms", "--json").stdout)
    remote = document["remote"]
    assert [row["slots"] for row in remote["slots"]] == [1, 4]
    assert remote["slots"][0]["seconds"] > remote["slots"][1]["seconds"]
    assert remote["link"]["round_trip_seconds"] == pytest.approx(0.05)
    with running_server(tmp_path / "server") as server:
        measured = json.loads(run_cargoship(*asked, "--remote-link", server.address, "--json").stdout)["remote"]["link"]
    assert measured["sent_bytes_per_second"] > 0
    assert measured["round_trip_seconds"] > 0
    assert "remote" not in json.loads(run_cargoship("plan", app, "--json").stdout)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--remote-slots", "many"), "are no numbers of slots"),
        (("--remote-slots", "0"), "are no numbers of slots"),
        (("--remote-link", "1Gbit,1ms"), "add --remote-slots"),
        (("--remote-slots", "1", "--remote-link", "fast"), "is no link"),
        (("--remote-slots", "1", "--remote-link", "reapi://127.0.0.1:9"), "does not answer"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    run_cargoship: RunCargoship, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    app = project(tmp_path / "app", name="app")
    record_folder(app / "target").keep(sample_record(1))
    done = run_cargoship("plan", app, *words, check=False)
    assert done.returncode
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
