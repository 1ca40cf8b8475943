"""What a store holds, as values: units and where their bytes are, whole plans, packs. `wire` writes and reads them.

An index is a plain value: a store reads one, a function makes another one of it, the store writes that. Merging is a
union and depends on the order of its two sides in one case only: both hold the same key (see `UnitIndex.merged`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from msgspec import Struct

from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.entries import LazyEntries, Named

FORMAT = 1
"""The version of the index, of packs and of units. A store with another one counts as empty."""
PLANS_MAX = 64
"""How many plans an index remembers; older ones are forgotten first."""
PLANS_OF_A_BUILD_MAX = 8
"""How many of them may be of one build with other sources: what branches build must not push out all the others."""
NOTHING = Digest.of(b"")
"""The output of a unit that has none."""


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """A unit, and where its bytes are: one zstd frame of a pack."""

    key: Digest
    """Of the unit's key."""
    pack: Digest
    """Of the pack's bytes."""
    offset: int
    length: int
    """The bytes of the frame in the pack, so that a part of a pack can be asked for."""
    frame: Digest
    """Of these bytes: checked before any of them is used."""
    unpacked: int
    """How many bytes the frame unpacks to, exactly."""
    name: str = ""
    """For people: `serde 1.0.203 lib aarch64-unknown-linux-musl`."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the key was made of, to explain a miss. What may be secret is hashed by who makes the key."""
    seconds: float = 0.0
    """What compiling it took, as far as cargo reported; 0 where it did not."""
    inputs: Mapping[str, Digest] = field(default_factory=dict)
    """Files, relative to the workspace's root, that must have this content for the entry to hold."""
    output: Digest = NOTHING
    """What the unit has for those that depend on it (cargo's own notes and this machine's paths left out).

    Two machines may make different bytes of one key, and rustc refuses a library together with another one than it
    was compiled against. So the parts of a dependent hold key and output of each dependency: it is found with exactly
    these, or not at all.
    """
    place: str = ""
    """The folder of its fingerprint, relative to the build directory: where that is, the unit is not fetched."""
    signer: str = field(default="", compare=False)
    """Who vouches for it, as a store that looks at signatures has found; no part of what is kept."""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """A whole plan: the units that a build needed, and the binaries that it made."""

    key: Digest
    """Of the build and its inputs."""
    units: tuple[Digest, ...]
    """Keys of entries."""
    outputs: Mapping[str, Digest] = field(default_factory=dict)
    """Keys of entries that hold the binaries, by `triple/package/binary`."""
    inputs: Mapping[str, Digest] = field(default_factory=dict)
    """As for an entry."""
    saved_at: int = 0
    """Seconds since 1970, by the clock of who saved it."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """What the build's own key was made of: builds with the same parts had other `inputs` at most."""
    signer: str = field(default="", compare=False)
    """As for an entry."""

    @property
    def needed(self) -> frozenset[Digest]:
        """The keys of all entries that this plan uses."""
        return frozenset(self.units) | frozenset(self.outputs.values())


class PackInfo(Struct, frozen=True):
    """A pack: its bytes, and how many units were put into it."""

    size: int
    units: int


@dataclass(frozen=True, slots=True)
class SaveSignature:
    """One signature over everything that a save has added, as `signatures` makes and reads it."""

    listed: tuple[Digest, ...]
    """What each entry and plan comes to (`signatures.entry_digest`), in order."""
    bundle: bytes = field(repr=False)
    """Sigstore's bundle, with a statement about the list."""


