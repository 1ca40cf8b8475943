"""Five ways to an image for two platforms, and what each costs after five changes, in one run on one machine.

    .venv/bin/python bench/dockerfiles.py [--project examples/web-service] [--ways naive,chef,zigbuild,dockerfile,build]

  naive       a plain Dockerfile under Buildx: the other platform is emulated
  chef        with cargo-chef, emulated too
  zigbuild    with cargo-chef and cargo-zigbuild as published: all targets in one invocation, nothing emulated
  dockerfile  what `cargoship dockerfile` writes
  build       `cargoship build`, without an engine

  first       nothing is there but the images that all stand on: tools, dependencies and code are fetched and compiled
  nothing     the same again
  edit        one line of code
  version     another version in Cargo.toml and Cargo.lock
  dependency  one more dependency

The changes follow each other, in this order. All ways link with glibc and stand on the same images, made of Debian's
packages by scripts/rootfs; the result is an OCI archive for linux/amd64 and linux/arm64. Each way has download caches
of its own, empty at first. Wall seconds. A way that was measured is kept in --json, and measured again with --again
alone. An emulated first build takes as long as ten native ones.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "tests"), str(Path(__file__).parent)]

from dockerfiles_chart import chart, replaced, report  # noqa: E402 - needs the path above

from support.buildx import EngineInContainer, engine_in_container  # noqa: E402
from support.programs import distribution_rust  # noqa: E402

WAYS = ("naive", "chef", "zigbuild", "dockerfile", "build")
CHANGES = ("first", "nothing", "edit", "version", "dependency")
PLATFORMS = "linux/amd64,linux/arm64"
_BIN = Path(sys.executable).parent
_TEMPLATES = Path(__file__).parent / "dockerfiles"
_CHEF = "0.1.77"
_PACKAGES = ("rustc-web", "cargo-web", "libstd-rust-web-dev", "gcc", "libc6-dev", "python3", "python3-venv",
             "ca-certificates", "sed", "grep", "findutils", "tar", "gzip", "openssl")  # fmt: skip


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=REPOSITORY / "examples" / "web-service")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--changes", default=",".join(CHANGES))
    parser.add_argument("--json", type=Path, default=REPOSITORY / "bench" / "dockerfiles.json")
    parser.add_argument("--svg", type=Path, default=REPOSITORY / "docs" / "images" / "dockerfiles.svg")
    parser.add_argument("--page", type=Path, help="put the table into this page, docs/benchmarks.md")
    parser.add_argument("--engine", metavar="NAME", help="keep the engine's container, with the images to stand on")
    parser.add_argument("--again", action="store_true", help="measure also what the JSON file has")
    options = parser.parse_args()
    ways, changes = options.ways.split(","), options.changes.split(",")
    if unknown := [name for name in (*ways, *changes) if name not in WAYS + CHANGES]:
        parser.error(f"there is no {', '.join(unknown)}")
    record = json.loads(options.json.read_text()) if options.json.exists() and not options.again else {}
    # figures of another project are no figures of this one
    kept = record.get("seconds", {}) if record.get("project") == options.project.name else {}
    record = {**machine(options.project), "seconds": kept}
    scratch = tempfile.TemporaryDirectory(prefix="cargoship-bench-", dir="/var/tmp")
    with scratch as work, engine_in_container(options.engine) as engine:
        record["engine"] = engine.docker("version", "--format", "{{.Server.Version}}").stdout.strip()
        bench = Bench(engine, options.project.resolve(), Path(work))
        bench.make_bases(ways)
        for way in ways:
            done = record["seconds"].setdefault(way, {})
            if all(change in done for change in changes):
                print(f"{way}: kept from {options.json}", flush=True)
                continue
            done.clear()
            for change, seconds in bench.measure(way, changes):
                done[change] = round(seconds, 1)
                print(f"{way:11} {change:11} {seconds:8.1f} s", flush=True)
                options.json.write_text(json.dumps(record, indent=2) + "\n")
    print(report(record, WAYS, CHANGES))
    if options.page is not None:
        options.page.write_text(replaced(options.page.read_text(), report(record, WAYS, CHANGES)))
    options.svg.parent.mkdir(parents=True, exist_ok=True)
    options.svg.write_text(chart(record["seconds"], WAYS, CHANGES, title=f"{record['project']}, {PLATFORMS}"))


def machine(project: Path) -> dict[str, object]:
    """What the figures depend on."""
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    rust = subprocess.run([*rust_words(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    lock = (project / "Cargo.lock").read_text()
    return {
        "project": project.name,
        "packages": lock.count("[[package]]") - 1,
        "machine": f"{len(cpus)} cores of {cpus[0] if cpus else platform.machine()}, {memory} GiB",
        "load": [round(each, 1) for each in os.getloadavg()],
        "rust": rust,
        "date": time.strftime("%Y-%m-%d"),
    }


def rust_words() -> list[str]:
    """The Rust that all ways use, here."""
    return [distribution_rust().get("RUSTC", "rustc")]


class Bench:
    """One project, built in each way."""

    def __init__(self, engine: EngineInContainer, project: Path, work: Path) -> None:
        self._engine = engine
        self._project = project
        self._work = work
        self._wheels = work / "wheels"
        self._env = {**os.environ, "CARGO": "cargo", **distribution_rust()}
        self._words = {
            "PROGRAM": project.name, "ZIGBUILD": version("cargo-zigbuild"), "ZIG": version("ziglang"), "CHEF": _CHEF,
        }  # fmt: skip

    def make_bases(self, ways: list[str]) -> None:
        """The images that these ways stand on, for both platforms, and this checkout's wheel."""
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", self._wheels, REPOSITORY]
        subprocess.run(build, check=True, capture_output=True)
        for architecture in ("amd64", "arm64"):
            for name, packages in (("packages", _PACKAGES), ("glibc", ("libc6", "libgcc-s1", "ca-certificates"))):
                image = f"cargoship-bench/{name}:{architecture}"
                if not self._has(image):
                    self._import(image, architecture, packages)
        # cargo-chef takes minutes, and stands on rust
        for name in ("rust", *(["chef-image"] if "chef" in ways else []), "runtime"):
            context = self._work / "bases" / name
            context.mkdir(parents=True)
            (context / "pip.conf").write_text("")
            if (settings := Path("/etc/pip.conf")).exists():
                shutil.copy(settings, context / "pip.conf")
            self._fill(name, context)
            tag = f"cargoship-bench/{name.removesuffix('-image')}"
            if not self._has(tag):
                self._engine.build(context, f"--platform={PLATFORMS}", "--provenance=false", "-t", tag)

    def _has(self, image: str) -> bool:
        return self._engine.docker("image", "inspect", image, check=False).returncode == 0

    def _import(self, image: str, architecture: str, packages: tuple[str, ...]) -> None:
        archive = self._work / "rootfs.tar"
        subprocess.run([REPOSITORY / "scripts" / "rootfs", "bookworm", architecture, archive, *packages], check=True)
        words = [
            "docker",
            "exec",
            "-i",
            self._engine.name,
            "docker",
            "import",
            f"--platform=linux/{architecture}",
            "-",
            image,
        ]
        with archive.open("rb") as stream:
            subprocess.run(words, stdin=stream, check=True, capture_output=True)
        archive.unlink()

    def _fill(self, template: str, folder: Path) -> None:
        text = (_TEMPLATES / f"{template}.Dockerfile").read_text()
        for word, value in self._words.items():
            text = text.replace(word, value)
        (folder / "Dockerfile").write_text(text)
        (folder / ".dockerignore").write_text("target\nDockerfile\n.dockerignore\nrecipe.json\n")

    def measure(self, way: str, changes: list[str]) -> Iterator[tuple[str, float]]:
        """Seconds after each change, from an empty cache on."""
        folder = self._work / way / self._project.name
        shutil.copytree(self._project, folder, ignore=shutil.ignore_patterns("target"))
        build = self._prepared(way, folder)
        for change in changes:
            _CHANGES[change](folder, self._env)
            started = time.monotonic()
            build()
            yield change, time.monotonic() - started

    def _prepared(self, way: str, folder: Path) -> Callable[[], object]:
        output = self._work / f"{way}.tar"
        if way == "build":
            return self._own_build(folder, output)
        if way == "dockerfile":
            wheel = next(self._wheels.iterdir())
            (folder / "wheels").mkdir()
            shutil.copy(wheel, folder / "wheels")
            words = ("dockerfile", "--write", "--builder", "cargoship-bench/rust", "--base", "cargoship-bench/runtime",
                     "--libc", "gnu:2.36", "--cargoship", f"wheels/{wheel.name}")  # fmt: skip
            subprocess.run([_BIN / "cargoship", *words], cwd=folder, env=self._env, check=True, capture_output=True)
        else:
            self._fill(way, folder)
        self._engine.docker("buildx", "prune", "--all", "--force")
        return lambda: self._engine.build(folder, f"--platform={PLATFORMS}", "--output=type=oci,dest=/result.tar")

    def _own_build(self, folder: Path, output: Path) -> Callable[[], object]:
        """With everything that a build keeps in folders of its own; the base is a folder, as the others have theirs."""
        home = self._work / "home"
        env = {
            **self._env,
            "CARGO_HOME": str(home / "cargo"),
            "CARGOSHIP_CACHE_DIR": str(home / "cache"),
            "ZIG_GLOBAL_CACHE_DIR": str(home / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(home / "zig"),
        }
        base = self._work / "base.tar"
        with base.open("wb") as stream:
            words = ("buildx", "build", f"--platform={PLATFORMS}", "--output=type=oci,dest=-")
            context = self._engine.context(self._work / "bases" / "runtime")
            subprocess.run(
                ["docker", "exec", self._engine.name, "docker", *words, "--provenance=false", context],
                stdout=stream, stderr=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        layout = self._work / "base"
        layout.mkdir()
        subprocess.run(["tar", "-xf", base, "-C", layout], check=True)
        words = ("build", "-q", "--libc", "gnu:2.36", "--base", f"oci:{layout}", "-o", f"oci-archive:{output}")
        return lambda: subprocess.run(
            [_BIN / "cargoship", *words, "--platform", PLATFORMS], cwd=folder, env=env, check=True, capture_output=True
        )


def _replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if old not in text:
        raise SystemExit(f"{path} has no {old!r}")
    path.write_text(text.replace(old, new, 1))


def _cargo(folder: Path, env: Mapping[str, str], *words: str) -> None:
    subprocess.run([env["CARGO"], *words], cwd=folder, env=dict(env), check=True, capture_output=True)


def _nothing(folder: Path, env: Mapping[str, str]) -> None:
    del folder, env


def _edit(folder: Path, env: Mapping[str, str]) -> None:
    del env
    source = folder / "src" / "main.rs"
    source.write_text(source.read_text() + '\n#[used]\nstatic EDITED: &str = "edited";\n')


def _version(folder: Path, env: Mapping[str, str]) -> None:
    _replaced(folder / "Cargo.toml", 'version = "0.1.0"', 'version = "0.2.0"')
    _cargo(folder, env, "update", "--workspace", "--offline")


def _dependency(folder: Path, env: Mapping[str, str]) -> None:
    _replaced(folder / "Cargo.toml", "[dependencies]\n", '[dependencies]\nhex = "0.4"\n')
    _cargo(folder, env, "update", "--workspace")


_CHANGES: Mapping[str, Callable[[Path, Mapping[str, str]], None]] = {
    "first": _nothing,
    "nothing": _nothing,
    "edit": _edit,
    "version": _version,
    "dependency": _dependency,
}


if __name__ == "__main__":
    main()
