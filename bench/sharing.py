"""What units of published programs are equal between them: what one cache for many projects can give.

    .venv/bin/python bench/sharing.py [--crates NAME@VERSION,...] [--graphs FOLDER] [--json FILE]

For each program, as crates.io has it with the lock file that its authors publish, cargo is asked for its unit graph
(release, for amd64 and arm64, static), and compiles nothing. Units of the registry are named in several ways then,
each with more in it than the one before: crate and compatible version; exact version; features; what the unit is
(library, build script, its run, macro) and for which target; profile; and all that it depends on, which is what it is
kept by. A unit is shared if another program has one of the same name. `grows` is the share that a further program finds
in a cache of n others, as the mean over orders. `loose` leaves out of the profile what has no say in the bytes of that
kind of unit; `updated` takes of each crate the latest of the compatible versions that any of the programs has.

`--graphs` keeps what cargo has said. What is downloaded goes where cargo keeps it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.programs import distribution_rust  # noqa: E402 - needs the path above

PROGRAMS = (
    "ripgrep", "bat", "fd-find", "starship", "zoxide", "just", "tokei", "hyperfine", "eza", "git-delta", "miniserve",
    "dufs", "xh", "bottom", "du-dust", "procs", "sccache", "static-web-server", "gitui", "mdbook", "oha", "broot",
)  # fmt: skip
TARGETS = ("x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl")
LEVELS = (
    "crate, compatible version",
    "crate, version",
    "+ features",
    "+ kind and target",
    "+ profile",
    "+ dependencies",
)
LOOSE = "+ dependencies, loose profile"
UPDATED = "+ dependencies, updated"
ONE = "+ dependencies, one profile"
BOTH = "+ dependencies, updated and one profile"
_WITHOUT = "without "
_FIELDS = ("lto", "codegen_units", "panic", "strip", "opt_level", "debuginfo")
_ORDERS = 200
_SIZES = (1, 2, 3, 5, 10, 15, 19)
_ONLY_LINKING = ("strip", "rpath", "split_debuginfo")
_ONLY_COMPILING = ("codegen_units", "lto", "panic", "codegen_backend", "rustflags", "incremental")
Names = dict[str, set[str]]
"""By level: the units of a program."""


def main() -> None:
    """Ask, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crates", default=",".join(PROGRAMS))
    parser.add_argument("--graphs", type=Path, help="keep cargo's answers in this folder")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    folder = given.graphs.resolve() if given.graphs else Path(tempfile.mkdtemp(prefix="cargoship-sharing-"))
    folder.mkdir(parents=True, exist_ok=True)
    programs: dict[str, Names] = {}
    for crate in given.crates.split(","):
        graph = graph_of(crate, folder)
        if graph is None:
            print(f"{crate}: cargo gives no unit graph", file=sys.stderr)
            continue
        programs[str(graph["program"])] = names_of(graph["graph"])
    result = summary(programs)
    print(json.dumps(result, indent=2))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    if not given.graphs:
        shutil.rmtree(folder)


def graph_of(crate: str, folder: Path) -> dict[str, Any] | None:
    """Cargo's unit graph of a program; None where it gives none."""
    known = folder / f"{crate}.json"
    if not known.exists():
        found = _asked(crate)
        if found is None:
            return None
        known.write_text(json.dumps(found))
    return dict(json.loads(known.read_text()))


