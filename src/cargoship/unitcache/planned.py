"""Whole builds: what a build made the last time that everything was as it is now, found without asking cargo.

The key is coarse: lock file, manifests, toolchain, system, configuration, options. Beside it counts every file of the
local packages, every file that any unit has read, and every variable that any unit looks at. If all of that is the
same, so is what cargo would make, and the programs come from the cache: no dependency is downloaded, no standard
library is built, nothing is compiled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cargoship.cargo.messages import Artifact
from cargoship.oci.digest import Digest
from cargoship.toolchain.locate import Foreseen
from cargoship.unitcache.capture import Capture
from cargoship.unitcache.index import Entry, Index, PlanEntry
from cargoship.unitcache.key import FORMAT, Surroundings
from cargoship.unitcache.local import NEVER, Contents

PROGRAM = "program"
"""The only file of an entry that holds nothing but a program."""


@dataclass(frozen=True)
class Question:
    """The key of a whole build; `parts` explain it."""

    key: Digest
    parts: Mapping[str, str]


def question_of(
    around: Surroundings, foreseen: Foreseen, *, words: Iterable[str], project: str, lock: bytes, manifest: bytes
) -> Question:
    """The key of a build.

    `around` is what a toolchain is that may still have to be completed, `words` are the options of the build,
    `project` says what cargo knows of the workspace, `manifest` is that of its root.
    """
    parts = {
        "format": FORMAT,
        "rustc": around.rustc,
        "cargo": around.cargo,
        "system": around.system,
        "words": "\n".join(words).replace(around.root, "."),
        "project": project,
        "lock": Digest.of(lock).hex,
        "manifest": Digest.of(manifest).hex,
    }
    for triple in sorted(around.settings):
        parts[f"settings {triple}"] = around.settings[triple]
        parts[f"environment {triple}"] = around.environment[triple]
        parts[f"tools {triple}"] = around.tools.get(triple, "")
        parts[f"standard library {triple}"] = foreseen.built.get(triple) or around.libraries.get(triple, "")
    return Question(Digest.of(msgspec.json.encode(parts, order="deterministic")), parts)


def find(index: Index, question: Question, contents: Contents, wanted: Iterable[str]) -> Mapping[str, Entry] | None:
    """The entries that hold the programs `wanted`, by name, if all is as it was."""
    plan = index.plans.get(question.key)
    if plan is None or not contents.holds(plan.inputs):
        return None
    found = {name: index.entries.get(plan.outputs[name]) for name in wanted if name in plan.outputs}
    if not found or len(found) != len(tuple(wanted)) or None in found.values():
        return None
    return {name: entry for name, entry in found.items() if entry is not None}


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
    if question is None or capture.inputs is None:
        return PlanEntry(Digest.of(b"units\0" + name), units, {}, {NEVER: Digest.of(b"")}, now_s)
    return PlanEntry(question.key, units, programs, capture.inputs, now_s)


def programs_of(units: Iterable[Artifact]) -> dict[str, Path]:
    """The programs that cargo has made, by `triple/package/name`."""
    found = {}
    for unit in units:
        if unit.executable is not None and unit.is_binary and not unit.profile.test:
            triple = unit.executable.parts[-3]
            found[program_name(triple, unit.package, unit.target_name)] = unit.executable
    return found


def program_name(triple: str, package: str, name: str) -> str:
    """The name of a program in a plan."""
    return f"{triple}/{package}/{name}"
