"""Whole builds: what a build made the last time that everything was as it is now, found without asking cargo.

The key is coarse: lock file, manifests, toolchain, system, configuration, options. Beside it counts every file of the
local packages, every file that any unit has read, and every variable that any unit looks at. If all of that is the
same, so is what cargo would make, and the programs come from the cache: no dependency is downloaded, no standard
library is built, nothing is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from cargoship.cargo.registries import names_other_registries
from cargoship.oci.digest import Digest
from cargoship.reading import read_file
from cargoship.unitcache.keys.file_digests import NEVER, FileDigests
from cargoship.unitcache.keys.key import FORMAT, BuildEnvironment, differing
from cargoship.unitcache.packs.frame import FileKind, FileRecord
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry, UnitIndex

if TYPE_CHECKING:
    from cargoship.cargo.messages import Artifact
    from cargoship.unitcache.builddir.capture import Capture

PROJECT = "what cargo says of the workspace"
PACKAGES = "local packages"
LOCK = "Cargo.lock"
LOCKED = "locked packages"
MANIFEST = "Cargo.toml of the workspace"
WORDS = "options"
SOURCES = "sources of crates in cargo's configuration"
REGISTRIES = "what names of registries stand for"
OBJECTIONABLE = "objections"
_LOCKED = re.compile(r'^\[\[package\]\]\nname = "([^"\n]*)"\nversion = "([^"\n]*)"\n(source = )?', re.MULTILINE)
_BETWEEN = frozenset({"deps", "build", "examples", ".fingerprint", "incremental"})
PROGRAM = "program"
"""The only file of an entry that holds nothing but a program."""
RECORD = "record"
"""The output of a build that is no program, and its only file: what users may ask about them later."""


class BuildKey(Struct, frozen=True):
    """The key of a whole build; `parts` explain it."""

    key: Digest
    parts: Mapping[str, str]


class BuildRequest(Struct, frozen=True):
    """What is to be built, beside the toolchain: a build's own words, and the workspace as it is now."""

    words: tuple[str, ...]
    """Options of the build that have a say in what comes out."""
    project: str
    """A digest of what cargo says of the workspace."""
    lock: bytes
    manifest: bytes
    """Of its root."""


def build_request(root: Path, words: Iterable[str], project: str) -> BuildRequest:
    """What is asked for in the workspace at `root`; raises OSError where it has no lock file."""
    lock, manifest = (read_file(root / name) for name in ("Cargo.lock", "Cargo.toml"))
    return BuildRequest(tuple(words), project, lock, manifest)


def build_key_of(around: BuildEnvironment, asked: BuildRequest, *, built: Mapping[str, str] | None = None) -> BuildKey:
    """The key of a build.

    `around` is what a toolchain is that may still have to be completed; `built` names, by triple, the standard
    libraries that are made here.
    """
    packages = _LOCKED.findall(asked.lock.decode("utf-8", "replace"))
    parts = {
        "format": FORMAT,
        "rustc": around.rustc,
        "cargo": around.cargo,
        "system": around.system,
        WORDS: "\n".join(asked.words).replace(around.root, "."),
        PACKAGES: " ".join(sorted(name for name, _, source in packages if not source)),
        PROJECT: asked.project,
        MANIFEST: Digest.of(asked.manifest).hex,
        LOCK: Digest.of(asked.lock).hex,
        # the digest has it all; this is for people
        LOCKED: "\n".join(sorted(f"{name} {version}" for name, version, _ in packages)),
    }
    if not any(word.partition("=")[0] == "--target" for word in asked.words):
        parts["targets"] = around.targets
    if b"native" in asked.manifest:
        parts["processor"] = around.processor
    if around.warnings:
        parts["build.warnings"] = around.warnings
    if around.objectionable:
        parts[OBJECTIONABLE] = around.objectionable
    if around.sources:
        parts[SOURCES] = around.sources
    named = around.names_crates_io or names_other_registries(asked.lock.decode("utf-8", "replace"))
    if around.registries and named:
        # of members cargo says it; of other local packages and of those in repositories nobody has asked it
        parts[REGISTRIES] = "\n".join(f"{name}={digest}" for name, digest in sorted(around.registries.items()))
    if around.replaced:
        parts["paths"] = f"replaced for {' '.join(sorted(around.replaced))}"
    for triple in sorted(around.settings):
        parts[f"settings {triple}"] = around.settings[triple]
        parts[f"environment {triple}"] = around.environment[triple]
        parts[f"tools {triple}"] = around.tools.get(triple, "")
        parts[f"standard library {triple}"] = (built or {}).get(triple) or around.libraries.get(triple, "")
    return BuildKey(Digest.of(msgspec.json.encode(parts, order="deterministic")), parts)


