"""`cargoship cache`: what people and programs are shown, and what it ends with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.unitcache.stores.directory import DirectoryStore
from support.units import adding, key_of, packed, unit_files


def run(root: Path, *arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(root / "cache")}
    code = main(["cache", *arguments], world=World(env, root, out, err))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A machine whose cache has three units."""
    store = DirectoryStore(tmp_path / "cache/units")
    names = ["serde", "rand", "syn"]
    packs = packed(store.scratch, {name: unit_files(name, 20_000) for name in names})
    store.save(packs, adding(packs, names))
    (tmp_path / "cache/std/1.96-x86_64").mkdir(parents=True)
    (tmp_path / "cache/std/1.96-x86_64/libstd.rlib").write_bytes(bytes(100_000))
    return tmp_path


def spoil(root: Path, name: str) -> None:
    store = DirectoryStore(root / "cache/units")
    entry = store.load().entries[key_of(name)]
    path = store.pack_path(entry.pack)
    data = bytearray(path.read_bytes())
    data[entry.offset + 5] ^= 1
    path.write_bytes(data)


def test_stats_for_people(filled: Path) -> None:
    code, out, _ = run(filled, "stats")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert rows["cache"] == str(filled / "cache/units")
    assert rows["units"].startswith("3, ")
    assert rows["std"].startswith("1, ")


def test_stats_for_programs(filled: Path) -> None:
    found = json.loads(run(filled, "stats", "--json")[1])
    assert (found["units"], found["packs"], found["plans"]) == (3, 1, 0)
    assert found["bytes"] == found["live_bytes"] > 60_000
    assert [folder["name"] for folder in found["folders"]] == ["std"]
    assert found["folders"][0]["bytes"] >= 100_000


def test_stats_of_nothing(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "stats", "--json")
    assert (code, json.loads(out)["units"], err) == (0, 0, "")
    assert json.loads(run(tmp_path, "gc", "--json")[1])["units"] == 0
    assert list(tmp_path.iterdir()) == [] or run(tmp_path, "stats")[0] == 0


def test_verify_tells_and_mends(filled: Path) -> None:
    assert run(filled, "verify")[0] == 0
    spoil(filled, "rand")
    code, out, err = run(filled, "verify", "--json")
    assert code == 55
    (damaged,) = json.loads(out)["damaged"]
    assert damaged["unit"] == "rand"
    assert "1 of 3 units" in err
    assert run(filled, "verify", "--fix")[0] == 0
    assert json.loads(run(filled, "verify", "--json")[1]) | {"bytes": 0, "cache": ""} == {
        "cache": "",
        "units": 2,
        "bytes": 0,
        "damaged": [],
    }


def test_gc_bounds(filled: Path) -> None:
    code, out, _ = run(filled, "gc", "--max-size", "40kB", "--days", "0", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["units"] + found["units_removed"] == 3
    assert found["bytes"] <= 40_000
    assert found["other_bytes_removed"] >= 100_000
    assert json.loads(run(filled, "verify", "--json")[1])["units"] == found["units"] > 0


def test_a_cache_is_carried_in_a_file(filled: Path) -> None:
    assert run(filled, "export", "units.tar")[0] == 0
    code, out, _ = run(filled, "import", "units.tar", "dir:other", "--json")
    assert code == 0
    assert json.loads(out)["units"] == 3
    assert json.loads(run(filled, "verify", "dir:other", "--json")[1])["units"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("stats", "nowhere"), 2, "names no place for a cache"),
        (("stats", "type=registry,ref=ghcr.io/me/app:c,mode=max"), 2, "write registry:ghcr.io/me/app:c"),
        (("stats", "type=local,dest=out"), 2, "write dir:out"),
        (("stats", "type=gha"), 2, "cargoship init --ci github"),
        (("gc", "--max-size", "much"), 2, "is not a size"),
        (("import", "gone.tar"), 65, "cannot read"),
        (("import", "broken.tar"), 55, "is no export of a cache"),
        (("stats", "registry:127.0.0.1:9/me/app"), 65, "cannot be reached"),
        (("stats", "dir:broken.tar"), 65, "cannot read"),
    ],
)
def test_trouble_is_said_in_a_line(filled: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    (filled / "broken.tar").write_bytes(b"no tar")
    got, out, err = run(filled, *arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
