"""What a build has made, unit by unit, ready to be kept: files, content, and the key that they are found by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.depinfo import NotKept
from cargoship.unitcache.folders import BuildDir, UnitFolder, written_to
from cargoship.unitcache.inputs import inputs_of, manifests_of, package_root
from cargoship.unitcache.key import Lock, Surroundings, base_of, identity_of, is_pinned, key_of, name_of, parts_of
from cargoship.unitcache.local import Contents
from cargoship.unitcache.matching import Match, Matched, match

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class CapturedUnit:
    """A unit that can be kept."""

    key: Digest
    name: str
    parts: Mapping[str, str]
    inputs: Mapping[str, Digest]
    output: Digest
    place: str
    """Its fingerprint's folder, relative to the build directory."""
    files: tuple[str, ...]
    """Relative to the build directory, in the order in which they are to be put there; empty folders are among them."""
    seconds: float
    fresh: bool
    """cargo found it there."""


@dataclass(frozen=True)
class Capture:
    """All units of a build that can be kept, and why others cannot: by places in the graph."""

    units: Mapping[int, CapturedUnit]
    refused: Mapping[int, str]


def capture(
    graph: UnitGraph,
    messages: Iterable[Artifact | BuildScriptRun],
    *,
    lock: Lock,
    around: Surroundings,
    contents: Contents,
    known: Mapping[str, Digest],
) -> Capture:
    """Take stock after a build that has succeeded. Raises OSError when the build directory cannot be read.

    `known` has, by places of fingerprints, what units that were put there before the build hold.
    """
    said = tuple(messages)
    build = BuildDir.scan(contents.build_dir)
    matches = match(graph, said, build)
    manifests = manifests_of(said)
    contents.forget()
    identities: dict[int, Digest] = {}
    units: dict[int, CapturedUnit] = {}
    refused = dict(matches.missing)
    for index in graph.in_order():
        matched = matches.found.get(index)
        if matched is None:
            continue
        unit = graph.units[index]
        parts = parts_of(graph, index, lock=lock, around=around, identities=identities)
        if parts is None:
            refused[index] = "a unit that it depends on cannot be kept"
            continue
        try:
            files = build.files_of(matched.folder, unit.crate_types, unit.name.replace("-", "_"))
            inputs = inputs_of(
                unit, matched, files,
                contents=contents, package=package_root(unit, manifests), pinned=is_pinned(unit, lock),
                written_by=_runs(graph, unit, matches),
            )  # fmt: skip
            output = known.get(matched.folder.fingerprint) if matched.fresh else None
            output = output or output_of(build.root, files, matched.folder)
        except NotKept as reason:
            refused[index] = str(reason)
            continue
        key = key_of(base_of(parts), inputs)
        identities[index] = identity_of(key, output)
        units[index] = CapturedUnit(
            key=key, name=name_of(unit, around.host), parts=parts, inputs=inputs, output=output,
            place=matched.folder.fingerprint, files=tuple(files),
            seconds=_seconds(build.root, matched, files), fresh=matched.fresh,
        )  # fmt: skip
    return Capture(units, refused)


def output_of(root: Path, files: Iterable[str], folder: UnitFolder) -> Digest:
    """What a unit has for those that depend on it: all but cargo's notes. Raises OSError."""
    sha = hashlib.sha256()
    own = written_to(root, folder)
    for name in sorted(files):
        if name.startswith(folder.fingerprint + "/") or name.endswith(".d") or _is_note(name, folder):
            continue
        sha.update(f"{len(name)}:{name}=".encode("utf-8", "surrogateescape"))
        if (root / name).is_symlink():
            sha.update(os.fsencode((root / name).readlink()))
        elif (root / name).is_dir():
            continue
        elif name == folder.said:
            content = (root / name).read_bytes().replace(own, b"")
            sha.update(hashlib.sha256(content).digest())
        else:
            with (root / name).open("rb") as stream:
                sha.update(Digest.of_stream(stream)[0].hex.encode())
    return Digest(sha.hexdigest())


def _is_note(name: str, folder: UnitFolder) -> bool:
    """Whether a file beside a build script's output is cargo's own."""
    beside = folder.said.rpartition("/")[0] + "/"
    return name in {beside + each for each in ("stderr", "root-output", "invoked.timestamp")}


def _runs(graph: UnitGraph, unit: Unit, matches: Match) -> Iterator[UnitFolder]:
    for dependency in unit.dependencies:
        if graph.units[dependency.index].runs and dependency.index in matches.found:
            yield matches.found[dependency.index].folder


def _seconds(root: Path, matched: Matched, files: Iterable[str]) -> float:
    """How long it took: from the time when cargo started it to that of what came last."""
    started = root / (
        matched.folder.said.rpartition("/")[0] if matched.fingerprint.dep_infos == () else matched.folder.fingerprint
    )
    try:
        begun = (started / "invoked.timestamp").stat().st_mtime
        ended = max((root / name).lstat().st_mtime for name in files)
    except (OSError, ValueError):
        return 0.0
    return round(max(ended - begun, 0.0), 3)
