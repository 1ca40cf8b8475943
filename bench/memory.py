"""Memory and processor time of cargoship's own process beside the compiler, with a cargo that compiles nothing.

    .venv/bin/python bench/memory.py [--units 600,3000] [--megabytes 1100] [--rounds 3] [--commands DIR,...]

`simulated.py` stands for cargo: it tells a graph of so many libraries, and leaves files of made-up content where cargo
would. All else is real: `cargoship cargo -- build`, rustc, packs, a registry on the loopback. Each round has

  cold       nothing anywhere: units are packed, sent to the registry, and kept in a folder
  registry   an empty target directory, all units come from the registry
  folder     an empty target directory, all units come from the folder
  warm       a target directory with everything in it

`--commands` names folders with other installations of cargoship (default: this one), which take turns. Given are the
highest resident memory of the process alone, and wall and CPU seconds of the process with all that it starts (the
simulated cargo writes its files in `cold`); medians, and the least and the greatest.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

import simulated  # noqa: E402 - beside this script
from build import Cost, measure  # noqa: E402
from figures import Samples  # noqa: E402

from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402

_WAYS = ("cold", "registry", "folder", "warm")


class Project:
    """A simulated project in a folder of its own, and the caches of one installation."""

    def __init__(self, work: Path, units: int, total_bytes: int, registry: str) -> None:
        self.work = work
        self.place = work / "checkout"
        self._registry = registry
        self._rounds = 0
        self._tags: dict[str, str] = {}
        home, programs = work / "home", work / "bin"
        (self.place / "src").mkdir(parents=True)
        home.mkdir()
        programs.mkdir()
        plan = simulated.plan_of(units - 1, total_bytes, home, self.place)
        (work / "plan.json").write_text(json.dumps(plan))
        (self.place / "Cargo.lock").write_text(simulated.lock_of(plan))
        (self.place / "src" / "main.rs").write_text("fn main() {}\n")
        manifest = f'[package]\nname = "{simulated.PROGRAM}"\nversion = "0.1.0"\nedition = "2021"\n'
        (self.place / "Cargo.toml").write_text(manifest)
        for path in self.place.rglob("*"):
            os.utime(path, (1, 1))
        cargo = programs / "cargo"
        script = Path(simulated.__file__).resolve()
        cargo.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "{work / "plan.json"}" "$@"\n')
        cargo.chmod(0o755)
        rust = {"CARGO": shutil.which("cargo") or "cargo", **distribution_rust()}
        self._env = {
            **os.environ, **rust,
            "SIMULATED_CARGO": rust["CARGO"], "CARGO": str(cargo), "CARGO_HOME": str(home),
        }  # fmt: skip

    def run(self, way: str, commands: Path, name: str) -> Cost:
        """One way; `name` tells the caches of this installation."""
        own = self.work / f"own-{name}"
        if way in {"cold", "registry"}:
            self._away(own)
        if way != "warm":
            self._away(self.place / "target")
        if way == "cold":
            # a registry that has nothing under this name
            self._tags[name] = f"registry:{self._registry}/units:{name}-{self._rounds}"
            self._rounds += 1
        there = ("--cache-to" if way == "cold" else "--cache-from", self._tags[name])
        options = (*there, "--cache-to", f"dir:{own}")
        env = {**self._env, "CARGOSHIP_CACHE_DIR": str(self.work / f"cache-{name}")}
        os.sync()
        return measure((commands / "cargoship", "cargo", *options, "--", "build", "--release"), cwd=self.place, env=env)

    def _away(self, folder: Path) -> None:
        """Out of the way; what is removed makes some file systems slow for minutes (`bench/cache.py`)."""
        if folder.exists():
            old = self.work / "old"
            old.mkdir(exist_ok=True)
            folder.rename(Path(tempfile.mkdtemp(dir=old)) / folder.name)


def shown(figures: Sequence[float], digits: int = 2) -> str:
    """The median, and the least and the greatest."""
    return f"{statistics.median(figures):.{digits}f} ({min(figures):.{digits}f} to {max(figures):.{digits}f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", default="600,3000", help="how many units the projects have")
    parser.add_argument("--megabytes", type=int, default=1100, help="what the units of a project have together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commands", default=str(Path(sys.executable).parent))
    parser.add_argument("--ways", default=",".join(_WAYS))
    parser.add_argument("--work", type=Path, help="a folder on the disk that is to be used")
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    folders = [Path(each).absolute() for each in given.commands.split(",")]
    # as pip installs a program, with its byte code
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    samples = Samples()
    for units in map(int, given.units.split(",")):
        with tempfile.TemporaryDirectory(prefix="cargoship-memory-", dir=given.work) as scratch:
            work = Path(scratch).resolve()
            (work / "registry").mkdir()
            with running_registry(work / "registry") as registry:
                project = Project(work, units, given.megabytes * 1_000_000, registry.host)
                costs = _measured(project, folders, given.ways.split(","), given.rounds)
        for (way, folder), each in costs.items():
            print(
                f"{units:>6} units, {way:<9} {folder}: {shown([cost.own_mib for cost in each], 0)} MiB,"
                f" wall {shown([cost.wall_s for cost in each])} s, CPU {shown([cost.cpu_s for cost in each])} s",
                flush=True,
            )
            side = folder if len(folders) > 1 else "cargoship"
            for cost in each:
                row = f"{units} units, {way}"
                samples.add(row, side, wall_s=cost.wall_s, cpu_s=cost.cpu_s, memory_mib=cost.own_mib)
    samples.write(given.json)


def _measured(
    project: Project, folders: Sequence[Path], ways: Sequence[str], rounds: int
) -> dict[tuple[str, str], list[Cost]]:
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for number, folder in enumerate(folders):
            for way in ways:
                costs.setdefault((way, str(folder)), []).append(project.run(way, folder, str(number)))
    return costs


if __name__ == "__main__":
    main()
