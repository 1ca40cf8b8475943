"""What a build has made, unit by unit, ready to be kept: files, content, and the key that they are found by."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.builddir.fingerprints import relocated, without_values
from cargoship.unitcache.builddir.history import UnitOrigin, read_history, stamp_of
from cargoship.unitcache.builddir.inputs import (
    BY_TIME,
    all_of,
    changing_packages,
    compiled_at,
    inputs_of,
    manifests_of,
    package_root,
    variables_of,
    where_of,
)
from cargoship.unitcache.builddir.layout import BuildDir, UnitFolder
from cargoship.unitcache.builddir.matching import Look, Match, Matched
from cargoship.unitcache.builddir.outputs import obeyed, output_of
from cargoship.unitcache.builddir.provenance import CurrentUnits
from cargoship.unitcache.builddir.reading import reading_units
from cargoship.unitcache.keys.environment import with_graph
from cargoship.unitcache.keys.file_digests import MANIFEST, NEVER, FileDigests
from cargoship.unitcache.keys.key import (
    BuildEnvironment,
    LockedSources,
    base_of,
    identity_of,
    is_pinned,
    key_of,
    name_of,
    parts_of,
)
from cargoship.unitcache.keys.manifests import local_manifests, looked_for
from cargoship.unitcache.keys.probes import SEEN
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.packs.index import UnitEntry
from cargoship.unitcache.watching.reads import UNSEEN, Reads
from cargoship.unitcache.watching.records import left_by_script
from cargoship.unitcache.watching.wrappers import AROUND

UNKNOWN = "cargo found it there, and nobody has seen of what it was compiled"
"""Why a unit is not kept that this run has not compiled."""
UNWATCHED = "what build scripts, procedural macros, wrappers of rustc and Clippy read cannot be seen on this machine"
_EDITED = "its Cargo.toml was changed while it was compiled"


class CapturedUnit(Struct, frozen=True):
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
    rewritten: Mapping[str, bytes] = field(default_factory=dict)
    """Other content for some of the files, which is good in any checkout."""


class UnitTimes(Struct, frozen=True):
    """When cargo made a unit, and how large it is."""

    began_s: float
    """Since 1970, by the clock of the file system; 0 where it is not known."""
    seconds: float
    size_bytes: int
    where: str = ""
    """The cluster that has made it; nothing for this machine."""


class Capture(Struct, frozen=True):
    """All units of a build that can be kept, and why others cannot: by places in the graph."""

    units: Mapping[int, CapturedUnit]
    refused: Mapping[int, str]
    inputs: Mapping[str, Digest] | None = None
    """What all of them depend on together, those too that cannot be kept; None: that cannot be known."""
    fresh: Mapping[int, bool] = field(default_factory=dict)
    """Whether a unit was there before cargo started."""
    made: Mapping[str, UnitOrigin] = field(default_factory=dict)
    """How units came to be, by places of fingerprints; of those that cannot be kept too."""
    unsaid: frozenset[int] = frozenset()
    """Units of which cargo has said nothing."""
    times: Mapping[int, UnitTimes] = field(default_factory=dict)
    """Of what was compiled, now or by an earlier run, whether it can be kept or not."""


def capture(
    wanted: CurrentUnits,
    seen: Look,
    *,
    placed: Mapping[str, UnitEntry],
    stamp_ns: int,
    known: Mapping[Digest, UnitEntry] | None = None,
    reads: Reads | None = None,
) -> Capture:
    """Take stock of what was `seen` of the `wanted` units when a build had ended, well or not.

    Raises OSError when the build directory cannot be read.

    `placed` has, by places of fingerprints, what was put there before the build, with the time `stamp_ns`. Of units
    that cargo found there, those are good that an earlier run is known to have made of the same, and those whose very
    bytes are in a store already: `known` are its entries, by their keys. `reads` is what was seen to be read; None:
    nobody could watch.
    """
    matches = seen.matches
    graph, lock, around, contents = wanted.graph, wanted.lock, wanted.around, wanted.contents
    contents.forget()
    stock = _Stock(
        graph=graph, lock=lock, around=around, contents=contents, build=seen.build, matches=matches,
        placed=placed, stamp_ns=stamp_ns, known=known or {}, history=read_history(contents.build_dir),
        folders=manifests_of(seen.messages), manifests=with_graph(around, graph).manifests,
        together=_Together(contents, possible=not matches.missing, watched=reads is not None),
        refused=dict(matches.missing), reads=reads, reading=reading_units(graph, around),
    )  # fmt: skip
    stock.ask()
    for index in graph.in_order():
        matched = matches.found.get(index)
        if matched is not None:
            try:
                stock.take(index, matched)
            except NotKept as reason:
                stock.refuse(index, str(reason))
                stock.note_unknown(index, matched, str(reason))
    inputs = stock.together.done(changing_packages(graph, lock))
    return Capture(stock.units, stock.refused, inputs, stock.fresh, stock.made, matches.unsaid, stock.times)


class _Stock(Struct):
    """A build directory after a build, unit by unit in the order in which they depend on each other."""

    graph: UnitGraph
    lock: LockedSources
    around: BuildEnvironment
    contents: FileDigests
    build: BuildDir
    matches: Match
    placed: Mapping[str, UnitEntry]
    stamp_ns: int
    known: Mapping[Digest, UnitEntry]
    history: Mapping[str, UnitOrigin]
    folders: Mapping[str, Path]
    """The manifests of packages, by their ids."""
    manifests: Mapping[str, str]
    """What the manifests of local packages say now."""
    together: _Together
    refused: dict[int, str]
    reads: Reads | None
    reading: frozenset[int]
    """Units that read what only a watcher sees."""
    units: dict[int, CapturedUnit] = field(default_factory=dict)
    fresh: dict[int, bool] = field(default_factory=dict)
    made: dict[str, UnitOrigin] = field(default_factory=dict)
    times: dict[int, UnitTimes] = field(default_factory=dict)
    _identities: dict[int, Digest] = field(default_factory=dict)
    _unkept: set[int] = field(default_factory=set)
    """Units with an identity that cannot be kept, nor what depends on them."""

    def ask(self) -> None:
        """Take what a wrapper has read to say what the compiler can do: which units there are depends on it."""
        try:
            self.together.take({} if self.reads is None else self.reads.of_questions(self.contents))
        except NotKept:
            self.together.possible = False

    def take(self, index: int, matched: Matched) -> None:
        """Look at one unit; raises NotKept, OSError."""
        unit = self.graph.units[index]
        self.fresh[index] = matched.was_there(self.build.root, self.stamp_ns)
        files = self.build.files_of(matched.folder, unit.crate_types, unit.name.replace("-", "_"))
        entry = self.placed.get(matched.folder.fingerprint)
        if entry is not None and (self.build.root / files[-1]).stat().st_mtime_ns == self.stamp_ns:
            # cargo has left it as it was
            variables = variables_of(matched, self.contents)
            self.together.add(unit, matched, {**entry.inputs, **variables}, compiled=False)
            self._note(index, matched, entry.key, entry.inputs, entry.output)
            self.units[index] = CapturedUnit(
                entry.key, entry.name, entry.parts, entry.inputs, entry.output, entry.place, tuple(files),
                entry.seconds, left=True,
            )  # fmt: skip
            return
        where = "" if self.reads is None else where_of(unit, matched, self.reads, self.contents)
        self.times[index] = _times(self.build.root, matched, files, where)
        parts = parts_of(self.graph, index, lock=self.lock, around=self.around, identities=self._identities)
        inputs = self._inputs(index, matched, files, parts)
        self.together.add(unit, matched, inputs, compiled=True)
        if parts is None:
            if not self.fresh[index]:
                self.made[matched.folder.fingerprint] = self._made(index, matched, "", inputs, "")
            self._refuse_for_others(index)
            return
        output = output_of(self.build.root, files, matched.folder)
        key = key_of(base_of(parts), inputs)
        made = self._note(index, matched, key, inputs, output)
        kept = self.known.get(key)
        same = self.history.get(matched.folder.fingerprint) == made or (kept is not None and kept.output == output)
        if self.fresh[index] and not same:
            # What was compiled of it now has a key of its own, for that holds the very bytes of this one.
            self.made.pop(matched.folder.fingerprint)
            self.refuse(index, UNKNOWN)
        elif matched.fingerprint.by_time and unit.is_local:
            self.refused[index] = BY_TIME
            self._unkept.add(index)
        elif unit.runs and unit.is_local and (left := self._left_by(matched)):
            self.refused[index] = f"its build script writes {left}, which is not in its OUT_DIR"
            self._unkept.add(index)
        elif any(each.index in self._unkept for each in unit.dependencies):
            self._refuse_for_others(index)
        else:
            self.units[index] = CapturedUnit(
                key=key, name=name_of(unit, self.around.host), parts=parts, inputs=inputs, output=output,
                place=matched.folder.fingerprint, files=tuple(files),
                seconds=self.times[index].seconds, left=False,
                rewritten={**self._rewritten(unit, matched), **self._silenced(matched, files)},
            )  # fmt: skip

    def _left_by(self, matched: Matched) -> str:
        """What a build script has put beside its OUT_DIR: a checkout that gets its run from a cache would lack it."""
        build, target = self.contents.build_dir, self.contents.target_dir
        folders = [build] if target is None else [build, target]
        if self.reads is None:
            return ""
        return left_by_script(self.reads.records, str(build / matched.folder.out_dir), folders)

    def _rewritten(self, unit: Unit, matched: Matched) -> dict[str, bytes]:
        """Dep-info without the place of this checkout; raises NotKept, OSError."""
        package, root = str(package_root(unit, self.folders)), str(self.contents.root)
        originals = {name: (self.build.root / name).read_bytes() for name in matched.fingerprint.dep_infos}
        other = {name: relocated(data, package, root) for name, data in originals.items() if root.encode() in data}
        return {name: data for name, data in other.items() if data != originals[name]}

    def _silenced(self, matched: Matched, files: Sequence[str]) -> dict[str, bytes]:
        """What cargo notes without a use for it, and may be a secret: a script's words, and variables' values."""
        folder, found = matched.folder, {}
        for name in files:
            change: Callable[[bytes], bytes] | None = None
            if name == folder.said:
                change = obeyed
            elif name == f"{folder.said.rpartition('/')[0]}/stderr":
                change = _nothing
            elif name.startswith(f"{folder.fingerprint}/") and name.endswith(".json"):
                change = without_values
            if change is not None:
                data = (self.build.root / name).read_bytes()
                if (changed := change(data)) != data:
                    found[name] = changed
        return found

    def refuse(self, index: int, why: str) -> None:
        """A unit cannot be kept, nor the build as a whole: nobody knows what it was made of."""
        self.refused[index] = why
        self.together.possible = False

    def _refuse_for_others(self, index: int) -> None:
        self.refused[index] = "a unit that it depends on cannot be kept"
        self._unkept.add(index)
        if self.fresh[index] and index not in self._identities:
            self.together.possible = False

    def _inputs(
        self, index: int, matched: Matched, files: Sequence[str], parts: Mapping[str, str] | None
    ) -> Mapping[str, Digest]:
        """What a unit depends on, as seen in an earlier run or by cargo's notes now; raises NotKept, OSError."""
        unit = self.graph.units[index]
        if self.manifests.get(unit.package_id) != self.around.manifests.get(unit.package_id):
            raise NotKept(_EDITED)
        seen = self.history.get(matched.folder.fingerprint) if self.fresh[index] else None
        if seen is not None and parts is not None and seen.stamp_ns == self._stamp(matched):
            inputs = {name: Digest(value) for name, value in seen.inputs.items()}
            if key_of(base_of(parts), inputs).hex == seen.key and self.contents.holds(inputs):
                return inputs
        if self.reads is None and index in self.reading:
            raise NotKept(UNWATCHED)
        return self._inputs_of(index, matched, files, self.reads)

    def _inputs_of(
        self, index: int, matched: Matched, files: Sequence[str], reads: Reads | None
    ) -> Mapping[str, Digest]:
        unit = self.graph.units[index]
        return inputs_of(
            unit, matched, files,
            contents=self.contents, package=package_root(unit, self.folders), pinned=is_pinned(unit, self.lock),
            written_by=_runs(self.graph, unit, self.matches), reads=reads,
        )  # fmt: skip

    def _note(
        self, index: int, matched: Matched, key: Digest, inputs: Mapping[str, Digest], output: Digest
    ) -> UnitOrigin:
        """What units that depend on this one, and later runs, need to know of it."""
        self._identities[index] = identity_of(key, output)
        made = self._made(index, matched, key.hex, inputs, output.hex)
        self.made[matched.folder.fingerprint] = made
        return made

    def _made(self, index: int, matched: Matched, key: str, inputs: Mapping[str, Digest], output: str) -> UnitOrigin:
        wanted = CurrentUnits(self.graph, self.lock, self.around, self.contents)
        return wanted.made(
            self.graph.units[index],
            key=key, inputs=inputs, output=output, stamp_ns=self._stamp(matched), said=matched.folder.said,
        )  # fmt: skip

    def note_unknown(self, index: int, matched: Matched, why: str) -> None:
        """Remember of a unit that cannot be kept what is known of how this run has made it.

        Where that is less than what it may read, the next run makes it again.
        """
        if not self.fresh[index]:
            inputs = self._as_noted(index, matched, why)
            self.made[matched.folder.fingerprint] = self._made(index, matched, "", inputs, "")

    def _as_noted(self, index: int, matched: Matched, why: str) -> Mapping[str, Digest]:
        unit = self.graph.units[index]
        if is_pinned(unit, self.lock) and not (why.startswith(AROUND) or (why == UNWATCHED and self.around.wrapped)):
            return {}
        if why == UNSEEN and index not in self.reading:
            with contextlib.suppress(NotKept):
                return self._inputs_of(index, matched, (), None)
        return {NEVER: Digest.of(b"")}

    def _stamp(self, matched: Matched) -> int:
        return stamp_of(self.contents.build_dir, matched.folder.fingerprint) or 0


