"""The name under which a unit is kept: a digest of everything that it is made of. Pure.

A key is made of named parts, each a short text, so that a miss can be explained by the part that differs. Three digests
follow each other:

    base      of the parts: what is known before anything local is read
    key       of the base, and of the content of every file that the unit was seen to read outside immutable sources
    identity  of the key, and of what came out: what a unit that depends on this one is made of

The last is there because two compilations of one key need not agree to the bit (a procedural macro that walks a hash
table is enough), and a crate fits only to the very libraries that it was compiled against.

https://doc.rust-lang.org/cargo/reference/build-cache.html has cargo's own view of the same things.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
from msgspec import Struct, field

from cargoship.cargo.config import target_name
from cargoship.oci.digest import Digest

if TYPE_CHECKING:
    from cargoship.cargo.unit_graph import Unit, UnitGraph

FORMAT = "7"
"""Part of every key: a change of what keys are made of, or of what is captured, makes all older entries strangers."""

_LINKED = frozenset({"bin", "cdylib", "dylib", "proc-macro", "custom-build", "test", "example", "bench"})
LOCAL_ID = re.compile(r"(?P<older>\()?path\+file://(?P<path>/[^#?]*)(?(older)\))")
"""A local package's folder in its package id, in cargo's two forms; a bracket may be in its own name."""
_DEBUG_NONE = ("0", "none", "None")


class LockedSources(Struct, frozen=True):
    """What Cargo.lock knows of packages that are not local: by package id, a checksum or a commit."""

    pinned: Mapping[str, str]
    home: str = ""
    """The folder where cargo unpacks what it has checked; vendored sources lie elsewhere, and people edit them."""


class BuildEnvironment(Struct, frozen=True):
    """Everything beside the unit itself that decides what comes out of its compilation. No value is a secret."""

    root: str
    """The workspace's folder; paths below it count relative to it."""
    rustc: str
    """`rustc -vV`."""
    cargo: str
    """`cargo -V`, with the unstable options that are on."""
    host: str
    """The host's triple."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """By triple: what the standard library holds."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """By triple: what compiles C and links there."""
    system: str = ""
    """The host's system, for programs that are linked against it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """By triple: the configuration and the variables that cargo takes into account, each with a digest of its value."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """By triple: the variables that build scripts are known to look at."""
    manifests: Mapping[str, str] = field(default_factory=dict)
    """By package id: a digest of what a local package's manifest says beyond the unit graph."""
    targets: str = ""
    """What cargo compiles for where no option says so."""
    warnings: str = ""
    """What becomes of warnings: units are the same, but a build may fail that has them."""
    objectionable: str = ""
    """What cargo may refuse of what has no say in units: names with digests of values, a line for each."""
    sources: str = ""
    """A digest of what the configuration says of sources that are folders."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """By name: a digest of the index that the configuration says a registry has."""
    names_crates_io: bool = False
    """Whether one of these names may stand for crates.io itself."""
    processor: str = ""
    """What `native` means to compilers here."""
    replaced: frozenset[str] = frozenset()
    """Triples for which what is compiled names no folder of this machine."""
    wrapped: bool = False
    """Whether something stands around rustc that may look whether cargo was asked for a package."""
    linted: bool = False
    """Whether Clippy stands around rustc, for local packages."""
    asks: bool = False
    """Whether Clippy looks which of these cargo was asked for."""
    asked: frozenset[str] = frozenset()
    """The ids of the packages that were asked for."""


def parts_of(
    graph: UnitGraph, place: int, *, lock: LockedSources, around: BuildEnvironment, identities: Mapping[int, Digest]
) -> dict[str, str] | None:
    """The parts of a unit's key; None when a unit that it depends on has no identity, so that it cannot have a key."""
    unit = graph.units[place]
    parts = own_parts_of(unit, lock=lock, around=around)
    for number, dependency in enumerate(unit.dependencies):
        identity = identities.get(dependency.index)
        if identity is None:
            return None
        other = graph.units[dependency.index]
        name = f"dependency {dependency.name} {other.package}"
        parts[name if name not in parts else f"{name} {number}"] = identity.hex
    return parts


