"""A cache in a registry: nothing is lost no matter who saves at once, one line when the registry fails."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from cargoship.errors import CacheUnavailable
from cargoship.http.budget import Budget
from cargoship.http.exchange import Request, Response, Transport
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access
from cargoship.testing import Fault, InMemoryRegistry, InMemoryTransport
from cargoship.testing.content_api import ContentApi
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry, UnitIndex
from cargoship.unitcache.stores.ranges import contiguous_runs, run_with
from cargoship.unitcache.stores.registry import RegistryStore
from cargoship.unitcache.stores.tagging import _LATER_S
from cargoship.unitcache.unpacking import unpack_units
from support.images import small_index
from support.pushing import client_of
from support.units import adding, key_of, packed, tree, unit_files

HOST = "registry.example"


def new_registry(contents: ContentApi | None = None) -> InMemoryRegistry:
    return InMemoryRegistry(contents=contents, address=f"https://{HOST}")


class Direct:
    """A transport without a network."""

    def __init__(self, registry: InMemoryRegistry) -> None:
        self._inner = InMemoryTransport(registry)

    def send(self, request: Request) -> Response:
        return self._inner.send(request)

    def close(self) -> None:
        pass


class Schedule:
    """Lets one of several threads go on at a time, from one request to its next, in an order that a seed decides.

    Some schedules change often between threads; others let one stand still while the others do all that they have to
    do, which is what makes a save forget what it has not seen.
    """

    def __init__(self, seed: int, threads: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._staying = self._random.choice((0.0, 0.5, 0.8, 0.95))
        self._condition = threading.Condition()
        self._running = threads
        self._waiting: set[int] = set()
        self._resting: set[int] = set()
        self._steps = dict.fromkeys(range(threads), 0)
        self._turn: int | None = None

    def step(self, thread: int) -> None:
        """Wait for this thread's turn."""
        with self._condition:
            self._waiting.add(thread)
            self._choose(thread)
            assert self._condition.wait_for(lambda: self._turn == thread, timeout=20), "nobody may go on"
            self._turn = None
            self._waiting.discard(thread)
            self._steps[thread] += 1

    def rest(self, thread: int) -> None:
        """Wait for so long that each of the others looks and writes, if it does not wait itself."""
        with self._condition:
            goals = {other: done + 2 for other, done in self._steps.items() if other != thread}
            self._resting.add(thread)
            self._choose(None)
            self._condition.notify_all()

            def over() -> bool:
                going_on = self._steps.keys() - self._resting
                return all(self._steps[other] >= goal for other, goal in goals.items() if other in going_on)

            assert self._condition.wait_for(over, timeout=20), "the others do not go on"
            self._resting.discard(thread)

    def leave(self, thread: int) -> None:
        """A thread has done all that it has to."""
        with self._condition:
            self._running -= 1
            del self._steps[thread]
            self._choose(None)
            self._condition.notify_all()

    def _choose(self, last: int | None) -> None:
        everyone = len(self._waiting) + len(self._resting) == self._running
        if self._turn is None and everyone and self._waiting:
            stays = last is not None and self._random.random() < self._staying
            self._turn = last if stays else self._random.choice(sorted(self._waiting))
            self._condition.notify_all()


class Scheduled(Direct):
    """A transport that takes its turn before each request."""

    def __init__(self, registry: InMemoryRegistry, schedule: Schedule, thread: int) -> None:
        super().__init__(registry)
        self._schedule = schedule
        self._thread = thread

    def send(self, request: Request) -> Response:
        self._schedule.step(self._thread)
        return super().send(request)


class Meanwhile(Budget):
    """A budget that nobody waits with: what others do then is done in place of the long waits."""

    def __init__(self, others: Callable[[], object] = lambda: None) -> None:
        super().__init__(60.0, jitter=lambda: 0.0)
        self._others = others

    def sleep(self, seconds: float) -> None:
        if seconds >= _LATER_S:
            self._others()
        self.check()


