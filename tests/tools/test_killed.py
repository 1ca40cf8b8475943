"""A few kills of each verb that compiles nothing. `scripts/fault-injection` does more, and those that compile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.testing import InMemoryRegistry
from support.killing import WORKS, Killer, Site, Work

pytestmark = pytest.mark.tools

QUICK = [work for work in WORKS if work.name not in {"build", "save"}]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with InMemoryRegistry() as registry:
        yield Site(tmp_path_factory.mktemp("killed") / "site", registry)


@pytest.mark.parametrize("work", QUICK, ids=[work.name for work in QUICK])
def test_what_a_killed_run_leaves_is_whole_and_the_next_run_is_right(site: Site, work: type[Work]) -> None:
    wrong = [killed for killed in Killer(work(site), seed=1).kills(1) if killed.wrong]
    assert not wrong


def test_a_judge_sees_what_is_damaged(site: Site, tmp_path: Path) -> None:
    """A test of the test: half a file is neither as before nor as it shall be."""
    (pin,) = (each for each in QUICK if each.name == "pin")
    work = pin(Site(tmp_path / "site", site.registry))
    work.prepare()
    work.begin()
    manifest = work.place / "app" / "Cargo.toml"
    manifest.write_bytes(manifest.read_bytes()[:40])
    with pytest.raises(Exception, match=r"Cargo.toml is neither"):
        work.whole()
