"""A folder in front of stores that are far away, and what opens them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cargoship.context import Context
from cargoship.errors import CacheUnavailable, UsageError
from cargoship.events import Event, Note
from cargoship.oci.digest import Digest
from cargoship.process import SystemRunner
from cargoship.settings.cache import CacheOptions, StoreKind, StoreSpec, size_of
from cargoship.unitcache.care.integrity import check_store
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.opening import open_stores
from cargoship.unitcache.stores.readonly import ReadOnly
from cargoship.unitcache.stores.store import PackSource, Saved, Store
from cargoship.unitcache.stores.tiered import Tiered
from cargoship.unitcache.stores.untrusted import untrusted
from cargoship.unitcache.unpacking import unpack_units
from support.units import adding, key_of, packed, tree, unit_files


@dataclass
class Recording(Store):
    """A store that notes what it is asked for, and fails if it is asked to."""

    store: Store
    failing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    name: str = "far away"
    writable: bool = True
    gate: threading.Event | None = None
    """What answers only when it is set."""

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.failing:
            raise CacheUnavailable(f"the cache {self.name}: {what} failed")

    def load(self) -> UnitIndex:
        self._ask("load")
        return self.store.load()

    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> AbstractContextManager[PackSource]:
        self._ask("open")
        if self.gate is not None:
            assert self.gate.wait(60)
        return self.store.open_pack(pack, size, wanted)

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        self._ask("save")
        return self.store.save(packs, change)

    def close(self) -> None:
        self.asked.append("close")


class Set:
    """A local and a remote store, and what was warned of."""

    def __init__(self, root: Path) -> None:
        self.local = DirectoryStore(root / "local")
        self.far = DirectoryStore(root / "far")
        self.remote = Recording(self.far)
        self.warnings: list[str] = []
        self.root = root

    def tiered(self, *remotes: Store) -> Tiered:
        return Tiered(self.local, remotes or (self.remote,), lambda _, error: self.warnings.append(error.message))

    def save(self, store: Store, names: str, plan: str | None = None) -> UnitIndex:
        packs = packed(self.root / "scratch", {name: unit_files(name) for name in names})
        add = adding(packs, names)

        def change(index: UnitIndex) -> UnitIndex:
            index = add(index)
            if plan is None:
                return index
            return index.with_plan(BuildRecord(key_of(plan), tuple(key_of(name) for name in plan), saved_at=1))

        return store.save(packs, change).index


@pytest.fixture
def stores(tmp_path: Path) -> Set:
    return Set(tmp_path)


def names_in(index: UnitIndex) -> str:
    return "".join(sorted(entry.name for entry in index.entries.values()))


def get(store: Store, into: Path) -> str:
    index = store.load()
    done = unpack_units(store, index, index.entries.values(), into, stamp_ns=1)
    return "".join(sorted(index.entries[key].name for key in done.keys))


def test_a_pack_that_is_on_its_way_is_read_once(stores: Set, tmp_path: Path) -> None:
    stores.save(stores.far, "abc")
    stores.remote.gate = threading.Event()
    store = stores.tiered()
    index = store.load()
    store.prefetch(index, index.entries.values())
    threading.Timer(0.2, stores.remote.gate.set).start()
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert done.keys == index.entries.keys()
    assert stores.remote.asked.count("open") == len(index.packs) == 1


def test_what_nobody_needed_is_not_waited_for(stores: Set) -> None:
    for name in "abcdefgh":
        stores.save(stores.far, name)
    stores.remote.gate = threading.Event()
    store = stores.tiered()
    index = store.load()
    store.prefetch(index, index.entries.values())
    threading.Timer(0.2, stores.remote.gate.set).start()
    store.close()
    # what had begun is kept
    kept = len(stores.local.load().packs)
    assert kept == stores.remote.asked.count("open") < len(index.packs)


@dataclass
class Counting(Recording):
    """Notes how much is asked for at once, and how many packs are read at a time."""

    largest: int = 0
    open_packs: int = 0
    most_packs: int = 0
    expected: int = 0
    """So many packs must be open together before any of them is read."""
    together: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:
        with self.store.open_pack(pack, size, wanted) as source:
            self.open_packs += 1
            self.most_packs = max(self.most_packs, self.open_packs)
            if self.open_packs == self.expected:
                self.together.set()
            yield _Counted(self, source)
            self.open_packs -= 1


@dataclass
class _Counted:
    store: Counting
    source: PackSource

    def frame(self, entry: UnitEntry) -> bytes:
        assert not self.store.expected or self.store.together.wait(60)
        self.store.largest = max(self.store.largest, entry.length)
        return self.source.frame(entry)


def test_a_pack_from_afar_is_never_in_memory_as_a_whole(stores: Set, tmp_path: Path) -> None:
    files = unit_files("a", 3 << 20)
    packs = packed(stores.root / "scratch", {"a": files})
    size = stores.far.save(packs, adding(packs, "a")).index.size
    remote = Counting(stores.far)
    store = stores.tiered(remote)
    assert get(store, tmp_path / "target") == "a"
    assert 0 < remote.largest <= size // 2
    assert tree(tmp_path / "target") == files
    store.close()
    assert stores.local.load().size == size


def test_a_pack_is_read_where_nothing_can_be_written(stores: Set, tmp_path: Path) -> None:
    stores.save(stores.far, "abc")
    store = stores.tiered()
    index = store.load()
    stores.local.scratch.parent.mkdir(parents=True)
    stores.local.scratch.write_text("no folder")
    done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert done.keys == index.entries.keys()
    assert stores.warnings == []


def test_more_packs_travel_than_are_unpacked_at_a_time(stores: Set, tmp_path: Path) -> None:
    for name in "abcd":
        stores.save(stores.far, name)
    remote = Counting(stores.far, expected=4)
    assert get(stores.tiered(remote), tmp_path / "target") == "abcd"
    assert remote.most_packs == 4


def test_what_is_read_from_afar_stays_here(stores: Set, tmp_path: Path) -> None:
    stores.save(stores.far, "abc")
    stores.save(stores.local, "d")
    store = stores.tiered()
    assert get(store, tmp_path / "target") == "abcd"
    store.close()
    assert names_in(stores.local.load()) == "abcd"
    assert not check_store(stores.local, stores.local.load()).damaged
    again = stores.tiered()
    stores.remote.asked.clear()
    assert get(again, tmp_path / "again") == "abcd"
    assert "open" not in stores.remote.asked
    assert list(stores.local.scratch.iterdir()) == []


def test_a_part_of_a_pack_is_no_reason_to_fetch_it_all(stores: Set, tmp_path: Path) -> None:
    stores.save(stores.far, "abcdefgh")
    store = stores.tiered()
    index = store.load()
    assert unpack_units(store, index, [index.entries[key_of("a")]], tmp_path / "target", stamp_ns=1).keys == {
        key_of("a")
    }
    store.close()
    assert names_in(stores.local.load()) == ""


def test_what_is_saved_is_saved_in_both(stores: Set) -> None:
    stores.save(stores.tiered(), "ab")
    assert names_in(stores.local.load()) == names_in(stores.far.load()) == "ab"
    assert not check_store(stores.far, stores.far.load()).damaged


def test_what_only_this_machine_had_goes_along_if_the_plan_needs_it(stores: Set) -> None:
    stores.save(stores.local, "ab")
    stores.save(stores.local, "xy")
    stores.save(stores.tiered(), "c", plan="abc")
    assert names_in(stores.far.load()) == "abc"
    assert not check_store(stores.far, stores.far.load()).damaged


def test_a_build_is_lacked_by_a_store_that_has_not_all_of_it(stores: Set) -> None:
    plan = BuildRecord(key_of("ab"), (key_of("a"), key_of("b")), saved_at=1)
    stores.save(stores.local, "ab", plan="ab")
    tiered = stores.tiered()
    tiered.load()
    assert tiered.lacks(plan)
    tiered.save((), lambda index: index.with_plan(plan))
    tiered = stores.tiered()
    tiered.load()
    assert not tiered.lacks(plan)
    assert names_in(stores.far.load()) == "ab"


def test_what_may_only_be_read_lacks_nothing(stores: Set) -> None:
    plan = BuildRecord(key_of("ab"), (key_of("a"), key_of("b")), saved_at=1)
    stores.save(stores.local, "ab", plan="ab")
    stores.remote.writable = False
    tiered = stores.tiered()
    tiered.load()
    assert not tiered.lacks(plan)


@pytest.mark.parametrize("failing", ["load", "open", "save"])
def test_a_remote_store_that_fails_is_one_warning_and_the_rest_goes_on(
    stores: Set, tmp_path: Path, failing: str
) -> None:
    stores.save(stores.far, "abc")
    stores.save(stores.local, "d")
    stores.remote.failing = {failing}
    store = stores.tiered()
    assert "d" in get(store, tmp_path / "target")
    stores.save(store, "e")
    stores.save(store, "f")
    store.close()
    assert set("def") <= set(names_in(stores.local.load()))
    assert stores.warnings == [f"the cache far away: {failing} failed"]


def test_a_damaged_copy_from_afar_is_not_kept(stores: Set, tmp_path: Path) -> None:
    index = stores.save(stores.far, "abc")
    path = stores.far.pack_path(index.entries[key_of("a")].pack)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    store = stores.tiered()
    assert get(store, tmp_path / "target") == ""
    store.close()
    assert names_in(stores.local.load()) == ""
    assert len(stores.warnings) == 1


def test_a_read_only_store_is_never_written(stores: Set) -> None:
    stores.save(stores.tiered(ReadOnly(stores.remote)), "a")
    assert names_in(stores.far.load()) == ""
    assert stores.remote.asked == []
    with pytest.raises(CacheUnavailable, match="a pull request from a fork"):
        ReadOnly(stores.remote, "a pull request from a fork").save((), lambda index: index)


# --- opening ------------------------------------------------------------------------


@dataclass
class World:
    root: Path
    events: list[Event] = field(default_factory=list)

    def context(self, **env: str) -> Context:
        env = {"CARGOSHIP_CACHE_DIR": str(self.root / "cache"), **env}
        return Context(env=env, cwd=self.root, runner=SystemRunner(), emit=self.events.append)

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]


FORK = {"CIRCLECI": "true", "CIRCLE_PR_REPONAME": "app", "CIRCLE_PR_USERNAME": "stranger"}


def test_this_machines_folder_is_the_default(tmp_path: Path) -> None:
    with open_stores(CacheOptions(), World(tmp_path).context()) as store:
        assert store.name == str(tmp_path / "cache/units")
        assert store.writable


def test_a_named_folder_takes_its_place(tmp_path: Path) -> None:
    options = CacheOptions(written=(StoreSpec.parse("dir:mine"), StoreSpec.parse("dir:shared")))
    with open_stores(options, World(tmp_path).context()) as store:
        assert store.name == f"{tmp_path / 'mine'} and {tmp_path / 'shared'}"
    with open_stores(CacheOptions(read=(StoreSpec.parse("dir:mine"),)), World(tmp_path).context()) as store:
        assert (store.name, store.writable) == (str(tmp_path / "mine"), False)


def test_caches_to_read_are_not_written(tmp_path: Path) -> None:
    stores = Set(tmp_path)
    options = CacheOptions(read=(StoreSpec.parse("dir:mine"), StoreSpec.parse("dir:far")))
    options = CacheOptions(read=options.read, written=(StoreSpec.parse("dir:local"),))
    with open_stores(options, World(tmp_path).context()) as store:
        stores.save(store, "a")
    assert names_in(stores.local.load()) == "a"
    assert not (tmp_path / "far").exists()
    assert not (tmp_path / "mine").exists()


def test_a_pull_request_of_a_stranger_writes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    stores = Set(tmp_path)
    stores.save(stores.far, "a")
    for options in (CacheOptions(), CacheOptions(written=(StoreSpec.parse("dir:far"),))):
        with open_stores(options, world.context(**FORK)) as store:
            assert not store.writable
    assert world.notes == ["caches are read and not written: this is a pull request from stranger/app"] * 2
    trusted = CacheOptions(written=(StoreSpec.parse("dir:far?trusted=true"),))
    with open_stores(trusted, world.context(**FORK)) as store:
        assert store.writable


def test_a_registry_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    world = World(tmp_path)
    options = CacheOptions(written=(StoreSpec.parse("registry:127.0.0.1:9/me/app"),))
    with open_stores(options, world.context()) as store:
        assert store.load() == UnitIndex()
        Set(tmp_path).save(store, "a")
        assert names_in(store.load()) == "a"
    (note,) = world.notes
    assert note.startswith("the cache 127.0.0.1:9/me/app:cache: 127.0.0.1:9 cannot be reached")
    assert note.endswith("going on without it")


@pytest.mark.parametrize(
    ("text", "kind", "place", "trusted"),
    [
        ("dir:/var/cache/units", StoreKind.DIRECTORY, "/var/cache/units", False),
        ("dir:relative", StoreKind.DIRECTORY, "relative", False),
        ("registry:ghcr.io/me/app:cache", StoreKind.REGISTRY, "ghcr.io/me/app:cache", False),
        ("registry:localhost:5000/app?trusted=true", StoreKind.REGISTRY, "localhost:5000/app", True),
        ("s3://bucket/some/prefix/", StoreKind.S3, "bucket/some/prefix", False),
        ("s3://bucket?trusted=false", StoreKind.S3, "bucket", False),
    ],
)
def test_places_are_read(text: str, kind: StoreKind, place: str, trusted: bool) -> None:  # noqa: FBT001
    assert StoreSpec.parse(text) == StoreSpec(kind, place, trusted)
    assert StoreSpec.parse(str(StoreSpec.parse(text))) == StoreSpec.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "dir:", "/path", "ghcr.io/me/app", "registry:", "registry:me/UPPER", "s3://", "s3://b/../c", "gs://bucket",
     "dir:x?trust=1", "registry:a/b@sha256:" + "0" * 64],
)  # fmt: skip
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        StoreSpec.parse(text)


@pytest.mark.parametrize(
    ("text", "size"), [("10GiB", 10 << 30), ("4 GB", 4_000_000_000), ("512", 512), ("1kB", 1000), ("3TiB", 3 << 40)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5GB", "ten", "10 giB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        size_of(text)


# --- whose changes ------------------------------------------------------------------

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "me/app", "GITHUB_EVENT_NAME": "pull_request"}
GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_PROJECT_PATH": "me/app"}
EXTERNAL = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "external_pull_request_event",
    "CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY": "me/app",
}


def event(name: str | None) -> str:
    return json.dumps({"pull_request": {"head": {"repo": None if name is None else {"full_name": name}}}})


@pytest.mark.parametrize(
    ("env", "text", "reason"),
    [
        (GITHUB, event("me/app"), None),
        (GITHUB, event("you/app"), "a pull request from you/app"),
        (GITHUB, event(None), "a pull request from a fork"),
        (GITHUB, "no JSON", "a pull request from a fork"),
        (GITHUB, None, "a pull request from a fork"),
        ({**GITHUB, "GITHUB_EVENT_NAME": "pull_request_target"}, event("you/app"), "a pull request from you/app"),
        ({**GITHUB, "GITHUB_EVENT_NAME": "push"}, None, None),
        ({}, None, None),
        ({"CI": "true"}, None, None),
    ],
)
def test_github(tmp_path: Path, env: Mapping[str, str], text: str | None, reason: str | None) -> None:
    path = tmp_path / "event.json"
    if text is not None:
        path.write_text(text)
    assert untrusted({**env, "GITHUB_EVENT_PATH": str(path)}) == reason


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({**GITLAB, "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "me/app"}, None),
        ({**GITLAB, "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "you/app"}, "a merge request from you/app"),
        (GITLAB, "a merge request from a fork"),
        ({**GITLAB, "CI_PIPELINE_SOURCE": "push"}, None),
        ({**EXTERNAL, "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY": "me/app"}, None),
        ({**EXTERNAL, "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY": "you/app"}, "a pull request from you/app"),
        (FORK, "a pull request from stranger/app"),
        ({"CIRCLECI": "true", "CIRCLE_PULL_REQUEST": "https://github.com/me/app/pull/1"}, None),
        ({"TF_BUILD": "True", "SYSTEM_PULLREQUEST_ISFORK": "True"}, "a pull request from a fork"),
        ({"TF_BUILD": "True", "SYSTEM_PULLREQUEST_ISFORK": "False"}, None),
    ],
)
def test_other_systems(env: Mapping[str, str], reason: str | None) -> None:
    assert untrusted(env) == reason
