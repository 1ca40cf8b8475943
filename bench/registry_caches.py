"""Compiled units in a registry: cargoship's cache beside kache's OCI remote, on the same docker-registry.

    .venv/bin/python bench/registry_caches.py [--project bench/small-service] [--rounds 3] [--work FOLDER]

`cargo build --release` for this machine, each time in a fresh checkout at the same path, on a machine that has the
compilers and downloads and nothing else:

  save             the registry is empty: everything is compiled and kept there
  restore          the same from the registry
  edit             with a line of code more
  two savers       two machines compile two variants of the project at the same time, and save to one empty registry
  of both          each of the two variants from there

Wall and CPU seconds are of all processes, kache's server included: it is started before each build, and ended after one
that saves, which is when it has sent everything. Requests are counted in the registry's log, as is what it has sent;
tags and megabytes are what it holds afterwards. kache looks before it compiles (KACHE_DEFERRED_DISCOVERY=0), which is
its quicker way.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from cache import add, edit  # noqa: E402 - beside this script
from figures import Samples, summary, table  # noqa: E402
from peers import installed  # noqa: E402

from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import RunningRegistry, running_registry  # noqa: E402

_CARGOSHIP = Path(sys.executable).parent / "cargoship"
_LINE = re.compile(r'"(?:GET|HEAD|PUT|POST|PATCH|DELETE) /v2/\S* HTTP/[\d.]+" \d+ (\d+)')
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): a server that leaves its parent becomes a child of this process, and counts."""
_STOPS_S = 60


@dataclass(frozen=True)
class Machine:
    """An empty one: folders of its own for what a cache keeps here."""

    place: Path
    registry: str

    def argv(self, side: str, *, saves: bool) -> Sequence[str | Path]:
        """A build with a cache around it."""
        if side == "cargoship":
            option = "--cache-to" if saves else "--cache-from"
            return (_CARGOSHIP, "cargo", option, f"registry:{self.registry}/units:cache", "--", "build", "--release")
        kache = installed("kache")
        line = f'"{kache}" daemon start && "$CARGO" build --release'
        return ("sh", "-c", f'{line} && "{kache}" daemon stop' if saves else line)

    def environment(self, side: str) -> dict[str, str]:
        """Where it keeps what."""
        cache = self.place / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        env = {"CARGO": "cargo", **os.environ, **distribution_rust(), "XDG_CACHE_HOME": str(cache)}
        env = {name: value for name, value in env.items() if name not in {"CI", "GITHUB_ACTIONS"}}
        if side == "cargoship":
            return {**env, "CARGOSHIP_CACHE_DIR": str(cache)}
        config = cache / "kache.toml"
        remote = f'type = "oci"\nrepository = "{self.registry}/kache"\nprefix = "artifacts"\ninsecure = true\n'
        config.write_text(f"[cache.remote]\n{remote}")
        return {
            **env,
            "KACHE_CONFIG": str(config),
            "KACHE_CACHE_DIR": str(cache / "kache"),
            "KACHE_DEFERRED_DISCOVERY": "0",
            "XDG_RUNTIME_DIR": str(cache),
            "RUSTC_WRAPPER": str(installed("kache")),
            "CARGO_INCREMENTAL": "0",
        }

    def checkout(self, project: Path, change: str) -> Path:
        """A fresh one."""
        place = self.place / "checkout"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
        {"nothing": lambda _: None, "edit": edit, "dependency": add}[change](place)
        return place


class Bench:
    """What is measured, around builds."""

    def __init__(self, project: Path, work: Path, samples: Samples) -> None:
        self._project, self._work, self._samples = project, work, samples

    def build(self, row: str, side: str, registry: RunningRegistry, *changes: str, saves: bool) -> None:
        """One build for each change, all at the same time on machines of their own."""
        machines = [Machine(self._work / f"machine-{number}", registry.host) for number in range(len(changes))]
        jobs = []
        for machine, change in zip(machines, changes, strict=True):
            env = machine.environment(side)
            jobs.append((machine.argv(side, saves=saves), machine.checkout(self._project, change), env))
        logged = _log(registry)
        os.sync()
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        with contextlib.ExitStack() as stack:
            running = []
            for argv, cwd, env in jobs:
                output = stack.enter_context(tempfile.TemporaryFile())
                running.append(
                    (subprocess.Popen(list(map(str, argv)), cwd=cwd, env=env, stdout=output, stderr=output), output)
                )
            codes = [process.wait() for process, _ in running]
            wall_s = time.monotonic() - began
            for code, (process, output) in zip(codes, running, strict=True):
                if code:
                    output.seek(0)
                    sys.exit(f"{process.args} ended with {code}\n{output.read().decode(errors='replace')}")
        if side == "kache":
            for _, _, env in jobs:
                subprocess.run((installed("kache"), "daemon", "stop"), env=env, capture_output=True, check=False)
            _reap()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        lines = _LINE.findall(_log(registry)[len(logged) :])
        figures = {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "requests": len(lines),
            "received_mb": sum(map(int, lines)) / 1e6,
            "tags": sum(1 for _ in registry.storage.glob("docker/registry/v2/repositories/**/_manifests/tags/*")),
            "stored_mb": sum(each.stat().st_size for each in registry.storage.rglob("blobs/**/data")) / 1e6,
        }
        self._samples.add(row, side, **figures)
        shown = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
        print(f"{row:<16} {side:<10} {shown}", flush=True)


def _log(registry: RunningRegistry) -> str:
    return (registry.storage.parent / "log").read_text(errors="replace")


def _reap() -> None:
    """Wait for servers that have been told to end."""
    until = time.monotonic() + _STOPS_S
    while time.monotonic() < until:
        try:
            found, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        # the registry is a child too, and stays
        if found == 0:
            time.sleep(0.2)
            if not _servers():
                return


def _servers() -> bool:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = [Path(f"/proc/{pid}/comm") for pid in children]
    return any(name.exists() and name.read_text().strip() == "kache" for name in names)


@contextlib.contextmanager
def _empty_registry(work: Path) -> Iterator[RunningRegistry]:
    folder = work / "registry"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with running_registry(folder) as registry:
        yield registry


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "bench" / "small-service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="a folder for the machines, which is emptied before each build")
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    installed("kache")
    samples = Samples()
    with contextlib.ExitStack() as stack:
        made = given.work or stack.enter_context(tempfile.TemporaryDirectory(prefix="cargoship-bench-", dir="/var/tmp"))
        work = Path(made).resolve()
        bench = Bench(given.project.resolve(), work, samples)
        sides = ("cargoship", "kache")
        for number in range(given.rounds):
            for side in sides if number % 2 == 0 else sides[::-1]:
                with _empty_registry(work) as registry:
                    bench.build("save", side, registry, "nothing", saves=True)
                    bench.build("restore", side, registry, "nothing", saves=False)
                    bench.build("edit", side, registry, "edit", saves=False)
                with _empty_registry(work) as registry:
                    bench.build("two savers", side, registry, "nothing", "dependency", saves=True)
                    for change in ("nothing", "dependency"):
                        bench.build(f"of both: {change}", side, registry, change, saves=False)
        for each in (*work.glob("machine-*"), work / "registry"):
            shutil.rmtree(each, ignore_errors=True)
    samples.rows = {row: {side: each[side] for side in sides} for row, each in samples.rows.items()}
    print(table({"rows": summary(samples.rows), "base": "cargoship"}))
    samples.write(given.json)


if __name__ == "__main__":
    main()
