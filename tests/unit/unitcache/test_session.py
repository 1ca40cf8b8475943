"""A session of the unit cache around builds, with a cargo that compiles nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.unit_graph import UnitGraph
from cargoship.cargo.watch import watch_cargo
from cargoship.errors import CacheUnavailable, CompileFailed, Stopped
from cargoship.events import Event, UnitsKept, UnitsReported, UnitsRestored
from cargoship.oci.digest import Digest
from cargoship.process import Command, Completed
from cargoship.toolchain.runtime import Runtime
from cargoship.unitcache.build import Missed
from cargoship.unitcache.builddir.layout import BuildDir
from cargoship.unitcache.builddir.matching import Match, match
from cargoship.unitcache.builds import programs_of
from cargoship.unitcache.explain.account import read_record, record_no_use
from cargoship.unitcache.keys.environment import find_environment
from cargoship.unitcache.keys.key import BuildEnvironment
from cargoship.unitcache.packs.index import BuildRecord, UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.session import CacheSession, RecalledPrograms, open_session
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.store import LocalStore, PackSource, Saved
from cargoship.unitcache.stores.tiered import Tiered
from support.fake_cargo import COMPILERS, HOST, FakeCargo
from support.sessions import build, inputs_of, notes_of, question_for, whole

ALL = ["app target", "derive target", "helper target", "itoa target", "sys build", "sys run", "sys target"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., FakeCargo]:
    """Makes fresh checkouts of one workspace, each in a folder of its own, with a home that they share."""

    def make(name: str = "first") -> FakeCargo:
        return FakeCargo(tmp_path / name / "work", tmp_path / "home").write_sources()

    return make


@dataclass
class Hurt(LocalStore):
    """A store of this machine that does something else where it is asked for something."""

    store: DirectoryStore
    instead: dict[str, Callable[[], None]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "a hurt one"

    @property
    def writable(self) -> bool:
        return True

    @property
    def scratch(self) -> Path:
        return self.store.scratch

    def pack_path(self, pack: Digest) -> Path:
        return self.store.pack_path(pack)

    def _do(self, what: str) -> None:
        self.done.append(what)
        self.instead.get(what, lambda: None)()

    def load(self) -> UnitIndex:
        self._do("load")
        return self.store.load()

    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> AbstractContextManager[PackSource]:
        self._do("open")
        return self.store.open_pack(pack, size, wanted)

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        self._do("save")
        return self.store.save(packs, change)

    def prefetch(self, index: UnitIndex, wanted: Iterable[UnitEntry]) -> None:
        del index, wanted
        self._do("prefetch")

    def stop(self) -> None:
        self._do("stop")

    def close(self) -> None:
        self._do("close")


def unavailable() -> None:
    raise CacheUnavailable("it is on fire")


def test_what_one_checkout_compiles_another_has(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    first = build(checkout(), store)
    assert sorted(first.compiled) == ALL
    assert first.kept is not None
    assert first.kept.units == len(ALL)
    assert isinstance(first.events[-1], UnitsKept)
    again = build(checkout("second"), store)
    assert again.compiled == ()
    restored = next(event for event in again.events if isinstance(event, UnitsRestored))
    assert (restored.restored, restored.found, restored.total) == (len(ALL), len(ALL), len(ALL))
    assert again.kept is not None
    assert (again.kept.units, again.kept.packs) == (0, 0)


def test_a_change_compiles_what_depends_on_it(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    build(checkout(), store)
    second = checkout("second")
    second.edit("helper", "// changed\n")
    assert sorted(build(second, store).compiled) == ["app target", "helper target"]
    second.age()
    second.edit("helper", "// and again\n")
    there = build(second, store)
    assert sorted(there.compiled) == ["app target", "helper target"]
    assert states(second) == {"restored", "compiled"}, "what lies there with other times may be something else"
    assert build(second, store).compiled == ()
    assert states(second) == {"present"}, "what lies there is left alone"


def test_who_listens_learns_what_became_of_each_unit(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    started_s = time.time() - 1
    build(checkout(), store)
    second = checkout("second")
    second.edit("helper", "// changed\n")
    (reported,) = (event for event in build(second, store).events if isinstance(event, UnitsReported))
    found = {unit.package: unit for unit in reported.units}
    helper, app = (found[name] for name in ("helper", "app"))
    assert [(unit.state, unit.is_local) for unit in (helper, app)] == [("compiled", True), ("compiled", True)]
    assert helper.because == ("the file helper/src/lib.rs",)
    assert reported.units[app.waits_for or 0] is helper
    assert helper in [reported.units[place] for place in app.needs]
    assert all(unit.began_s >= started_s and unit.size_bytes > 0 for unit in (helper, app))
    others = [unit for unit in reported.units if unit not in (helper, app)]
    assert {unit.state for unit in others} == {"restored"}
    assert all(unit.began_s == 0 and unit.size_bytes > 0 for unit in others), "they were not compiled now"


def test_who_keeps_units_looks_where_strangers_were_looked_for(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Match] = []

    def counted(graph: UnitGraph, messages: Sequence[Artifact | BuildScriptRun], build: BuildDir) -> Match:
        looks.append(match(graph, messages, build))
        return looks[-1]

    monkeypatch.setattr("cargoship.unitcache.builddir.matching.match", counted)
    assert sorted(build(checkout(), store).compiled) == ALL
    assert len(looks) == 1
    second = checkout("second")
    assert build(second, store).compiled == ()
    assert len(looks) == 2
    # cargo runs twice here
    (second.build_dir / ".cargoship-history.json").unlink()
    done = build(second, DirectoryStore(store.root.parent / "other"))
    assert sorted(done.compiled) == ALL
    assert states(second) == {"compiled"}
    assert len(looks) == 4, "of what the second run has made nobody had seen anything"


def states(cargo: FakeCargo) -> set[str]:
    record = read_record(cargo.build_dir)
    assert record is not None
    return {unit.state for unit in record.units}


def test_what_lies_there_decides_what_fits_to_it(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    build(checkout(), store)
    second = checkout("second")
    build(second, store)
    (fingerprint,) = second.build_dir.rglob("app-*/bin-app")
    shutil.rmtree(fingerprint.parent)
    # another compilation of the same, of which the cache knows nothing
    (other,) = second.build_dir.rglob("libhelper-*.rlib")
    times = other.stat()
    other.write_bytes(b"another")
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = build(second, store)
    assert done.compiled == ("app target",), "the cache's app was compiled against another helper"


def test_a_failed_build_keeps_what_it_compiled(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()
    cargo.fails = "app"
    failed = build(cargo, store)
    assert failed.watched.code != 0
    assert "app target" not in failed.compiled
    record = read_record(cargo.build_dir)
    assert record is not None
    states = {unit.name: (unit.state, unit.not_kept) for unit in record.units}
    # what the build did not come to was not compiled, and is not called a unit that cannot be kept
    assert [each for name, each in states.items() if name.startswith("app")] == [("unfinished", "")]
    assert "compiled" in {state for state, _ in states.values()}
    cargo = checkout("second")
    assert build(cargo, store).compiled == ("app target",)


def test_a_whole_build_comes_without_cargo(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    found, _ = whole(checkout(), store, tmp_path / "programs")
    assert found == Missed(("no build of these packages was kept yet",))
    first = build(checkout(), store, whole=True)
    found, _ = whole(checkout("second"), store, tmp_path / "programs")
    assert isinstance(found, RecalledPrograms)
    (name,) = found.paths
    assert found.paths[name].read_bytes() == next(iter(programs_of(first.watched.units).values())).read_bytes()
    assert os.access(found.paths[name], os.X_OK)


def test_a_cache_that_came_later_gets_a_build_of_which_nothing_is_compiled(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    build(checkout(), store, whole=True)
    far = DirectoryStore(tmp_path / "far")
    both = Tiered(store, (far,), lambda _, error: pytest.fail(error.message))
    found, _ = whole(checkout("second"), both, tmp_path / "programs")
    assert isinstance(found, RecalledPrograms)
    found, _ = whole(checkout("third"), far, tmp_path / "others")
    assert isinstance(found, RecalledPrograms)
    assert build(checkout("fourth"), far).compiled == ()


def test_a_build_that_came_as_a_whole_says_so_in_a_fresh_checkout(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    build(checkout(), store, whole=True)
    second = checkout("second")
    found, _ = whole(second, store, tmp_path / "programs")
    assert isinstance(found, RecalledPrograms)
    record = read_record(second.build_dir)
    assert record is not None
    assert record.whole is not None
    assert record.whole.came


def test_a_build_without_a_cache_is_not_explained_by_an_earlier_one(
    store: DirectoryStore, checkout: Callable[..., FakeCargo]
) -> None:
    cargo = checkout()
    build(cargo, store)
    record_no_use(cargo.build_dir)
    record = read_record(cargo.build_dir)
    assert record is not None
    assert record.whole is not None
    assert record.whole.because == ("it was built without the unit cache",)


def test_a_whole_build_is_missed_for_what_is_named(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    build(checkout(), store, whole=True)
    second = checkout("second")
    second.edit("helper", "// changed\n")
    found, _ = whole(second, store, tmp_path / "programs")
    assert isinstance(found, Missed)
    assert any("helper" in reason for reason in found.because)
    build(second, store, whole=True)
    record = read_record(second.build_dir)
    assert record is not None
    assert record.whole is not None
    assert record.whole.because == found.because


def test_an_account_of_an_earlier_build_gives_way(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    cargo = checkout()
    build(cargo, store, whole=True)
    whole(cargo, store, tmp_path / "programs")
    record = read_record(cargo.build_dir)
    assert record is not None
    assert record.whole is not None
    assert (record.whole.came, record.units) == (True, ())


def test_a_whole_build_whose_pack_is_gone_is_missed(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    build(checkout(), store, whole=True)
    for pack in store.load().packs:
        store.pack_path(pack).unlink()
    found, _ = whole(checkout("second"), store, tmp_path / "programs")
    assert isinstance(found, Missed)
    assert "cannot be had from the cache" in found.because[0]


def test_a_whole_build_that_nobody_can_look_for_is_missed(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    build(checkout(), store, whole=True)
    (tmp_path / "file").write_text("")
    found, notes = whole(checkout("second"), store, tmp_path / "file" / "programs")
    assert isinstance(found, Missed)
    assert "cannot" in notes or found.because


@pytest.mark.parametrize("layout", [1, 2])
@pytest.mark.parametrize("target", [None, "aarch64-unknown-linux-musl"])
def test_each_layout_of_the_build_directory(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], layout: int, target: str | None
) -> None:
    first, second = checkout(), checkout("second")
    for cargo in (first, second):
        cargo.layout, cargo.target = layout, target
    assert build(first, store).compiled
    assert build(second, store).compiled == ()


@pytest.mark.parametrize("step", ["load", "open", "save"])
def test_a_store_that_fails_ends_no_build(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], step: str, tmp_path: Path
) -> None:
    build(checkout(), store, whole=True)
    hurt = Hurt(store, {step: unavailable})
    second = checkout("second")
    second.edit("app", "// changed\n")
    done = build(second, hurt)
    assert done.watched.code == 0
    assert "it is on fire" in done.notes
    assert sorted(done.compiled) == (["app target"] if step == "save" else ALL)
    found, _ = whole(checkout("third"), Hurt(store, {step: unavailable}), tmp_path / "programs")
    assert isinstance(found, RecalledPrograms if step == "save" else Missed)


def test_what_is_wrong_inside_ends_no_build(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    def broken() -> None:
        raise RuntimeError("a mistake")

    done = build(checkout(), Hurt(store, {"save": broken}))
    assert "RuntimeError('a mistake')" in done.notes
    assert done.kept is None


def test_a_cargo_that_tells_no_units_is_a_note(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()
    cargo.graph = lambda: Completed(101, b"", b"error: no")
    done = build(cargo, store)
    assert (done.restored, done.kept) == (None, None)
    assert "the unit cache is not used" in done.notes
    assert sorted(done.compiled) == ALL


def test_packs_travel_while_cargo_is_asked(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    """Of a build that differs in its sources, and of none that there was before."""
    began = threading.Event()
    hurt = Hurt(store, {"prefetch": began.set})
    build(checkout(), hurt, whole=True)
    assert "prefetch" not in hurt.done
    second = checkout("second")
    second.edit("app", "// changed\n")
    answer = second.run(replace(second.command, argv=("cargo", "build", "--unit-graph")))

    def slowly() -> Completed:
        assert began.wait(30)
        return answer

    second.graph = slowly
    inputs = replace(inputs_of(second), build_key=question_for(second))
    assert build(second, hurt, inputs).compiled == ("app target",)
    assert hurt.done.count("prefetch") == 1


def test_cargo_may_be_asked_for_its_units_early(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()
    asked = []

    def answer() -> Completed:
        asked.append(1)
        return Completed(101, b"", b"error: no")

    cargo.graph = answer
    with open_session(store, runner=cargo, emit=lambda _: None) as session:
        graph = session.unit_graph(cargo.command)
        with session.around(replace(inputs_of(cargo), graph=graph)) as running:
            assert running.restored is None
    assert asked == [1]


def test_a_session_that_is_not_used_leaves_nothing(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    with open_session(store, runner=checkout(), emit=lambda _: None):
        pass
    assert not store.root.exists()


def test_nothing_is_kept_where_nobody_asks_for_it(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()
    with open_session(store, runner=cargo, emit=lambda _: None) as session, session.around(inputs_of(cargo)):
        watch_cargo(cargo, cargo.command, lambda _: None)
    assert store.load() == UnitIndex()


def test_dependencies_alone_are_kept_where_they_are_asked_for(
    store: DirectoryStore, checkout: Callable[..., FakeCargo]
) -> None:
    cargo = checkout()
    build(cargo, store, replace(inputs_of(cargo), local=False))
    assert sorted(build(checkout("second"), store).compiled) == ["app target", "helper target"]


def test_the_end_of_the_block_can_wait_for_the_save(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo, events = checkout(), list[Event]()
    hurt = Hurt(store, {"save": lambda: time.sleep(0.7)})
    with open_session(hurt, runner=cargo, emit=events.append) as session:
        with session.around(inputs_of(cargo), settled=True) as running:
            running.keep(running.compile())
        assert len(store.load().entries) == len(ALL)
    assert "still writing to the unit cache a hurt one" in notes_of(events)
    assert [type(event) for event in events].count(UnitsKept) == 1


def test_what_was_compiled_is_kept_after_an_error(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()

    def fail(session: CacheSession) -> None:
        with session.around(inputs_of(cargo)) as running:
            running.keep(running.compile())
        raise CompileFailed("no")

    with pytest.raises(CompileFailed), open_session(store, runner=cargo, emit=lambda _: None) as session:
        fail(session)
    assert len(store.load().entries) == len(ALL)


@pytest.mark.parametrize("error", [OSError("no cargo"), KeyboardInterrupt()])
def test_zigs_runtime_is_waited_for_when_a_restore_fails(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], error: BaseException, tmp_path: Path
) -> None:
    """cargo must not start, and nothing be removed, while something still writes."""
    cargo = checkout()
    ended = threading.Event()
    began = threading.Event()

    class Targets(Mapping[str, str]):
        """None, which takes long to be found out."""

        def __iter__(self) -> Iterator[str]:
            began.set()
            time.sleep(0.3)
            ended.set()
            return iter(())

        def __len__(self) -> int:
            return 0

        def __getitem__(self, name: str) -> str:
            raise KeyError(name)

    def raising() -> Completed:
        assert began.wait(30)
        raise error

    cargo.graph = raising
    inputs = replace(inputs_of(cargo), runtime=Runtime(tmp_path / "runtime", tmp_path / "zig", Targets()))
    with open_session(store, runner=cargo, emit=lambda _: None) as session:
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt), session.around(inputs):
                pass
        else:
            with session.around(inputs) as running:
                assert running.restored is None
                assert ended.is_set()
        assert ended.is_set()


def test_an_interrupt_waits_for_no_save(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    """What travels is stopped, the threads end, and the store is as it was."""
    cargo = checkout()
    began, stopped = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        assert stopped.wait(30)
        unavailable()

    hurt = Hurt(store, {"save": hang, "stop": stopped.set})

    def interrupted(session: CacheSession) -> None:
        with session.around(inputs_of(cargo)) as running:
            running.keep(running.compile())
        assert began.wait(30)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_session(hurt, runner=cargo, emit=lambda _: None) as session:
        interrupted(session)
    assert "stop" in hurt.done
    assert store.load() == UnitIndex()
    assert sorted(build(checkout("second"), store).compiled) == ALL, "and the next build keeps it all"
    assert build(checkout("third"), store).compiled == ()


def test_an_interrupt_while_a_save_is_waited_for(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()
    stopped = threading.Event()

    def emit(event: Event) -> None:
        if "still writing" in notes_of([event]):
            raise KeyboardInterrupt

    def hang() -> None:
        assert stopped.wait(30)
        unavailable()

    hurt = Hurt(store, {"save": hang, "stop": stopped.set})
    with (
        pytest.raises(KeyboardInterrupt),
        open_session(hurt, runner=cargo, emit=emit) as session,
        session.around(inputs_of(cargo)) as running,
    ):
        running.keep(running.compile())
    assert store.load() == UnitIndex()


def test_a_save_that_is_stopped_early_sends_nothing(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()
    hurt = Hurt(store)
    with open_session(hurt, runner=cargo, emit=lambda _: None) as session:
        with session.around(inputs_of(cargo)) as running:
            done = running.compile()
        session._budget.stop()
        assert running.keep(done)() is None
    assert "save" not in hurt.done
    assert not list(store.root.rglob("*.pack"))


def test_another_cargo_is_left_alone(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    build(checkout(), store)
    second = checkout("second")
    (second.build_dir / "release").mkdir(parents=True)
    with (second.build_dir / "release" / ".cargo-lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = build(second, store)
    assert "another cargo works in" in done.notes
    assert sorted(done.compiled) == ALL


def test_libraries_that_were_built_here_come_to_empty_machines(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    cargo, second = checkout(), checkout("second")
    built, lacking = tmp_path / "here" / "std" / "musl", tmp_path / "there" / "std" / "musl"
    (built / "lib").mkdir(parents=True)
    (built / "lib" / "libstd.rlib").write_bytes(b"std")

    def run(own: FakeCargo, folder: Path, used: LocalStore) -> str:
        events: list[Event] = []
        with open_session(used, runner=own, emit=events.append) as session:
            libraries = session.bring_libraries([folder])
            with session.around(replace(inputs_of(own), libraries=libraries)) as running:
                running.keep(running.compile())
        return notes_of(events)

    assert "comes from the unit cache" not in run(cargo, built, store)
    assert "no library comes from the unit cache" not in run(second, lacking, Hurt(store, {"open": unavailable}))
    assert not lacking.exists()
    assert "the standard library musl comes from the unit cache" in run(second, lacking, store)
    assert (lacking / "lib" / "libstd.rlib").read_bytes() == b"std"
    lacking.parent.rename(tmp_path / "aside")
    lacking.parent.write_text("")
    assert "no library comes from the unit cache" in run(second, lacking, store)


def test_a_damaged_unit_is_kept_anew(store: DirectoryStore, checkout: Callable[..., FakeCargo]) -> None:
    """It was compiled by every build from then on, for the index still promised it."""
    build(checkout(), store)
    for pack in store.load().packs:
        data = bytearray(store.pack_path(pack).read_bytes())
        data[len(data) // 2] ^= 0xFF
        store.pack_path(pack).write_bytes(data)
    second = build(checkout("second"), store)
    assert "cannot be had from the unit cache" in second.notes
    assert second.compiled
    assert build(checkout("third"), store).compiled == ()


@pytest.mark.parametrize("error", [CacheUnavailable("it is on fire"), RuntimeError("a mistake")])
def test_a_whole_build_that_cannot_be_sent_on_is_had_all_the_same(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path, error: Exception
) -> None:
    build(checkout(), store, whole=True)

    class Lacking(Hurt):
        def lacks(self, plan: BuildRecord) -> bool:
            return bool(plan.units)

    def fail() -> None:
        raise error

    hurt = Lacking(store, {"save": fail})
    found, notes = whole(checkout("second"), hurt, tmp_path / "programs")
    assert isinstance(found, RecalledPrograms)
    assert "nothing was kept in the unit cache a hurt one" in notes
    assert hurt.done.count("save") == 1


def test_how_cargo_is_to_talk_is_no_part_of_a_key(checkout: Callable[..., FakeCargo]) -> None:
    cargo = checkout()

    def found(*words: str) -> BuildEnvironment:
        command = Command((*cargo.command.argv, *words), cargo.command.cwd, cargo.command.env)
        compilers = structs.replace(COMPILERS, tools={HOST: "cc"})
        return find_environment(compilers, cargo.root, command, runner=cargo, env=cargo.env)

    plain = found("--config", "profile.dev.debug=1")
    talking = ("--config", 'term.color="always"', "--config=term.quiet=true")
    assert found("--config", "profile.dev.debug=1", *talking) == plain
    assert found() != plain
    (cargo.root / "term.toml").write_text("profile.dev.debug = 1\n")
    assert found("--config", "term.toml") != found()


def test_a_save_that_was_stopped_is_not_warned_of(
    store: DirectoryStore, checkout: Callable[..., FakeCargo], tmp_path: Path
) -> None:
    """Ctrl-C before a program was started ended with a word on an exchange with a registry, of which there was none."""
    build(checkout(), store, whole=True)

    class Lacking(Hurt):
        def lacks(self, plan: BuildRecord) -> bool:
            return bool(plan.units)

    def fail() -> None:
        raise Stopped

    _, notes = whole(checkout("second"), Lacking(store, {"save": fail}), tmp_path / "programs")
    assert "nothing was kept" not in notes
