"""`cargoship build --push` where nothing has changed, as a whole process: wall and CPU seconds, and where they go.

    .venv/bin/python bench/unchanged.py [--project bench/full-service] [--work FOLDER] [--rounds 9] [--commands DIR,...]

The project is built once for amd64 and arm64, static, and pushed to a registry on the loopback. Then each round has a
checkout with an empty target folder, and the unit cache of that machine. `--commands` names folders with other
installations of cargoship (default: this one), which take turns; each fills a cache of its own in `--work`, which stays
for the next run. Given are the least and the median; `start` is `python -c pass`, which all of them pay.
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

from build import Cost, measure  # noqa: E402 - beside this script
from figures import Samples  # noqa: E402
from folders import work_folder  # noqa: E402

from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "bench" / "full-service")
    parser.add_argument("--work", type=Path, help="keep what was compiled in this folder, for the next run")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--commands", default=str(Path(sys.executable).parent))
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    folders = [Path(each).absolute() for each in given.commands.split(",")]
    # as pip installs a program, with its byte code
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(distribution_rust())
    with work_folder(given.work) as work, running_registry(_made(work / "registry")) as registry:
        costs: dict[str, list[Cost]] = {"start": []}
        for number, folder in enumerate(folders):
            place, env = work / f"checkout-{number}", _environment(work / f"cache-{number}")
            reference = f"{registry.host}/unchanged-{number}:1"
            argv = (folder / "cargoship", "build", "--tag", reference, "--push")
            # the first fills the cache, the second one has all byte code written
            for _ in range(2):
                measure(argv, cwd=_checkout(given.project, place), env=env)
        for _ in range(given.rounds):
            costs["start"].append(measure((folders[0] / "python", "-c", "pass"), cwd=work, env=dict(os.environ)))
            for number, folder in enumerate(folders):
                place, env = work / f"checkout-{number}", _environment(work / f"cache-{number}")
                argv = (folder / "cargoship", "build", "--tag", f"{registry.host}/unchanged-{number}:1", "--push")
                cost = measure(argv, cwd=_checkout(given.project, place), env=env)
                costs.setdefault(str(folder), []).append(cost)
    for name, each in costs.items():
        wall, cpu = [cost.wall_s for cost in each], [cost.cpu_s for cost in each]
        print(
            f"{name:<40} wall {min(wall):5.2f} s at least, {statistics.median(wall):5.2f} s median;"
            f" CPU {min(cpu):5.2f} and {statistics.median(cpu):5.2f} s"
        )
    samples = Samples()
    for name, each in costs.items():
        shown = name if len(folders) > 1 or name == "start" else "cargoship"
        for cost in each:
            samples.add(given.project.name, shown, wall_s=cost.wall_s, cpu_s=cost.cpu_s, memory_mib=cost.own_mib)
    samples.write(given.json)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "CARGOSHIP_CACHE_DIR": str(cache)}


def _checkout(project: Path, place: Path) -> Path:
    """A fresh copy at the same path as always, as CI has it."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
    return place


if __name__ == "__main__":
    main()
