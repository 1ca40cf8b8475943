"""mimalloc in static programs: it is there, on both architectures, and another choice links again."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import RunCargoship, run
from support.projects import project

pytestmark = pytest.mark.e2e

_MAIN = """fn main() {
    let work = || (0..1000).map(|n| vec![1u8; n]).map(|v| v.len()).sum::<usize>();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(work)).collect();
    println!("{}", threads.into_iter().map(|each| each.join().unwrap()).sum::<usize>());
}
"""


def allocators(app: Path) -> set[str]:
    """What the programs of a project allocate with, as they say themselves when they start."""
    found = set()
    for name in ("x86_64", "aarch64"):
        program = app / "target" / f"{name}-unknown-linux-musl" / "release" / "app"
        done = run(f"qemu-{name}-static", program, env={"MIMALLOC_VERBOSE": "1"})
        assert done.stdout == "1998000\n"
        found.add("mimalloc" if "mimalloc: " in done.stdout + done.stderr else "system")
    return found


def test_a_choice_is_linked_and_taken_back(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", files={"src/main.rs": _MAIN})
    digests = []
    # with the cache of compiled units and without
    for allocator in ("system", "mimalloc", "system", "mimalloc"):
        done = run_cargoship("build", app, "-o", f"oci:{tmp_path}/out", env={"CARGOSHIP_ALLOCATOR": allocator})
        assert allocators(app) == {allocator}
        digests.append(done.stdout)
    assert digests[:2] == digests[2:]
    assert digests[0] != digests[1]
    again = run_cargoship("build", app, "--no-cache", "-v", env={"CARGOSHIP_ALLOCATOR": "mimalloc"})
    assert again.stdout == digests[3]
    assert "Compiling app" not in again.stderr
