"""A cargo that compiles nothing, and yet leaves a build directory, and says what it did, as the real one does.

It decides what is fresh by the same rules: the hash in a unit's fingerprint, the times of the files that the unit has
read, and whether what it depends on was compiled. What it writes for a unit is made of the unit's source and of what it
depends on, and so is the same wherever the same is compiled.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from cargoship.errors import ToolMissing
from cargoship.oci.digest import Digest
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder
from cargoship.unitcache.keys.environment import Compilers

HOST = "x86_64-unknown-linux-gnu"
COMPILERS = Compilers(Path("cargo"), f"rustc 1.99.0\nhost: {HOST}\n", HOST)
_PROFILE = {"name": "release", "opt_level": "3", "debuginfo": 0, "debug_assertions": False, "overflow_checks": False}
_INDEX = "registry+https://github.com/rust-lang/crates.io-index"
_SCRIPT = "build-script-build"


@dataclass(frozen=True)
class Crate:
    """A package with one target, and perhaps a build script."""

    name: str
    kind: str = "lib"
    """lib, bin, proc-macro, cdylib."""
    needs: tuple[str, ...] = ()
    local: bool = True
    script: str | None = None
    """What its build script prints; None: it has none."""
    includes: bool = False
    """Whether it includes what its build script has written."""
    variables: tuple[str, ...] = ()
    """What it reads with env!."""
    embeds: tuple[str, ...] = ()
    """The names of folders that its program holds: root, build."""


APP = (
    Crate("itoa", local=False),
    Crate("derive", "proc-macro", local=False),
    Crate("sys", local=False, script="cargo:rerun-if-changed=build.rs\n", includes=True),
    Crate("helper", needs=("itoa", "derive")),
    Crate("app", "bin", needs=("helper", "sys")),
)


@dataclass(frozen=True)
class _Unit:
    crate: Crate
    role: str
    """What it is made of: the target, its build script (build), or the run of that (run)."""
    platform: str | None
    needs: tuple[_Unit, ...]

    @cached_property
    def hash(self) -> str:
        text = f"{self.crate.name} {self.role} {self.platform} {[each.hash for each in self.needs]}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def value(self) -> int:
        return int(hashlib.sha256(f"fingerprint {self.hash}".encode()).hexdigest()[:16], 16)

    @property
    def kind(self) -> str:
        return self.crate.kind if self.role == "target" else "custom-build"

    @property
    def target(self) -> str:
        return self.crate.name if self.role == "target" else _SCRIPT

    @property
    def file(self) -> str:
        """The name of its fingerprint."""
        return {
            "target": f"{'lib' if self.kind != 'bin' else 'bin'}-{self.crate.name}",
            "build": f"build-script-{_SCRIPT}",
            "run": f"run-build-script-{_SCRIPT}",
        }[self.role]


@dataclass
class FakeCargo:
    """Builds a workspace at `root`; a runner for everything that the unit cache asks of programs."""

    root: Path
    home: Path
    crates: tuple[Crate, ...] = APP
    target: str | None = None
    """The triple that is built for; None: the host."""
    layout: int = 1
    fails: str | None = None
    """The crate that cannot be compiled."""
    graph: Callable[[], Completed] | None = None
    """Says something else when it is asked for the units."""
    meanwhile: Callable[[Crate], None] = lambda _: None
    """Called when a target of a crate is being compiled."""
    compiled: list[str] = field(default_factory=list)
    """Package and role of each unit that was compiled last."""
    programs: ProgramFinder = field(default_factory=ProgramFinder)

    @property
    def build_dir(self) -> Path:
        return self.root / "target"

    @property
    def env(self) -> dict[str, str]:
        return {"CARGO_HOME": str(self.home), "PATH": "/usr/bin"}

    @property
    def command(self) -> Command:
        return Command(("cargo", "build", "--release"), self.root, self.env)

    def package(self, crate: Crate) -> Path:
        return self.root / crate.name if crate.local else self.home / f"registry/src/index/{crate.name}-1.0.0"

    def write_sources(self) -> FakeCargo:
        """Write the workspace, older than everything that is built of it."""
        locked = []
        for crate in self.crates:
            package = self.package(crate)
            (package / "src").mkdir(parents=True, exist_ok=True)
            (package / "Cargo.toml").write_text(f'[package]\nname = "{crate.name}"\nversion = "1.0.0"\n')
            (package / "src" / "lib.rs").write_text(f"// {crate.name}\n")
            if crate.script is not None:
                (package / "build.rs").write_text("fn main() {}\n")
            pin = "" if crate.local else f'source = "{_INDEX}"\nchecksum = "{Digest.of(crate.name.encode()).hex}"\n'
            locked.append(f'[[package]]\nname = "{crate.name}"\nversion = "1.0.0"\n{pin}')
        (self.root / "Cargo.lock").write_text("version = 4\n\n" + "\n".join(locked))
        (self.root / "Cargo.toml").write_text('[workspace]\nmembers = ["*"]\n')
        self.age()
        return self

    def age(self, seconds: float = 100.0) -> None:
        """Make everything older."""
        for place in (self.root, self.home):
            for path in place.rglob("*"):
                status = path.lstat()
                older = status.st_mtime_ns - int(seconds * 1e9)
                os.utime(path, ns=(older, older), follow_symlinks=False)

    def edit(self, crate: str, text: str, name: str = "src/lib.rs") -> None:
        """Change a file a second ago."""
        path = self.package(self.crate(crate)) / name
        path.write_text(text)
        os.utime(path, (time.time() - 1, time.time() - 1))

    def crate(self, name: str) -> Crate:
        return next(each for each in self.crates if each.name == name)

    # the runner

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See Runner."""
        del stdin, timeout_s
        match command.argv:
            case ("cargo", "-V"):
                return Completed(0, b"cargo 1.99.0\n", b"")
            case ("cc", *_):
                return Completed(0, b"cc 1.0\n", b"")
            case ("cargo", *words) if "--unit-graph" in words:
                return Completed(0, json.dumps(self._graph()).encode(), b"") if self.graph is None else self.graph()
        raise ToolMissing(f"nobody knows {command.argv}")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See Runner: a build."""
        del on_stderr, stdin
        self.compiled.clear()
        records = (command.env or {}).get("CARGOSHIP_WATCH")
        dirty: set[str] = set()
        for unit in self._units():
            fresh = self._is_fresh(unit) and not any(each.hash in dirty for each in unit.needs)
            if not fresh:
                if unit.crate.name == self.fails and unit.role == "target":
                    return 101
                dirty.add(unit.hash)
                self.compiled.append(f"{unit.crate.name} {unit.role}")
                if records is not None:
                    self._record(unit, Path(records))
                self._compile(unit)
            on_stdout(json.dumps(self._message(unit, fresh=fresh)).encode() + b"\n")
        return 0

    # what is built

    def _units(self) -> list[_Unit]:
        """Every unit after those that it depends on."""
        made: dict[tuple[str, bool], _Unit] = {}
        units: list[_Unit] = []

        def unit_of(crate: Crate, *, host: bool) -> _Unit:
            host = host or crate.kind == "proc-macro"
            if (crate.name, host) in made:
                return made[crate.name, host]
            needs = [unit_of(self.crate(name), host=host) for name in crate.needs]
            if crate.script is not None:
                build = _Unit(crate, "build", None, ())
                run = _Unit(crate, "run", None if host else self.target, (build,))
                units.extend(each for each in (build, run) if each not in units)
                needs.append(run)
            made[crate.name, host] = unit = _Unit(crate, "target", None if host else self.target, tuple(needs))
            units.append(unit)
            return unit

        for crate in self.crates:
            if crate.local:
                unit_of(crate, host=False)
        return units

    def _graph(self) -> Mapping[str, object]:
        units = self._units()
        return {
            "version": 1,
            "units": [
                {
                    "pkg_id": self._id(unit.crate),
                    "target": {
                        "kind": [unit.kind],
                        "crate_types": [unit.kind if unit.role == "target" else "bin"],
                        "name": unit.target,
                        "src_path": str(self._source(unit)),
                        "edition": "2021",
                    },
                    "profile": _PROFILE,
                    "platform": unit.platform,
                    "mode": "run-custom-build" if unit.role == "run" else "build",
                    "features": [],
                    "dependencies": [
                        {"index": units.index(each), "extern_crate_name": each.crate.name} for each in unit.needs
                    ],
                }
                for unit in units
            ],
            "roots": [len(units) - 1],
        }

    def _id(self, crate: Crate) -> str:
        return (
            f"path+file://{self.package(crate)}#{crate.name}@1.0.0" if crate.local else f"{_INDEX}#{crate.name}@1.0.0"
        )

    def _source(self, unit: _Unit) -> Path:
        return self.package(unit.crate) / ("src/lib.rs" if unit.role == "target" else "build.rs")

    def _profile(self, unit: _Unit) -> str:
        return "release" if unit.platform is None else f"{unit.platform}/release"

    def folder(self, unit: _Unit) -> str:
        """Where its fingerprint is, below the build directory."""
        if self.layout == 2:
            return f"{self._profile(unit)}/build/{unit.crate.name}/{unit.hash}/fingerprint"
        return f"{self._profile(unit)}/.fingerprint/{unit.crate.name}-{unit.hash}"

    def _out(self, unit: _Unit) -> str:
        if self.layout == 2:
            return f"{self._profile(unit)}/build/{unit.crate.name}/{unit.hash}/out"
        return f"{self._profile(unit)}/build/{unit.crate.name}-{unit.hash}/out"

    def _said(self, unit: _Unit) -> str:
        below = self._out(unit).removesuffix("/out")
        return f"{below}/run/stdout" if self.layout == 2 else f"{below}/output"

    def _made(self, unit: _Unit) -> tuple[str, ...]:
        """The files that a compiler leaves, the first of them being what others use."""
        name = unit.target.replace("-", "_")
        if self.layout == 2:
            place, hashed = self._out(unit), f"{name}-{unit.hash}"
        elif unit.role == "build":
            place, hashed = self._out(unit).removesuffix("/out"), f"{name}-{unit.hash}"
        else:
            place, hashed = f"{self._profile(unit)}/deps", f"{name}-{unit.hash}"
        match unit.kind:
            case "lib":
                return (f"{place}/lib{hashed}.rlib", f"{place}/lib{hashed}.rmeta")
            case "proc-macro":
                return (f"{place}/lib{hashed}.so",)
            case "cdylib":
                return (f"{place}/lib{name}.so",)
            case _:
                return (f"{place}/{hashed}",)

    def _is_fresh(self, unit: _Unit) -> bool:
        own = self.build_dir / self.folder(unit) / unit.file
        if not own.is_file() or own.read_text() != unit.value.to_bytes(8, "little").hex():
            return False
        noted = self.build_dir / (self._said(unit) if unit.role == "run" else f"{self.folder(unit)}/dep-{unit.file}")
        changed = [self._source(unit)] if unit.role != "run" or self._is_reported(unit) else []
        return noted.is_file() and all(path.stat().st_mtime_ns <= noted.stat().st_mtime_ns for path in changed)

    def _is_reported(self, unit: _Unit) -> bool:
        return "rerun-if-changed" in (unit.crate.script or "")

    def _compile(self, unit: _Unit) -> None:
        fingerprint = self.build_dir / self.folder(unit)
        fingerprint.mkdir(parents=True, exist_ok=True)
        local: list[Mapping[str, object]] = []
        if unit.role == "run":
            local = list(self._run_script(unit))
        else:
            (fingerprint / "invoked.timestamp").write_text("")
            if unit.role == "target":
                self.meanwhile(unit.crate)
            generated = [f"{self._out(each)}/made.rs" for each in unit.needs if each.role == "run"]
            generated = generated if unit.crate.includes else []
            variables = unit.crate.variables if unit.role == "target" else ()
            (fingerprint / f"dep-{unit.file}").write_bytes(
                dep_info([str(self._source(unit).relative_to(self.package(unit.crate)))], generated, variables)
            )
            local.append({"CheckDepInfo": {"dep_info": f"{self.folder(unit)}/dep-{unit.file}", "checksum": False}})
            self._write(unit, generated)
        document = {"deps": [[0, each.crate.name, False, each.value] for each in unit.needs], "local": local}
        (fingerprint / f"{unit.file}.json").write_text(json.dumps(document))
        (fingerprint / unit.file).write_text(unit.value.to_bytes(8, "little").hex())

    def _record(self, unit: _Unit, folder: Path) -> None:
        """What a watcher notes of a compilation that reads nothing but what it tells."""
        crate, deps = unit.target.replace("-", "_"), self.build_dir / self._profile(unit) / "deps"
        said = f"B{self.build_dir / self._out(unit)}" if unit.role == "run" else f"K{crate}\t-{unit.hash}\t{deps}"
        (folder / f"{len(list(folder.iterdir()))}-{time.time_ns()}").write_text(f"{said}\0")

    def _run_script(self, unit: _Unit) -> Iterator[Mapping[str, object]]:
        out, said = self.build_dir / self._out(unit), self.build_dir / self._said(unit)
        for folder in (out, said.parent):
            folder.mkdir(parents=True, exist_ok=True)
        (said.parent / "invoked.timestamp").write_text("")
        (out / "made.rs").write_text("pub const MADE: u8 = 1;\n")
        (said.parent / "root-output").write_text(str(out))
        (said.parent / "stderr").write_text("")
        script = unit.crate.script or ""
        said.write_text(script.replace("OUT_DIR", str(out)))
        if self._is_reported(unit):
            yield {"RerunIfChanged": {"output": self._said(unit), "paths": ["build.rs"]}}
        else:
            yield {"Precalculated": "1700000000.0s (src/lib.rs)"}
        for line in script.splitlines():
            if line.startswith("cargo:rerun-if-env-changed="):
                yield {"RerunIfEnvChanged": {"var": line.partition("=")[2], "val": None}}

    def _write(self, unit: _Unit, generated: list[str]) -> None:
        files = self._made(unit)
        read = [self._source(unit).read_bytes()]
        read += [(self.build_dir / self._made(each)[0]).read_bytes() for each in unit.needs if each.role != "run"]
        embedded = {"root": str(self.root), "build": str(self.build_dir)}
        read += [embedded[name].encode() for name in unit.crate.embeds]
        for name in files:
            path = self.build_dir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_bytes(b"\x7fELF" + hashlib.sha256(b"".join(read)).digest() + b"".join(read[-2:]))
            if unit.kind != "lib":
                path.chmod(0o755)
        dep = self.build_dir / f"{files[0].rpartition('/')[0]}/{unit.target.replace('-', '_')}-{unit.hash}.d"
        reported = f"{self.build_dir / files[0]}: {self._source(unit)}\n"
        dep.write_text(
            reported + "".join(f"# env-dep:OUT_DIR={self.build_dir / name.rpartition('/')[0]}\n" for name in generated)
        )
        if unit.kind == "bin":
            linked = self.build_dir / self._profile(unit) / unit.crate.name
            linked.unlink(missing_ok=True)
            linked.hardlink_to(self.build_dir / files[0])

    def _message(self, unit: _Unit, *, fresh: bool) -> Mapping[str, object]:
        if unit.role == "run":
            words = [line.partition("=") for line in (unit.crate.script or "").splitlines()]
            return {
                "reason": "build-script-executed",
                "package_id": self._id(unit.crate),
                "out_dir": str(self.build_dir / self._out(unit)),
                "linked_libs": [value for name, _, value in words if name == "cargo:rustc-link-lib"],
                "linked_paths": [value for name, _, value in words if name == "cargo:rustc-link-search"],
            }
        made = [str(self.build_dir / name) for name in self._made(unit)]
        executable = str(self.build_dir / self._profile(unit) / unit.crate.name) if unit.kind == "bin" else None
        return {
            "reason": "compiler-artifact",
            "package_id": self._id(unit.crate),
            "manifest_path": str(self.package(unit.crate) / "Cargo.toml"),
            "target": {"name": unit.target, "kind": [unit.kind]},
            "profile": {**_PROFILE, "test": False},
            "features": [],
            "filenames": made if executable is None else [executable],
            "executable": executable,
            "fresh": fresh,
        }


def dep_info(package: list[str], build: list[str], variables: tuple[str, ...] = ()) -> bytes:
    """As cargo encodes what a compiler has read."""

    def text(value: str) -> bytes:
        return len(value.encode()).to_bytes(4, "little") + value.encode()

    files = [(0, path) for path in package] + [(1, path) for path in build]
    return b"".join(
        [
            b"\1\0\0\0\xff\1",
            len(files).to_bytes(4, "little"),
            *(bytes([kind]) + text(path) + b"\0" for kind, path in files),
            len(variables).to_bytes(4, "little"),
            *(text(name) + b"\0" for name in variables),
        ]
    )
