"""The cache around builds: units are put in place before cargo starts, and kept beside what follows it.

    with open_session(store, runner=runner, emit=emit) as session:
        found = session.whole_build(question, workspace, env, into=folder)
        with session.around(BuildInputs(...)) as build:
            done = build.compile()
            build.keep(done)

Nothing has to be called before anything else: what is left out is asked for, or is not used. Whatever goes wrong in
here is a note of one line. The build goes on and compiles.

While a session is open, the index is read, packs travel and units are kept in threads of it. When it is closed they
have ended: after a build, and after an error, units are kept first; who interrupts does not wait for that.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from cargoship.errors import CacheUnavailable, CargoshipError, Stopped, UnitsUnknown
from cargoship.events import Emit, Level, Note, SourcesWritten, UnitsKept, UnitsRestored
from cargoship.http.budget import Budget
from cargoship.oci.digest import Digest
from cargoship.unitcache.build import BuildInputs, Missed, Workspace
from cargoship.unitcache.builds import RECORD, BuildKey, find_build, is_output, may_serve, nearest_build
from cargoship.unitcache.explain.account import BuildAccount, WholeBuild, record_alone
from cargoship.unitcache.keys.file_digests import FileDigests
from cargoship.unitcache.keys.wrapping import ASKS_AGAIN
from cargoship.unitcache.libraries import Libraries, libraries_at
from cargoship.unitcache.libraries import restore_libraries as bring_libraries
from cargoship.unitcache.packs.index import BuildRecord, UnitIndex
from cargoship.unitcache.stores.store import LocalStore
from cargoship.unitcache.unpacking import unpack_single

if TYPE_CHECKING:
    from cargoship.cargo.unit_graph import UnitGraph
    from cargoship.cargo.watch import Watched
    from cargoship.process import Command, Runner
    from cargoship.unitcache.restore import Restored
    from cargoship.unitcache.running import RunningBuild
    from cargoship.unitcache.save import SaveResult
    from cargoship.unitcache.watching.library import Watcher
    from cargoship.unitcache.watching.reads import Reads

__all__ = ["BuildInputs", "CacheSession", "Missed", "RecalledPrograms", "Workspace", "open_session"]

_T = TypeVar("_T")
_THREADS = 8
_QUIET_S = 0.5
"""What a save may take before a person learns that it is waited for."""


class RecalledPrograms(Struct, frozen=True):
    """The programs of a build that was made before with everything as it is now, by the names that it kept them by."""

    paths: Mapping[str, Path]
    record: bytes | None = None
    """What was kept with them, where it was asked for."""
    signers: Mapping[str, int] = field(default_factory=dict)
    """Who vouches for how many of its units, where caches are asked for signatures."""


@contextlib.contextmanager
def open_session(store: LocalStore, *, runner: Runner, emit: Emit) -> Iterator[CacheSession]:
    """Use a store for builds; its index begins to be read at once.

    At the end all threads have ended. What was compiled is kept first, also when a CargoshipError is raised; for
    anything else, as for Ctrl-C, what is under way is stopped. Raises nothing of its own.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="units") as threads:
        session = CacheSession(store, runner, emit, threads)
        try:
            yield session
        except CargoshipError:
            session.settle()
            raise
        except BaseException:
            session.stop()
            raise
        try:
            session.settle()
        except BaseException:
            # an interrupt while it is waited for
            session.stop()
            raise


