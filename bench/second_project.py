"""A second project's first build from the cache that a first one has filled: units taken, wall and CPU seconds.

    .venv/bin/python bench/second_project.py [--profile dev] [--rounds 1] [--json FILE]

Two services of different people, written here: they share most crates by version, for their lock files are of one day,
and have some that the other one lacks. Each is compiled for this machine by `cargoship cargo`, with an empty target
folder and a cache folder of its own machine; the shared cache is a folder. The second one is compiled without the cache
as well.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Cost, measure  # noqa: E402 - beside this script
from figures import Samples  # noqa: E402

from support.programs import distribution_rust  # noqa: E402 - needs the path above

_COMMON = {
    "axum": '"0.8"',
    "serde": '{ version = "1", features = ["derive"] }',
    "serde_json": '"1"',
    "tokio": '{ version = "1", features = ["full"] }',
    "tracing": '"0.1"',
    "tracing-subscriber": '{ version = "0.3", features = ["env-filter"] }',
    "uuid": '{ version = "1", features = ["v4"] }',
}
_OWN = {
    "orders": {"clap": '{ version = "4", features = ["derive"] }', "regex": '"1"'},
    "stock": {"chrono": '{ version = "0.4", features = ["serde"] }', "toml": '"0.9"', "rand": '"0.9"'},
}
_RESTORED = re.compile(r"Restored (\d+) of (\d+) units")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="dev")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    os.environ.update(distribution_rust())
    with tempfile.TemporaryDirectory(prefix="cargoship-second-") as folder:
        work = Path(folder)
        for name in _OWN:
            write(work / name, name)
        shared = f"dir:{work / 'shared'}"
        first, _ = build(work, "orders", given.profile, "--cache-to", shared)
        alone, taken, restored = [], [], ""
        for _ in range(given.rounds):
            alone.append(build(work, "stock", given.profile, "--no-cache")[0])
            cost, said = build(work, "stock", given.profile, "--cache-from", shared, "-v")
            taken.append(cost)
            restored = said
        common = {*locked(work / "orders")} & {*locked(work / "stock")}
        result = {
            "first": [first.wall_s, first.cpu_s],
            "second alone": _median(alone),
            "second from the first one's cache": _median(taken),
            "restored": restored,
            "packages": {name: len(locked(work / name)) for name in _OWN},
            "packages of both": len(common),
        }
    print(json.dumps(result, indent=2))
    samples = Samples()
    for side, costs in (("alone", alone), ("from the first one's cache", taken)):
        for cost in costs:
            samples.add("the second project", side, wall_s=cost.wall_s, cpu_s=cost.cpu_s)
    samples.write(given.json)


def write(folder: Path, name: str) -> None:
    """A project, with a lock file of today."""
    (folder / "src").mkdir(parents=True)
    dependencies = "\n".join(f"{crate} = {said}" for crate, said in sorted({**_COMMON, **_OWN[name]}.items()))
    head = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n'
    (folder / "Cargo.toml").write_text(f"{head}[dependencies]\n{dependencies}\n")
    (folder / "src" / "main.rs").write_text(f'fn main() {{ println!("{name}"); }}\n')
    cargo = os.environ.get("CARGO", "cargo")
    subprocess.run([cargo, "generate-lockfile", "--quiet"], cwd=folder, check=True)
    subprocess.run([cargo, "fetch", "--quiet", "--locked"], cwd=folder, check=True)


def locked(folder: Path) -> list[tuple[str, str]]:
    """Packages of a lock file, with versions."""
    return re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"\nsource', (folder / "Cargo.lock").read_text())


def build(work: Path, name: str, profile: str, *words: str) -> tuple[Cost, str]:
    """Build a project on a machine that has nothing; what it cost, and how many units came from the cache."""
    machine = work / "machine"
    for each in (machine, work / name / "target"):
        shutil.rmtree(each, ignore_errors=True)
    program = Path(sys.executable).parent / "cargoship"
    log = work / "log"
    script = f'exec "$0" "$@" 2>"{log}"'
    argv = ("sh", "-c", script, str(program), "cargo", *words, "--", "build", "--profile", profile)
    cost = measure(argv, cwd=work / name, env={**os.environ, "CARGOSHIP_CACHE_DIR": str(machine)})
    found = _RESTORED.search(log.read_text())
    return cost, found[0] if found else ""


def _median(costs: list[Cost]) -> list[float]:
    return [statistics.median(each.wall_s for each in costs), statistics.median(each.cpu_s for each in costs)]


if __name__ == "__main__":
    main()
