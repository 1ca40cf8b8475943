"""Whether published programs depend on where they are compiled: each in two places, and the digests compared.

    nice .venv/bin/python bench/paths.py [--work FOLDER] [--platforms ...] [--crates NAME@VERSION,...]

The two places differ in the project's folder, the target folder, `CARGO_HOME`, `HOME` and the folder of cargoship's
cache, so that standard libraries, start files and the C compiler's runtime are made twice as well (`--cache` names one
for both). Nothing is taken from a unit cache. Printed is for each crate whether its image is the same to the byte, and
what `cargoship diff` names where not. `--json` keeps what is known, so that a run can be ended and go on later.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.programs import distribution_rust  # noqa: E402 - needs the path above

CRATES = (
    "shellharden@4.3.1", "hexyl@0.17.0", "sd@1.0.0", "grex@1.4.6", "zoxide@0.10.0",
    "bore-cli@0.6.0", "b3sum@1.8.7", "oxipng@10.2.1", "mcfly@0.9.4", "fd-find@10.5.0",
)  # fmt: skip
"""Rust alone, threads and sockets, C by the cc crate (blake3, libdeflate, jemalloc, SQLite)."""
PLACES = ("one", "another/place/that/is/deeper")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="keep what was downloaded and made in this folder")
    parser.add_argument("--cache", type=Path, help="cargoship's cache folder for both places")
    parser.add_argument("--platforms", default="linux/amd64,linux/arm64")
    parser.add_argument("--crates", default=",".join(CRATES))
    parser.add_argument("--json", type=Path, help="what is known already, and where it is written to")
    given = parser.parse_args()
    known: dict[str, list[str]] = json.loads(given.json.read_text()) if given.json and given.json.exists() else {}
    work = given.work.resolve() if given.work else Path(tempfile.mkdtemp(prefix="cargoship-paths-"))
    for crate in given.crates.split(","):
        if crate not in known:
            known[crate] = differences(work, crate, given.platforms, given.cache)
            if given.json:
                given.json.write_text(json.dumps(known, indent=2) + "\n")
        print(f"{crate:<24} {'the same to the byte' if not known[crate] else '; '.join(known[crate])}", flush=True)
    if not given.work:
        shutil.rmtree(work)


def differences(work: Path, crate: str, platforms: str, cache: Path | None) -> list[str]:
    """What differs between the images of a crate from the two places; empty: nothing."""
    layouts = [build(work / place, crate, platforms, cache) for place in PLACES]
    if digest_of(layouts[0]) == digest_of(layouts[1]):
        found = []
    else:
        program = Path(sys.executable).parent / "cargoship"
        targets = [f"oci:{layout}" for layout in layouts]
        done = subprocess.run([program, "diff", *targets], capture_output=True, text=True, check=False)
        found = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    for place in PLACES:
        shutil.rmtree(work / place / "projects" / crate)
    return found


def build(place: Path, crate: str, platforms: str, cache: Path | None) -> Path:
    """The layout with the image of a crate that is compiled in a place."""
    name, _, version = crate.partition("@")
    env = {
        **os.environ, **distribution_rust(), "HOME": str(place / "home"), "CARGO_HOME": str(place / "cargo"),
        "CARGOSHIP_CACHE_DIR": str(cache or place / "cache"),
        "CARGO_TARGET_DIR": str(place / "projects" / crate / "out"),
    }  # fmt: skip
    env = {key: value for key, value in env.items() if key not in {"RUSTFLAGS", "XDG_CACHE_HOME"}}
    project = source(place, name, version, env)
    layout = place / "projects" / crate / "layout"
    program = Path(sys.executable).parent / "cargoship"
    words = ("build", project, "--no-cache", "--platform", platforms, "-o", f"oci:{layout}", "--quiet")
    subprocess.run([program, *words], env=env, check=True, stdout=subprocess.DEVNULL)
    return layout


def source(place: Path, name: str, version: str, env: dict[str, str]) -> Path:
    """A copy of a crate's source, which cargo has downloaded and checked."""
    folder = place / "projects" / f"{name}@{version}"
    asking = folder / "asking"
    (asking / "src").mkdir(parents=True)
    (asking / "src" / "lib.rs").touch()
    head = '[package]\nname = "asking"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
    (asking / "Cargo.toml").write_text(f'{head}[dependencies]\n{name} = "={version}"\n')
    subprocess.run(
        [env.get("CARGO", "cargo"), "vendor", "--quiet", folder / "vendored"],
        cwd=asking, env=env, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    shutil.copytree(folder / "vendored" / name, folder / name)
    (folder / name / ".cargo-checksum.json").unlink()
    return folder / name


def digest_of(layout: Path) -> str:
    """The digest of what a layout holds."""
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


if __name__ == "__main__":
    main()
