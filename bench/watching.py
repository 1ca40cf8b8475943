"""What it costs that reads are watched: a cold `cargo zigbuild`, plain and with the library that cargoship preloads.

    .venv/bin/python bench/watching.py [--rounds 5] [--project bench/one-c-file]

Both have target folders of their own and take turns; downloads and Zig's cache are done in a round that does not
count. Seconds are those of the processor for the whole process tree, which a busy machine changes little. The ratio is
that of the medians, watched over plain.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from figures import Samples  # noqa: E402 - beside this script

from cargoship.process import SystemRunner  # noqa: E402
from cargoship.toolchain.zig import find_zig  # noqa: E402
from cargoship.unitcache.watching.library import Watcher, library  # noqa: E402

SIDES = ("plain", "watched")


def main() -> None:
    """Build in turns, and print each round and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "bench" / "one-c-file")
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-watching-") as name:
        folder = Path(name)
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        runner = SystemRunner()
        made = library(find_zig(runner, env), runner=runner, env=env, cache_dir=folder)
        if made is None:
            sys.exit("reads are not watched on this system")
        cpu_s: dict[str, list[float]] = {side: [] for side in SIDES}
        for number in range(wanted.rounds + 1):
            for side in SIDES:
                watching = Watcher(made).environment(env, folder / "records", build_dir=folder / side)
                seconds = _build(
                    wanted.project, folder / side, watching if side == "watched" else env, folder / "records"
                )
                if number:
                    cpu_s[side].append(seconds)
                    sys.stdout.write(f"round {number}, {side}: {seconds:.2f} s\n")
                    sys.stdout.flush()
        samples = Samples()
        for side in SIDES:
            for seconds in cpu_s[side]:
                samples.add(f"{wanted.project.name}, cold", side, cpu_s=seconds)
        samples.write(wanted.json)
        plain, watched = (statistics.median(cpu_s[side]) for side in SIDES)
        sys.stdout.write(f"plain {plain:.2f} s, watched {watched:.2f} s: {watched / plain:.3f}\n")


def _build(project: Path, target: Path, env: Mapping[str, str], records: Path) -> float:
    """Processor seconds of one cold build."""
    for each in (target, records):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = ("cargo", "zigbuild", "--release", "--locked", "--target-dir", str(target))
    subprocess.run(argv, cwd=project, env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
