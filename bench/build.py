"""cargoship build --push beside bare cargo-zigbuild, in one run on one machine.

    .venv/bin/python bench/build.py [--projects small-service,web-service,openssl-tool]

For each project (bench/small-service, or one of examples/) it measures, with each side in a target folder and a
Zig cache of its own:

  cold, Zig's cache empty   an empty target folder, empty caches: an ephemeral runner
  cold, Zig's cache warm    an empty target folder and unit cache, in Zig's what it compiles of itself: as a build of
                            bench/one-c-file has left it. (C objects of the project itself, which cargo-zigbuild finds
                            there in a second cold build of it, are units for cargoship: it would be another question.)
  unchanged                 the same again, nothing changed

cargoship compiles, keeps the compiled units in its cache, makes the images and pushes them to a registry on the
loopback; cargo-zigbuild compiles alone.
Both use the same cargo, rustc, standard library and Zig, downloads are done before, and the two take turns. Wall
and CPU seconds are those of the whole process tree (wait4), memory is the largest single process that is not
part of the compiler, which for cargoship is cargoship itself. cargo-zigbuild is that of crates.io, which
bench/peers.py compiles once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from figures import Samples, summary, table  # noqa: E402 - beside this script
from peers import installed  # noqa: E402

from cargoship.compile import stream_plainly  # noqa: E402
from cargoship.context import Context  # noqa: E402
from cargoship.events import ignore  # noqa: E402
from cargoship.platforms import DEFAULT_PLATFORMS, Libc  # noqa: E402
from cargoship.process import SystemRunner  # noqa: E402
from cargoship.toolchain.locate import Wanted, locate  # noqa: E402
from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402

TARGETS = ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
_BIN = Path(sys.executable).parent
_SAMPLE_S = 0.05
_SIDES = ("cargoship", "zigbuild")
_OTHER = "one-c-file"


@dataclass(frozen=True)
class Cost:
    """What a process tree cost."""

    wall_s: float
    cpu_s: float
    own_mib: float
    """The highest resident memory of the process that was started, without its children."""
    own_cpu_s: float = 0.0
    """What that process has computed itself, without its children."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.wall_s:8.2f} s wall {self.cpu_s:8.2f} s CPU {self.own_mib:6.0f} MiB"


