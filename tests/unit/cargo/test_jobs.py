"""How many jobs somebody has asked cargo for, in the order in which it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo.jobs import SaidJobs, said_jobs


@pytest.mark.parametrize(
    ("words", "env", "expected"),
    [
        ((), {}, ("build.jobs in {}/.cargo/config.toml", 5)),
        ((), {"CARGO_BUILD_JOBS": "3"}, ("CARGO_BUILD_JOBS", 3)),
        (("--config", "build.jobs=4"), {"CARGO_BUILD_JOBS": "3"}, ("--config build.jobs", 4)),
        (("-j", "2", "--config", "build.jobs=4"), {"CARGO_BUILD_JOBS": "3"}, ("--jobs", 2)),
        (("-j2",), {}, ("--jobs", 2)),
        (("--jobs=2",), {}, ("--jobs", 2)),
        (("--jobs", "-1"), {}, ("--jobs", 7)),
        (("--jobs", "-100"), {}, ("--jobs", 1)),
        # all cores: what nobody says is the same
        (("--jobs", "default"), {}, None),
        # cargo refuses it
        (("--jobs", "0"), {}, None),
        (("--jobs", "9" * 99), {}, None),
        # a test's own
        (("--", "-j", "2"), {}, ("build.jobs in {}/.cargo/config.toml", 5)),
    ],
)
def test_what_counts(
    tmp_path: Path, words: tuple[str, ...], env: dict[str, str], expected: tuple[str, int] | None
) -> None:
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text("[build]\njobs = 5\n")
    said = said_jobs(("build", *words), {"HOME": "/nowhere", **env}, tmp_path, cores=8)
    assert said == (None if expected is None else SaidJobs(expected[0].format(tmp_path), expected[1]))


def test_nobody_says_a_number(tmp_path: Path) -> None:
    assert said_jobs(("build",), {"HOME": "/nowhere"}, tmp_path, cores=8) is None