def own_parts_of(unit: Unit, *, lock: LockedSources, around: BuildEnvironment) -> dict[str, str]:
    """The parts of a unit's key that say nothing of the units that it depends on."""
    triple = target_name(unit.platform or around.host)
    profile = msgspec.json.encode(unit.profile, order="deterministic").decode()
    parts = {
        "format": FORMAT,
        "rustc": around.rustc,
        "cargo": around.cargo,
        "standard library": around.libraries.get(triple, ""),
        "platform": "host" if unit.platform is None else unit.platform,
        "package": package_of(unit, around.root),
        "checksum": "" if unit.is_local else lock.pinned.get(unit.package_id, ""),
        # cargo's fingerprint has the path as it is of all that is not named by its path
        "source": relative(unit.source, around.root) if unit.is_local else unit.source,
        "target": " ".join([unit.name, *unit.kinds, "as", *unit.crate_types, unit.edition]),
        "mode": unit.mode,
        "profile": profile,
        "features": ",".join(sorted(unit.features)),
        "settings": around.settings.get(triple, ""),
    }
    if triple in around.replaced and unit.platform is not None:
        parts["paths"] = "replaced"
    if "native" in profile:
        parts["processor"] = around.processor
    if not unit.runs and (around.wrapped or (around.asks and unit.is_local)):
        parts["asked for"] = "yes" if unit.package_id in around.asked else "no"
    if unit.is_local:
        parts["manifest"] = around.manifests.get(unit.package_id, "")
        if has_debug_information(unit):
            # the path is in what comes out, and two checkouts would take each other's
            parts["workspace"] = around.root
    if unit.platform is None:
        parts["system"] = around.system
    if unit.runs or _LINKED & {*unit.kinds, *unit.crate_types}:
        parts["tools"] = around.tools.get(triple, "")
    if unit.runs:
        parts["environment"] = around.environment.get(triple, "")
        # a build script runs here, whatever it is for
        parts["system"] = around.system
    return parts


def is_pinned(unit: Unit, lock: LockedSources) -> bool:
    """Whether the unit's sources cannot change under its package id: locked, and where only cargo writes."""
    kept = tuple(f"{lock.home}/{folder}/" for folder in ("registry/src", "git/checkouts"))
    return not unit.is_local and bool(lock.pinned.get(unit.package_id)) and unit.source.startswith(kept)


def has_debug_information(unit: Unit) -> bool:
    """Whether what comes out holds the folder that it was compiled in."""
    return str(unit.profile.get("debuginfo", 0)) not in _DEBUG_NONE


def digest_of_parts(parts: Mapping[str, str]) -> Digest:
    """A digest of what tells a unit from others of one toolchain, whatever its surroundings are."""
    names = ("rustc", "cargo", "package", "target", "platform", "mode", "profile", "features")
    return Digest.of("\0".join(parts.get(name, "") for name in names).encode())


def base_of(parts: Mapping[str, str]) -> Digest:
    """The digest of a unit's parts."""
    return Digest.of(msgspec.json.encode(parts, order="deterministic"))


def key_of(base: Digest, inputs: Mapping[str, Digest]) -> Digest:
    """The digest under which a unit is kept."""
    read = {path: digest.hex for path, digest in inputs.items()}
    return Digest.of(msgspec.json.encode([base.hex, read], order="deterministic"))


def identity_of(key: Digest, output: Digest) -> Digest:
    """What a unit is to those that depend on it."""
    return Digest.of(f"{key.hex}\0{output.hex}".encode())


def package_of(unit: Unit, root: str) -> str:
    """The package id; of a local package with its path relative to the workspace's folder, and always with its name.

    cargo leaves the name out where the folder is called like the package, and checkouts are called as people like.
    """
    match = LOCAL_ID.search(unit.package_id) if unit.is_local else None
    if match is None:
        return unit.package_id
    where, version = relative(unquote(match["path"]), root), version_of(unit.package_id)
    return f"path+file:{where}#{unit.package}@{version}"


def version_of(package_id: str) -> str:
    """The version in a package id, in cargo's two forms."""
    url, hash_, fragment = package_id.rpartition("#")
    return fragment.rpartition("@")[2] if hash_ and url else package_id.split(" ")[1]


def relative(path: str, root: str) -> str:
    """A path as it stays when the workspace moves."""
    below = os.path.relpath(path, root) if PurePath(path).is_absolute() else path
    return path if below.startswith(os.pardir) else below.replace(os.sep, "/")


def name_of(unit: Unit, around_host: str) -> str:
    """A unit, for people."""
    version = unit.package_id.rpartition("#")[2].rpartition("@")[2]
    kind = "build script run" if unit.runs else unit.kinds[0] if unit.kinds else unit.mode
    shown = kind if unit.mode in {"build", "run-custom-build"} else f"{kind} ({unit.mode})"
    return f"{unit.package} {version} {shown} {unit.platform or around_host}"


def differing(wanted: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the parts in which two keys differ, in the order in which they are listed."""
    return tuple(name for name in [*wanted, *(set(other) - set(wanted))] if wanted.get(name) != other.get(name))


def nearest_parts(wanted: Mapping[str, str], others: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The parts that agree with most of the wanted ones: what an explanation compares with."""
    return min(others, key=lambda each: len(differing(wanted, each)), default=None)
