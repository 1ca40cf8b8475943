"""mimalloc in static programs: it is there, on both architectures, and another choice links again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support import judges
from support.programs import RunCargoship, run
from support.projects import project
from support.results import digests

pytestmark = pytest.mark.e2e

_MAIN = """fn main() {
    let work = || (0..1000).map(|n| vec![1u8; n]).map(|v| v.len()).sum::<usize>();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(work)).collect();
    println!("{}", threads.into_iter().map(|each| each.join().unwrap()).sum::<usize>());
}
"""


def allocators(layout: Path, into: Path) -> set[str]:
    """What the programs of an image allocate with, as they say themselves when they start."""
    found = set()
    for name, architecture in (("x86_64", "amd64"), ("aarch64", "arm64")):
        place = into / architecture
        place.mkdir(parents=True)
        root = judges.unpack(judges.single(f"oci:{layout}", architecture, place / "layout"), place / "bundle")
        done = run(f"qemu-{name}-static", root / "app" / "app", env={"MIMALLOC_VERBOSE": "1"})
        assert done.stdout == "1998000\n"
        found.add("mimalloc" if "mimalloc: " in done.stdout + done.stderr else "system")
    return found


def test_a_choice_is_linked_and_taken_back(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", files={"src/main.rs": _MAIN})
    made = []
    for allocator in ("system", "mimalloc", "system", "mimalloc"):
        done = run_cargoship("build", app, "-o", f"oci:{tmp_path}/out", env={"CARGOSHIP_ALLOCATOR": allocator})
        made.append(digests(done.stdout))
        assert allocators(tmp_path / "out", tmp_path / f"unpacked-{len(made)}") == {allocator}
    assert made[:2] == made[2:]
    assert made[0] != made[1]
    # cargo alone has to see it too
    for allocator, compiles in (("system", True), ("mimalloc", True), ("mimalloc", False)):
        env = {"CARGOSHIP_ALLOCATOR": allocator, "CARGO_TARGET_DIR": str(tmp_path / "target")}
        again = run_cargoship("build", app, "--no-cache", "-v", env=env)
        assert digests(again.stdout) == made[0 if allocator == "system" else 1]
        assert ("Compiling app" in again.stderr) is compiles


def test_mimalloc_comes_to_an_empty_machine(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """It is not compiled again where a line was edited, nor is its source asked for."""
    app = project(tmp_path / "app", files={"src/main.rs": _MAIN})
    words = ("build", app, "-o", f"oci:{tmp_path}/out", "--no-verify", "-v")
    choice = {"CARGOSHIP_ALLOCATOR": "mimalloc"}
    run_cargoship(*words, "--cache-to", f"dir:{tmp_path / 'cache'}", env=choice)
    shutil.rmtree(app / "target")
    (app / "src" / "main.rs").write_text(_MAIN.replace("fn main", "#[inline(never)]\nfn main"))
    empty = {**choice, "CARGOSHIP_CACHE_DIR": str(tmp_path / "empty")}
    done = run_cargoship(*words, "--cache-from", f"dir:{tmp_path / 'cache'}", env=empty)
    assert done.stderr.count("the allocator mimalloc-") == 2
    assert "making mimalloc" not in done.stderr
    assert allocators(tmp_path / "out", tmp_path / "unpacked") == {"mimalloc"}