class CacheSession:
    """The use of a store for builds, which `open_session` makes. Safe to share between threads."""

    def __init__(self, store: LocalStore, runner: Runner, emit: Emit, threads: ThreadPoolExecutor) -> None:
        self._store = store
        self._runner = runner
        self._emit = emit
        self._threads = threads
        # a build takes as long as it takes
        self._budget = Budget(math.inf)
        self._index = threads.submit(self._load)
        self._prefetching: dict[Digest, Future[None]] = {}
        self._saving: list[Future[SaveResult | None]] = []
        self._notes: list[tuple[Path, Workspace]] = []
        self.given: Counter[str] = Counter()
        """How much each cache has given, by its name: units of builds, and whole programs."""

    def unit_graph(self, command: Command) -> Callable[[], UnitGraph]:
        """Begin to ask cargo what `command` will compile; it downloads the sources that this takes.

        What is returned gives the answer, for `BuildInputs.graph`, and raises as `ask_unit_graph` does.
        """
        from cargoship.cargo.unit_graph import ask_unit_graph

        return self._threads.submit(ask_unit_graph, self._runner, command).result

    def whole_build(
        self,
        build_key: BuildKey,
        workspace: Workspace,
        env: Mapping[str, str],
        *,
        into: Path,
        wanted: Sequence[str] | None = None,
    ) -> RecalledPrograms | Missed:
        """The programs of a build that was made before with everything as it is now, or why there is none.

        They are put into the folder `into`. Their names are those that `BuildInputs.programs` gave, and RECORD is what
        was kept with them; without `wanted` all come. `env` is the environment as the user has set it. Where they
        cannot be had, packs begin to travel that a build like this one needed. Never fails.
        """
        try:
            found = self._whole(
                build_key, FileDigests(workspace.root, workspace.build_dir, env, workspace.target_dir), into, wanted
            )
        except (CargoshipError, OSError, ValueError) as error:
            self._emit(Note(f"this build is not looked for in the unit cache: {error}", Level.VERBOSE))
            found = Missed()
        if isinstance(found, Missed):
            self._prefetch(build_key, workspace)
        else:
            record_alone(workspace.build_dir, BuildAccount((), WholeBuild(came=True, signers=found.signers)))
        return found

    def bring_watching(self, folders: Iterable[Path]) -> None:
        """Put what watches reads in place, which is no matter of the user's."""
        self.bring_libraries(folders, level=Level.VERBOSE)

    def bring_libraries(self, folders: Iterable[Path], *, level: Level = Level.INFO) -> Libraries:
        """Put libraries in place that would have to be built in these folders; they are named by their keys."""
        libraries = libraries_at(folders)
        try:
            for name in bring_libraries(libraries, self._store, self._index.result()) if libraries else ():
                self._emit(Note(f"the {name} comes from the unit cache", level))
        except (CargoshipError, OSError) as error:
            self._emit(Note(f"no library comes from the unit cache: {error}", Level.VERBOSE))
        return libraries

    @contextlib.contextmanager
    def around(self, build: BuildInputs, *, settled: bool = False) -> Iterator[RunningBuild]:
        """Fill the build directory; cargo may run in the block, and what it compiled be kept.

        With `settled`, the end of the block waits until it is kept: where the build directory is changed afterwards.
        """
        from cargoship.unitcache.running import RunningBuild

        with self._watched(build) as (command, folder):
            yield RunningBuild(
                self._restored(build), command,
                runner=self._runner, emit=self._emit, again=self._restored,
                reads=partial(self._reads, build.watcher, folder), begin=partial(self._begin_to_keep, folder),
            )  # fmt: skip
            if settled:
                self.settle()

    @contextlib.contextmanager
    def _watched(self, build: BuildInputs) -> Iterator[tuple[Command, Path | None]]:
        """The command, with what notes what is read, and the folder of the notes; it is there until all is kept."""
        command = _asking(build)
        if build.watcher is None:
            yield command, None
            return
        try:
            self._store.scratch.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="reads-", dir=self._store.scratch))
        except OSError as error:
            self._emit(Note(f"what is read is not watched: {error}", Level.VERBOSE))
            yield command, None
            return
        self._notes.append((folder, build.workspace))
        env = build.env if command.env is None else command.env
        env = build.watcher.environment(env, folder, build_dir=build.workspace.build_dir)
        yield replace(command, env=env), folder

    def settle(self) -> None:
        """Wait until everything is kept that was given to be, and say so if that takes long."""
        started = time.monotonic()
        saving, self._saving = self._saving, []
        notes, self._notes = self._notes, []
        if saving and wait(saving, _QUIET_S).not_done:
            self._emit(Note(f"still writing to the unit cache {self._store.name}"))
        for each in saving:
            kept = each.result()
            if kept is not None and kept.units:
                waited_s = time.monotonic() - started
                self._emit(UnitsKept(kept.units, kept.packs, kept.size, kept.seconds, waited_s))
        for folder, workspace in notes:
            from cargoship.unitcache.watching.records import written_sources

            with contextlib.suppress(OSError):
                but = (workspace.build_dir, workspace.target_dir or workspace.build_dir)
                if written := written_sources(folder, workspace.root, but=but):
                    self._emit(SourcesWritten(written))
            shutil.rmtree(folder, ignore_errors=True)

    def stop(self) -> None:
        """Make what is under way in other threads end soon, for good; nothing more is kept."""
        self._budget.stop()
        self._store.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> UnitIndex:
        try:
            return self._store.load()
        except CacheUnavailable as error:
            self._emit(Note(f"the unit cache {self._store.name} cannot be read: {error.message}", Level.WARNING))
            return UnitIndex()

    def _whole(
        self, build_key: BuildKey, contents: FileDigests, into: Path, wanted: Sequence[str] | None
    ) -> RecalledPrograms | Missed:
        index = self._index.result()
        build = find_build(index, build_key, contents, wanted)
        if build is None:
            from cargoship.unitcache.explain.missed import why_missed

            return Missed(why_missed(index, build_key, contents))
        found: dict[str, Path] = {}
        places = unpack_single(self._store, index, build.programs.values(), is_output, into)
        for name, entry in build.programs.items():
            there = places.get(entry.key)
            if there is None:
                return Missed((f"{entry.name or name} cannot be had from the cache",))
            found[name] = there
            self.given[self._store.giver(entry.pack)] += name != RECORD
        record = found.pop(RECORD).read_bytes() if RECORD in found else None
        if self._store.lacks(build.plan):
            self._saving.append(self._threads.submit(self._send, build.plan))
        made = [index.entries[key] for key in build.plan.units if key in index.entries]
        signers = Counter(entry.signer for entry in (*made, *build.programs.values()) if entry.signer)
        return RecalledPrograms(found, record, dict(sorted(signers.items())))

    def _send(self, plan: BuildRecord) -> None:
        """Give a build of which nothing had to be compiled to the stores that lack it."""
        from cargoship.unitcache.packs.signatures import covering

        signatures = covering(self._index.result().signatures, (), [plan])
        self._kept(lambda: self._store.save((), lambda index: index.with_plan(plan).with_signatures(signatures)))

    def _prefetch(self, build_key: BuildKey, workspace: Workspace) -> Future[None]:
        """Let packs travel that a build like this one needed, while cargo is asked for its units."""
        if build_key.key not in self._prefetching:
            self._prefetching[build_key.key] = self._threads.submit(self._bring, build_key, workspace)
        return self._prefetching[build_key.key]

    def _bring(self, build_key: BuildKey, workspace: Workspace) -> None:
        """Fetch what the last build of this kind needed: most of it will be needed again."""
        index = self._index.result()
        plan = nearest_build(index, build_key)
        if plan is None or not may_serve(plan, build_key):
            return
        wanted = [index.entries[key] for key in plan.units if key in index.entries]
        self._store.prefetch(index, [entry for entry in wanted if not (workspace.build_dir / entry.place).is_dir()])

    def _restored(self, build: BuildInputs) -> Restored | None:
        """Put units in place, and what Zig has compiled of itself: nearly every build that needs cargo links."""
        from cargoship.cargo.unit_graph import SourcesUnreachable
        from cargoship.unitcache.foresight import foresee_compiling
        from cargoship.unitcache.restore import restore

        prefetching = None if build.build_key is None else self._prefetch(build.build_key, build.workspace)
        runtime = self._threads.submit(self._bring_runtime, build)

        def prefetched() -> None:
            # packs that are on their way are known to be: nobody reads them a second time
            if prefetching is not None:
                wait([prefetching])

        try:
            found = restore(
                build, self._store, runner=self._runner, emit=self._emit, index=self._index.result, ready=prefetched
            )
        except SourcesUnreachable:
            raise
        except (CargoshipError, OSError, ValueError) as error:
            # where cargo cannot tell its units it cannot compile them either, and will say so
            level = Level.WARNING if isinstance(error, UnitsUnknown) else Level.VERBOSE
            self._emit(Note(f"the unit cache is not used: {error}", level))
            return None
        except BaseException:
            # who interrupts does not wait for what travels
            self.stop()
            raise
        finally:
            # nobody else writes where cargo works, or Zig
            wait([runtime])
        self.given.update(self._store.giver(entry.pack) for entry in found.placed.values())
        total, hits = len(found.graph.units), len(found.resolution.hits)
        spared = sum(entry.seconds for entry in found.placed.values())
        self._emit(UnitsRestored(len(found.placed), hits, total, found.size, found.seconds, spared))
        foreseen = foresee_compiling(found.graph, found.resolution.hits, found.index.times, found.around.host)
        if foreseen.seconds:
            self._emit(foreseen)
        return found

    def _bring_runtime(self, build: BuildInputs) -> None:
        if build.runtime is None:
            return
        from cargoship.unitcache.runtimes import restore_runtime

        try:
            for target in restore_runtime(build.runtime, self._store, self._index.result(), tell=self._say_more):
                self._emit(Note(f"Zig's runtime for {target} comes from the unit cache", Level.VERBOSE))
        except (CargoshipError, OSError, ValueError) as error:
            self._say_more(f"Zig's runtime does not come from the unit cache: {error}")

    def _say_more(self, text: str) -> None:
        self._emit(Note(text, Level.VERBOSE))

    def _begin_to_keep(
        self, folder: Path | None, restored: Restored, done: Watched, record: bytes | None
    ) -> Future[SaveResult | None]:
        saving = self._threads.submit(self._save, restored, done, folder, record)
        self._saving.append(saving)
        return saving

    def _reads(self, watcher: Watcher | None, folder: Path | None) -> Reads | None:
        """What was seen to be read so far; raises OSError."""
        if watcher is None or folder is None:
            return None
        from cargoship.unitcache.watching.reads import Reads
        from cargoship.unitcache.watching.records import read_records

        return Reads(read_records(folder), watcher)

    def _save(self, restored: Restored, done: Watched, folder: Path | None, record: bytes | None) -> SaveResult | None:
        from cargoship.unitcache.save import save

        def work() -> SaveResult:
            return save(
                restored, done, self._store,
                scratch=self._store.scratch, emit=self._emit, check=self._budget.check,
                reads=self._reads(restored.build.watcher, folder), record=record,
            )  # fmt: skip

        return self._kept(work)

    def _kept(self, work: Callable[[], _T]) -> _T | None:
        """What a save gives; None, and a note, where it fails."""
        try:
            return work()
        except Stopped:
            # what has stopped it is what the run ends with
            return None
        except CargoshipError as error:
            why = error.message
        except OSError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - what is wrong in here is no reason to end a build that is done
            why = repr(error)
        self._emit(Note(f"nothing was kept in the unit cache {self._store.name}: {why}", Level.WARNING))
        return None


def _asking(build: BuildInputs) -> Command:
    """The command; with a wrapper around the compiler, cargo does not remember what that has said, and asks again."""
    if build.surroundings is None or not build.surroundings.wrapped:
        return build.command
    env = build.env if build.command.env is None else build.command.env
    return replace(build.command, env={**env, **ASKS_AGAIN})
