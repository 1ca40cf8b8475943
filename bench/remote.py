"""What `cargoship plan --remote-slots` foresees, held against real builds on this machine, and what an executor costs.

    .venv/bin/python bench/remote.py [--project examples/workspace] [--jobs 1,2] [--rounds 1] [--slots 1,4,16,64]
    .venv/bin/python bench/remote.py --programs 12
    .venv/bin/python bench/remote.py --executors 1 [--project bench/small-service] [--rounds 1] [--cargo]

A project is compiled from nothing with each number of jobs, and each of these builds leaves a record. From the record
of each the scheduler foresees what every number of jobs takes; what it foresees is printed beside what the build took,
with the error. That is a test of the scheduler, on as many slots as this machine has, with nothing that travels. What a
cluster would bring (`--slots`) is printed after it, and is simulated. A machine with other work to do while one of the
builds runs makes the numbers worth little.

`--programs` makes a workspace with so many services, which share serde and regex and have a second or two of their own.

With `--executors` the project is compiled from nothing in turns: here alone; by a server of this machine
(buildbox-casd) with so many executors and slots; again with that server's action cache, and with the units that it
keeps where no other cache is named, as another clean machine would; and with the units of the first build from a
registry of this machine. Wall time and processor time, of client, server and compilers together, are printed with
ratios, and the bytes that travelled for a unit. `--cargo` compiles for this machine with a cargo of one's own; other
words go to `cargoship build`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from cargoship.records.cluster import ClusterForecast  # noqa: E402 - needs the path above
from cargoship.records.folder import record_folder  # noqa: E402
from cargoship.records.link import Link  # noqa: E402
from cargoship.records.model import RunRecord  # noqa: E402
from cargoship.records.schedule import CompiledUnits  # noqa: E402
from support.programs import distribution_rust  # noqa: E402
from support.reapi import RunningServer, executing, running_server  # noqa: E402
from support.registry import running_registry  # noqa: E402

_CARGOSHIP = Path(sys.executable).parent / "cargoship"
_PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\npublish = false\n[dependencies]\n'
_SHARED = 'serde = { version = "1", features = ["derive"] }\nserde_json = "1"\nregex = "1"\n'
_RECORD = """
#[derive(serde::Serialize, serde::Deserialize, Debug, Clone, PartialEq)]
pub struct Record{number} {{
    id: u64, name: String, tags: Vec<String>, more: Option<Box<Record{number}>>, at: (i32, f64),
}}
"""
_SERVICE = """{records}
fn main() {{
    let line = std::env::args().nth(1).unwrap_or_default();
    let numbers = regex::Regex::new(r"\\d+").unwrap();
    {uses}
    println!("{{}}", numbers.find_iter(&line).count());
}}
"""
_USE = """if let Ok(all) = serde_json::from_str::<std::collections::BTreeMap<String, Record{number}>>(&line) {{
        let mut sorted: Vec<_> = all.into_values().collect();
        sorted.sort_by(|a, b| format!("{{a:?}}").cmp(&format!("{{b:?}}")));
        println!("{{}}", serde_json::to_string_pretty(&sorted).unwrap());
    }}
    """
_RECORDS = 6


def write_workspace(folder: Path, programs: int) -> Path:
    """A workspace of services, with its lock file."""
    names = [f"service-{number}" for number in range(programs)]
    for name in names:
        place = folder / name / "src"
        place.mkdir(parents=True)
        (folder / name / "Cargo.toml").write_text(_PACKAGE.format(name) + _SHARED)
        records, uses = ("".join(text.format(number=each) for each in range(_RECORDS)) for text in (_RECORD, _USE))
        (place / "main.rs").write_text(_SERVICE.format(records=records, uses=uses))
    (folder / "Cargo.toml").write_text(f'[workspace]\nresolver = "2"\nmembers = {json.dumps(names)}\n')
    env: dict[str, str] = {"CARGO": "cargo", **os.environ, **distribution_rust()}
    subprocess.run([env["CARGO"], "generate-lockfile"], cwd=folder, check=True, env=env)
    return folder


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


@dataclass
class Run:
    """A build from nothing: seconds, those of processors, bytes that travelled to a cluster and back, units there."""

    wall: float
    cpu: float
    sent: int
    received: int
    units: int


def compile_once(place: Path, words: list[str], *, plain: bool, server: RunningServer | None = None) -> Run:
    """Compile a project in an empty target directory."""
    shutil.rmtree(place / "target", ignore_errors=True)
    command = [_CARGOSHIP, "cargo" if plain else "build", "--progress", "json", *words]
    command += ["--", "build", "--release"] if plain else []
    # what a server starts is its own: the server is asked what it has used
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    there = 0.0 if server is None else cpu_of(server.process.pid)
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=place, check=True, capture_output=True, text=True, env={**os.environ, **distribution_rust()}
    )
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    cpu += 0.0 if server is None else cpu_of(server.process.pid) - there
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    moved = [event for event in events if event["event"] == "bytes-moved" and event["what"] == "cluster"]
    said = re.search(r"(\d+) units? compiled at", done.stderr)
    sent, received = (sum(event[f"{way}_bytes"] for event in moved) for way in ("sent", "received"))
    return Run(wall, cpu, sent, received, int(said[1]) if said else 0)


def cpu_of(pid: int) -> float:
    """Seconds of a process and of its children that have ended (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def executors(asked: argparse.Namespace) -> None:
    """Compile here, by executors, by their memory, and from a registry; print the medians and their ratios."""
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-remote-") as name:
        folder = Path(name)
        place = folder / "project"
        shutil.copytree(asked.project.resolve(), place, ignore=shutil.ignore_patterns("target"))
        (folder / "registry").mkdir()
        with running_registry(folder / "registry") as registry:
            units = f"registry:{registry.reference('units')}"
            compile_once(place, ["--cache-to", units, *asked.words], plain=asked.cargo)
            # C objects that nobody watches stay in Zig's cache: every way is to find them there
            compile_once(place, ["--no-cache", *asked.words], plain=asked.cargo)
            for number in range(asked.rounds):
                with running_server(folder / f"server-{number}", *executing(jobs=asked.executors)) as server:
                    there = ["--no-cache", "--remote", f"{server.address}?slots={asked.executors}", *asked.words]
                    # the folder is this machine's own, which is to have nothing
                    units_there = ["--cache-from", f"dir:{folder}/empty-{number}", "--cache-to", server.address]
                    units_there += [*there[1:3], *asked.words]
                    ways = {
                        "here": (["--no-cache", *asked.words], None),
                        "executors": (there, server),
                        "action cache": (there, server),
                        "its units": (units_there, server),
                        "registry": (
                            ["--cache-from", f"dir:{folder}/empty-{number}", "--cache-from", units, *asked.words], None
                        ),
                    }  # fmt: skip
                    for way, (words, by) in ways.items():
                        if way == "its units":
                            compile_once(place, words, plain=asked.cargo, server=by)
                            shutil.rmtree(folder / f"empty-{number}", ignore_errors=True)
                        found.setdefault(way, []).append(compile_once(place, words, plain=asked.cargo, server=by))
    print(f"load {os.getloadavg()[0]:.1f}; seconds: wall, processors")
    middle = {way: [statistics.median(getattr(run, each) for run in runs) for each in ("wall", "cpu")]
              for way, runs in found.items()}  # fmt: skip
    for way, (wall, cpu) in middle.items():
        run = found[way][-1]
        each = f"  {run.units} units there" if run.units else ""
        if run.units:
            each += (
                f", {run.sent / run.units / 1000:.0f} kB sent and {run.received / run.units / 1000:.0f} fetched for one"
            )
        print(f"{way:14} {wall:7.1f} {cpu:7.1f}{each}")
    for one, other in (("executors", "here"), ("action cache", "registry"), ("its units", "registry")):
        wall, cpu = (middle[one][n] / middle[other][n] for n in (0, 1))
        print(f"{one} / {other}: {wall:.2f} of wall time, {cpu:.2f} of processor time")


def forecasts(asked: argparse.Namespace) -> None:
    """Compile with each number of jobs; print what is foreseen beside it, and what a cluster would bring."""
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


def main() -> None:
    """Build, foresee, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "examples" / "workspace")
    parser.add_argument("--programs", type=int, default=0, help="instead of --project")
    parser.add_argument("--jobs", default="1,2")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--slots", default="1,4,16,64")
    parser.add_argument("--link", default="1Gbit,1ms")
    parser.add_argument("words", nargs="*", help="further options of cargoship build")
    parser.add_argument("--executors", type=int, default=0)
    parser.add_argument("--cargo", action="store_true", help="a cargo of one's own, for this machine")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-remote-") as folder:
        if asked.programs:
            asked.project = write_workspace(Path(folder), asked.programs)
        (executors if asked.executors else forecasts)(asked)


if __name__ == "__main__":
    main()
