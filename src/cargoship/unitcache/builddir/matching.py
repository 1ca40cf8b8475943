"""Which folder of the build directory belongs to which unit of the graph.

cargo's messages name a unit by package, target, features and parts of the profile; its files tell the hash. Where that
leaves a choice, the hashes of the units that it depends on decide, and then those that depend on it: without --target
a build script that serves the host and the target runs twice, and only its users tell the runs apart. Where not even
they do, runs that have said the same and written nothing may stand for each other. Where all of that leaves a choice,
the unit is not kept: nothing is guessed, although a wrong guess would only cost time (cargo looks for its own hash).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.config import target_name
from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.unitcache.builddir.fingerprints import Fingerprint, read_fingerprint
from cargoship.unitcache.builddir.layout import BuildDir, UnitFolder, hash_in, written_to
from cargoship.unitcache.builddir.outputs import obeyed
from cargoship.unitcache.keys.refusal import NotKept

_SHARED = frozenset({"cdylib", "dylib"})
_Signature = tuple[object, ...]


class Matched(Struct, frozen=True):
    """A unit's folder, with what cargo said of the unit."""

    folder: UnitFolder
    fingerprint: Fingerprint
    message: Artifact | BuildScriptRun

    def was_there(self, root: Path, stamp_ns: int) -> bool:
        """Whether cargo found the unit in the build directory `root`; it started after `stamp_ns`. Raises OSError."""
        if isinstance(self.message, Artifact):
            return self.message.fresh
        # of runs of build scripts cargo does not say it
        return (root / self.folder.said).stat().st_mtime_ns <= stamp_ns


class Match(Struct, frozen=True):
    """Folders by places in the graph, and why others have none."""

    found: Mapping[int, Matched]
    missing: Mapping[int, str]
    unsaid: frozenset[int] = frozenset()
    """Those of the missing of which cargo has said nothing: a build that fails does not come to all of them."""


class Look(Struct, frozen=True):
    """A build directory as it was when cargo had ended, with what cargo has said of it."""

    messages: tuple[Artifact | BuildScriptRun, ...]
    build: BuildDir
    matches: Match


def look(graph: UnitGraph, messages: Iterable[Artifact | BuildScriptRun], root: Path) -> Look:
    """Look at the build directory `root` after a build that has ended, well or not; raises OSError."""
    said, build = tuple(messages), BuildDir.scan(root)
    return Look(said, build, match(graph, said, build))


def match(graph: UnitGraph, messages: Iterable[Artifact | BuildScriptRun], build: BuildDir) -> Match:
    """Find the folders of all units."""
    by_signature: dict[_Signature, list[Matched]] = defaultdict(list)
    for message in messages:
        for place in _places(message, build):
            by_signature[_signature_of_message(message, place[0])].append(place[1])
    taken: set[UnitFolder] = set()
    found: dict[int, Matched] = {}
    unclear: dict[int, list[Matched]] = {}
    unsaid: set[int] = set()
    for index in graph.in_order():
        unit = graph.units[index]
        candidates = [
            each
            for each in by_signature.get(_signature_of_unit(unit), ())
            if each.folder not in taken and _depends_as(unit, each.fingerprint, found)
        ]
        if len({each.folder for each in candidates}) == 1:
            found[index] = candidates[0]
            taken.add(candidates[0].folder)
        elif candidates:
            unclear[index] = candidates
        else:
            unsaid.add(index)
    _decide_by_users(graph, found, unclear)
    _decide_alike(graph, found, unclear, build.root)
    missing = dict.fromkeys(unclear, "its files cannot be distinguished from others'")
    missing |= dict.fromkeys(unsaid, "cargo did not tell its files")
    return Match(found, missing, frozenset(unsaid))


def _decide_by_users(graph: UnitGraph, found: dict[int, Matched], unclear: dict[int, list[Matched]]) -> None:
    """Move what is decided from `unclear` to `found`: users are looked at before what they use."""
    users: dict[int, list[int]] = defaultdict(list)
    for index, unit in enumerate(graph.units):
        for each in unit.dependencies:
            users[each.index].append(index)
    for index in reversed(tuple(graph.in_order())):
        for user in users[index] if index in unclear else ():
            used = {value for _, value in found[user].fingerprint.dependencies} if user in found else set()
            fitting = [each for each in unclear[index] if each.fingerprint.hash in used]
            if len({each.folder for each in fitting}) == 1:
                found[index] = fitting[0]
                del unclear[index]
                break


