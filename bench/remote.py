"""What `cargoship plan --remote-slots` foresees, held against real builds on this machine.

    .venv/bin/python bench/remote.py [--project examples/workspace] [--jobs 1,2] [--rounds 1] [--slots 1,4,16,64]

A project is compiled from nothing with each number of jobs, and each of these builds leaves a record. From the record
of each the scheduler foresees what every number of jobs takes; what it foresees is printed beside what the build took,
with the error. That is a test of the scheduler, on as many slots as this machine has, with nothing that travels. What a
cluster would bring (`--slots`) is printed after it, and is simulated. A machine with other work to do while one of the
builds runs makes the numbers worth little.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from cargoship.records.cluster import ClusterForecast  # noqa: E402 - needs the path above
from cargoship.records.folder import record_folder  # noqa: E402
from cargoship.records.link import Link  # noqa: E402
from cargoship.records.model import RunRecord  # noqa: E402
from cargoship.records.schedule import CompiledUnits  # noqa: E402
from support.programs import distribution_rust  # noqa: E402

_CARGOSHIP = Path(sys.executable).parent / "cargoship"


def build(project: Path, jobs: int, words: list[str]) -> RunRecord:
    """The record of a build in which everything is compiled."""
    with tempfile.TemporaryDirectory(prefix="bench-remote-") as folder:
        place = Path(folder, "project")
        shutil.copytree(project, place, ignore=shutil.ignore_patterns("target"))
        # what is kept of the toolchain serves again; of units there is nothing
        command = [_CARGOSHIP, "build", f"-j{jobs}", "--cache-to", f"dir:{folder}/units", *words]
        subprocess.run(
            command, cwd=place, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **distribution_rust()}
        )
        return record_folder(place / "target").latest()


def main() -> None:
    """Build, foresee, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "examples" / "workspace")
    parser.add_argument("--jobs", default="1,2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--slots", default="1,4,16,64")
    parser.add_argument("--link", default="1Gbit,1ms")
    parser.add_argument("words", nargs="*", help="further options of cargoship build")
    asked = parser.parse_args()
    jobs = [int(each) for each in asked.jobs.split(",")]
    records: dict[int, list[RunRecord]] = {each: [] for each in jobs}
    for _ in range(asked.rounds):
        for each in jobs:
            records[each].append(build(asked.project.resolve(), each, asked.words))
    took = {each: statistics.median(CompiledUnits.of(record).span for record in records[each]) for each in jobs}
    link = Link.parse(asked.link)
    print("jobs  compiling took  units together")
    for each in jobs:
        together = statistics.median(CompiledUnits.of(record).seconds for record in records[each])
        print(f"{each:4}  {took[each]:12.1f} s  {together:12.1f} s")
    print("\nforeseen from the record of  for  foreseen  took  error")
    for source in jobs:
        for other in jobs:
            foreseen = statistics.median(ClusterForecast.of(each, link).on_cores(other) for each in records[source])
            error = foreseen / took[other] - 1
            print(f"{source:24} jobs  {other:3}  {foreseen:6.1f} s  {took[other]:.1f} s  {error:+.0%}")
    print(f"\nsimulated, over {asked.link}: slots, seconds, times as fast as one slot")
    forecast = ClusterForecast.of(records[jobs[-1]][-1], link)
    rows = [forecast.on(int(each)) for each in asked.slots.split(",")]
    for row in rows:
        print(f"{row.slots:4}  {row.seconds:7.1f} s  {rows[0].seconds / row.seconds:.1f}")


if __name__ == "__main__":
    main()
