"""What a build has made, unit by unit, ready to be kept: files, content, and the key that they are found by."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.depinfo import NotKept
from cargoship.unitcache.folders import BuildDir, UnitFolder, written_to
from cargoship.unitcache.index import Entry
from cargoship.unitcache.inputs import (
    BY_TIME,
    all_of,
    changing_packages,
    compiled_at,
    inputs_of,
    manifests_of,
    package_root,
    variables_of,
)
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
    left: bool
    """It was restored, and cargo left it as it was."""


@dataclass(frozen=True)
class Capture:
    """All units of a build that can be kept, and why others cannot: by places in the graph."""

    units: Mapping[int, CapturedUnit]
    refused: Mapping[int, str]
    inputs: Mapping[str, Digest] | None = None
    """What all of them depend on together, those too that cannot be kept; None: that cannot be told."""
    fresh: Mapping[int, bool] = field(default_factory=dict)
    """Whether a unit was there before cargo started."""


def capture(
    graph: UnitGraph,
    messages: Iterable[Artifact | BuildScriptRun],
    *,
    lock: Lock,
    around: Surroundings,
    contents: Contents,
    placed: Mapping[str, Entry],
    stamp_ns: int,
) -> Capture:
    """Take stock after a build that has succeeded. Raises OSError when the build directory cannot be read.

    `placed` has, by places of fingerprints, what was put there before the build, with the time `stamp_ns`.
    """
    said = tuple(messages)
    build = BuildDir.scan(contents.build_dir)
    matches = match(graph, said, build)
    manifests = manifests_of(said)
    contents.forget()
    identities: dict[int, Digest] = {}
    units: dict[int, CapturedUnit] = {}
    refused = dict(matches.missing)
    fresh: dict[int, bool] = {}
    together = _Together(contents, possible=not matches.missing)
    for index in graph.in_order():
        matched = matches.found.get(index)
        if matched is None:
            continue
        unit = graph.units[index]
        fresh[index] = _was_there(build.root, matched, stamp_ns)
        files = build.files_of(matched.folder, unit.crate_types, unit.name.replace("-", "_"))
        entry = placed.get(matched.folder.fingerprint)
        if entry is not None and (build.root / files[-1]).stat().st_mtime_ns == stamp_ns:
            # cargo has left it as it was
            together.add(unit, matched, {**entry.inputs, **variables_of(matched, contents)}, compiled=False)
            identities[index] = identity_of(entry.key, entry.output)
            units[index] = CapturedUnit(
                entry.key, entry.name, entry.parts, entry.inputs, entry.output, entry.place, tuple(files),
                entry.seconds, left=True,
            )  # fmt: skip
            continue
        parts = parts_of(graph, index, lock=lock, around=around, identities=identities)
        try:
            inputs = inputs_of(
                unit, matched, files,
                contents=contents, package=package_root(unit, manifests), pinned=is_pinned(unit, lock),
                written_by=_runs(graph, unit, matches),
            )  # fmt: skip
            together.add(unit, matched, inputs, compiled=True)
        except NotKept as reason:
            refused[index] = str(reason)
            together.possible = False
            continue
        if parts is None or (matched.fingerprint.by_time and unit.is_local):
            refused[index] = BY_TIME if parts is not None else "a unit that it depends on cannot be kept"
            continue
        output = output_of(build.root, files, matched.folder)
        key = key_of(base_of(parts), inputs)
        identities[index] = identity_of(key, output)
        units[index] = CapturedUnit(
            key=key, name=name_of(unit, around.host), parts=parts, inputs=inputs, output=output,
            place=matched.folder.fingerprint, files=tuple(files),
            seconds=_seconds(build.root, matched, files), left=False,
        )  # fmt: skip
    return Capture(units, refused, together.done(changing_packages(graph, lock)), fresh)


@dataclass
class _Together:
    """What all units of a build depend on."""

    contents: Contents
    possible: bool
    _inputs: dict[str, Digest] = field(default_factory=dict)
    _compiled_ns: int = 1 << 63

    def add(self, unit: Unit, matched: Matched, inputs: Mapping[str, Digest], *, compiled: bool) -> None:
        """Take what one of them depends on; raises OSError."""
        self._inputs |= inputs
        if compiled and unit.is_local:
            self._compiled_ns = min(self._compiled_ns, compiled_at(matched, self.contents.build_dir))

    def done(self, packages: Iterable[Path]) -> Mapping[str, Digest] | None:
        """All of it, with every file of packages that can change; None where it cannot be told."""
        try:
            for package in packages if self.possible else ():
                for name in all_of(package, self.contents):
                    self._inputs[name] = self.contents.unchanged(name, self._compiled_ns)
        except NotKept:
            return None
        return self._inputs if self.possible else None


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


def _was_there(root: Path, matched: Matched, stamp_ns: int) -> bool:
    if isinstance(matched.message, Artifact):
        return matched.message.fresh
    return (root / matched.folder.said).stat().st_mtime_ns <= stamp_ns


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
