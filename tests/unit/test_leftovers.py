"""What goes from a target folder, and what stays: only what can be shown to be cargoship's, and never under a build."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cargoship.errors import OutputError
from cargoship.leftovers import LeftFor, Pruned, PruneRules, in_use, prune_folder
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.store import BlobStore, Memo

DAY = 24 * 3600
NOW_S = 1_800_000_000
ALL = PruneRules(None, NOW_S * 10**9)
WEEK = PruneRules(7, NOW_S * 10**9)

HOLD = """
import sys, time
from pathlib import Path
from cargoship.leftovers import in_use
with in_use(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def aged(path: Path, days: float) -> Path:
    os.utime(path, (NOW_S - days * DAY,) * 2)
    return path


def layout(folder: Path, *, annotation: str = "dev.cargoship.compression", days: float = 0) -> Path:
    """A layout as a build leaves it, as far as `prune` looks at it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifest = json.dumps({"schemaVersion": 2, "manifests": [], "annotations": {annotation: "none"}}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    (blobs / digest).write_bytes(manifest)
    kind = "application/vnd.oci.image.index.v1+json"
    entry = {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(manifest)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    aged(folder / "index.json", days)
    return folder


def blob(target: Path, content: bytes, *, days: float = 0) -> Path:
    store = BlobStore(target / "cargoship" / ".blobs")
    made = store.add_bytes("text/plain", content)
    store.remember(
        hashlib.sha256(content).hexdigest(), Memo(str(made.descriptor.digest), len(content), "sha256:" + "0" * 64)
    )
    return aged(made.path, days)


def went(pruned: Pruned) -> set[tuple[LeftFor, str]]:
    return {(each.kind, str(each.path.relative_to(pruned.folder))) for each in pruned.gone}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A target folder with one of everything, new and old."""
    folder = tmp_path / "target"
    layout(folder / "cargoship" / "new")
    layout(folder / "cargoship" / "old", days=8)
    blob(folder, b"a new layer")
    blob(folder, b"an old layer", days=8)
    for name, days in (("0" * 16, 0), ("1" * 16, 8)):
        program = folder / "cargoship" / ".programs" / "x86_64-unknown-linux-musl" / "app" / name
        program.mkdir(parents=True)
        (program / "app").write_bytes(b"program")
        aged(program, days)
    (folder / "cargoship" / ".blobs" / "last").mkdir()
    (folder / "cargoship" / ".blobs" / "last" / "app.json").write_text("{}")
    aged(folder / "cargoship" / ".blobs" / "last" / "app.json", 1)
    killed = folder / "cargoship" / ("smoke-" + "a" * 16)
    killed.mkdir()
    (killed / "file").write_bytes(b"left")
    (folder / "release").mkdir()
    (folder / "release" / "app").write_bytes(b"cargo's")
    (folder / ".cargoship-history.json").write_text("{}")
    return folder


def test_what_is_old_goes_and_what_is_new_stays(target: Path) -> None:
    done = prune_folder(target, target, WEEK)
    triple = "cargoship/.programs/x86_64-unknown-linux-musl/app/"
    assert went(done) == {
        (LeftFor.LAYOUT, "cargoship/old"),
        (LeftFor.BLOBS, "cargoship/.blobs"),
        (LeftFor.PROGRAMS, triple + "1" * 16),
        (LeftFor.RUN, "cargoship/smoke-" + "a" * 16),
    }
    assert not (target / "cargoship" / "old").exists()
    assert (target / "cargoship" / "new" / "index.json").exists()
    assert (target / triple / ("0" * 16) / "app").exists()
    store = BlobStore(target / "cargoship" / ".blobs")
    kept, gone = (
        Digest.parse("sha256:" + hashlib.sha256(each).hexdigest()) for each in (b"a new layer", b"an old layer")
    )
    assert store.find(Descriptor("text/plain", kept, 11)) is not None
    assert store.recall(kept.hex) is not None
    assert store.recall(gone.hex) is None
    assert not done.stays


def test_all_leaves_what_cargo_has_made_and_what_is_known_of_it(target: Path) -> None:
    prune_folder(target, target, ALL)
    left = {str(each.relative_to(target)) for each in target.rglob("*") if each.is_file()}
    assert left == {"release/app", ".cargoship-history.json", "cargoship/.lock"}


def test_a_dry_run_tells_the_same_and_changes_nothing(target: Path) -> None:
    before = sorted((str(each), each.lstat().st_mtime_ns) for each in target.rglob("*"))
    reported = prune_folder(target, target, PruneRules(None, ALL.now_ns, dry=True))
    assert sorted((str(each), each.lstat().st_mtime_ns) for each in target.rglob("*")) == before
    done = prune_folder(target, target, ALL)
    assert (reported.gone, reported.freed_bytes) == (done.gone, done.freed_bytes)


def test_bytes_that_something_else_has_too_do_not_come_free(tmp_path: Path) -> None:
    target = tmp_path / "target"
    layer = blob(target, b"x" * 1000, days=8)
    made = layout(target / "cargoship" / "app")
    (made / "blobs" / "sha256" / layer.name).hardlink_to(layer)
    rest = sum(each.stat().st_size for each in made.rglob("*") if each.is_file()) - 1000
    memo_bytes = sum(each.stat().st_size for each in (target / "cargoship" / ".blobs" / "memo").iterdir())
    reported = prune_folder(target, target, WEEK)
    assert sum(each.size_bytes for each in reported.gone) == 1000 + memo_bytes
    assert reported.freed_bytes == memo_bytes
    assert prune_folder(target, target, ALL).freed_bytes == 1000 + rest


def test_under_a_build_nothing_goes(target: Path) -> None:
    words = [sys.executable, "-c", HOLD, str(target)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "held\n"
        for rules in (ALL, PruneRules(None, ALL.now_ns, dry=True)):
            done = prune_folder(target, target, rules)
            assert (done.gone, done.freed_bytes) == ((), 0)
            assert done.stays == ((target, "a build is going on"),)
        assert (target / "cargoship" / "old" / "index.json").exists()
        build.kill()
    assert prune_folder(target, target, ALL).gone


def test_builds_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with in_use(tmp_path / "target"), in_use(tmp_path / "target"):
        assert (tmp_path / "target" / "CACHEDIR.TAG").exists()


def test_what_is_not_known_to_be_cargoships_stays_and_is_named(tmp_path: Path) -> None:
    target = tmp_path / "target"
    own = target / "cargoship"
    elsewhere = layout(tmp_path / "elsewhere")
    layout(own / "of-another-tool", annotation="org.example")
    (layout(own / "with-notes") / "notes.txt").write_text("mine")
    deeper = layout(own / "deeper") / "blobs" / "sha256" / "deeper"
    deeper.mkdir()
    damaged = layout(own / "damaged")
    next((damaged / "blobs" / "sha256").iterdir()).write_bytes(b"damaged")
    (own / "folder").mkdir()
    (own / "file").write_text("mine")
    (own / "link").symlink_to(elsewhere)
    os.mkfifo(own / "pipe")
    (own / ".blobs" / "sha256").mkdir(parents=True)
    (own / ".blobs" / "sha256" / "mine").write_text("mine")
    (own / ".blobs" / "memo").symlink_to(elsewhere)
    before = {str(each) for each in tmp_path.rglob("*")}
    done = prune_folder(target, target, ALL)
    assert done.gone == ()
    assert {path.name for path, _ in done.stays} == {
        "of-another-tool", "with-notes", "deeper", "damaged", "folder", "file", "link", "pipe",
    }  # fmt: skip
    assert {str(each) for each in tmp_path.rglob("*")} - before == {str(own / ".lock")}


@pytest.mark.parametrize(
    "place", ["cargoship", "cargoship/.blobs", "cargoship/.programs", "cargoship/.blobs/last", "cargoship/.records"]
)
def test_a_link_is_not_followed(tmp_path: Path, place: str) -> None:
    there = tmp_path / "there"
    (there / "sha256").mkdir(parents=True)
    (there / "sha256" / ("0" * 64)).write_text("mine")
    (there / "app.json").write_text("mine")
    (there / "a" / "b" / ("0" * 16)).mkdir(parents=True)
    link = tmp_path / "target" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(there)
    before = {str(each) for each in there.rglob("*")}
    assert prune_folder(tmp_path / "target", tmp_path / "target", ALL).gone == ()
    assert {str(each) for each in there.rglob("*")} == before


@pytest.mark.parametrize("place", [".blobs", ".programs", ".blobs/last", ".records", ".symbols"])
def test_a_build_writes_nothing_through_a_link_of_the_projects(tmp_path: Path, place: str) -> None:
    link = tmp_path / "target" / "cargoship" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path)
    with pytest.raises(OutputError, match=f"{place} is a link"), in_use(tmp_path / "target"):
        pass
    assert {each.name for each in tmp_path.iterdir()} == {"target"}


def test_what_killed_runs_left_among_cargos_files_goes_after_a_day(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / ".cargoship-abcd1234").mkdir(parents=True)
    (target / ".cargoship-efgh5678").mkdir()
    aged(target / ".cargoship-abcd1234", 2)
    aged(target / ".cargoship-efgh5678", 0.1)
    (target / ".cargoship-audit" / "first").mkdir(parents=True)
    (target / ".cargoship-audit" / "first" / "unit").write_bytes(b"12345")
    (target / ".cargoship-audit.lock").touch()
    done = prune_folder(target, target, WEEK)
    assert went(done) == {(LeftFor.RUN, ".cargoship-abcd1234"), (LeftFor.RUN, ".cargoship-audit")}
    assert done.freed_bytes == 5
    assert {each.name for each in target.iterdir()} == {".cargoship-efgh5678", ".cargoship-audit.lock"}


def test_nothing_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert prune_folder(tmp_path / "target", tmp_path / "target", ALL) == Pruned(tmp_path / "target", (), 0)
    assert not (tmp_path / "target").exists()


def test_records_of_builds_go_when_they_are_old(tmp_path: Path) -> None:
    target = tmp_path / "target"
    folder = target / "cargoship" / ".records"
    folder.mkdir(parents=True)
    old, new = (folder / f"2027011{day}T080000.000Z-0a0b.json" for day in (1, 2))
    killed = folder / f".20270115T080000.000Z-0a0b.json.{'0' * 16}.tmp"
    stranger = folder / "notes.txt"
    for path, days in ((old, 8), (new, 6), (killed, 0), (stranger, 99)):
        path.write_text("{}")
        aged(path, days)
    pruned = prune_folder(target, target, WEEK)
    assert {path for each in pruned.gone for path in each.paths} == {old, killed}
    assert new.exists()
    assert stranger.exists()