class _Together(Struct):
    """What all units of a build depend on."""

    contents: FileDigests
    possible: bool
    watched: bool
    """What units read was seen: files that nobody reads do not count."""
    _inputs: dict[str, Digest] = field(default_factory=dict)
    _compiled_ns: int = 1 << 63

    def take(self, inputs: Mapping[str, Digest]) -> None:
        """Take what the build depends on as a whole."""
        self._inputs |= inputs

    def add(self, unit: Unit, matched: Matched, inputs: Mapping[str, Digest], *, compiled: bool) -> None:
        """Take what one of them depends on; raises OSError."""
        self.take(inputs)
        if compiled and unit.is_local:
            self._compiled_ns = min(self._compiled_ns, compiled_at(matched, self.contents.build_dir))

    def done(self, packages: Iterable[Path]) -> Mapping[str, Digest] | None:
        """All of it, with every file of packages that can change; None where it cannot be known."""
        changing = tuple(packages) if self.possible else ()
        for manifest in local_manifests(self.contents.root, changing):
            name = MANIFEST + self.contents.name(manifest)
            self._inputs[name] = self.contents.digest(name) or Digest.of(b"")
            for place in looked_for(manifest):
                name = SEEN + self.contents.name(place)
                self._inputs[name] = self.contents.digest(name) or Digest.of(b"")
        try:
            for package in () if self.watched else changing:
                for name in all_of(package, self.contents):
                    self._inputs[name] = self.contents.unchanged(name, self._compiled_ns)
        except NotKept:
            return None
        return self._inputs if self.possible else None


def _nothing(_: bytes) -> bytes:
    return b""


def _runs(graph: UnitGraph, unit: Unit, matches: Match) -> Iterator[UnitFolder]:
    for dependency in unit.dependencies:
        if graph.units[dependency.index].runs and dependency.index in matches.found:
            yield matches.found[dependency.index].folder


def _times(root: Path, matched: Matched, files: Iterable[str], where: str) -> UnitTimes:
    """How long it took: from the time when cargo started it to that of what came last."""
    started = root / (
        matched.folder.said.rpartition("/")[0] if matched.fingerprint.dep_infos == () else matched.folder.fingerprint
    )
    try:
        begun = (started / "invoked.timestamp").stat().st_mtime
        made = [(root / name).lstat() for name in files]
        ended = max(each.st_mtime for each in made)
    except (OSError, ValueError):
        return UnitTimes(0.0, 0.0, 0, where)
    return UnitTimes(begun, round(max(ended - begun, 0.0), 3), sum(each.st_size for each in made), where)
