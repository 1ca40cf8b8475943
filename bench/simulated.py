"""A cargo that compiles nothing, as a program: it leaves libraries of made-up content where cargo would.

Started as `simulated.py PLAN WORDS...`, as cargo is started. It answers `--unit-graph` and builds; all else is cargo's
own work. What is in a folder already is fresh. `plan_of` makes such a plan: a graph of locked libraries, and a program
that is made of all of them.

Sizes of units are those of a logarithmic normal distribution, as those of real projects are: half of them have less
than the median, the largest of 600 have 40 times as much. A library has its metadata once in itself and once beside
itself, and compresses to a fifth. Memory depends on the largest units and on how many there are, so that the sum of
all can be chosen smaller than that of a real project with as many.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

INDEX = "registry+https://github.com/rust-lang/crates.io-index"
PROGRAM = "simulated"
_SIGMA = 1.15
_NEEDS = 6
_TEXTURE_BYTES = 64 << 20
_PROFILE = {
    "name": "release",
    "opt_level": "3",
    "lto": "false",
    "codegen_units": None,
    "debuginfo": 0,
    "debug_assertions": False,
    "overflow_checks": False,
    "rpath": False,
    "incremental": False,
    "panic": "unwind",
    "strip": {"deferred": "None"},
}


def sizes_of(units: int, total_bytes: int) -> list[int]:
    """The same every time; their order is a shuffled one."""
    normal = statistics.NormalDist(0, _SIGMA)
    shares = [math.exp(normal.inv_cdf((place + 0.5) / units)) for place in range(units)]
    _chance(units).shuffle(shares)
    whole = sum(shares)
    return [int(total_bytes * share / whole) for share in shares]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same every time, and no secret


def plan_of(units: int, total_bytes: int, home: Path, root: Path) -> dict[str, Any]:
    """What is compiled: every unit stands on some before it."""
    chance = _chance(units)
    made = []
    for place, size in enumerate(sizes_of(units, total_bytes)):
        name = f"simulated-{place:05}"
        needs = sorted(chance.sample(range(place), min(place, chance.randrange(_NEEDS))))
        folder = f"{home}/registry/src/index.crates.io-1949cf8c6b5b557f/{name}-1.0.{place % 7}"
        made.append(
            {"name": name, "id": f"{INDEX}#{name}@1.0.{place % 7}", "needs": needs, "size": size, "root": folder}
        )
    used = {need for each in made for need in each["needs"]}
    ends = [place for place in range(units) if place not in used]
    made.append(
        {
            "name": PROGRAM,
            "id": f"path+file://{root}#{PROGRAM}@0.1.0",
            "needs": ends,
            "size": 8 << 20,
            "root": str(root),
        }
    )
    for each in made:
        each["hash"] = hashlib.sha256(each["id"].encode()).hexdigest()[:16]
    return {"units": made, "home": str(home), "root": str(root)}


def lock_of(plan: dict[str, Any]) -> str:
    """The lock file."""
    parts = ["version = 4\n"]
    for each in plan["units"]:
        version = each["id"].rpartition("@")[2]
        checksum = hashlib.sha256(each["name"].encode()).hexdigest()
        pin = "" if each["name"] == PROGRAM else f'source = "{INDEX}"\nchecksum = "{checksum}"\n'
        parts.append(f'[[package]]\nname = "{each["name"]}"\nversion = "{version}"\n{pin}')
    return "\n".join(parts)


def graph_of(plan: dict[str, Any]) -> dict[str, Any]:
    """The answer to `--unit-graph`."""
    units = plan["units"]
    return {
        "version": 1,
        "units": [
            {
                "pkg_id": each["id"],
                "target": _target(each),
                "profile": _PROFILE,
                "platform": None,
                "mode": "build",
                "features": ["alloc", "default", "std"],
                "dependencies": [
                    {"index": need, "extern_crate_name": units[need]["name"].replace("-", "_")}
                    for need in each["needs"]
                ],
            }
            for each in units
        ],
        "roots": [len(units) - 1],
    }


def _kind(each: dict[str, Any]) -> str:
    return "bin" if each["name"] == PROGRAM else "lib"


def _target(each: dict[str, Any]) -> dict[str, Any]:
    source = "main.rs" if each["name"] == PROGRAM else "lib.rs"
    return {
        "kind": [_kind(each)], "crate_types": [_kind(each)], "name": each["name"],
        "src_path": f"{each['root']}/src/{source}", "edition": "2021",
    }  # fmt: skip


class Texture:
    """Bytes that compress to about a third, and to a fifth with metadata that is there twice."""

    def __init__(self) -> None:
        piece = _chance(1).randbytes(1 << 20)
        self._bytes = b"".join(piece[at : at + 1024] + piece[:1536] + bytes(512) for at in range(0, len(piece), 1024))
        # every further round is another text, so that few bytes are alike within the window of a unit
        rounds = [self._bytes]
        for number in range(1, _TEXTURE_BYTES // len(self._bytes)):
            table = bytes((each * 167 + number * 59) % 256 for each in range(256))
            rounds.append(self._bytes.translate(table))
        self._bytes = b"".join(rounds)

    def cut(self, seed: str, size: int) -> bytes:
        """So many bytes, the same for the same seed."""
        start = int(hashlib.sha256(seed.encode()).hexdigest()[:8], 16) % len(self._bytes)
        found = self._bytes[start : start + size]
        while len(found) < size:
            found += self._bytes[: size - len(found)]
        return found


def build(plan: dict[str, Any], target: Path) -> None:
    """Make what is not there, and say it as cargo does."""
    texture: Texture | None = None
    units, release = plan["units"], target / "release"
    records = os.environ.get("CARGOSHIP_WATCH")
    for folder in (".fingerprint", "deps"):
        (release / folder).mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(units):
        kind, crate = _kind(each), each["name"].replace("-", "_")
        print_ = release / ".fingerprint" / f"{each['name']}-{each['hash']}"
        own = f"{kind}-{each['name']}"
        name = f"{crate}-{each['hash']}"
        files = [f"lib{name}.rlib", f"lib{name}.rmeta"] if kind == "lib" else [name]
        fresh = (print_ / own).exists()
        if not fresh:
            texture = texture or Texture()
            print_.mkdir(exist_ok=True)
            (print_ / "invoked.timestamp").write_text("This file has an mtime of when this was started.")
            if records is not None:
                said = f"K{crate}\t-{each['hash']}\t{release}/deps\0"
                Path(records, f"{number}-{time.time_ns()}").write_text(said)
            source = b"src/main.rs" if kind == "bin" else b"src/lib.rs"
            info = b"\1\0\0\0\xff\1" + b"\1\0\0\0\0" + len(source).to_bytes(4, "little") + source + b"\0" + bytes(4)
            (print_ / f"dep-{own}").write_bytes(info)
            meta = texture.cut(each["name"], each["size"] // 3)
            head = b"\x7fELF" if kind == "bin" else b"!<arch>\n"
            content = [head + meta + texture.cut(f"code {each['name']}", each["size"] - 2 * len(meta)), meta]
            for file, data in zip(files, content, strict=False):
                (release / "deps" / file).write_bytes(data)
            (release / "deps" / f"{name}.d").write_text(f"{release}/deps/{files[0]}: {each['root']}/src/lib.rs\n")
            local = [{"CheckDepInfo": {"dep_info": f"release/.fingerprint/{print_.name}/dep-{own}", "checksum": False}}]
            deps = [[0, units[need]["name"], False, _value(units[need])] for need in each["needs"]]
            (print_ / f"{own}.json").write_text(json.dumps({"rustc": 1, "deps": deps, "local": local}))
            (print_ / own).write_text(_value(each).to_bytes(8, "little").hex())
        executable = None
        if kind == "bin":
            (release / "deps" / name).chmod(0o755)
            executable = release / PROGRAM
            executable.unlink(missing_ok=True)
            executable.hardlink_to(release / "deps" / name)
        print(
            json.dumps(_message(each, [release / "deps" / file for file in files], executable, fresh=fresh)), flush=True
        )
    print(json.dumps({"reason": "build-finished", "success": True}), flush=True)


def _value(each: dict[str, Any]) -> int:
    return int(hashlib.sha256(each["hash"].encode()).hexdigest()[:16], 16)


def _message(each: dict[str, Any], files: list[Path], executable: Path | None, *, fresh: bool) -> dict[str, Any]:
    return {
        "reason": "compiler-artifact",
        "package_id": each["id"],
        "manifest_path": f"{each['root']}/Cargo.toml",
        "target": _target(each),
        "profile": {
            "opt_level": "3",
            "debuginfo": 0,
            "debug_assertions": False,
            "overflow_checks": False,
            "test": False,
        },
        "features": ["alloc", "default", "std"],
        "filenames": [str(executable)] if executable else [str(file) for file in files],
        "executable": str(executable) if executable else None,
        "fresh": fresh,
    }


def main() -> None:
    """As cargo."""
    plan, *words = sys.argv[1:]
    if "--unit-graph" in words:
        print(json.dumps(graph_of(json.loads(Path(plan).read_text()))))
    elif words[:1] == ["build"]:
        known = json.loads(Path(plan).read_text())
        build(known, Path(os.environ.get("CARGO_TARGET_DIR") or Path(known["root"], "target")))
    else:
        sys.exit(subprocess.run([os.environ["SIMULATED_CARGO"], *words], check=False).returncode)


if __name__ == "__main__":
    main()
