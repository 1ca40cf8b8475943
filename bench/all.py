"""Every benchmark that fits into the time there is: one JSON file of all figures, and the tables of the page from it.

    .venv/bin/python bench/all.py [--minutes 60] [--parts push-100,unchanged] [--work FOLDER] [--again]
    .venv/bin/python bench/all.py --list | --page

A part is a script of this folder with its options. Parts are taken in the order of `--list` while the minutes that they
are known to take fit; `--parts` names them instead. What a part has measured is written as soon as it ends, with what
it depends on: commit, time, machine, load before and after, versions of all that is compared. So a run can be ended at
any time: the next one goes on with the parts that have no figures of this commit (`--again` measures them all). A part
that fails, or takes three times as long as it should, is said so and left as it was, and so is one that is compared
with what bench/peers.py has not compiled yet.

`--work` keeps what was compiled once (caches to restore from), for later runs. The tables of docs/benchmarks.md are
written from the JSON file after each part; `--page` does nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import replaced, summary, unknown  # beside this script
from folders import work_folder

BENCH = Path(__file__).parent
FIGURES = BENCH / "figures.json"
PAGE = BENCH.parent / "docs" / "benchmarks.md"
_PATIENCE = 3
_FAREWELL_S = 20.0
_FILLED = "filled"
_MEASURED = ("src", "bench", ":!bench/figures.json")
"""What figures depend on: another commit that changes none of it does not make them older."""


@dataclass(frozen=True)
class Part:
    """A script with its options: `{work}` in them is a folder of its own that stays, with --work, for later runs.

    `base` is the side that ratios are to, `minutes` what it takes on two processors (`filling` more where nothing is
    kept in its folder), `versions` who else is in it.
    """

    script: str
    words: str
    minutes: float
    base: str
    versions: tuple[str, ...] = ()
    filling: float = 0.0


_CARGO = ("cargo",)
_REGISTRY = ("docker-registry",)
PARTS: Mapping[str, Part] = {
    "push-100": Part("push.py", "--mib 64,16,12,8 --runs 9 --no-docker", 2, "cargoship", ("skopeo", *_REGISTRY)),
    "push-1000": Part("push.py", "--mib 512,256,160,96 --runs 5 --no-docker", 4, "cargoship", ("skopeo", *_REGISTRY)),
    "copy": Part("push.py", "--mib 64,16,12,8 --runs 9 --copy", 2, "cargoship", ("skopeo", *_REGISTRY)),
    "unchanged": Part(
        "unchanged.py", "--project {bench}/small-service --rounds 9 --work {work}", 2, "cargoship", _CARGO, filling=4
    ),
    "cold": Part("build.py", "--projects small-service", 10, "cargo-zigbuild", (*_CARGO, "cargo-zigbuild")),
    "zig-parts": Part("zig_parts.py", "--rounds 3 --work {work}", 5, "warm", _CARGO, filling=8),
    "registry-caches": Part("registry_caches.py", "--work {work}", 6, "cargoship", (*_CARGO, "kache", *_REGISTRY), 4),
    "cache-small": Part(
        "cache.py",
        "--project {bench}/small-service --repeat 5 --work {work} --changes nothing,code,version,dependency",
        9,
        "limit",
        (*_CARGO, "cargo-zigbuild", "cargo-chef", "kache", "sccache"),
        filling=5,
    ),
    "attestations": Part(
        "attestations.py", "--minutes 4 --cold 0 --unchanged 11 --work {work}", 2, "off", _CARGO, filling=2
    ),
    "index": Part("index.py", "--rounds 5", 2, "read"),
    "memory": Part("memory.py", "--rounds 1", 7, "cargoship", (*_CARGO, *_REGISTRY)),
    "watching": Part("watching.py", "--rounds 5", 2, "plain", _CARGO),
    "layers": Part("layers.py", "--files 200000 --runs 3", 2, "tar t"),
    "second-project": Part("second_project.py", "--profile dev --rounds 3", 5, "alone", _CARGO),
    "allocators": Part("allocators.py", "--rounds 10", 2, "musl", _CARGO),
    "cache-full": Part(
        "cache.py",
        "--project {bench}/full-service --ways limit,cargoship,programs --repeat 3 --work {work} "
        "--changes nothing,code,version,dependency",
        14,
        "limit",
        (*_CARGO, "cargo-zigbuild"),
        filling=15,
    ),
    "cache-full-peers": Part(
        "cache.py",
        "--project {bench}/full-service --work {work} --changes nothing,code",
        12,
        "limit",
        (*_CARGO, "cargo-zigbuild", "cargo-chef", "kache", "sccache"),
        filling=60,
    ),
}
LEFT_OUT: Mapping[str, str] = {
    "all.py": "runs the others",
    "dockerfiles.py": "takes hours, for two of its ways are emulated, and keeps its figures in dockerfiles.json itself",
    "dockerfiles_chart.py": "draws what dockerfiles.py has measured",
    "figures.py": "keeps what the others have measured",
    "folders.py": "is where the others work",
    "paths.py": "compares digests, and measures nothing",
    "peers.py": "compiles what the others are compared with",
    "recording.py": "replaces modules of cargoship, and is run where the record of a build changes",
    "remote.py": "holds a forecast against builds, and is of use where nothing else runs for long",
    "simulated.py": "stands for cargo in memory.py",
    "sharing.py": "counts units in lock files, which needs a network and no clock",
}
"""Scripts of this folder that are in no part, and why."""


def main() -> None:
    """Choose the parts, run them, write what they have measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", help="names, with commas between them; any number of minutes")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--work", type=Path, help="keep what was compiled in this folder, for the next run")
    parser.add_argument("--json", type=Path, default=FIGURES)
    parser.add_argument("--again", action="store_true", help="measure also what has figures of this commit")
    parser.add_argument("--list", action="store_true", help="the parts, and what each takes")
    parser.add_argument("--page", action="store_true", help="write the tables of the page, and measure nothing")
    given = parser.parse_args()
    if given.parts and (wrong := unknown(given.parts.split(","), PARTS)):
        parser.error(f"there is no part {', '.join(wrong)}; --list shows them")
    known = json.loads(given.json.read_text()) if given.json.exists() else {}
    if given.list:
        for name, part in PARTS.items():
            print(f"{name:<18} {part.minutes:3.0f} minutes, {part.filling:3.0f} more the first time: {part.script}")
        return
    if given.page:
        PAGE.write_text(replaced(PAGE.read_text(), known))
        return
    # a shell that starts this in the background has Ctrl-C ignored, here and in all that is started; scripts clean up
    # after it
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, signal.default_int_handler)
    # who names parts has the time for them
    until = float("inf") if given.parts else time.monotonic() + 60 * given.minutes
    with work_folder(given.work) as work:
        for name in given.parts.split(",") if given.parts else PARTS:
            current = not given.again and known.get(name, {}).get("commit") == commit()
            needed = _needed(PARTS[name], work / name)
            reason = "has figures of this commit" if current else _objection(PARTS[name], needed, until)
            measured = run(name, PARTS[name], work / name, needed) if not reason else None
            if measured is None:
                print(f"{name}: {reason or 'has no figures'}", flush=True)
                continue
            known[name] = measured
            kept = {each: known[each] for each in PARTS if each in known}
            given.json.write_text(json.dumps(kept, indent=1) + "\n")
            if given.json == FIGURES:
                PAGE.write_text(replaced(PAGE.read_text(), kept))


