"""The unit cache beside what people use instead, from an empty build directory, in one run on one machine.

    .venv/bin/python bench/cache.py [--project bench/small-service] [--ways limit,cargoship,...] [--changes ...]

Ways to finished programs for two glibc targets through cargo-zigbuild, each in a fresh checkout:

  limit      a target directory that is still warm, on the machine that compiled it: what cannot be beaten
  cargoship  an empty target directory, all units in a registry on the loopback (`cargoship cargo -- zigbuild`)
  tar        the target directory packed with tar and zstd, and unpacked, as CI's caches do
  chef       cargo-chef: what it cooked is unpacked from such a tar, as a layer would be; another recipe cooks anew
  cold       nothing

Changes: nothing; code of the program; its version; a dependency more (`hex`). The copy of what each way starts from is
not timed, unpacking and downloading are. Wall and CPU seconds are of the whole process tree, ratios are to the limit.
Before that, each store's size is told, and what saving to it cost.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Cost, measure  # noqa: E402 - beside this script

from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402

TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
_BIN = Path(sys.executable).parent
_CHEF = REPOSITORY / ".tools" / "bin" / "cargo-chef"
_WAYS = ("limit", "cargoship", "tar", "chef", "cold")


def edit(place: Path) -> None:
    """A line of code more."""
    main = place / "src" / "main.rs"
    main.write_text(main.read_text() + "\n#[used]\nstatic EDITED: u8 = 1;\n")


def bump(place: Path) -> None:
    """Another version of the package."""
    for name in ("Cargo.toml", "Cargo.lock"):
        path = place / name
        path.write_text(
            path.read_text().replace('version = "0.1.0"', 'version = "0.1.1"', 1 if name == "Cargo.toml" else -1)
        )


def add(place: Path) -> None:
    """A dependency more."""
    manifest = place / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("[dependencies]\n", '[dependencies]\nhex = "0.4"\n', 1))


CHANGES: Mapping[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "code": edit,
    "version": bump,
    "dependency": add,
}


@dataclass
class Bench:
    """A project, and what every way has."""

    project: Path
    work: Path
    registry: str
    env: Mapping[str, str]
    made: dict[str, str] = field(default_factory=dict)

    def checkout(self, name: str, change: str = "nothing") -> Path:
        """A fresh copy at the same path as always, as CI has it."""
        place = self.work / "checkout"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
        CHANGES[change](place)
        self.made["last"] = name
        return place

    @property
    def words(self) -> tuple[str, ...]:
        """What cargo-zigbuild is told."""
        return ("zigbuild", "--release", *(word for target in TARGETS for word in ("--target", target)))

    def zigbuild(self, place: Path, *before: str) -> Cost:
        """cargo-zigbuild, after shell commands that count too."""
        line = " && ".join((*before, f'"{_BIN / "cargo-zigbuild"}" {" ".join(self.words)}'))
        return measure(("sh", "-c", line), cwd=place, env=self.env)

    def prepare(self) -> dict[str, Cost]:
        """Compile once for every way, and keep what each of them keeps."""
        costs = {}
        place = self.checkout("first")
        costs["cold, which the limit and the tar are made of"] = self.zigbuild(place)
        shutil.rmtree(self.work / "warm", ignore_errors=True)
        shutil.copytree(place / "target", self.work / "warm", symlinks=True)
        costs["packing with tar and zstd -3"] = measure(
            ("sh", "-c", f"tar -c target | zstd -q -3 -T2 -o {self.work}/target.tar.zst"), cwd=place, env=self.env
        )
        costs["keeping units in the registry, cargo warm"] = self.cargoship(place, "--cache-to")
        self.made["tar"] = f"{(self.work / 'target.tar.zst').stat().st_size / 1e6:.0f} MB"
        return costs

    def cargoship(self, place: Path, option: str = "--cache-from") -> Cost:
        """From the registry, with a folder of its own that is empty."""
        own = self.work / "own"
        shutil.rmtree(own, ignore_errors=True)
        options = (option, f"registry:{self.registry}/units:cache", "--cache-to", f"dir:{own}")
        return measure((_BIN / "cargoship", "cargo", *options, "--", *self.words), cwd=place, env=self.env)

    def cook(self) -> None:
        """What cargo-chef's layer holds: dependencies, compiled with dummies."""
        place = self.checkout("recipe")
        measure((_CHEF, "chef", "prepare", "--recipe-path", self.work / "recipe.json"), cwd=place, env=self.env)
        self._cook(self.work / "recipe.json")
        line = f"tar -c target | zstd -q -3 -T2 -o {self.work}/chef.tar.zst"
        measure(("sh", "-c", line), cwd=self.work / "checkout", env=self.env)

    def _cook(self, recipe: Path) -> Cost:
        place = self.work / "checkout"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        targets = [word for target in TARGETS for word in ("--target", target)]
        words = ("chef", "cook", "--release", "--zigbuild", *targets, "--recipe-path", recipe)
        return measure((_CHEF, *words), cwd=place, env=self.env)

    def run(self, way: str, change: str) -> Cost:
        """One way, after one change."""
        if way == "chef" and change in {"version", "dependency"}:
            place = self.checkout("changed", change)
            measure((_CHEF, "chef", "prepare", "--recipe-path", self.work / "changed.json"), cwd=place, env=self.env)
            if (self.work / "changed.json").read_bytes() != (self.work / "recipe.json").read_bytes():
                cooked = self._cook(self.work / "changed.json")
                shutil.move(self.work / "checkout" / "target", self.work / "cooked")
                place = self.checkout("built", change)
                shutil.move(self.work / "cooked", place / "target")
                built = self.zigbuild(place)
                return Cost(cooked.wall_s + built.wall_s, cooked.cpu_s + built.cpu_s, built.own_mib)
        place = self.checkout(way, change)
        match way:
            case "limit":
                shutil.copytree(self.work / "warm", place / "target", symlinks=True)
                if change == "nothing":
                    for path in place.rglob("*"):
                        if path.is_file() and path.relative_to(place).parts[0] != "target":
                            os.utime(path, (1, 1))
                return self.zigbuild(place)
            case "cargoship":
                return self.cargoship(place)
            case "tar":
                return self.zigbuild(place, f"zstd -q -d -c {self.work}/target.tar.zst | tar -x")
            case "chef":
                return self.zigbuild(place, f"zstd -q -d -c {self.work}/chef.tar.zst | tar -x")
        return self.zigbuild(place)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "examples" / "web-service")
    parser.add_argument("--ways", default=",".join(_WAYS[:4]))
    parser.add_argument("--changes", default=",".join(CHANGES))
    given = parser.parse_args()
    ways, changes = given.ways.split(","), given.changes.split(",")
    with tempfile.TemporaryDirectory(prefix="cargoship-bench-") as scratch:
        work = Path(scratch)
        (work / "registry").mkdir()
        with running_registry(work / "registry") as registry:
            env = {**os.environ, **distribution_rust(), "CARGOSHIP_CACHE_DIR": str(work / "cargoship")}
            env["PATH"] = f"{_BIN}{os.pathsep}{env['PATH']}"
            bench = Bench(given.project.resolve(), work, registry.host, env)
            for name, cost in bench.prepare().items():
                print(f"{name:<48} {cost}", flush=True)
            if "chef" in ways:
                bench.cook()
            stored = sum(path.stat().st_size for path in (work / "own").rglob("*") if path.is_file())
            print(f"units {stored / 1e6:.0f} MB, tar.zst {bench.made['tar']}")
            for change in changes:
                costs = {way: bench.run(way, change) for way in ways}
                limit = costs.get("limit", next(iter(costs.values())))
                for way, cost in costs.items():
                    print(f"{change:<12} {way:<10} {cost}  {cost.wall_s / limit.wall_s:6.2f} of the limit", flush=True)


if __name__ == "__main__":
    main()