def _asked(crate: str) -> dict[str, Any] | None:
    env = {**os.environ, **distribution_rust()}
    cargo = env.get("CARGO", "cargo")
    # this downloads the crate itself, and nothing that it depends on
    asks = [cargo, "info", "--registry", "crates-io", crate]
    said = subprocess.run(asks, env=env, capture_output=True, text=True, check=False)
    version = re.search(r"^version: (\S+)", said.stdout, re.MULTILINE)
    home = Path(env.get("CARGO_HOME") or Path.home() / ".cargo")
    name = crate.partition("@")[0]
    sources = sorted(home.glob(f"registry/src/*/{name}-{version[1]}")) if version else []
    if version is None or not sources or not (sources[-1] / "Cargo.lock").exists():
        return None
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        shutil.copytree(sources[-1], project)
        words = [word for target in TARGETS for word in ("--target", target)]
        asked = subprocess.run(
            [cargo, "build", "--release", "--locked", "--unit-graph", "-Zunstable-options", *words],
            cwd=project, env={**env, "RUSTC_BOOTSTRAP": "1", "CARGO_CACHE_RUSTC_INFO": "0"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if asked.returncode:
        print(asked.stderr, file=sys.stderr)
        return None
    return {"program": f"{name} {version[1]}", "graph": json.loads(asked.stdout)}


def names_of(graph: Mapping[str, Any]) -> Names:
    """The names of a program's units at each level; those of the program itself are nobody else's, and left out."""
    found: Names = {level: set() for level in (*LEVELS, LOOSE, UPDATED, ONE, BOTH)}
    found |= {f"{_WITHOUT}{field}": set() for field in _FIELDS}
    whole = {level: _closed(graph, level) for level in (LEVELS[5], LOOSE, UPDATED, ONE, BOTH)}
    for index, unit in enumerate(graph["units"]):
        if "registry+" not in unit["pkg_id"]:
            continue
        package, features, kind, profile = _parts(unit)
        found[LEVELS[0]].add(_updated(package))
        found[LEVELS[1]].add(package)
        found[LEVELS[2]].add(_digest(package, features))
        found[LEVELS[3]].add(_digest(package, features, kind))
        found[LEVELS[4]].add(_digest(package, features, kind, profile))
        for field in _FIELDS:
            kept = {name: value for name, value in profile.items() if name != field}
            found[f"{_WITHOUT}{field}"].add(_digest(package, features, kind, kept))
        for level, names in whole.items():
            found[level].add(names[index])
    return found


def _closed(graph: Mapping[str, Any], level: str) -> list[str]:
    """The names of units with all that they depend on."""
    names: dict[int, str] = {}

    def name(index: int) -> str:
        if index not in names:
            unit = graph["units"][index]
            package, features, kind, profile = _parts(unit, loose=level == LOOSE)
            if level in {UPDATED, BOTH}:
                package = _updated(package)
            below = sorted((each["extern_crate_name"], name(each["index"])) for each in unit["dependencies"])
            names[index] = _digest(package, features, kind, None if level in {ONE, BOTH} else profile, below)
        return names[index]

    return [name(index) for index in range(len(graph["units"]))]


def _updated(package: str) -> str:
    name, _, version = package.rpartition("@")
    return f"{name}@{_compatible(version)}"


def _parts(unit: Mapping[str, Any], *, loose: bool = False) -> tuple[str, Any, Any, Any]:
    target, profile = unit["target"], dict(unit["profile"])
    if loose:
        runs = unit["mode"] == "run-custom-build"
        links = {"bin", "cdylib", "dylib", "proc-macro", "custom-build"} & {*target["kind"]}
        left_out = (*_ONLY_LINKING, *_ONLY_COMPILING) if runs else () if links else _ONLY_LINKING
        if unit.get("platform") is None:
            # cargo gives macros and build scripts the program's LTO in what it hashes, and not in what it compiles
            left_out = (*left_out, "lto", "strip")
        profile = {name: value for name, value in profile.items() if name not in left_out and name != "name"}
    kind = (target["name"], target["kind"], target["crate_types"], unit["mode"], unit.get("platform"))
    package = unit["pkg_id"].rpartition("#")[2]
    if "@" not in package:
        package = f"{unit['pkg_id'].partition('#')[0].rpartition('/')[2]}@{package}"
    return package, sorted(unit["features"]), kind, profile


def _compatible(version: str) -> str:
    """The part of a version that has to be equal for cargo to take one instead of the other."""
    parts = version.split("+", maxsplit=1)[0].split("-", maxsplit=1)[0].split(".")
    for count, part in enumerate(parts, 1):
        if part != "0":
            return ".".join(parts[:count])
    return version


def _digest(*said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def summary(programs: Mapping[str, Names]) -> dict[str, Any]:
    """All figures; shares are of one."""
    levels = (*LEVELS, LOOSE, UPDATED, ONE, BOTH)
    shared = {
        level: {name: share(units[level], _others(programs, name, level)) for name, units in programs.items()}
        for level in levels
    }
    return {
        "programs": {name: len(units[LEVELS[5]]) for name, units in programs.items()},
        "shared": {level: round(sum(each.values()) / len(each), 3) for level, each in shared.items()},
        "by program": {name: {level: round(shared[level][name], 3) for level in levels} for name in programs},
        "grows": {level: growth(programs, level) for level in (LEVELS[1], LEVELS[5], LOOSE, UPDATED, ONE, BOTH)},
        "why not": dict(reasons(programs)),
        "without a field of the profile": {field: mean(programs, f"{_WITHOUT}{field}") for field in _FIELDS},
    }


def _others(programs: Mapping[str, Names], name: str, level: str) -> set[str]:
    return set().union(*(units[level] for other, units in programs.items() if other != name))


def mean(programs: Mapping[str, Names], level: str) -> float:
    """How much of a program the others have, as a mean."""
    shares = [share(units[level], _others(programs, name, level)) for name, units in programs.items()]
    return round(sum(shares) / len(shares), 3)


def share(wanted: set[str], there: set[str]) -> float:
    """How much of what is wanted is there."""
    return len(wanted & there) / len(wanted) if wanted else 1.0


def growth(programs: Mapping[str, Names], level: str) -> dict[int, float]:
    """What a further program finds on average where so many others have been."""
    names = sorted(programs)
    chance = random.Random(1)  # noqa: S311 - orders, and no secret
    found: dict[int, list[float]] = {size: [] for size in _SIZES if size < len(names)}
    for _ in range(_ORDERS):
        order = chance.sample(names, len(names))
        for size, shares in found.items():
            there = set().union(*(programs[name][level] for name in order[:size]))
            shares.append(share(programs[order[size]][level], there))
    return {size: round(sum(shares) / len(shares), 3) for size, shares in found.items()}


def reasons(programs: Mapping[str, Names]) -> Iterator[tuple[str, float]]:
    """By how much each further part of the name lowers the share, as a mean."""
    means = [mean(programs, level) for level in LEVELS]
    for level, before, after in zip(LEVELS[1:], means[:-1], means[1:], strict=True):
        yield level, round(before - after, 3)


if __name__ == "__main__":
    main()
