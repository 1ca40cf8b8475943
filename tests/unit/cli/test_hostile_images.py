"""Commands on images that somebody has made to harm: each ends with one answer, soon, and keeps to its folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.errors import EXIT_UNEXPECTED
from cargoship.testing import InMemoryRegistry
from support.counting import counted
from support.elf_files import elf_file
from support.hostile.changes import Chance
from support.hostile.images import write_hostile_layout
from support.hostile.judge import shown

IMAGES = 40
CALLS_MAX = 1_000_000
"""Of functions, for one command."""


@pytest.fixture(scope="module")
def registry() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.mark.thorough
@pytest.mark.parametrize(
    "words",
    [
        ("verify", "LAYOUT"),
        ("verify", "--json", "oci:LAYOUT"),
        ("inspect", "LAYOUT"),
        ("inspect", "--json", "LAYOUT"),
        ("inspect", "--elf", "LAYOUT"),
        ("diff", "LAYOUT", "SECOND"),
        ("diff", "--json", "--whole", "oci:SECOND", "LAYOUT"),
        ("rebase", "LAYOUT", "--base", "static", "--old-base", "oci:SECOND"),
        ("rebase", "--json", "--dry-run", "oci:LAYOUT", "--base", "scratch"),
        ("rebuild", "--json", "--check", "LAYOUT", "."),
        ("copy", "LAYOUT", "oci:copied"),
        ("copy", "--referrers", "LAYOUT", "docker-archive:copied.tar"),
        ("copy", "LAYOUT", "REGISTRY/me/app:1"),
        ("merge", "LAYOUT", "LAYOUT", "-t", "REGISTRY/me/merged:1"),
        ("pack", "--base", "oci:LAYOUT", "--platform", "linux/amd64", "linux/amd64=app", "-o", "oci:packed"),
    ],
    ids=" ".join,
)
def test_a_hostile_image_gets_one_answer(words: tuple[str, ...], registry: InMemoryRegistry, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    for number in range(IMAGES):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "app").write_bytes(elf_file("EM_X86_64"))
        write_hostile_layout(Chance(f"{words} {number}"), place / "layout", outside)
        if any("SECOND" in word for word in words):
            write_hostile_layout(Chance(f"second {words} {number}"), place / "second", outside)
        argv = [
            word.replace("LAYOUT", "layout").replace("REGISTRY", registry.host).replace("SECOND", "second")
            for word in words
        ]
        out, err = io.StringIO(), io.StringIO()
        env = {"CARGOSHIP_CACHE_DIR": str(place / "cache"), "HOME": str(place), "NO_COLOR": "1"}
        with counted() as work:
            code = main(argv, World(env, place, out, err))
        assert work.calls < CALLS_MAX, number
        assert code != EXIT_UNEXPECTED, (number, err.getvalue())
        assert (code == 0) == ("error:" not in err.getvalue()) or words[0] in {"verify", "diff"}, (
            number,
            err.getvalue(),
        )
        assert "Traceback" not in err.getvalue()
        shown(out.getvalue())
        shown(err.getvalue())
        assert [path.name for path in outside.iterdir()] == ["file"]
        assert (outside / "file").read_text() == "untouched"
        assert not list(place.glob(".*tmp*")), "nothing is left half done"