def _objection(part: Part, minutes: float, until: float) -> str:
    """Why a part is left out now; nothing where it is run."""
    if missing := _missing(part):
        return f"left out, for bench/peers.py {','.join(missing)} has not been run, which takes minutes"
    if time.monotonic() + 60 * minutes > until:
        return f"left out, its {minutes:.0f} minutes do not fit"
    return ""


def run(name: str, part: Part, work: Path, minutes: float) -> dict[str, Any] | None:
    """A part's figures, with what they depend on; None where it has failed, which is said."""
    work.mkdir(parents=True, exist_ok=True)
    filled = work / _FILLED
    samples = work / "samples.json"
    samples.unlink(missing_ok=True)
    words = part.words.format(bench=BENCH, work=work).split()
    print(f"{name}: {part.script} {' '.join(words)}", flush=True)
    before, began = os.getloadavg()[0], time.monotonic()
    argv = [sys.executable, BENCH / part.script, *words, "--json", samples]
    # as pip installs a program, with its byte code
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(argv, env=env, start_new_session=True) as process:
        try:
            code = process.wait(timeout=60 * minutes * _PATIENCE)
        except BaseException as ended:
            _end(process)
            if not isinstance(ended, subprocess.TimeoutExpired):
                raise
            code = None
    if code != 0 or not samples.exists():
        print(f"{name}: {'took too long' if code is None else f'ended with {code}'}", flush=True)
        return None
    filled.touch()
    return {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "machine": machine(),
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "seconds": round(time.monotonic() - began),
        "versions": versions(part),
        "base": part.base,
        "rows": summary(json.loads(samples.read_text())["rows"]),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a script with the compilers and servers that it has started: they are a group of their own."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, sent)
            process.wait(timeout=_FAREWELL_S)


def _missing(part: Part) -> list[str]:
    """Peers that would have to be compiled first, which takes longer than any part."""
    from peers import PEERS, place  # noqa: PLC0415 - the page needs no peers

    return [name for name in part.versions if name in PEERS and not place(name).exists()]


def versions(part: Part) -> dict[str, str]:
    """Who else is in a part."""
    from peers import version  # noqa: PLC0415 - the page needs no peers

    return {name: found for name in part.versions if (found := version(name))}


def commit() -> str:
    """The last one that has changed what is measured; with a plus where it has changed since."""

    def git(*words: str) -> str:
        argv = ("git", *words, "--", *_MEASURED)
        return subprocess.run(argv, cwd=BENCH.parent, capture_output=True, text=True, check=True).stdout.strip()

    return git("log", "-1", "--format=%h") + ("+" if git("status", "--porcelain") else "")


def machine() -> str:
    """Processors and memory."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30))
    return f"{os.cpu_count()} cores of {models[0] if models else platform.machine()}, {memory} GiB"


def _needed(part: Part, work: Path) -> float:
    """Minutes: more where nothing was compiled before."""
    return part.minutes + (0.0 if (work / _FILLED).exists() else part.filling)


if __name__ == "__main__":
    main()