def _decide_alike(graph: UnitGraph, found: dict[int, Matched], unclear: dict[int, list[Matched]], root: Path) -> None:
    """Move runs of one build script that came to the same: of icu_properties_data even the fingerprints are equal."""
    alike: dict[frozenset[UnitFolder], list[int]] = defaultdict(list)
    for index, candidates in unclear.items():
        if graph.units[index].runs:
            alike[frozenset(each.folder for each in candidates)].append(index)
    for folders, indexes in alike.items():
        runs = {each.folder: each for each in unclear[indexes[0]]}
        outcomes = {_outcome(root, each) for each in runs.values()}
        if len(folders) == len(indexes) and len(outcomes) == 1 and None not in outcomes:
            for index, folder in zip(sorted(indexes), sorted(folders, key=lambda folder: folder.hash), strict=True):
                found[index] = runs[folder]
                del unclear[index]


def _outcome(root: Path, matched: Matched) -> tuple[int, bytes] | None:
    """What a run of a build script has for others; None where that is more than words."""
    try:
        if any((root / matched.folder.out_dir).iterdir()):
            return None
        said = obeyed((root / matched.folder.said).read_bytes())
        return matched.fingerprint.hash, said.replace(written_to(root, matched.folder), b"")
    except OSError:
        return None


def _places(message: Artifact | BuildScriptRun, build: BuildDir) -> Iterator[tuple[str | None, Matched]]:
    """The folder that a message speaks of, with the platform that its path tells."""
    files = message.filenames if isinstance(message, Artifact) else (message.out_dir,)
    folders = (None if path is None else _folder_of(path, build) for path in files)
    # where two packages have a binary of one name, the file is the other one's
    folder = next((each for each in folders if each is not None and each.package == message.package), None)
    if folder is None and isinstance(message, Artifact):
        folder = _shared_library(message, build)
    if folder is None:
        return
    try:
        fingerprint = read_fingerprint(build.root / folder.fingerprint)
    except (NotKept, OSError):
        return
    platform, slash, _ = folder.profile.partition("/")
    yield (platform if slash else None), Matched(folder, fingerprint, message)


def _shared_library(message: Artifact, build: BuildDir) -> UnitFolder | None:
    """The folder of a local library that is a shared one too: of several the one that was written just now."""
    if not _SHARED & set(message.kinds) or not message.filenames:
        return None
    found = build.library_folders(message.package, message.target_name, message.filenames[0])
    if len(found) > 1 and not message.fresh:
        found = [max(found, key=lambda folder: (build.root / folder.fingerprint).stat().st_mtime_ns)]
    return found[0] if len(found) == 1 else None


def _folder_of(path: Path, build: BuildDir) -> UnitFolder | None:
    hash_ = hash_in(path)
    if hash_ is not None and path.is_relative_to(build.root):
        below = path.relative_to(build.root).as_posix()
        for profile in ("/".join(below.split("/")[:count]) for count in (1, 2)):
            folder = build.folders.get((profile, hash_))
            if folder is not None:
                return folder
    try:
        linked = build.inodes.get(path.stat().st_ino)
    except OSError:
        return None
    return None if linked is None else build.folders.get(linked)


def _depends_as(unit: Unit, fingerprint: Fingerprint, found: Mapping[int, Matched]) -> bool:
    """Whether a fingerprint has the hashes of the units that this one depends on, as far as they are known."""
    there = {value for _, value in fingerprint.dependencies}
    return all(found[each.index].fingerprint.hash in there for each in unit.dependencies if each.index in found)


def _signature_of_message(message: Artifact | BuildScriptRun, platform: str | None) -> _Signature:
    if isinstance(message, BuildScriptRun):
        return ("run", message.package_id, platform)
    profile = message.profile
    return (
        message.package_id, message.target_name, message.kinds, tuple(sorted(message.features)), platform,
        profile.opt_level, profile.debuginfo, profile.debug_assertions, profile.overflow_checks, profile.test,
    )  # fmt: skip


def _signature_of_unit(unit: Unit) -> _Signature:
    platform = None if unit.platform is None else target_name(unit.platform)
    if unit.runs:
        return ("run", unit.package_id, platform)
    profile = unit.profile
    return (
        unit.package_id, unit.name, unit.kinds, tuple(sorted(unit.features)), platform,
        unit.opt_level, str(profile.get("debuginfo") or 0),
        bool(profile.get("debug_assertions")), bool(profile.get("overflow_checks")), unit.mode == "test",
    )  # fmt: skip
