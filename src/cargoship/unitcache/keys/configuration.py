"""What cargo's configuration and the environment say about a compilation: names, and digests of values.

Values may be secrets. Names tell why a unit was missed.

Everything that is not known to be harmless counts. cargo's own fingerprints are finer; a difference that it would not
mind costs a miss here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cargoship.oci.digest import Digest

CONFIGURATION = "cargo's configuration files"
OPTIONS = "cargo's options --config and -Z"
_HARMLESS_TABLES = frozenset(
    {"alias", "cache", "cargo-new", "credential-alias", "future-incompat-report", "http", "install", "net"}
    | {"registries", "registry", "resolver", "source", "term"}
)
_HARMLESS_BUILD = frozenset({"jobs", "target", "target-dir", "build-dir", "dep-info-basedir", "pipelining", "warnings"})
_HARMLESS_TARGET = frozenset({"runner"})
_COUNTS = re.compile(
    r"RUSTFLAGS|CARGO_ENCODED_RUSTFLAGS|RUSTDOCFLAGS|RUSTC_(?:WORKSPACE_)?WRAPPER|RUSTC_BOOTSTRAP|CARGO_INCREMENTAL"
    r"|CARGO_(?:PROFILE|UNSTABLE|HOST)_.*"
    r"|CARGO_BUILD_(?!JOBS$|TARGET$|TARGET_DIR$|BUILD_DIR$|DEP_INFO_BASEDIR$|WARNINGS$).*"
)
_OF_TARGET = re.compile(r"CARGO_TARGET_(?P<triple>.+)_(?:LINKER|RUSTFLAGS|RUSTDOCFLAGS)")
_SCRIPTS_LOOK_AT = re.compile(
    r"(?:HOST_|TARGET_)?(?P<tool>CC|CXX|AR|RANLIB|NM|LD|CFLAGS|CXXFLAGS|CPPFLAGS|ARFLAGS|LDFLAGS)(?:_(?P<triple>.+))?"
    r"|CRATE_CC_.*|CC_.*|PKG_CONFIG.*|CMAKE(?!_TOOLCHAIN_FILE).*|LLVM_CONFIG_PATH|LIBCLANG_.*|CLANG_PATH|PROTOC.*"
    r"|OPENSSL_.*|SQLITE.*|LIBSQLITE3_.*|ZSTD_.*|LIBZ_.*|JEMALLOC_.*|AWS_LC_.*|RING_.*|SOURCE_DATE_EPOCH"
    r"|C_INCLUDE_PATH|CPLUS_INCLUDE_PATH|CPATH|LIBRARY_PATH|COMPILER_PATH|GCC_EXEC_PREFIX|MACOSX_DEPLOYMENT_TARGET|SDKROOT"
)


def configuration_files(cwd: Path, cargo_home: Path) -> tuple[Path, ...]:
    """Cargo's configuration files, the nearest first (the cargo book, "Hierarchical structure")."""
    folders = [*(folder / ".cargo" for folder in (cwd, *cwd.parents)), cargo_home]
    found = []
    for folder in dict.fromkeys(folders):
        # the one without a suffix wins where both are
        found += [path for path in (folder / "config", folder / "config.toml") if path.is_file()][:1]
    return tuple(found)


def settings_told(triple: str, *, files: Iterable[bytes], options: Sequence[str], env: Mapping[str, str]) -> str:
    """What is set for one triple: configuration files, cargo's --config and -Z, variables. A line for each."""
    configured = [relevant for data in files if (relevant := _relevant(data, triple)) != {}]
    said = {CONFIGURATION: configured, OPTIONS: list(options), **_chosen(env, triple)}
    return _told({name: value for name, value in said.items() if value not in ([], None)})


def environment_told(triple: str, env: Mapping[str, str]) -> str:
    """The variables that build scripts are known to look at, for what they compile for one triple. A line for each."""
    chosen = {}
    for name, value in env.items():
        match = _SCRIPTS_LOOK_AT.fullmatch(name)
        if match is not None and _is_for(match["triple"], triple):
            chosen[name] = value
    return _told(chosen)


def names_told_otherwise(now: str, then: str) -> tuple[str, ...]:
    """The names that two such texts do not have in common, or that have other values."""
    one, two = (dict(line.rpartition("=")[::2] for line in text.splitlines()) for text in (now, then))
    return tuple(sorted(name for name in {**one, **two} if one.get(name) != two.get(name)))


def manifest_digest(manifest: bytes, workspace: bytes | None) -> str:
    """A digest of what a package's manifest says of itself; dependencies are told by the unit graph.

    `workspace` is the manifest of the workspace's root, which a package may inherit from.
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
    told: list[object] = [{name: value for name, value in own.items() if name not in left}]
    if workspace is not None and b"workspace" in manifest:
        shared = _parsed(workspace).get("workspace")
        if isinstance(shared, dict):
            told.append({name: shared.get(name) for name in ("package", "lints")})
    return _digest(told)


def _relevant(data: bytes, triple: str) -> object:
    try:
        parsed = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return Digest.of(data).hex
    told = {name: value for name, value in parsed.items() if name not in _HARMLESS_TABLES}
    if isinstance(told.get("build"), dict):
        told["build"] = {name: value for name, value in told["build"].items() if name not in _HARMLESS_BUILD}
    if isinstance(told.get("target"), dict):
        kept = {
            name: {key: each for key, each in value.items() if key not in _HARMLESS_TARGET}
            for name, value in told["target"].items()
            if isinstance(value, dict) and (name == triple or not re.fullmatch(r"[\w.-]+", name))
        }
        told["target"] = {name: value for name, value in kept.items() if value}
    return {name: value for name, value in told.items() if value != {}}


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
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {"unreadable": Digest.of(data).hex}


def _told(said: Mapping[str, object]) -> str:
    return "\n".join(f"{name}={_digest(value)}" for name, value in sorted(said.items()))


def _digest(value: object) -> str:
    return Digest.of(msgspec.json.encode(value, order="deterministic", enc_hook=str)).hex
