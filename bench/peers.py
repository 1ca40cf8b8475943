"""The programs that cargoship is compared with: those of crates.io, compiled once for a machine, and who they are.

    .venv/bin/python bench/peers.py [NAME,...]     compiles what is missing: minutes each, kache a quarter of an hour

They are kept beside what the tests keep (SHIP_TESTS_CACHE, else ~/.cache/cargoship-tests), and serve every checkout.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.programs import distribution_rust  # noqa: E402 - needs the path above

PEERS: Mapping[str, tuple[str, ...]] = {
    "cargo-chef": ("cargo-chef@0.1.78",),
    "cargo-zigbuild": ("cargo-zigbuild@0.24.1",),
    "kache": ("kache@2.0.0",),
    # without its clients of a dozen clouds
    "sccache": ("sccache@0.19.0", "--no-default-features"),
}
"""What cargo installs, by the name of the program."""
_VERSIONS = {
    "skopeo": ("skopeo", "--version"),
    "docker-registry": ("docker-registry", "--version"),
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
    "cargo": ("cargo", "--version"),
}


def place(name: str) -> Path:
    """Where a peer is, or would be."""
    kept = os.environ.get("SHIP_TESTS_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "cargoship-tests"
    )
    version = PEERS[name][0].partition("@")[2]
    return Path(kept) / "peers" / f"{name}-{version}-{platform.machine()}" / "bin" / name


def installed(name: str) -> Path:
    """The program, which is compiled now if it is not there; a failure ends the benchmark."""
    if not place(name).exists():
        print(f"compiling {PEERS[name][0]}, once", flush=True)
        # without --locked: a lock file may name what an index mirror does not have yet
        words = ("install", "--quiet", "--root", place(name).parents[1], *PEERS[name])
        env = {"CARGO": "cargo", **os.environ, **distribution_rust()}
        subprocess.run((env["CARGO"], *words), check=True, env=env)
    return place(name)


def version(name: str) -> str:
    """Which one of a program it is; empty where it cannot be asked."""
    if name in PEERS:
        return PEERS[name][0].partition("@")[2]
    words: Sequence[str] = _VERSIONS[name]
    env = {**os.environ, **distribution_rust()}
    words = (env.get("CARGO", "cargo"), *words[1:]) if words[0] == "cargo" else words
    try:
        done = subprocess.run(words, capture_output=True, text=True, env=env, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    found = re.search(r"\d+\.\d+[\w.+~-]*", done.stdout)
    return found[0] if found else ""


if __name__ == "__main__":
    for wanted in sys.argv[1].split(",") if sys.argv[1:] else PEERS:
        print(installed(wanted))
