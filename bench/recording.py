"""What it costs that every build leaves a record: `cargoship build` with it and without, in turns, and counted inside.

    .venv/bin/python bench/recording.py [--project bench/small-service] [--cold 2] [--unchanged 20]

Three ways take turns: with a record; without (the module that records is replaced by nothing, and so is the account of
units for it); and `counted`, with a record and a clock around all that is done for it. Cold builds begin with an empty
target folder and unit cache; the standard libraries, Zig's own cache and downloads are there. `unchanged` is the same
again in a target folder that is as it was left.

Wall and CPU seconds are those of the whole process tree. What the clock has counted is the part that matters on a
machine that is busy: the difference of two builds of minutes is smaller there than what one of them varies by.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Cost, measure, prepared  # noqa: E402 - beside this script

from support.programs import distribution_rust  # noqa: E402 - needs the path above

WITH = "from cargoship.cli.main import main; raise SystemExit(main())"
# before anything of cargoship is imported: what records is not there, and neither is what it would import
WITHOUT = """
import contextlib, os, sys, types
from msgspec import Struct
class Recording(Struct):
    context: object
    plan: object = None
    recalled: bool = False
    result: object = None
@contextlib.contextmanager
def recording_of(context):
    yield Recording(context)
sys.modules["cargoship.recording"] = types.SimpleNamespace(Recording=Recording, recording_of=recording_of)
if os.environ["BENCH_COLD"] == "1":
    from cargoship.events import UnitsReported
    from cargoship.unitcache import save
    save.unit_reports = lambda restored, made, about: UnitsReported((), "", ())
"""
COUNTED = """
import functools, os, threading, time
seconds, lock = [0.0, 0.0], threading.Lock()
def counted(home, name):
    inner = getattr(home, name)
    @functools.wraps(inner)
    def outer(*args, **kwargs):
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            return inner(*args, **kwargs)
        finally:
            with lock:
                seconds[0] += time.perf_counter() - wall
                seconds[1] += time.thread_time() - cpu
    setattr(home, name, outer)
# what a build loads in any case
import cargoship.cargo.project, cargoship.context, cargoship.destinations, cargoship.oci.files, cargoship.plan
import cargoship.shipping
wall, cpu = time.perf_counter(), time.thread_time()
from cargoship import recording
seconds[:] = time.perf_counter() - wall, time.thread_time() - cpu
counted(recording.Recorder, "_note")
counted(recording, "_write")
if os.environ["BENCH_COLD"] == "1":
    from cargoship.unitcache import save
    counted(save, "unit_reports")
from cargoship.cli.main import main
code = main()
open(os.environ["BENCH_COUNTED"], "w").write("%f %f" % tuple(seconds))
raise SystemExit(code)
"""
WAYS = {"with": WITH, "without": WITHOUT + WITH, "counted": COUNTED}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", default="small-service", help="a folder in bench/ or examples/")
    parser.add_argument("--cold", type=int, default=2, help="rounds of cold builds")
    parser.add_argument("--unchanged", type=int, default=20, help="rounds where nothing has changed")
    parser.add_argument("--ways", default=",".join(WAYS), help="counted alone needs no round to warm up")
    given = parser.parse_args()
    # as pip installs a program, with its byte code
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    env = {**os.environ, **distribution_rust()}
    with prepared(given.project, env) as (project, work):
        # standard libraries are those of the folder that the environment names, or made first
        bench = _Bench(project, work, {"CARGOSHIP_CACHE_DIR": str(work / "cache"), **env})
        ways = given.ways.split(",")
        if ways != ["counted"]:
            bench.build("with", cold=True)
        for what, rounds, cold in (("cold", given.cold, True), ("unchanged", given.unchanged, False)):
            costs: dict[str, list[Cost]] = {way: [] for way in ways}
            counted: list[tuple[float, float]] = []
            for number in range(rounds):
                # who comes first takes turns, too
                for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                    costs[way].append(bench.build(way, cold=cold))
                    if way == "counted":
                        wall_s, cpu_s = map(float, bench.counted.read_text().split())
                        counted.append((wall_s, cpu_s))
            if rounds:
                _print(f"{given.project}, {what}, {rounds} rounds", costs, counted)


class _Bench:
    """A project, and where it is built."""

    def __init__(self, project: Path, work: Path, env: dict[str, str]) -> None:
        self._project, self._work = project, work
        self.counted = work / "counted"
        self._env = {**env, "CARGO_TARGET_DIR": str(work / "target"), "BENCH_COUNTED": str(self.counted)}
        work.mkdir(parents=True)

    def build(self, way: str, *, cold: bool) -> Cost:
        """One build to an OCI layout, as a process."""
        units = self._work / "units"
        if cold:
            for each in (units, self._work / "target"):
                shutil.rmtree(each, ignore_errors=True)
        argv = (sys.executable, "-c", WAYS[way], "build", "-q", "--cache-from", f"dir:{units}", "--cache-to")
        env = {**self._env, "BENCH_COLD": str(int(cold))}
        return measure((*argv, f"dir:{units}"), cwd=self._project, env=env)


def _print(title: str, costs: dict[str, list[Cost]], counted: list[tuple[float, float]]) -> None:
    print(title)
    for way, each in costs.items():
        wall, cpu = [cost.wall_s for cost in each], [cost.cpu_s for cost in each]
        print(f"  {way:<10} wall {_figures(wall)}   CPU {_figures(cpu)}")
    if not counted:
        return
    share_wall = [one[0] / cost.wall_s for one, cost in zip(counted, costs["counted"], strict=True)]
    share_cpu = [one[1] / cost.cpu_s for one, cost in zip(counted, costs["counted"], strict=True)]
    wall_ms, cpu_ms = (1e3 * statistics.median(each) for each in zip(*counted, strict=True))
    print(
        f"  counted inside: {wall_ms:.1f} ms wall, {cpu_ms:.1f} ms CPU at the median;"
        f" {max(share_wall):.3%} of a build's wall at most, {max(share_cpu):.3%} of its CPU",
        flush=True,
    )


def _figures(seconds: list[float]) -> str:
    return f"{min(seconds):8.3f} s at least {statistics.median(seconds):8.3f} s median"


if __name__ == "__main__":
    main()
