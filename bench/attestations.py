"""What it costs that images say what they are made of: SBOMs, provenance, lists in programs, on and off.

    .venv/bin/python bench/attestations.py [--project bench/small-service] [--cold 5] [--unchanged 21] [--work FOLDER]
                                                 [--minutes 8]

`cargoship build --push` for amd64 and arm64, static, to a registry on the loopback, as a whole process. `on` is what
holds without settings; `off` has `sbom = []`, `provenance = false`, `auditable = false`. The two take turns, and which
of them is first does too.

  cold        nothing compiled, no unit kept, nothing in the registry; standard libraries, and what Zig compiles of
              itself, are there
  unchanged   the same checkout again, with its target folder
  checkout    a fresh checkout of the same, with an empty target folder and the unit cache of the machine

Given are the median and, in brackets, the least and the greatest; below them the median of `on` less `off` of the same
round, and for the first two whether that is within the limit. On a machine that others use too, CPU seconds are the
honest figure. `its own` are those of cargoship without what it starts: compilers take most of a cold build, never
twice the same, and what is said of images costs cargoship alone; its difference is given as a share of the wall.

With `--minutes` no round begins that would end later, by what the longest so far has taken; a `--work` that has been
used before saves the first minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Cost, measure  # noqa: E402 - beside this script
from figures import Samples  # noqa: E402
from folders import work_folder  # noqa: E402

from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402

_UNCHANGED_S = 0.050
_COLD = 0.03
_LIMITS: Mapping[str, Callable[[float, float], bool]] = {
    # seconds more, and of how many
    "unchanged": lambda more, _: more <= _UNCHANGED_S,
    "cold": lambda more, whole: more <= _COLD * whole,
}
_OFF = {"CARGOSHIP_SBOM": "[]", "CARGOSHIP_PROVENANCE": "false", "CARGOSHIP_AUDITABLE": "false"}


@dataclass(frozen=True)
class Side:
    """With or without, in folders of its own whose paths are of one length; what is compiled once is shared."""

    name: str
    settings: Mapping[str, str]
    project: Path
    work: Path
    cache: Path
    registry: str

    def checkout(self) -> Path:
        """A fresh one, at the same path as always."""
        place = self.work / "checkout"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
        return place

    def build(self, repository: str) -> Cost:
        """In the checkout as it is."""
        argv = (Path(sys.executable).parent / "cargoship", "build", "-q", "--push")
        env = {**os.environ, **self.settings, "CARGOSHIP_CACHE_DIR": str(self.cache)}
        reference = f"{self.registry}/{self.work.name}/{repository}/{{name}}:1"
        return measure((*argv, "-t", reference), cwd=self.work / "checkout", env=env)

    def cold(self, number: int) -> Cost:
        """Everything is compiled, into a repository that has nothing."""
        self.checkout()
        shutil.rmtree(self.cache / "units", ignore_errors=True)
        return self.build(f"cold-{number}")

    def unchanged(self, _: int) -> Cost:
        """Again."""
        return self.build("last")

    def from_cache(self, _: int) -> Cost:
        """Again, with an empty target folder."""
        self.checkout()
        return self.build("last")


def in_turns(
    sides: Sequence[Side], rounds: int, run: Callable[[Side, int], Cost], until: float
) -> dict[str, list[Cost]]:
    """Each side once a round, every other round the other way around; none that would end after `until` (monotonic)."""
    costs: dict[str, list[Cost]] = {side.name: [] for side in sides}
    longest = 0.0
    for number in range(rounds):
        begun = time.monotonic()
        if begun + longest > until:
            break
        for side in sides if number % 2 == 0 else reversed(sides):
            costs[side.name].append(run(side, number))
        longest = max(longest, time.monotonic() - begun)
    return costs


def report(what: str, costs: Mapping[str, Sequence[Cost]]) -> None:
    """A line for each side, and what the one costs more."""
    print(f"{what}, {len(costs['off'])} rounds")
    if not costs["off"]:
        return
    for name, own in costs.items():
        print(
            f"  {name:<10} wall {_spread([each.wall_s for each in own])}   CPU {_spread([each.cpu_s for each in own])}"
            f"   its own {_spread([each.own_cpu_s for each in own])}"
        )
    wall_s = statistics.median(cost.wall_s for cost in costs["off"])
    said = []
    for name, of in (("wall", "wall_s"), ("CPU", "cpu_s"), ("its own", "own_cpu_s")):
        more = statistics.median(
            getattr(on, of) - getattr(off, of) for on, off in zip(costs["on"], costs["off"], strict=True)
        )
        base = wall_s if of == "own_cpu_s" else statistics.median(getattr(cost, of) for cost in costs["off"])
        words = f"{name} {1000 * more:+.0f} ms, {100 * more / base:+.1f} %"
        if what in _LIMITS:
            words += ", within the limit" if _LIMITS[what](more, base) else ", ABOVE THE LIMIT"
        said.append(words)
    print(f"  difference {'   '.join(said)}", flush=True)


def _spread(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):7.3f} s ({min(seconds):.3f} to {max(seconds):.3f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "bench" / "small-service")
    parser.add_argument("--work", type=Path, help="keep what was compiled in this folder, for the next run")
    parser.add_argument("--cold", type=int, default=5)
    parser.add_argument("--unchanged", type=int, default=21)
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    until = time.monotonic() + 60.0 * given.minutes
    # as pip installs a program, with its byte code
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(distribution_rust())
    with work_folder(given.work) as work:
        (work / "registry").mkdir(parents=True, exist_ok=True)
        with running_registry(work / "registry") as registry:
            sides = [
                Side(name, settings, given.project, work / folder, work / "cache", registry.host)
                for name, settings, folder in (("on", {}, "one"), ("off", _OFF, "two"))
            ]
            for side in sides:
                # byte code, standard libraries, what Zig compiles of itself; the second takes the units of the first
                side.checkout()
                side.build("last")
            print(f"{given.project.name}, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors", flush=True)
            stages = (
                ("unchanged", given.unchanged, Side.unchanged),
                ("cold", given.cold, Side.cold),
                ("checkout", given.unchanged, Side.from_cache),
            )
            measured = {}
            for what, rounds, run in stages:
                if rounds:
                    measured[what] = in_turns(sides, rounds, run, until)
                    report(what, measured[what])
    samples = Samples()
    for what, costs in measured.items():
        for name, own in costs.items():
            for cost in own:
                samples.add(f"{given.project.name}, {what}", name, wall_s=cost.wall_s, cpu_s=cost.cpu_s)
    samples.write(given.json)


if __name__ == "__main__":
    main()