def measure(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run to the end; a failure shows what was printed and ends the benchmark."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(list(map(str, argv)), cwd=cwd, env=dict(env), stdout=output, stderr=output)
        peak = Peak(process.pid)
        # it has ended, and is still there to be asked
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall_s = time.monotonic() - started
        own_cpu_s = _own_cpu_s(process.pid)
        code = process.wait()
        own_mib = peak.stop()
        if code:
            output.seek(0)
            sys.exit(f"{argv} ended with {code}\n{output.read().decode(errors='replace')}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s, own_mib, own_cpu_s)


def _own_cpu_s(pid: int) -> float:
    """Seconds of the processor that a process has used itself, all its threads (proc_pid_stat(5): utime, stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Peak:
    """Watches the resident memory of one process."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._mib = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End the watch; the highest value in MiB."""
        self._end.set()
        self._thread.join()
        return self._mib

    def _watch(self) -> None:
        while not self._end.wait(_SAMPLE_S):
            with contextlib.suppress(OSError):
                for line in self._status.read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        self._mib = max(self._mib, int(line.split()[1]) / 1024)


@dataclass(frozen=True)
class Bench:
    """One project, with what both sides share."""

    project: Path
    work: Path
    registry: str
    env: Mapping[str, str]
    sysroot: Path | None
    """Where the musl standard libraries are, if not in rustc's own sysroot."""
    cache_dir: Path
    """cargoship's cache: the standard libraries, and nothing of the projects."""

    def cargoship(self) -> Cost:
        """Compile, make the images, push them."""
        argv = [_BIN / "cargoship", "build", "-q", "--push", "-t", f"{self.registry}/{self.project.name}:1"]
        argv += ["--cache-to", f"dir:{self._units}"]
        return measure(argv, cwd=self.project, env=self._environment("cargoship"))

    def zigbuild(self) -> Cost:
        """Compile."""
        argv = [installed("cargo-zigbuild"), "zigbuild", "--release", "--locked"]
        for target in TARGETS:
            argv += ["--target", target]
        env = self._environment("zigbuild")
        if self.sysroot is not None:
            for target in TARGETS:
                name = f"CARGO_TARGET_{target.upper().replace('-', '_')}_RUSTFLAGS"
                env[name] = f"--sysroot={self.sysroot} -C link-self-contained=no"
        return measure(argv, cwd=self.project, env=env)

    def empty_targets(self, *, zig: Path | None) -> None:
        """Forget what was compiled; `zig` has Zig's caches of both sides as they are to be, None empties them."""
        shutil.rmtree(self._units, ignore_errors=True)
        for side in _SIDES:
            shutil.rmtree(self.work / side / "target", ignore_errors=True)
            shutil.rmtree(self.work / side / "zig", ignore_errors=True)
            if zig is not None:
                shutil.copytree(zig / side, self.work / side / "zig", symlinks=True)

    @property
    def _units(self) -> Path:
        """A unit cache of its own: when it is empty, cold is cold, and what it costs to fill it is in the figures."""
        return self.work / "units"

    def _environment(self, side: str) -> dict[str, str]:
        zig_cache = str(self.work / side / "zig")
        return {
            **self.env,
            # where Zig is
            "PATH": f"{_BIN}{os.pathsep}{self.env['PATH']}",
            "CARGO_TARGET_DIR": str(self.work / side / "target"),
            "CARGOSHIP_CACHE_DIR": str(self.cache_dir),
            "ZIG_GLOBAL_CACHE_DIR": zig_cache,
            "ZIG_LOCAL_CACHE_DIR": zig_cache,
        }


def run(bench: Bench, samples: Samples, *, zig: Path, rounds: int, unchanged_runs: int) -> None:
    """Cold with Zig's cache empty, cold some times with `zig` in it, unchanged several times, the sides in turn."""
    name = bench.project.name
    sides = {"cargoship": bench.cargoship, "cargo-zigbuild": bench.zigbuild}
    states = [("cold, Zig's cache empty", 1, None), ("cold, Zig's cache warm", rounds, zig)]
    for state, runs, there in (*states, ("unchanged", unchanged_runs, None)):
        for number in range(runs):
            if state != "unchanged":
                bench.empty_targets(zig=there)
            # who comes first takes turns, too
            for side in sorted(sides, reverse=number % 2 == 1):
                cost = sides[side]()
                samples.add(f"{name}, {state}", side, wall_s=cost.wall_s, cpu_s=cost.cpu_s, memory_mib=cost.own_mib)
                print(f"{name}, {state:<24} {side:<14} {cost}", flush=True)


def built_sysroot(context: Context) -> Path | None:
    """The sysroot that cargoship links with, where it differs from rustc's own; made now if it is not there."""
    wanted = Wanted(DEFAULT_PLATFORMS, Libc.parse("musl"), REPOSITORY, context.cache_dir)
    stream = stream_plainly(context.runner, ignore)
    toolchain = locate(wanted, runner=context.runner, stream=stream, env=context.env, emit=ignore)
    return toolchain.sysroot if toolchain.shimmed else None


def compile_zigs_parts(bench: Bench, into: Path) -> None:
    """Have both sides build another project, and keep what Zig has compiled of itself meanwhile."""
    bench.cargoship()
    bench.zigbuild()
    for side in _SIDES:
        shutil.copytree(bench.work / side / "zig", into / side, symlinks=True)


@contextlib.contextmanager
def prepared(name: str, env: Mapping[str, str]) -> Iterator[tuple[Path, Path]]:
    """A copy of a project with its dependencies downloaded, and a folder for what is built."""
    with tempfile.TemporaryDirectory(prefix="cargoship-bench-", dir="/var/tmp") as scratch:
        project = Path(scratch) / name
        source = next(path for folder in ("bench", "examples") if (path := REPOSITORY / folder / name).is_dir())
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("target"))
        fetch = [env["CARGO"], "fetch", "--locked"]
        subprocess.run(fetch, cwd=project, env=dict(env), check=True, capture_output=True)
        yield project, Path(scratch) / "build"


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", default="small-service,web-service,openssl-tool")
    parser.add_argument("--rounds", type=int, default=3, help="of cold builds with a warm cache of Zig's")
    parser.add_argument("--unchanged-runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    options = parser.parse_args()
    env = {"CARGO": shutil.which("cargo") or "cargo", **os.environ, **distribution_rust()}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
    context = Context(env, REPOSITORY, SystemRunner())
    sysroot = built_sysroot(context)
    print(f"{os.cpu_count()} processors; {' '.join(TARGETS)}")
    samples = Samples()
    for name in options.projects.split(","):
        with (
            prepared(_OTHER, env) as other,
            prepared(name, env) as (project, work),
            tempfile.TemporaryDirectory(dir="/var/tmp") as storage,
            running_registry(Path(storage)) as registry,
        ):
            bench = Bench(project, work, registry.host, env, sysroot, context.cache_dir)
            parts = work.parent / "zigs-parts"
            compile_zigs_parts(Bench(*other, registry.host, env, sysroot, context.cache_dir), parts)
            run(bench, samples, zig=parts, rounds=options.rounds, unchanged_runs=options.unchanged_runs)
    print(table({"rows": summary(samples.rows), "base": "cargo-zigbuild"}))
    samples.write(options.json)


if __name__ == "__main__":
    main()
