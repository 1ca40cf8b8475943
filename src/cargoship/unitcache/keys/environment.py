"""Find out everything beside a unit that decides what comes out of it: toolchain, system, configuration, lock file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cargoship.cargo.config import (
    cargo_home,
    configuration_files,
    default_targets,
    local_registries,
    read_table,
    replaced_sources,
    what_becomes_of_warnings,
    with_includes,
)
from cargoship.cargo.registries import may_be_crates_io, registry_indexes
from cargoship.cargo.words import options_of
from cargoship.decoding import decode_toml
from cargoship.oci.digest import Digest
from cargoship.process import Command, Runner
from cargoship.programs import ProgramFinder, without_secrets
from cargoship.reading import read_file, real_path
from cargoship.unitcache.keys.configuration import (
    ConfigurationFile,
    environment_as_text,
    manifest_digest,
    settings_as_text,
)
from cargoship.unitcache.keys.key import LOCAL_ID, BuildEnvironment, LockedSources
from cargoship.unitcache.keys.manifests import readme_of, workspace_of
from cargoship.unitcache.keys.named import NamedFiles, processor
from cargoship.unitcache.keys.objectionable import objectionable
from cargoship.unitcache.keys.wrapping import is_wrapped

if TYPE_CHECKING:
    from cargoship.cargo.unit_graph import UnitGraph

_UNSTABLE = re.compile(r"-Z.*|--config(?:=.*)?")
_HOW_IT_TALKS = re.compile(r"term\.[\w.-]+\s*=")
"""As [term] of a file, it has no say in what is compiled."""
_SYSTEM_FIELDS = ("ID", "VERSION_ID", "BUILD_ID")


CLIPPY = "clippy 2"
"""What stands around cargo where Clippy compiles local packages; since 2, what it reads is seen."""


class Compilers(Struct, frozen=True):
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
    replaced: frozenset[str] = frozenset()
    """Triples for which what is compiled names no folder of this machine."""
    asks: bool = False
    """Whether what compiles local packages looks whether cargo was asked for them."""


def find_environment(
    compilers: Compilers,
    root: Path,
    build: Command,
    *,
    runner: Runner,
    env: Mapping[str, str],
) -> BuildEnvironment:
    """Find out what does not depend on the unit graph; `with_graph` adds the rest.

    `env` is the environment as the user set it, `build` the invocation of cargo. Raises ToolMissing, OSError.
    """
    cwd = build.cwd or root
    home = cargo_home(env)
    with ThreadPoolExecutor(4) as beside:
        version = beside.submit(_said, runner, (str(compilers.cargo), "-V"), env, cwd)
        system = beside.submit(_system, runner, env)
        folders = dict(compilers.libraries)
        libraries = dict(zip(folders, beside.map(library_identity, folders.values()), strict=True))
        configured = configuration_files(cwd, home)
        files = [_configuration_file(path, root) for path in configured]
        tables = [read_table(path) for path in configured]
    named = NamedFiles((root, cwd), env.get("PATH", ""))
    machine = processor()
    options = [*_options(build.argv, cwd), *_places_that_count(zip(configured, files, tables, strict=True))]
    asked = list(_asked_for(build.argv, cwd))
    indexes = registry_indexes(tables, env)
    said = _without_the_compiler_itself(env, compilers)
    triples = tuple(dict.fromkeys((*folders, *compilers.tools)))
    return BuildEnvironment(
        root=str(root),
        rustc=compilers.rustc.strip(),
        cargo=" ".join(filter(None, [version.result().strip(), *_unstable(env), compilers.through])),
        host=compilers.host,
        libraries=libraries,
        tools={**dict.fromkeys(triples, ""), **compilers.tools},
        system=system.result(),
        settings={
            triple: settings_as_text(
                triple,
                files=files,
                options=options,
                env=said,
                named=named,
                processor=machine,
                asked=asked,
            )
            for triple in triples
        },
        environment={triple: environment_as_text(triple, env, named, machine) for triple in triples},
        targets=" ".join(default_targets(tables, env)),
        warnings=what_becomes_of_warnings(tables, env),
        objectionable=objectionable(tables, env),
        sources=_digest_of([*replaced_sources(tables), *map(_content_of, _local_registries([*asked, *files]))]),
        registries={name: _digest_of(said) for name, said in indexes.items()},
        names_crates_io=any(may_be_crates_io(each) for said in indexes.values() for each in said),
        processor=machine,
        replaced=compilers.replaced,
        wrapped=is_wrapped(
            said,
            tables,
            options_of(build.argv, "--config"),
            is_compiler=partial(_is_compiler, env=env, compilers=compilers),
        ),
        linted=compilers.through == CLIPPY,
        asks=compilers.asks,
    )


def with_graph(around: BuildEnvironment, graph: UnitGraph) -> BuildEnvironment:
    """With what the manifests of a build's local packages say, and which packages were asked for."""
    asked = frozenset(graph.units[index].package_id for index in graph.roots)
    return replace(around, manifests=_manifests(graph, Path(around.root)), asked=asked)