@dataclass(frozen=True)
class UnitIndex:
    """Everything that a store holds. Plans are in the order in which they were saved, the newest last."""

    entries: Mapping[Digest, UnitEntry] = field(default_factory=dict)
    plans: Mapping[Digest, BuildRecord] = field(default_factory=dict)
    packs: Mapping[Digest, PackInfo] = field(default_factory=dict)
    signatures: Mapping[Digest, SaveSignature] = field(default_factory=dict)
    """By the digests of their bundles."""
    refused: Mapping[Digest, str] = field(default_factory=dict, compare=False)
    """Units that are there and not taken, and why; no part of what is kept."""

    def merged(self, other: UnitIndex) -> UnitIndex:
        """Both together. For a key that both hold, this side's entry stays if its pack is known, and the later plan.

        No entry is lost whose pack is known to either side; one without a pack goes.
        """
        packs = {**other.packs, **self.packs}
        entries = _together(self.entries, other.entries, packs)
        plans = dict(self.plans)
        for key, plan in other.plans.items():
            if key not in plans or plans[key].saved_at < plan.saved_at:
                plans[key] = plan
        refused = {key: why for key, why in {**other.refused, **self.refused}.items() if key not in entries}
        return UnitIndex(entries, _latest(plans.values()), packs, {**other.signatures, **self.signatures}, refused)

    def with_entries(self, entries: Iterable[UnitEntry]) -> UnitIndex:
        """With these; each takes the place of one of the same key. Their packs are added by the store."""
        return replace(self, entries={**self.entries, **{entry.key: entry for entry in entries}})

    def with_packs(self, packs: Mapping[Digest, PackInfo]) -> UnitIndex:
        """With these packs."""
        return replace(self, packs={**self.packs, **packs})

    def with_signatures(self, signatures: Mapping[Digest, SaveSignature]) -> UnitIndex:
        """With these signatures beside its own."""
        return replace(self, signatures={**self.signatures, **signatures}) if signatures else self

    def with_plan(self, plan: BuildRecord) -> UnitIndex:
        """With a plan as the newest; the oldest goes where there are too many."""
        others = (each for each in self.plans.values() if each.key != plan.key)
        return replace(self, plans=_latest((*others, plan)))

    def without_packs(self, packs: Iterable[Digest]) -> UnitIndex:
        """Without these packs and all that is in them. Plans stay: what they miss is compiled again."""
        gone = frozenset(packs)
        return replace(
            self,
            entries={key: entry for key, entry in self.entries.items() if entry.pack not in gone},
            packs={digest: info for digest, info in self.packs.items() if digest not in gone},
        )

    @property
    def size(self) -> int:
        """Bytes of all packs."""
        return sum(info.size for info in self.packs.values())

    @property
    def times(self) -> Iterable[Named]:
        """Names of all entries, with the seconds that compiling them took."""
        return self.entries.rows.values() if isinstance(self.entries, LazyEntries) else self.entries.values()

    def named(self, start: str) -> list[UnitEntry]:
        """The entries whose names begin so."""
        if isinstance(self.entries, LazyEntries):
            return [self.entries[Digest(key)] for key, row in self.entries.rows.items() if row.name.startswith(start)]
        return [entry for entry in self.entries.values() if entry.name.startswith(start)]

    def live_bytes(self) -> dict[Digest, int]:
        """How many bytes of each pack belong to an entry."""
        live = dict.fromkeys(self.packs, 0)
        for entry in self.entries.values():
            if entry.pack in live:
                live[entry.pack] += entry.length
        return live


def _together(
    first: Mapping[Digest, UnitEntry], second: Mapping[Digest, UnitEntry], packs: Mapping[Digest, PackInfo]
) -> Mapping[Digest, UnitEntry]:
    """Entries whose packs are known; those of the first stay. Where there is but one side, none has to be looked at."""
    alone = first or second
    if not (first and second) and isinstance(alone, LazyEntries) and packs.keys() >= set(alone.packs):
        return alone
    entries = {key: entry for key, entry in second.items() if entry.pack in packs}
    return entries | {key: entry for key, entry in first.items() if entry.pack in packs}


def _latest(plans: Iterable[BuildRecord]) -> dict[Digest, BuildRecord]:
    # the key decides between plans of one second, so that a merge gives the same on both sides
    newest_first = sorted(plans, key=lambda plan: (plan.saved_at, plan.key), reverse=True)
    counts: Counter[object] = Counter()
    kept = []
    for plan in newest_first:
        build = frozenset(plan.parts.items()) or plan.key
        counts[build] += 1
        if counts[build] <= PLANS_OF_A_BUILD_MAX:
            kept.append(plan)
    return {plan.key: plan for plan in reversed(kept[:PLANS_MAX])}
