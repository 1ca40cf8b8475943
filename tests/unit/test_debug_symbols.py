"""Programs without symbols that stay for the next run: few, and nothing of anybody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cargoship import debug_symbols


def kept(folder: Path, number: int) -> Path:
    place = folder / f"app-{number:016x}"
    place.mkdir(parents=True)
    (place / "app").write_text(str(number))
    os.utime(place, (1_700_000_000 + number, 1_700_000_000 + number))
    return place


def test_the_longest_unused_go_and_those_of_this_run_stay(tmp_path: Path) -> None:
    places = [kept(tmp_path, number) for number in range(12)]
    debug_symbols._forget(tmp_path, {places[0]})
    assert [place for place in places if place.exists()] == [places[0], *places[4:]]


@pytest.mark.parametrize("is_link", [False, True])
def test_nothing_of_anybody_else_is_removed(tmp_path: Path, *, is_link: bool) -> None:
    there = tmp_path / "there"
    for number in range(12):
        (there / f"photos-{number}").mkdir(parents=True)
        if is_link:
            kept(there, number)
    folder = tmp_path / "symbols"
    folder.symlink_to(there)
    before = sorted(there.rglob("*"))
    debug_symbols._forget(folder if is_link else there, set())
    assert sorted(there.rglob("*")) == before
