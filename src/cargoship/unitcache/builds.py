"""Whole builds: what a build made the last time that everything was as it is now, found without asking cargo.

The key is coarse: lock file, manifests, toolchain, system, configuration, options. Beside it counts every file of the
local packages, every file that any unit has read, and every variable that any unit looks at. If all of that is the
same, so is what cargo would make, and the programs come from the cache: no dependency is downloaded, no standard
library is built, nothing is compiled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cargoship.cargo.messages import Artifact
from cargoship.oci.digest import Digest
from cargoship.unitcache.capture import Capture
from cargoship.unitcache.index import Entry, Index, PlanEntry
from cargoship.unitcache.key import FORMAT, Surroundings, differing
from cargoship.unitcache.local import NEVER, Contents

PROJECT = "what cargo says of the workspace"
PACKAGES = "local packages"
LOCK = "Cargo.lock"
LOCKED = "locked packages"
MANIFEST = "Cargo.toml of the workspace"
WORDS = "options"
_LOCKED = re.compile(r'^\[\[package\]\]\nname = "([^"\n]*)"\nversion = "([^"\n]*)"\n(source = )?', re.MULTILINE)
_BETWEEN = frozenset({"deps", "build", "examples", ".fingerprint", "incremental"})
PROGRAM = "program"
"""The only file of an entry that holds nothing but a program."""


@dataclass(frozen=True)
class Question:
    """The key of a whole build; `parts` explain it."""

    key: Digest
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """What is to be built, beside the toolchain: a build's own words, and the workspace as it is now."""

    words: tuple[str, ...]
    """Options of the build that have a say in what comes out."""
    project: str
    """A digest of what cargo says of the workspace."""
    lock: bytes
    manifest: bytes
    """Of its root."""


def asked_of(root: Path, words: Iterable[str], project: str) -> Asked:
    """What is asked for in the workspace at `root`; raises OSError where it has no lock file."""
    lock, manifest = ((root / name).read_bytes() for name in ("Cargo.lock", "Cargo.toml"))
    return Asked(tuple(words), project, lock, manifest)


def question_of(around: Surroundings, asked: Asked, *, built: Mapping[str, str] | None = None) -> Question:
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
    for triple in sorted(around.settings):
        parts[f"settings {triple}"] = around.settings[triple]
        parts[f"environment {triple}"] = around.environment[triple]
        parts[f"tools {triple}"] = around.tools.get(triple, "")
        parts[f"standard library {triple}"] = (built or {}).get(triple) or around.libraries.get(triple, "")
    return Question(Digest.of(msgspec.json.encode(parts, order="deterministic")), parts)


def plans_of(index: Index, question: Question) -> list[PlanEntry]:
    """Builds that were made with this very key, each with sources of its own; the newest first."""
    alike = [plan for plan in index.plans.values() if plan.parts == question.parts]
    return sorted(alike, key=lambda plan: plan.saved_at, reverse=True)


def nearest_plan(index: Index, question: Question) -> PlanEntry | None:
    """The build of these packages that has most in common with the wanted one, the newest of several."""
    own = question.parts[PACKAGES]
    alike = [plan for plan in index.plans.values() if plan.parts.get(PACKAGES) == own]
    return min(alike, key=lambda plan: (len(differing(question.parts, plan.parts)), -plan.saved_at), default=None)


def may_serve(plan: PlanEntry, question: Question) -> bool:
    """Whether units of one build are likely to be those of another: the code or its dependencies differ, no more."""
    changing = {PROJECT, MANIFEST, LOCK, LOCKED}
    return changing.issuperset(differing(question.parts, plan.parts))


def find(
    index: Index, question: Question, contents: Contents, wanted: Sequence[str] | None = None
) -> Mapping[str, Entry] | None:
    """The entries that hold the programs `wanted`, or all there were, by name, if all is as it was."""
    plan = next((plan for plan in plans_of(index, question) if contents.holds(plan.inputs)), None)
    if plan is None:
        return None
    wanted = tuple(plan.outputs) if wanted is None else wanted
    found = {name: index.entries.get(plan.outputs[name]) for name in wanted if name in plan.outputs}
    there = {name: entry for name, entry in found.items() if entry is not None and contents.holds(entry.inputs)}
    return there if there and len(there) == len(wanted) else None


def program_in(folder: Path) -> Path | None:
    """The program in a folder that an entry was unpacked into; None where there is not exactly one."""
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK) and path.suffix in {"", ".exe"}
    ]
    return found[0] if len(found) == 1 else None


def plan_of(
    question: Question | None, capture: Capture, programs: Mapping[str, Digest], *, now_s: int, name: bytes
) -> PlanEntry:
    """What is remembered of a build; where it cannot be had as a whole, only which units it needs."""
    units = tuple(sorted({unit.key for unit in capture.units.values()}))
    parts = {} if question is None else question.parts
    if question is None or capture.inputs is None:
        return PlanEntry(Digest.of(b"units\0" + name), units, {}, {NEVER: Digest.of(b"")}, now_s, parts)
    inputs = sorted((path, digest.hex) for path, digest in capture.inputs.items())
    key = Digest.of(msgspec.json.encode((question.key.hex, inputs)))
    return PlanEntry(key, units, programs, capture.inputs, now_s, parts)


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
