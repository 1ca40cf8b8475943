"""Find out everything beside a unit that decides what comes out of it: toolchain, system, configuration, lock file."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from cargoship.cargo.unit_graph import UnitGraph
from cargoship.oci.digest import Digest
from cargoship.process import Command, Runner
from cargoship.unitcache.configuration import (
    configuration_files,
    environment_told,
    manifest_digest,
    settings_told,
)
from cargoship.unitcache.key import Lock, Surroundings

_PATH_ID = re.compile(r"\(?path\+file://(?P<path>/[^#?)]*)")
_UNSTABLE = re.compile(r"-Z.*|--config(?:=.*)?")
_SYSTEM_FIELDS = ("ID", "VERSION_ID", "BUILD_ID")


@dataclass(frozen=True)
class Compilers:
    """The programs and libraries that a build is made with."""

    cargo: Path
    rustc: str
    """`rustc -vV`."""
    host: str
    libraries: Mapping[str, Path] = field(default_factory=dict)
    """By triple, the host's among them: its standard library, as rustc's lib/rustlib/<triple>."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """By triple: what compiles C and links there, in words that say its version."""
    through: str = ""
    """What starts cargo, where that has a say in cargo's fingerprints."""


def look_around(
    compilers: Compilers,
    root: Path,
    build: Command,
    *,
    runner: Runner,
    env: Mapping[str, str],
) -> Surroundings:
    """Find out what does not depend on the unit graph; `with_manifests` adds the rest.

    `env` is the environment as the user set it, `build` the invocation of cargo. Raises ToolMissing, OSError.
    """
    cwd = build.cwd or root
    home = cargo_home(env)
    with ThreadPoolExecutor(4) as beside:
        version = beside.submit(_said, runner, (str(compilers.cargo), "-V"), env, cwd)
        system = beside.submit(_system, runner, env)
        folders = dict(compilers.libraries)
        libraries = dict(zip(folders, beside.map(library_identity, folders.values()), strict=True))
        files = [path.read_bytes() for path in configuration_files(cwd, home)]
    options = _options(build.argv, cwd)
    triples = tuple(dict.fromkeys((*folders, *compilers.tools)))
    return Surroundings(
        root=str(root),
        rustc=compilers.rustc.strip(),
        cargo=" ".join(filter(None, [version.result().strip(), *_unstable(env), compilers.through])),
        host=compilers.host,
        libraries=libraries,
        tools={**dict.fromkeys(triples, ""), **compilers.tools},
        system=system.result(),
        settings={triple: settings_told(triple, files=files, options=options, env=env) for triple in triples},
        environment={triple: environment_told(triple, env) for triple in triples},
    )


def with_manifests(around: Surroundings, graph: UnitGraph) -> Surroundings:
    """With what the manifests of a build's local packages say."""
    return replace(around, manifests=_manifests(graph, Path(around.root)))


def read_lock(lock: Path | None, graph: UnitGraph, home: Path) -> Lock:
    """What the lock file knows of the packages in a graph; raises OSError, and ValueError for what is no TOML."""
    if lock is None:
        return Lock({})
    entries = tomllib.loads(lock.read_text(encoding="utf-8")).get("package", ())
    pins: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for entry in entries:
        source = str(entry.get("source", ""))
        commit = source.rpartition("#")[2] if source.startswith("git+") else ""
        pin = str(entry.get("checksum") or commit)
        if pin:
            pins.setdefault((str(entry.get("name")), str(entry.get("version"))), []).append((source, pin))
    pinned = {}
    for unit in graph.units:
        if unit.is_local:
            continue
        where, _, what = unit.package_id.rpartition("#")
        version = what.rpartition("@")[2]
        for source, pin in pins.get((unit.package, version), ()):
            # the lock file adds the commit, and has crates.io's older name
            if source.partition("#")[0].removeprefix("sparse+") in {where, where.removeprefix("sparse+")}:
                pinned[unit.package_id] = pin
    return Lock(pinned, str(home))


def cargo_home(env: Mapping[str, str]) -> Path:
    """The folder that is cargo's own (the cargo book, "Environment variables")."""
    named = env.get("CARGO_HOME")
    return Path(named) if named else Path(env.get("HOME") or "/") / ".cargo"


def library_identity(folder: Path) -> str:
    """What a standard library is: the content of std, which knows the hashes of the others, and of what it links."""
    lib = folder / "lib"
    sha = hashlib.sha256()
    names = sorted(lib.glob("*.rlib")) + sorted((lib / "self-contained").glob("*"))
    for path in names:
        sha.update(f"{path.name}\0".encode())
        if path.name.startswith("libstd-") or path.parent.name == "self-contained":
            with path.open("rb") as stream:
                sha.update(Digest.of_stream(stream)[0].hex.encode())
    return sha.hexdigest() if names else ""


def _manifests(graph: UnitGraph, root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    shared = _read(root / "Cargo.toml")
    for unit in graph.units:
        match = _PATH_ID.match(unit.package_id)
        if match is not None and unit.package_id not in found:
            own = _read(Path(unquote(match["path"])) / "Cargo.toml")
            found[unit.package_id] = manifest_digest(own or b"", shared)
    return found


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _system(runner: Runner, env: Mapping[str, str]) -> str:
    """The host's system: programs are linked against its C library by its compiler, and build scripts look at it."""
    told = _read(Path("/etc/os-release")) or _read(Path("/usr/lib/os-release")) or b""
    fields = dict(line.partition("=")[::2] for line in told.decode("utf-8", "replace").splitlines())
    words = [os.uname().sysname, os.uname().machine, *(fields.get(name, "").strip('"') for name in _SYSTEM_FIELDS)]
    words.append(_libc_version())
    try:
        compiler = runner.run(Command(("cc", "--version"), env=env), timeout_s=60).text.partition("\n")[0]
    except Exception:  # noqa: BLE001 - there is none: then nothing is linked with it
        compiler = ""
    return " ".join(word for word in [*words, compiler.strip()] if word)


def _libc_version() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # another C library, or another system
        return os.uname().release if os.uname().sysname == "Darwin" else ""


def _said(runner: Runner, argv: tuple[str, ...], env: Mapping[str, str], cwd: Path) -> str:
    return runner.run(Command(argv, cwd=cwd, env=env), timeout_s=600).text


def _unstable(env: Mapping[str, str]) -> Iterable[str]:
    return sorted(f"{name}={env[name]}" for name in env if name.startswith("CARGO_UNSTABLE_"))


def _options(argv: Sequence[str], cwd: Path) -> list[str]:
    """The words of an invocation that configure: --config and -Z; a file that is named counts by its content."""
    found: list[str] = []
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    for number, word in enumerate(words):
        if not _UNSTABLE.fullmatch(word):
            continue
        follows = word in {"-Z", "--config"} and number + 1 < len(words)
        value = words[number + 1] if follows else word.partition("=")[2]
        found.append(word)
        found.append(value)
        if word.startswith("--config") and (cwd / value).is_file():
            found.append(Digest.of((cwd / value).read_bytes()).hex)
    return found