def locked_sources(lock: Path | None, graph: UnitGraph, home: Path) -> LockedSources:
    """What the lock file knows of the packages in a graph; raises OSError, and ValueError for what is no TOML."""
    if lock is None:
        return LockedSources({})
    listed = decode_toml(read_file(lock)).get("package")
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
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
    return LockedSources(pinned, str(home))


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
    for unit in graph.units:
        match = LOCAL_ID.match(unit.package_id)
        if match is not None and unit.package_id not in found:
            manifest = Path(unquote(match["path"])) / "Cargo.toml"
            shared = workspace_of(manifest, root)
            inherited = None if shared is None else _read(shared)
            found[unit.package_id] = manifest_digest(_read(manifest) or b"", inherited, readme_of(manifest))
    return found


def _digest_of(tables: Sequence[object]) -> str:
    return Digest.of(msgspec.json.encode(tables, order="deterministic", enc_hook=str)).hex if tables else ""


def _content_of(registry: Path) -> dict[str, str]:
    """The digests of a local registry's crates and of its index: cargo compares them with the lock file in each run."""
    # folders of the index are one deep for names of one or two letters, and two for others
    places = sorted(path for pattern in ("*.crate", "index/*/*", "index/*/*/*") for path in registry.glob(pattern))
    files = ((path, _read(path)) for path in places)
    return {str(path.relative_to(registry)): Digest.of(data).hex for path, data in files if data is not None}


def _local_registries(files: Iterable[ConfigurationFile]) -> tuple[Path, ...]:
    found: list[tuple[Path, Mapping[str, object]]] = []
    for file in files:
        # what is no TOML cargo refuses
        with contextlib.suppress(ValueError):
            found += [(file.folder, decode_toml(file.data))] if file.folder is not None else []
    return local_registries(found)


def _read(path: Path) -> bytes | None:
    try:
        return read_file(path)
    except OSError:
        return None


def _system(runner: Runner, env: Mapping[str, str]) -> str:
    """The host's system: programs are linked against its C library by its compiler, and build scripts look at it."""
    release = _read(Path("/etc/os-release")) or _read(Path("/usr/lib/os-release")) or b""
    fields = dict(line.partition("=")[::2] for line in release.decode("utf-8", "replace").splitlines())
    words = [os.uname().sysname, os.uname().machine, *(fields.get(name, "").strip('"') for name in _SYSTEM_FIELDS)]
    words.append(_libc_version())
    try:
        compiler = runner.run(Command(("cc", "--version"), env=without_secrets(env)), timeout_s=60).text.partition(
            "\n"
        )[0]
    except Exception:  # noqa: BLE001 - there is none: then nothing is linked with it
        compiler = ""
    return " ".join(word for word in [*words, compiler.strip()] if word)


def _libc_version() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # another C library, or another system
        return os.uname().release if os.uname().sysname == "Darwin" else ""


def _configuration_file(path: Path, root: Path) -> ConfigurationFile:
    place = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
    return ConfigurationFile(read_file(path), place, path.parent.parent)


def _asked_for(argv: Sequence[str], cwd: Path) -> Iterator[ConfigurationFile]:
    """What --config says, as the content of files, with the folder that cargo finds their programs from."""
    for value in options_of(argv, "--config"):
        if (cwd / value).is_file():
            for path in with_includes(cwd / value):
                yield ConfigurationFile(read_file(path), folder=path.parent.parent)
        else:
            yield ConfigurationFile(value.encode(errors="surrogateescape"), folder=cwd)


def _places_that_count(files: Iterable[tuple[Path, ConfigurationFile, Mapping[str, object]]]) -> list[str]:
    """The files outside of the workspace in which [env] has a path relative to them: the whole path is the value.

    Inside, it begins with the workspace's folder, and is seen in what comes out.
    """

    def has_such(table: object) -> bool:
        entries = table.values() if isinstance(table, dict) else ()
        return any(isinstance(each, dict) and bool(each.get("relative")) for each in entries)

    return [str(path) for path, file, table in files if not file.place and has_such(table.get("env"))]


def _without_the_compiler_itself(env: Mapping[str, str], compilers: Compilers) -> Mapping[str, str]:
    """The environment without RUSTC where that is the compiler, or rustup's proxy of it, wherever it lies.

    What else is called so starts the compiler, with flags of its own, and says of itself what the compiler says.
    """
    if _is_compiler(env.get("RUSTC", ""), env=env, compilers=compilers):
        return {name: value for name, value in env.items() if name != "RUSTC"}
    return env


def _is_compiler(named: str, *, env: Mapping[str, str], compilers: Compilers) -> bool:
    """Whether a name is the compiler's, or that of rustup's proxy of it."""
    place = ProgramFinder().find(named, env) if named else None
    library = compilers.libraries.get(compilers.host)
    if place is None or library is None:
        return False
    compiler = library.parent.parent.parent / "bin" / "rustc"
    proxy = place.parent / "rustup"
    return real_path(place) == real_path(compiler) or (proxy.exists() and place.samefile(proxy))


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
        if word.startswith("--config") and _HOW_IT_TALKS.match(value) and not (cwd / value).is_file():
            continue
        found.append(word)
        found.append(value)
        if word.startswith("--config") and (cwd / value).is_file():
            found += [Digest.of(path.read_bytes()).hex for path in with_includes(cwd / value)]
    return found
