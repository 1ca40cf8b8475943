"""What cargo's configuration and the environment say about a compilation: names, and digests of values.

Values may be secrets. Names tell why a unit was missed.

Everything that is not known to be harmless counts. cargo's own fingerprints are finer; a difference that it would not
mind costs a miss here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.cargo.config import says_native, texts_of
from cargoship.decoding import Undecodable, decode_toml
from cargoship.oci.digest import Digest
from cargoship.unitcache.keys.named import NamedFiles

CONFIGURATION = "cargo's configuration files"
OPTIONS = "cargo's options --config and -Z"
_PROGRAMS_READ = "what programs read that are named there"
_HARMLESS_TABLES = frozenset(
    {"alias", "cache", "cargo-new", "credential-alias", "future-incompat-report", "http", "install", "net"}
    | {"registries", "registry", "source", "term"}
)
_HARMLESS_RESOLVER = frozenset({"incompatible-rust-versions"})
"""What goes into the lock file, and nothing else."""
_HARMLESS_BUILD: Mapping[str, tuple[type, ...]] = {
    "jobs": (int, str), "target": (str, list), "target-dir": (str,), "build-dir": (str,), "dep-info-basedir": (str,),
    "pipelining": (bool,), "warnings": (str,),
}  # fmt: skip
"""What changes no program, in the forms that cargo takes: in others it refuses to compile."""
_HARMLESS_TARGET: Mapping[str, tuple[type, ...]] = {"runner": (str, list)}
_COUNTS = re.compile(
    r"RUSTFLAGS|CARGO_ENCODED_RUSTFLAGS|RUSTDOCFLAGS|RUSTC(?:_(?:WORKSPACE_)?WRAPPER)?|RUSTC_BOOTSTRAP|CARGO_INCREMENTAL"
    r"|CARGO_(?:PROFILE|UNSTABLE|HOST)_.*|CARGO_TARGET_APPLIES_TO_HOST|CARGO_RESOLVER_(?!INCOMPATIBLE_RUST_VERSIONS$).*"
    r"|CARGO_BUILD_(?!JOBS$|TARGET$|TARGET_DIR$|BUILD_DIR$|DEP_INFO_BASEDIR$|WARNINGS$).*"
)
_OF_TARGET = re.compile(r"CARGO_TARGET_(?P<triple>.+)_(?:LINKER|RUSTFLAGS|RUSTDOCFLAGS)")
_NAMES_A_PROGRAM = re.compile(r".*_(?:LINKER|WRAPPER|RUSTC)|RUSTC")
_PROGRAM_KEYS = frozenset({"rustc", "rustc-wrapper", "rustc-workspace-wrapper", "linker"})
_TOOLS = frozenset({"CC", "CXX", "AR", "RANLIB", "NM", "LD"})
_SCRIPTS_LOOK_AT = re.compile(
    r"(?:HOST_|TARGET_)?(?P<tool>CC|CXX|AR|RANLIB|NM|LD|CFLAGS|CXXFLAGS|CPPFLAGS|ARFLAGS|LDFLAGS)(?:_(?P<triple>.+))?"
    r"|CRATE_CC_.*|CC_.*|PKG_CONFIG.*|CMAKE(?!_TOOLCHAIN_FILE).*|LLVM_CONFIG_PATH|LIBCLANG_.*|CLANG_PATH|PROTOC.*"
    r"|OPENSSL_.*|SQLITE.*|LIBSQLITE3_.*|ZSTD_.*|LIBZ_.*|JEMALLOC_.*|AWS_LC_.*|RING_.*|SOURCE_DATE_EPOCH"
    r"|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|CPATH|LIBRARY_PATH|COMPILER_PATH|GCC_EXEC_PREFIX|MACOSX_DEPLOYMENT_TARGET|SDKROOT"
)


class ConfigurationFile(Struct, frozen=True):
    """A file of cargo's configuration, or what --config says in the place of one."""

    data: bytes
    place: str = ""
    """Its name as far as it lies in the workspace: what others say is recorded without theirs, for checkouts lie in
    many folders."""
    folder: Path | None = None
    """What the programs that it names are relative to."""


def settings_as_text(
    triple: str,
    *,
    files: Sequence[ConfigurationFile],
    options: Sequence[str],
    env: Mapping[str, str],
    named: NamedFiles | None = None,
    processor: str = "",
    asked: Sequence[ConfigurationFile] = (),
) -> str:
    """What is set for one triple: keys of configuration files, cargo's --config and -Z, variables. A line for each.

    Files and programs that they name have lines of their own, and what `native` means, where that is said. `asked` is
    what --config says: `options` has the words, but not what they mean.
    """
    configured = [(file, _relevant(file.data, triple)) for file in files]
    chosen = _chosen(env, triple)
    said = {OPTIONS: list(options), **chosen}
    settings = {name: value for name, value in said.items() if value not in ([], None)} | _keys(configured)
    tables = [*configured, *((file, _relevant(file.data, triple)) for file in asked)]
    texts = [*texts_of([table for _, table in tables]), *options, *chosen.values()]
    programs = [
        *((name, file.folder) for file, table in tables for name in _programs(table)),
        *((value, None) for name, value in chosen.items() if _NAMES_A_PROGRAM.fullmatch(name)),
    ]
    if programs:
        # what was kept before anybody looked is another thing
        settings[_PROGRAMS_READ] = "seen"
    return _as_text(settings | _meant(texts, programs, named or NamedFiles(), processor))


