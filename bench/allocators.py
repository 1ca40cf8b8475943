"""An allocation-heavy program with threads: musl's allocator, mimalloc, and glibc, in turns.

    python bench/allocators.py [--rounds 10]

Needs cargoship, cargo and a standard library for this machine's musl and gnu targets. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from figures import Samples  # noqa: E402 - beside this script

from support.programs import distribution_rust  # noqa: E402 - needs the path above

_MANIFEST = '[package]\nname = "alloc"\nversion = "1.0.0"\nedition = "2021"\n[workspace]\n'
_MAIN = """use std::time::Instant;

fn work(rounds: usize) -> usize {
    let mut kept: Vec<Box<[u8]>> = Vec::new();
    let (mut state, mut sum) = (12345u64, 0);
    for _ in 0..rounds {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        kept.push(vec![1u8; 16 + (state >> 33) as usize % 240].into_boxed_slice());
        if kept.len() > 1000 {
            sum += kept.swap_remove((state >> 20) as usize % 1000).len();
        }
    }
    sum
}

fn main() {
    let start = Instant::now();
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| work(1_000_000))).collect();
    let sum: usize = threads.into_iter().map(|each| each.join().unwrap()).sum();
    assert!(sum > 0);
    println!("{}", start.elapsed().as_secs_f64() * 1000.0);
}
"""


def main(rounds: int, place: Path | None) -> None:
    """Build three programs, run them in turns, and print what each took."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "src").mkdir()
        (root / "Cargo.toml").write_text(_MANIFEST)
        (root / "src" / "main.rs").write_text(_MAIN)
        programs = {
            "musl": build(root, "system"),
            "musl with mimalloc": build(root, "mimalloc"),
            "glibc": native(root),
        }
        took: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, program in programs.items():
                done = subprocess.run([program], capture_output=True, text=True, check=True)
                took[name].append(float(done.stdout))
    samples = Samples()
    for name, times in took.items():
        for each in times:
            samples.add("four threads of small boxes", name, ms=each)
    samples.write(place)
    print("| allocator | best, ms | median, ms |\n| --- | ---: | ---: |")
    for name, times in took.items():
        print(f"| {name} | {min(times):.0f} | {statistics.median(times):.0f} |")


def build(root: Path, allocator: str) -> Path:
    """The program for this machine's musl, with an allocator, through cargoship."""
    machine = platform.machine()
    env = {**os.environ, "CARGOSHIP_ALLOCATOR": allocator}
    subprocess.run(
        ["cargoship", "build", "-q", root, "--platform", machine, "-o", f"oci:{root}/out"],
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    made = root / "target" / f"{machine}-unknown-linux-musl" / "release" / "alloc"
    return made.rename(root / allocator)


def native(root: Path) -> Path:
    """The program for this machine's glibc, through cargo."""
    cargo = os.environ.get("CARGO", "cargo")
    subprocess.run([cargo, "build", "-q", "--release", "--target-dir", root / "native"], cwd=root, check=True)
    return root / "native" / "release" / "alloc"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ.update(distribution_rust())
    main(given.rounds, given.json)
