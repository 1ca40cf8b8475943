"""The unit cache beside what people use instead, from an empty build directory, in one run on one machine.

    .venv/bin/python bench/cache.py [--project bench/full-service] [--ways limit,cargoship,...] [--changes ...]

Ways to finished programs for two glibc targets through cargo-zigbuild, each in a fresh checkout:

  limit      a target directory that is still warm, on the machine that compiled it: what cannot be beaten
  cargoship  an empty target directory, all units in a registry on the loopback (`cargoship cargo -- zigbuild`)
  programs   the same with `--programs`: a build that was made before comes whole, without cargo
  tar        the target directory packed with tar and zstd, and unpacked, as CI's caches do
  chef       cargo-chef: what it cooked is unpacked from such a tar, as a layer would be; another recipe cooks again
  kache      an empty target directory, every call of the compiler looked up in kache's folder; its server is running,
             and it looks first (KACHE_DEFERRED_DISCOVERY=0)
  sccache    the same with sccache
  cold       nothing

Changes: nothing; code of the program; its version; a dependency more (`hex`); one deep in the graph upgraded
(`httparse`, which hyper and much else stand on). The copy of what each way starts from is not timed, unpacking and
downloading are. Wall and CPU seconds are of the whole process tree (without the servers of kache and sccache), ratios
are to the limit. Before that, what filling each cache cost and the size of each is printed; with `--work` that is done
once, for several runs. What is compared with is compiled from crates.io, once (bench/peers.py).
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from build import Cost, measure  # noqa: E402 - beside this script
from figures import Samples, summary, table  # noqa: E402
from peers import installed, place  # noqa: E402

from support.programs import distribution_rust  # noqa: E402 - needs the path above
from support.registry import running_registry  # noqa: E402

TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
_BIN = Path(sys.executable).parent
_WRAPPERS = ("kache", "sccache")
_WAYS = ("limit", "cargoship", "programs", "tar", "chef", "kache", "sccache", "cold")
_SETTLES_S = 10
_DEEP, _OLD, _NEW = "httparse", "1.10.0", "1.10.1"


def edit(place: Path) -> None:
    """A line of code more."""
    main = place / "src" / "main.rs"
    main.write_text(main.read_text() + "\n#[used]\nstatic EDITED: u8 = 1;\n")


def bump(place: Path) -> None:
    """Another version of the package, and of no other that has the same one."""
    manifest = place / "Cargo.toml"
    name = tomllib.loads(manifest.read_text())["package"]["name"]
    for path, before in ((manifest, ""), (place / "Cargo.lock", f'name = "{name}"\n')):
        old, new = (f'{before}version = "{version}"' for version in ("0.1.0", "0.1.1"))
        path.write_text(path.read_text().replace(old, new, 1))


def add(place: Path) -> None:
    """A dependency more."""
    manifest = place / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("[dependencies]\n", '[dependencies]\nhex = "0.4"\n', 1))


def upgrade(place: Path) -> None:
    """A dependency of dependencies, one patch version on."""
    lock = place / "Cargo.lock"
    if f'name = "{_DEEP}"\nversion = "{_OLD}"' not in lock.read_text():
        sys.exit(f"{lock} does not have {_DEEP} {_OLD}, which is upgraded; leave this change out with --changes")
    for words in (("update", "-p", _DEEP, "--precise", _NEW), ("fetch",)):
        subprocess.run(("cargo", *words), cwd=place, check=True, capture_output=True)


CHANGES: Mapping[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "code": edit,
    "version": bump,
    "dependency": add,
    "upgrade": upgrade,
}


@dataclass
class Bench:
    """A project, and what every way has."""

    project: Path
    work: Path
    registry: str
    env: Mapping[str, str]
    filled: dict[str, dict[str, float]] = field(default_factory=dict)
    """What filling each cache cost, and its size."""

    def __post_init__(self) -> None:
        """What an earlier run in the same folder filled."""
        known = self.work / "filled.json"
        if known.exists():
            self.filled.update(json.loads(known.read_text()))

    def checkout(self, change: str = "nothing") -> Path:
        """A fresh copy at the same path as always, as CI has it."""
        place = self.work / "checkout"
        self.away(place)
        shutil.copytree(self.project, place, ignore=shutil.ignore_patterns("target"), copy_function=shutil.copyfile)
        CHANGES[change](place)
        return place

    def away(self, folder: Path) -> None:
        """Move what an earlier run has left out of the way; it is removed when all is measured.

        For minutes after many files were removed an ext4 without a journal looks long for the place of each new file
        (`recently_deleted` in Linux's fs/ext4/ialloc.c): that cost seconds of anybody who came next.
        """
        if folder.exists():
            old = self.work / "old"
            old.mkdir(exist_ok=True)
            folder.rename(Path(tempfile.mkdtemp(dir=old)) / folder.name)

    @property
    def words(self) -> tuple[str, ...]:
        """What cargo-zigbuild is given."""
        return ("zigbuild", "--release", *(word for target in TARGETS for word in ("--target", target)))

    def zigbuild(self, place: Path, *before: str, **env: str) -> Cost:
        """cargo-zigbuild, after shell commands that count too."""
        os.sync()
        line = " && ".join((*before, f'"{installed("cargo-zigbuild")}" {" ".join(self.words)}'))
        return measure(("sh", "-c", line), cwd=place, env={**self.env, **env})

    def prepare(self, ways: list[str]) -> None:
        """Compile once for every way, and keep what each of them keeps; what is there already is not made again."""
        if not (self.work / "warm").exists():
            # Zig's own parts are made by the first build of a machine, no matter who does it
            self.zigbuild(self._empty_program())
            # by cargo-zigbuild alone: what cargoship has had compiled, by compilers of other names, is not fresh for it
            place = self.checkout()
            self.zigbuild(place)
            shutil.copytree(place / "target", self.work / "warm", symlinks=True)
            self._pack("packing target with tar and zstd -3", "target")
            place = self.checkout()
            self._note("compiling with cargoship", self.cargoship(place, "--cache-to"), _size(self.work / "own"))
            # cargo has nothing to do here: what it costs to keep everything, and no more
            self._note("keeping what was compiled", self.cargoship(place, "--cache-to", tag="again"), 0.0)
        if "chef" in ways and not (self.work / "chef.tar.zst").exists():
            self.checkout()
            self._recipe("recipe")
            self._note("cooking with cargo-chef", self._cook("recipe"), _size(self.work / "checkout" / "target"))
            self._pack("packing what was cooked", "chef")
        for name in _WRAPPERS:
            if name in ways and not (self.work / f"{name}-filled").exists():
                self.start_server(name)
                cost = self.wrapped(name, self.checkout())
                # kache's server stores some of it after the build
                time.sleep(_SETTLES_S)
                self.stop_servers()
                self._note(f"compiling with an empty {name}", cost, _size(self.work / name))
                shutil.move(self.work / name, self.work / f"{name}-filled")

    def _note(self, what: str, cost: Cost, size_mb: float) -> None:
        self.filled[what] = {**asdict(cost), "size_mb": size_mb}
        (self.work / "filled.json").write_text(json.dumps(self.filled, indent=2))

    def _empty_program(self) -> Path:
        place = self.work / "empty"
        (place / "src").mkdir(parents=True, exist_ok=True)
        (place / "src" / "main.rs").write_text("fn main() {}\n")
        (place / "Cargo.toml").write_text('[package]\nname = "empty"\nversion = "0.1.0"\nedition = "2021"\n')
        return place

    def _pack(self, what: str, name: str) -> None:
        archive = self.work / f"{name}.tar.zst"
        line = f"tar -c target | zstd -q -3 -T2 -o {archive}"
        self._note(what, measure(("sh", "-c", line), cwd=self.work / "checkout", env=self.env), _size(archive))

    def cargoship(self, place: Path, option: str = "--cache-from", *more: str, tag: str = "cache") -> Cost:
        """From the registry, with folders of its own that are empty."""
        own = self.work / "own"
        for folder in (own, self.work / "cargoship"):
            self.away(folder)
        os.sync()
        options = (*more, option, f"registry:{self.registry}/units:{tag}", "--cache-to", f"dir:{own}")
        return measure((_BIN / "cargoship", "cargo", *options, "--", *self.words), cwd=place, env=self.env)

    def wrapped(self, name: str, place: Path) -> Cost:
        """A wrapper around each call of the compiler."""
        return self.zigbuild(place, **self._wrapping(name))

    def _wrapping(self, name: str) -> dict[str, str]:
        folder = str(self.work / name)
        return {
            **self.env,
            "RUSTC_WRAPPER": str(installed(name)),
            "CARGO_INCREMENTAL": "0",
            "KACHE_CACHE_DIR": folder,
            "KACHE_DEFERRED_DISCOVERY": "0",
            "SCCACHE_DIR": folder,
            "SCCACHE_IDLE_TIMEOUT": "0",
        }

    def _recipe(self, name: str) -> bytes:
        path = self.work / f"{name}.json"
        words = ("chef", "prepare", "--recipe-path", path)
        measure((installed("cargo-chef"), *words), cwd=self.work / "checkout", env=self.env)
        return path.read_bytes()

    def _cook(self, name: str) -> Cost:
        place = self.work / "checkout"
        self.away(place)
        place.mkdir()
        targets = [word for target in TARGETS for word in ("--target", target)]
        words = ("chef", "cook", "--release", "--zigbuild", *targets, "--recipe-path", self.work / f"{name}.json")
        # the same cargo-zigbuild as that of the build: another version's compilers have other names
        path = f"{installed('cargo-zigbuild').parent}{os.pathsep}{self.env['PATH']}"
        return measure((installed("cargo-chef"), *words), cwd=place, env={**self.env, "PATH": path})

    def chef(self, change: str) -> Cost:
        """A layer that fits is unpacked; one that does not is made."""
        place = self.checkout(change)
        if self._recipe("changed") == (self.work / "recipe.json").read_bytes():
            return self.zigbuild(place, _unpack(self.work / "chef.tar.zst"))
        cooked = self._cook("changed")
        self.away(self.work / "cooked")
        shutil.move(self.work / "checkout" / "target", self.work / "cooked")
        place = self.checkout(change)
        shutil.move(self.work / "cooked", place / "target")
        built = self.zigbuild(place)
        return Cost(cooked.wall_s + built.wall_s, cooked.cpu_s + built.cpu_s, built.own_mib)

    def limit(self, change: str) -> Cost:
        """What was compiled is there, and older than what was changed, newer than what was not."""
        place = self.checkout(change)
        shutil.copytree(self.work / "warm", place / "target", symlinks=True)
        if change == "nothing":
            for path in place.rglob("*"):
                if path.is_file() and path.relative_to(place).parts[0] != "target":
                    os.utime(path, (1, 1))
        return self.zigbuild(place)

    def run(self, way: str, change: str) -> Cost:
        """One way, after one change."""
        match way:
            case "limit":
                return self.limit(change)
            case "cargoship" | "programs":
                words = ("--programs",) if way == "programs" else ()
                return self.cargoship(self.checkout(change), "--cache-from", *words)
            case "tar":
                return self.zigbuild(self.checkout(change), _unpack(self.work / "target.tar.zst"))
            case "chef":
                return self.chef(change)
            case "cold":
                return self.zigbuild(self.checkout(change))
        return self.with_a_copy(way, change)

    def with_a_copy(self, way: str, change: str) -> Cost:
        """A wrapper's cache as it was filled: what one change adds must not be there for the next."""
        folder = self.work / way
        self.stop_servers()
        self.away(folder)
        shutil.copytree(self.work / f"{way}-filled", folder, symlinks=True, ignore=_sockets)
        self.start_server(way)
        return self.wrapped(way, self.checkout(change))

    def start_server(self, name: str) -> None:
        """The server of a wrapper, which each call of it talks to."""
        start = ("--start-server",) if name == "sccache" else ("daemon", "start")
        measure((installed(name), *start), cwd=self.work, env=self._wrapping(name))

    def stop_servers(self) -> None:
        """End those of sccache and kache, which stay otherwise."""
        for name, words in {"sccache": ("--stop-server",), "kache": ("daemon", "stop")}.items():
            if place(name).exists():
                subprocess.run((place(name), *words), env=self._wrapping(name), capture_output=True, check=False)


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_socket()]


