"""Reading the index of a large cache of compiled units, in a process of its own: seconds and memory.

    .venv/bin/python bench/index.py [--entries 600,28000,100000] [--rounds 5]

Entries are made up, as long as those of libraries from crates.io: 1.9 KB of JSON each, most of it the parts of keys.
For each number of entries and each round a new process

  read     reads the index from its bytes
  find     finds 600 units in it by the parts of their keys, as a build does before it compiles
  write    writes it with one pack more

Given are processor seconds, medians with the least and the greatest, and the highest resident memory after each step in
MiB, with that before the first.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import Samples  # beside this script

from cargoship.oci.digest import Digest
from cargoship.oci.zstd import ZstdCompressor
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.packs.index import PackInfo
from cargoship.unitcache.packs.index_format import decode_unit_index, encode_unit_index
from cargoship.unitcache.resolve import Entries

_CHANCE = random.Random(1)  # noqa: S311 - the same every time, and no secret
_FOUND = 600
_UNITS_IN_A_PACK = 30
_RUSTC = """rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)
binary: rustc
commit-hash: ac68faa20c58cbccd01ee7208bf3b6e93a7d7f96
commit-date: 2026-05-25
host: x86_64-unknown-linux-gnu
release: 1.96.0
LLVM version: 21.1.8"""
_PROFILE = (
    '{"codegen_backend":null,"codegen_units":null,"debug_assertions":false,"debuginfo":0,"incremental":false,'
    '"lto":"false","name":"release","opt_level":"3","overflow_checks":false,"panic":"unwind","rpath":false,'
    '"split_debuginfo":null,"strip":{"deferred":"None"}}'
)


def _digits() -> str:
    return _CHANCE.randbytes(32).hex()


def _parts(name: str, version: str) -> dict[str, str]:
    parts = {
        "format": "4",
        "rustc": _RUSTC,
        "cargo": "cargo 1.96.0 (30a34c682 2026-05-25)",
        "standard library": "a" * 64,
        "platform": "x86_64-unknown-linux-musl",
        "package": f"registry+https://github.com/rust-lang/crates.io-index#{name}@{version}",
        "checksum": _digits(),
        "source": f"/home/user/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/{name}-{version}/src/lib.rs",
        "target": f"{name} lib as lib 2021",
        "mode": "build",
        "profile": _PROFILE,
        "features": "alloc,default,std",
        "settings": "b" * 64,
    }
    for number in range(_CHANCE.randrange(6)):
        parts[f"dependency crate_{number} crate-{_CHANCE.randrange(9000):05}"] = _digits()
    return parts


def make(entries: int, path: Path) -> list[dict[str, str]]:
    """Write an index as the format says, not by the code that is measured; the parts of all keys."""
    packs = [[_digits(), 8 << 20, _UNITS_IN_A_PACK] for _ in range(entries // _UNITS_IN_A_PACK + 1)]
    made: list[dict[str, Any]] = []
    for number in range(entries):
        name, version = f"crate-{number % 9000:05}", f"1.{number % 7}.{number % 13}"
        made.append(
            {
                "key": _digits(), "pack": number // _UNITS_IN_A_PACK, "offset": 0, "length": 300_000,
                "frame": _digits(), "unpacked": 1_500_000, "name": f"{name} {version} lib x86_64-unknown-linux-musl",
                "parts": _parts(name, version), "seconds": 1.5, "output": _digits(),
                "place": f"x86_64-unknown-linux-musl/release/.fingerprint/{name}-{_digits()[:16]}",
            }
        )  # fmt: skip
    made.sort(key=lambda entry: entry["key"])
    packs.sort()
    document = {"format": 1, "packs": packs, "entries": made, "plans": []}
    text = json.dumps(document, separators=(",", ":")).encode()
    path.write_bytes(ZstdCompressor().compress(text, ZstdCompressor.FLUSH_FRAME))
    return [each["parts"] for each in made]


def look(path: Path, wanted: Path) -> None:
    """The steps in this process; figures as JSON."""
    data, parts = path.read_bytes(), json.loads(wanted.read_text())
    contents = FileDigests(Path("/nowhere"), Path("/nowhere/target"))
    figures: dict[str, float] = {"before_mib": _mib()}
    started = time.process_time()
    index = decode_unit_index(data)
    figures |= {"read_s": time.process_time() - started, "read_mib": _mib()}
    started = time.process_time()
    entries = Entries(index.entries)
    if not all(entries.of(each, contents) for each in parts):
        sys.exit("a unit is not found")
    figures |= {"find_s": time.process_time() - started, "find_mib": _mib()}
    started = time.process_time()
    encode_unit_index(index.with_packs({Digest("0" * 64): PackInfo(1, 1)}))
    figures |= {"write_s": time.process_time() - started, "write_mib": _mib()}
    print(json.dumps(figures))


def _mib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", default=f"{_FOUND},28000,100000")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    parser.add_argument("--look", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look:
        look(*given.look)
        return
    samples = Samples()
    for entries in map(int, given.entries.split(",")):
        with tempfile.TemporaryDirectory(prefix="cargoship-index-") as folder:
            path, wanted = Path(folder, "index"), Path(folder, "wanted")
            parts = make(entries, path)
            wanted.write_text(json.dumps(parts[:: max(entries // _FOUND, 1)][:_FOUND]))
            size = path.stat().st_size
            argv = (sys.executable, __file__, "--look", str(path), str(wanted))
            found = [
                json.loads(subprocess.run(argv, check=True, capture_output=True).stdout) for _ in range(given.rounds)
            ]
        print(f"{entries} entries, {size / 1e6:.1f} MB; {_middle(found, 'before_mib'):.0f} MiB before")
        for step in ("read", "find", "write"):
            seconds = [each[f"{step}_s"] for each in found]
            spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
            memory = _middle(found, f"{step}_mib")
            print(f"  {step:<6} {statistics.median(seconds):.2f} s ({spread}), {memory:.0f} MiB", flush=True)
            for each in found:
                samples.add(f"{entries} units", step, cpu_s=each[f"{step}_s"], memory_mib=each[f"{step}_mib"])
    samples.write(given.json)


def _middle(found: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in found)


if __name__ == "__main__":
    main()
