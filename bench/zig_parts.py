"""What Zig compiles of itself: a link for both targets with Zig's cache warm, empty, and filled from the unit cache.

    .venv/bin/python bench/zig_parts.py [--project bench/small-service] [--libcs gnu,musl] [--rounds 3] [--work FOLDER]

`cargoship build` of a project with C, for amd64 and arm64, in a fresh checkout with one line of code changed, where all
units but its own come from a unit cache in a folder. What differs is what is there of Zig's own parts (stubs of glibc,
the compiler's runtime, the unwinder):

  warm     the machine that has compiled everything
  kept     another machine, which has the unit cache and nothing of Zig's
  nothing  the same with a unit cache from which Zig's parts were removed: Zig compiles them

Wall and CPU seconds are of the whole process tree. Zig's own part is what `kept` and `nothing` take more than `warm`;
they bring the units of the project from the cache as well. Standard libraries are there in all three.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Cost, measure  # noqa: E402 - beside this script
from figures import Samples, summary, table  # noqa: E402

from cargoship.unitcache.packs.index import UnitIndex  # noqa: E402
from cargoship.unitcache.stores.directory import DirectoryStore  # noqa: E402
from support.programs import distribution_rust  # noqa: E402 - needs the path above

_CARGOSHIP = Path(sys.executable).parent / "cargoship"
STATES = ("warm", "kept", "nothing")


@dataclass(frozen=True)
class Bench:
    """A project for one C library."""

    project: Path
    libc: str
    work: Path
    env: Mapping[str, str]

    def checkout(self, number: int) -> Path:
        """A fresh one, with a line of code that no other has; 0: as it is."""
        place = self.work / "checkout"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
        if number:
            main = place / "src" / "main.rs"
            main.write_text(f"{main.read_text()}\n#[used]\nstatic EDITED: u32 = {number};\n")
        return place

    def build(self, place: Path, machine: Path, *words: str) -> Cost:
        """On a machine, into a layout that nobody looks at."""
        # each machine has its own, at one path: units depend on where cargo-zigbuild keeps what it writes
        home = self.work / "home"
        kept = machine / "home"
        kept.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        kept.rename(home)
        env = {**self.env, "CARGOSHIP_CACHE_DIR": str(machine), "XDG_CACHE_HOME": str(home)}
        base = ("--base", "scratch", "--no-verify") if self.libc != "musl" else ()
        argv = (_CARGOSHIP, "build", "-q", "--libc", self.libc, *base, "-o", f"oci:{self.work / 'out'}", *words)
        cost = measure(argv, cwd=place, env=env)
        home.rename(kept)
        return cost

    def fill(self) -> None:
        """Compile once, for the machine that has everything and for the unit cache."""
        if not (self.work / "filled").exists():
            place = self.checkout(0)
            self.build(place, self.work / "full", "--cache-to", f"dir:{self.work / 'units'}")
            (self.work / "filled").touch()

    def empty(self) -> Path:
        """A machine with standard libraries alone."""
        machine = self.work / "empty"
        shutil.rmtree(machine, ignore_errors=True)
        machine.mkdir(parents=True)
        if (self.work / "full" / "std").exists():
            (machine / "std").symlink_to(self.work / "full" / "std")
        return machine

    def run(self, state: str, number: int) -> Cost:
        """One build of a program that nobody has compiled."""
        place = self.checkout(number)
        if state == "warm":
            return self.build(place, self.work / "full", "--cache-from", f"dir:{self.work / 'units'}")
        units = self.work / "units"
        if state == "nothing":
            units = self.work / "units-without"
            shutil.rmtree(units, ignore_errors=True)
            shutil.copytree(self.work / "units", units)
            _forget_parts(units)
        return self.build(place, self.empty(), "--cache-from", f"dir:{units}")


def _forget_parts(units: Path) -> None:
    """Remove from a unit cache what Zig has compiled of itself."""

    def change(index: UnitIndex) -> UnitIndex:
        return replace(
            index, entries={key: entry for key, entry in index.entries.items() if "zig target" not in entry.parts}
        )

    DirectoryStore(units).save((), change)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "bench" / "small-service")
    parser.add_argument("--libcs", default="gnu,musl")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keep what was compiled in this folder, for the next run")
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    env = {"CARGO": "cargo", **os.environ, **distribution_rust()}
    samples = Samples()
    with contextlib.ExitStack() as stack:
        made = given.work or stack.enter_context(tempfile.TemporaryDirectory(prefix="cargoship-bench-", dir="/var/tmp"))
        for libc in given.libcs.split(","):
            work = Path(made).resolve() / libc
            work.mkdir(parents=True, exist_ok=True)
            bench = Bench(given.project.resolve(), libc, work, env)
            bench.fill()
            for number in range(given.rounds):
                for place, state in enumerate(STATES):
                    cost = bench.run(state, 10 * number + place + 1)
                    samples.add(f"{given.project.name}, {libc}", state, wall_s=cost.wall_s, cpu_s=cost.cpu_s)
                    print(f"{libc:<5} {state:<8} {cost}", flush=True)
    print(table({"rows": summary(samples.rows), "base": "warm"}))
    samples.write(given.json)


if __name__ == "__main__":
    main()