def records_of(index: UnitIndex, build_key: BuildKey) -> list[BuildRecord]:
    """Builds that were made with this very key, each with sources of its own; the newest first."""
    alike = [plan for plan in index.plans.values() if plan.parts == build_key.parts]
    return sorted(alike, key=lambda plan: plan.saved_at, reverse=True)


def nearest_build(index: UnitIndex, build_key: BuildKey) -> BuildRecord | None:
    """The build of these packages that has most in common with the wanted one, the newest of several."""
    own = build_key.parts[PACKAGES]
    alike = [plan for plan in index.plans.values() if plan.parts.get(PACKAGES) == own]
    return min(alike, key=lambda plan: (len(differing(build_key.parts, plan.parts)), -plan.saved_at), default=None)


def may_serve(plan: BuildRecord, build_key: BuildKey) -> bool:
    """Whether units of one build are likely to be those of another: the code or its dependencies differ, no more."""
    changing = {PROJECT, MANIFEST, LOCK, LOCKED}
    return changing.issuperset(differing(build_key.parts, plan.parts))


class FoundBuild(Struct, frozen=True):
    """A build that was made before with everything as it is now, and the entries that hold its programs, by name."""

    plan: BuildRecord
    programs: Mapping[str, UnitEntry]


def find_build(
    index: UnitIndex, build_key: BuildKey, contents: FileDigests, wanted: Sequence[str] | None = None
) -> FoundBuild | None:
    """The build that has the programs `wanted`, or all there were, if all is as it was."""
    plan = next((plan for plan in records_of(index, build_key) if contents.holds(plan.inputs)), None)
    if plan is None:
        return None
    wanted = tuple(plan.outputs) if wanted is None else wanted
    found = {name: index.entries.get(plan.outputs[name]) for name in wanted if name in plan.outputs}
    there = {name: entry for name, entry in found.items() if entry is not None and contents.holds(entry.inputs)}
    return FoundBuild(plan, there) if there and len(there) == len(wanted) else None


def is_output(row: FileRecord) -> bool:
    """Whether a file of an entry is the program in it, or the record of a build."""
    is_program = row.kind is FileKind.PROGRAM and PurePosixPath(row.path).suffix in {"", ".exe", ".wasm"}
    return is_program or row.path == RECORD


def build_record(
    build_key: BuildKey | None, capture: Capture, programs: Mapping[str, Digest], *, now_s: int, name: bytes
) -> BuildRecord:
    """What is remembered of a build; where it cannot be had as a whole, only which units it needs."""
    units = tuple(sorted({unit.key for unit in capture.units.values()}))
    parts = {} if build_key is None else build_key.parts
    if build_key is None or capture.inputs is None:
        return BuildRecord(Digest.of(b"units\0" + name), units, {}, {NEVER: Digest.of(b"")}, now_s, parts)
    inputs = sorted((path, digest.hex) for path, digest in capture.inputs.items())
    key = Digest.of(msgspec.json.encode((build_key.key.hex, inputs)))
    return BuildRecord(key, units, programs, capture.inputs, now_s, parts)


def programs_of(units: Iterable[Artifact]) -> dict[str, Path]:
    """The programs that cargo has made, by `triple/package/name`."""
    found = {}
    for unit in units:
        if unit.executable is not None and unit.is_binary and not unit.profile.test:
            triple = unit.executable.parts[-3]
            found[program_name(triple, unit.package, unit.target_name)] = unit.executable
    return found


def programs_below(target_dir: Path, units: Iterable[Artifact]) -> dict[str, Path]:
    """The programs that cargo has put into its target directory, by their paths in there.

    None of them where it has put something else there that a person may want, such as a C library.
    """
    found = {}
    for unit in units:
        for path in (*unit.filenames, *((unit.executable,) if unit.executable else ())):
            below = len(path.parts) - len(target_dir.parts)
            # [TRIPLE/]PROFILE/NAME
            if not path.is_relative_to(target_dir) or below not in {2, 3} or path.parent.name in _BETWEEN:
                continue
            if path == unit.executable and unit.is_binary:
                found[path.relative_to(target_dir).as_posix()] = path
            elif path.suffix not in {".rlib", ".rmeta"} and "proc-macro" not in unit.kinds:
                return {}
    return found


def program_name(triple: str, package: str, name: str) -> str:
    """The name of a program in a plan."""
    return f"{triple}/{package}/{name}"
