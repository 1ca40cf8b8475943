"""`timings` and `history` find the records of a project where builds leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cargoship.records.folder import record_folder
from support.build_records import build_record, image_record, sample_record
from support.programs import RunCargoship
from support.projects import project

pytestmark = pytest.mark.tools


def test_the_records_of_a_project_are_found(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", name="app")
    assert "no build has left a record here" in run_cargoship("timings", app, check=False).stderr
    folder = record_folder(app / "target")
    folder.keep(build_record(1, outcome="failed", error="CompileFailed"))
    for number, size in ((2, 4_000_000), (3, 5_000_000)):
        folder.keep(sample_record(number, images=(image_record(size=size),)))
    assert "app +2.0 MB" in run_cargoship("timings", app).stdout
    lines = run_cargoship("history", cwd=app).stdout.splitlines()
    assert lines[0] == "time      ███  12s"
    assert lines[1] == "compiled  ▁██  6 units"
    assert lines[2] == "app        ▇█  10.0 MB (8.0 MB to 10.0 MB)"
    assert lines[3].endswith("0 compiled, failed")
    assert lines[-1].endswith("6 compiled, 10.0 MB")
    reported = json.loads(run_cargoship("history", app, "--json").stdout)
    assert [each["images"] for each in reported] == [{}, {"app": 8_000_000}, {"app": 10_000_000}]