@contextmanager
def store_of(
    registry: InMemoryRegistry,
    transport: Transport | None = None,
    *,
    tag: str = "cache",
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[RegistryStore]:
    def connect(access: Access) -> RegistryClient:
        budget = Meanwhile(meanwhile)
        return client_of(HOST, access=access, transport=transport or Direct(registry), budget=budget)

    store = RegistryStore(Reference.parse(f"{HOST}/me/app:{tag}"), connect)
    try:
        yield store
    finally:
        store.close()


def plan(name: str, *units: str) -> Callable[[UnitIndex], UnitIndex]:
    return lambda index: index.with_plan(BuildRecord(key_of(name), tuple(key_of(unit) for unit in units), saved_at=1))


def save(store: RegistryStore, scratch: Path, names: list[str]) -> UnitIndex:
    packs = packed(scratch, {name: unit_files(name) for name in names})
    add = adding(packs, names)
    return store.save(packs, lambda index: plan("+".join(names), *names)(add(index))).index


def names_in(index: UnitIndex) -> set[str]:
    return {entry.name for entry in index.entries.values()}


def test_what_is_saved_is_found_by_another_machine(tmp_path: Path) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        assert store.load() == UnitIndex()
        save(store, tmp_path / "a", ["serde", "rand"])
        save(store, tmp_path / "b", ["syn"])
    with store_of(registry) as store:
        index = store.load()
        assert names_in(index) == {"serde", "rand", "syn"}
        assert list(index.plans) == sorted(index.plans, key=lambda key: key.hex)
        done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert not done.failed
    expected = {path: data for name in ("serde", "rand", "syn") for path, data in unit_files(name).items()}
    assert tree(tmp_path / "target") == expected


def test_a_cache_is_a_plain_manifest(tmp_path: Path) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        index = save(store, tmp_path / "a", ["serde"])
        client = client_of(HOST, transport=Direct(registry))
        from cargoship.oci.manifest import decode_manifest  # noqa: PLC0415

        manifest = decode_manifest(client.manifest("me/app", "cache").data)
    assert [layer.digest for layer in manifest.layers] == list(index.packs)
    assert manifest.config.media_type == "application/vnd.cargoship.cache.index.v1+zstd"


def test_the_second_save_sends_only_what_is_new(tmp_path: Path) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        save(store, tmp_path / "a", ["serde"])
        registry.calls.clear()
        save(store, tmp_path / "b", ["serde"])
    assert [call.method for call in registry.calls if call.method in {"PUT", "POST", "PATCH"}] == []


def save_at_once(registry: InMemoryRegistry, scratch: Path, seed: int, groups: list[list[str]]) -> UnitIndex:
    schedule = Schedule(seed, len(groups))

    def run(thread: int) -> None:
        try:
            scheduled = Scheduled(registry, schedule, thread)
            with store_of(registry, scheduled, meanwhile=lambda: schedule.rest(thread)) as store:
                save(store, scratch / f"{seed}-{thread}", groups[thread])
        finally:
            schedule.leave(thread)

    with ThreadPoolExecutor(len(groups)) as pool:
        for future in [pool.submit(run, thread) for thread in range(len(groups))]:
            future.result()
    with store_of(registry) as store:
        return store.load()


@pytest.mark.thorough
@pytest.mark.parametrize("immutable", [False, True], ids=["tags that move", "tags that never move"])
def test_two_that_save_at_once_lose_nothing_in_any_order(tmp_path: Path, immutable: bool) -> None:  # noqa: FBT001
    for seed in range(200):
        registry = new_registry(contents=ContentApi(immutable_tags=immutable))
        if seed % 2:
            with store_of(registry) as store:
                save(store, tmp_path / f"before-{seed}", ["before"])
        # one of them may have nothing that the other one has not
        groups = [["serde", "rand"], ["rand"] if seed % 5 == 0 else ["syn", "rand"]]
        index = save_at_once(registry, tmp_path, seed, groups)
        expected = {name for group in groups for name in group} | ({"before"} if seed % 2 else set())
        assert names_in(index) == expected, seed
        assert len(index.plans) == 2 + seed % 2, seed


@pytest.mark.thorough
def test_six_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    groups = [[f"crate{number}", "shared"] for number in range(6)]
    for seed in range(20):
        index = save_at_once(new_registry(), tmp_path, seed, groups)
        assert names_in(index) == {name for group in groups for name in group}, seed


def late_writer(registry: InMemoryRegistry, scratch: Path, name: str, tag: str) -> Callable[[], None]:
    """What one does to a tag that had looked at it when there was nothing, and was held up since."""
    with store_of(registry, tag=f"apart-{name}") as apart:
        save(apart, scratch / name, [name])

    def write() -> None:
        with client_of(HOST, access=Access.PUSH, transport=Direct(registry), budget=Budget(60.0)) as client:
            digest = client.find_manifest("me/app", f"apart-{name}")
            assert digest is not None
            client.put_manifest("me/app", tag, client.manifest("me/app", digest))

    return write


def test_a_save_survives_two_that_were_held_up_before_they_wrote(tmp_path: Path) -> None:
    """Each overwrote one tag with what it had looked at before: of eight units, saved at once, one was gone."""
    registry = new_registry()
    late = [late_writer(registry, tmp_path, name, tag) for name, tag in (("b", "cache"), ("c", "cache-next"))]
    pending = [*late]

    def write() -> None:
        while pending:
            pending.pop()()

    with store_of(registry, meanwhile=write) as store:
        save(store, tmp_path / "a", ["a"])
    write()
    with store_of(registry) as store:
        assert "a" in names_in(store.load())


def test_a_save_puts_back_what_it_has_seen(tmp_path: Path) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        save(store, tmp_path / "a", ["a"])
    late = [late_writer(registry, tmp_path, name, tag) for name, tag in (("b", "cache"), ("c", "cache-next"))]
    late[0]()
    # the tags differ, so it looks twice, and both have lost what it saw first

    pending = [*late]

    def write() -> None:
        while pending:
            pending.pop()()

    with store_of(registry, meanwhile=write) as store:
        save(store, tmp_path / "d", ["d"])
    with store_of(registry) as store:
        assert names_in(store.load()) == {"a", "b", "c", "d"}


def test_immutable_tags_get_numbers(tmp_path: Path) -> None:
    registry = new_registry(contents=ContentApi(immutable_tags=True))
    with store_of(registry) as store:
        for name in ("a", "b", "c"):
            save(store, tmp_path / name, [name])
        save(store, tmp_path / "d", ["c"])
    assert sorted(registry.tags("me/app")) == ["cache-1", "cache-2", "cache-3", "cache-next"]
    with store_of(registry) as store:
        assert names_in(store.load()) == {"a", "b", "c"}


def test_an_image_is_never_overwritten(tmp_path: Path) -> None:
    from cargoship.events import ignore  # noqa: PLC0415
    from cargoship.registry.push import PushOptions, push_index  # noqa: PLC0415

    registry = new_registry()
    client = client_of(HOST, transport=Direct(registry))
    reference = Reference.parse(f"{HOST}/me/app")
    push_index(
        client, small_index(tmp_path / "blobs"), reference=reference, tags=["cache"], options=PushOptions(ignore)
    )
    before = registry.tags("me/app")
    with store_of(registry) as store:
        with pytest.raises(CacheUnavailable, match="is no cache, but another image") as raised:
            store.load()
        assert raised.value.hint == "give the cache a tag of its own"
        with pytest.raises(CacheUnavailable):
            save(store, tmp_path / "a", ["serde"])
    assert registry.tags("me/app") == before


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "/manifests/cache$", status=500, times=None),
        Fault("PUT", "/manifests/cache-next$", status=503, times=None),
        Fault("PATCH|PUT", "/blobs/uploads", cut_request=10, times=None),
        Fault("POST", "/blobs/uploads", status=403, times=None),
        Fault("GET", "/manifests/", cut_response=5, times=None),
        Fault("GET", "/blobs/", corrupt=True, times=None),
        Fault("HEAD", "/manifests/", status=401, times=None),
    ],
    ids=str,
)
def test_a_registry_that_fails_half_way_loses_nothing_that_was_there(tmp_path: Path, fault: Fault) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        save(store, tmp_path / "a", ["serde"])
    registry.faults.append(fault)
    with store_of(registry) as store, pytest.raises(CacheUnavailable) as raised:
        save(store, tmp_path / "b", ["syn"])
    assert "\n" not in raised.value.message
    assert f"the cache {HOST}/me/app:cache" in raised.value.message
    registry.faults.clear()
    with store_of(registry) as store:
        assert "serde" in names_in(store.load())
        save(store, tmp_path / "c", ["syn"])
        assert names_in(store.load()) == {"serde", "syn"}