def _unpack(archive: Path) -> str:
    return f"zstd -q -d -c {archive} | tar -x"


def _size(path: Path) -> float:
    """Megabytes of a file or folder."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file() and not each.is_symlink()]
    # a hard link counts once
    sizes = {(each.stat().st_dev, each.stat().st_ino): each.stat().st_size for each in files}
    return sum(sizes.values()) / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "bench" / "full-service")
    parser.add_argument("--ways", default=",".join(_WAYS[:-1]))
    parser.add_argument("--changes", default=",".join(CHANGES))
    parser.add_argument("--repeat", type=int, default=1, help="how often each way is run after each change")
    parser.add_argument("--work", type=Path, help="keep what was compiled in this folder, for the next run")
    parser.add_argument("--json", type=Path, help="the figures of every round, for other programs")
    given = parser.parse_args()
    ways, changes = given.ways.split(","), list(filter(None, given.changes.split(",")))
    for name in (
        "cargo-zigbuild",
        *(each for each in ("cargo-chef", *_WRAPPERS) if each.removeprefix("cargo-") in ways),
    ):
        installed(name)
    with contextlib.ExitStack() as stack:
        work = given.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cargoship-bench-")))
        work = work.resolve()
        (work / "registry").mkdir(parents=True, exist_ok=True)
        registry = stack.enter_context(running_registry(work / "registry"))
        os.environ.update(distribution_rust())
        os.environ["CARGOSHIP_CACHE_DIR"] = str(work / "cargoship")
        # as pip installs a program, with its byte code
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        compileall.compile_dir(REPOSITORY / "src", quiet=1)
        os.environ["PATH"] = f"{_BIN}{os.pathsep}{os.environ['PATH']}"
        bench = Bench(given.project.resolve(), work, registry.host, dict(os.environ))
        stack.callback(shutil.rmtree, work / "old", ignore_errors=True)
        stack.callback(bench.stop_servers)
        bench.prepare(ways)
        for what, cost in bench.filled.items():
            print(
                f"{what:<36} {cost['wall_s']:8.1f} s wall {cost['cpu_s']:8.1f} s CPU {cost['size_mb']:8.0f} MB",
                flush=True,
            )
        samples = Samples()
        for what, cost in bench.filled.items():
            samples.add("once", what, wall_s=cost["wall_s"], cpu_s=cost["cpu_s"], stored_mb=cost["size_mb"])
        for change in changes:
            measured(bench, change, ways, given.repeat, samples)
            samples.write(given.json)
        print(table({"rows": summary(samples.rows), "base": ways[0]}))
        samples.write(given.json)


def measured(bench: Bench, change: str, ways: list[str], repeat: int, samples: Samples) -> None:
    """Every way after one change, in turn, so that an hour's noise meets all of them; printed as it comes."""
    for _ in range(repeat):
        for way in ways:
            cost = bench.run(way, change)
            samples.add(change, way, wall_s=cost.wall_s, cpu_s=cost.cpu_s, memory_mib=cost.own_mib)
            print(f"{change:<12} {way:<10} {cost}", flush=True)


if __name__ == "__main__":
    main()