def environment_as_text(
    triple: str, env: Mapping[str, str], named: NamedFiles | None = None, processor: str = ""
) -> str:
    """The variables that build scripts are known to look at, for what they compile for one triple. A line for each."""
    chosen = {}
    programs: list[tuple[str, Path | None]] = []
    for name, value in env.items():
        match = _SCRIPTS_LOOK_AT.fullmatch(name)
        if match is not None and _is_for(match["triple"], triple):
            chosen[name] = value
            programs += [(value, None)] if match["tool"] in _TOOLS else []
    return _as_text(chosen | _meant(list(chosen.values()), programs, named or NamedFiles(), processor))


def _meant(
    texts: Sequence[str], programs: Iterable[tuple[str, Path | None]], named: NamedFiles, processor: str
) -> dict[str, str]:
    """What values mean that do not say it themselves; programs are given with the folder that they are relative to."""
    found = {f"the file {name} that is named there": digest for name, digest in named.files(texts).items()}
    for text, folder in dict.fromkeys(programs):
        for name, digest in named.programs(text, folder).items():
            # two files may say the same words, and mean what lies beside each
            label = f"the program {name}"
            found[label] = f"{found[label]} {digest}" if label in found else digest
    # a flag may be apart from its value
    if says_native(" ".join(texts)):
        found["the processor that native means"] = processor
    return found


def _programs(value: object) -> Iterator[str]:
    """The programs that configuration tables name."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in _PROGRAM_KEYS and isinstance(each, str):
                yield each
            yield from _programs(each)
    elif isinstance(value, list):
        for each in value:
            yield from _programs(each)


def names_that_differ(now: str, then: str) -> tuple[str, ...]:
    """The names that two such texts do not have in common, or that have other values."""
    one, two = (dict(line.rpartition("=")[::2] for line in text.splitlines()) for text in (now, then))
    return tuple(sorted(name for name in {**one, **two} if one.get(name) != two.get(name)))


def manifest_digest(manifest: bytes, workspace: bytes | None, readme: str = "") -> str:
    """A digest of what a package's manifest says of itself; dependencies are known by the unit graph.

    `workspace` is the manifest of the workspace's root, which a package may inherit from; `readme` is the file that
    cargo takes where no manifest names one.
    """
    own = _parsed(manifest)
    left = (
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "target",
        "workspace",
        "patch",
        "profile",
        "replace",
    )
    parts: list[object] = [{name: value for name, value in own.items() if name not in left}]
    if workspace is not None and b"workspace" in manifest:
        shared = _parsed(workspace).get("workspace")
        if isinstance(shared, dict):
            parts.append({name: shared.get(name) for name in ("package", "lints")})
    parts += [readme] if readme else []
    return _digest(parts)


def _relevant(data: bytes, triple: str) -> object:
    try:
        parsed = decode_toml(data)
    except Undecodable:
        return Digest.of(data).hex
    counting = _without(parsed, dict.fromkeys(_HARMLESS_TABLES, (dict,)))
    if isinstance(counting.get("build"), dict):
        counting["build"] = _without(counting["build"], _HARMLESS_BUILD)
    if isinstance(counting.get("resolver"), dict):
        asked = counting["resolver"].items()
        counting["resolver"] = {name: value for name, value in asked if name not in _HARMLESS_RESOLVER}
    if isinstance(counting.get("target"), dict):
        kept = {
            name: _without(value, _HARMLESS_TARGET)
            for name, value in counting["target"].items()
            if isinstance(value, dict) and (name == triple or not re.fullmatch(r"[\w.-]+", name))
        }
        counting["target"] = {name: value for name, value in kept.items() if value}
    return {name: value for name, value in counting.items() if value != {}}


def _without(table: Mapping[str, Any], harmless: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if not isinstance(value, harmless.get(name, ()))}


def _keys(configured: Sequence[tuple[ConfigurationFile, object]]) -> dict[str, object]:
    """What each key of each file says; of files without a place, all that they say of a key, in their order."""
    found: dict[str, object] = {}
    beyond: dict[str, list[object]] = {}
    for file, value in configured:
        for key, each in _leaves(value, ""):
            if file.place:
                found[f"{key} in {file.place}".strip()] = each
            else:
                beyond.setdefault(f"{key} in {CONFIGURATION}".strip(), []).append(each)
    # those of the workspace count more than others: where that is not so, the order is recorded
    inside = [bool(file.place) for file, _ in configured]
    if inside != sorted(inside, reverse=True):
        found[f"the order of {CONFIGURATION}"] = [file.place or "another" for file, _ in configured]
    return found | beyond


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    """The keys of tables in tables, with dots between, and their values; what an entry of [env] says stays together."""
    if not isinstance(value, dict) or name.startswith("env."):
        yield name, value
        return
    for key, each in value.items():
        yield from _leaves(each, f"{name}.{key}" if name else key)


def _chosen(env: Mapping[str, str], triple: str) -> dict[str, str]:
    chosen = {}
    shouted = triple.upper().replace("-", "_").replace(".", "_")
    for name, value in env.items():
        match = _OF_TARGET.fullmatch(name)
        if _COUNTS.fullmatch(name) or (match is not None and match["triple"] == shouted):
            chosen[name] = value
    return chosen


def _is_for(named: str | None, triple: str) -> bool:
    """Whether a variable with a triple in its name is for this one; what is no triple is for all."""
    if named is None:
        return True
    plain = named.replace("-", "_")
    return plain == triple.replace("-", "_") or plain.count("_") < 2  # noqa: PLR2004


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        return decode_toml(data)
    except Undecodable:
        return {"unreadable": Digest.of(data).hex}


def _as_text(said: Mapping[str, object]) -> str:
    return "\n".join(f"{name}={_digest(value)}" for name, value in sorted(said.items()))


def _digest(value: object) -> str:
    return Digest.of(msgspec.json.encode(value, order="deterministic", enc_hook=str)).hex