def test_a_registry_that_is_gone_is_asked_once(tmp_path: Path) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        index = save(store, tmp_path / "a", [f"crate{n}" for n in range(5)])
        registry.faults.append(Fault("GET|HEAD", "/v2/", cut_response=0, times=None))
        registry.calls.clear()
        first = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
        asked = len(registry.calls)
        with pytest.raises(CacheUnavailable):
            store.load()
        with pytest.raises(CacheUnavailable):
            save(store, tmp_path / "b", ["syn"])
    assert len(first.failed) == 5
    assert len(registry.calls) == asked


def test_packs_that_were_damaged_on_the_way_are_not_used(tmp_path: Path) -> None:
    registry = new_registry()
    with store_of(registry) as store:
        index = save(store, tmp_path / "a", ["serde", "rand"])
        registry.faults.append(Fault("GET", "/blobs/", corrupt=True, times=None))
        done = unpack_units(store, index, index.entries.values(), tmp_path / "target", stamp_ns=1)
    assert done.failed
    files = tree(tmp_path / "target")
    assert all(files[path] == data for key in done.keys for path, data in unit_files(index.entries[key].name).items())


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_single_unit_costs_its_own_bytes(tmp_path: Path, ranges: bool) -> None:  # noqa: FBT001
    registry = new_registry()
    names = [f"crate{n}" for n in range(10)]
    with store_of(registry) as store:
        packs = packed(tmp_path / "a", {name: unit_files(name, 300_000) for name in names})
        index = store.save(packs, adding(packs, names)).index
        registry.calls.clear()
        if not ranges:
            registry.contents.read_blob = without_ranges(registry.contents)  # type: ignore[method-assign]
        wanted = [index.entries[key_of("crate1")], index.entries[key_of("crate8")]]
        done = unpack_units(store, index, wanted, tmp_path / "target", stamp_ns=1)
    assert done.keys == {entry.key for entry in wanted}, done.failed
    if ranges:
        asked = [call.headers["range"] for call in registry.calls if call.method == "GET"]
        assert asked == [
            f"bytes={entry.offset}-{entry.offset + entry.length - 1}"
            for entry in sorted(wanted, key=lambda e: e.offset)
        ]


def without_ranges(contents: ContentApi):  # type: ignore[no-untyped-def] # noqa: ANN201
    def read(call, name, reference):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        call.headers.pop("range", None)
        return ContentApi.read_blob(contents, call, name, reference)

    return read


def test_no_more_is_asked_for_at_once_than_memory_takes() -> None:
    """An index may place frames one after the other, as many as it likes."""
    entries = [UnitEntry(key_of(str(at)), key_of("pack"), at << 23, 1 << 23, key_of(""), 1) for at in range(100)]
    large = UnitEntry(key_of("large"), key_of("pack"), 100, 512 << 20, key_of(""), 1)
    runs = contiguous_runs([*entries, large])
    assert max(run.length for run in runs if run.offset != 100) <= 64 << 20
    for entry in (*entries, large):
        run = run_with(runs, entry)
        assert run.offset <= entry.offset < entry.offset + entry.length <= run.end
