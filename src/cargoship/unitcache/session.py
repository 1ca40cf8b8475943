"""The cache around one build: units are put in place before cargo starts, and kept beside what follows it.

Whatever goes wrong here is a note of one line. The build goes on and compiles.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cargoship.cargo.messages import Artifact
from cargoship.cargo.unit_graph import UnitGraph, ask_unit_graph
from cargoship.cargo.watch import Watched
from cargoship.errors import CacheUnavailable, CargoshipError
from cargoship.events import Emit, Level, Note, UnitsKept, UnitsRestored
from cargoship.process import Command, Runner
from cargoship.toolchain.runtime import Runtime
from cargoship.unitcache.build import Build
from cargoship.unitcache.explain import Record, Whole, replace_record
from cargoship.unitcache.index import Index
from cargoship.unitcache.key import Surroundings
from cargoship.unitcache.libraries import Libraries, bring, libraries_at
from cargoship.unitcache.local import Contents
from cargoship.unitcache.missed import why_missed
from cargoship.unitcache.planned import Question, find, may_serve, nearest_plan, program_in, programs_of
from cargoship.unitcache.restore import Restored, restore
from cargoship.unitcache.runtimes import bring as bring_runtimes
from cargoship.unitcache.save import Kept, save
from cargoship.unitcache.store import Store
from cargoship.unitcache.surroundings import Compilers
from cargoship.unitcache.tiered import Tiered
from cargoship.unitcache.unpacking import restore as unpack

_TOLD_S = 0.5
_T = TypeVar("_T")

Programs = Callable[[Iterable[Artifact]], Mapping[str, Path]]


@dataclass(frozen=True)
class Workspace:
    """Where a build is: the workspace's folder, cargo's folder for what is between, and the lock file."""

    root: Path
    build_dir: Path
    lock: Path | None = None


@dataclass
class Units:
    """One build's use of a store."""

    store: Store
    workspace: Workspace
    runner: Runner
    scratch: Path
    emit: Emit
    local: bool = True
    """Whether units of local packages are kept too."""
    libraries: Libraries = field(default_factory=dict)
    """Standard libraries and allocators that are built here, or would be."""
    runtime: Runtime | None = None
    """What Zig compiles of itself for this build."""
    question: Question | None = None
    """The key of the build as a whole."""
    programs: Programs = programs_of
    """What of a build's programs is kept by which name."""
    whole: Whole | None = None
    """What became of the build as a whole; None where nobody has looked."""
    restored: Restored | None = None
    kept: Kept | None = None
    _loading: Future[Index] | None = field(default=None, repr=False)
    _asking: Future[UnitGraph] | None = field(default=None, repr=False)
    _bringing: threading.Thread | None = field(default=None, repr=False)
    _saving: threading.Thread | None = field(default=None, repr=False)

    def load(self) -> None:
        """Begin to read the index, while other things are done."""
        self._loading = _begin(self._load, "index")

    def _load(self) -> Index:
        try:
            return self.store.load()
        except CacheUnavailable as error:
            self.emit(Note(f"the unit cache {self.store.name} cannot be read: {error.message}", Level.WARNING))
            return Index()

    @property
    def _index(self) -> Index:
        if self._loading is None:
            self.load()
        return Index() if self._loading is None else self._loading.result()

    def ask(self, command: Command) -> None:
        """Begin to ask cargo what it will compile; it downloads the sources that this takes."""
        self._asking = _begin(lambda: ask_unit_graph(self.runner, command), "graph")

    def expect(self, question: Question) -> None:
        """Let packs travel that a build like this one needed, while cargo is asked for its units."""
        self.question = question
        self._bringing = threading.Thread(target=lambda: self._bring(self._index, question), name="expect", daemon=True)
        self._bringing.start()

    def _bring(self, index: Index, question: Question) -> None:
        """Fetch what the last build of this kind needed: most of it will be needed again."""
        plan = nearest_plan(index, question)
        if plan is None or not may_serve(plan, question) or not isinstance(self.store, Tiered):
            return
        wanted = [index.entries[key] for key in plan.units if key in index.entries]
        wanted = [entry for entry in wanted if not (self.workspace.build_dir / entry.place).is_dir()]
        self.store.bring(index, wanted)

    def recall(
        self, question: Question, env: Mapping[str, str], wanted: Sequence[str] | None, into: Path
    ) -> dict[str, Path]:
        """The programs of a build that was made before, with everything as it is now; none, if there was no such build.

        They are put into folders of `into`. Their names are those that `programs` gives; without `wanted` all come.
        Raises CacheUnavailable, OSError.
        """
        self.question = question
        contents = Contents(self.workspace.root, self.workspace.build_dir, env)
        index = self._index
        entries = find(index, question, contents, wanted)
        if entries is None:
            self.expect(question)
            self.whole = Whole(came=False, because=why_missed(index, question, contents))
        found: dict[str, Path] = {}
        for number, (name, entry) in enumerate((entries or {}).items()):
            folder = into / str(number)
            done = unpack(self.store, index, [entry], folder, stamp_ns=0)
            program = program_in(folder) if entry.key in done.keys else None
            if program is None:
                self.whole = Whole(came=False, because=(f"{entry.name or name} cannot be had from the cache",))
                return {}
            found[name] = program
        if found:
            # what an earlier build has left would be taken for the account of this one
            replace_record(self.workspace.build_dir, Record((), Whole(came=True)))
        return found

    def bring_libraries(self, more: Iterable[Path] = ()) -> None:
        """Put libraries in place that would have to be built: those that are known, and `more`."""
        self.libraries = {**self.libraries, **libraries_at(more)}
        try:
            for name in bring(self.libraries, self.store, self._index):
                self.emit(Note(f"the {name} comes from the unit cache"))
        except (CargoshipError, OSError) as error:
            self.emit(Note(f"no library comes from the unit cache: {error}", Level.VERBOSE))

    def restore(
        self, command: Command, *, env: Mapping[str, str], compilers: Compilers, around: Surroundings | None = None
    ) -> None:
        """Fill the build directory; `env` is the environment as the user has set it.

        `around` is what `look_around` has said of these compilers, where somebody has asked already.
        """
        where = self.workspace
        build = Build(command, env, where.root, where.build_dir, where.lock, compilers)
        asked = None if self._asking is None else self._asking.result
        try:
            with self._runtime_brought():
                self.restored = restore(
                    build, self.store,
                    index=lambda: self._index, graph=asked, around=around, ready=self._expected,
                    runner=self.runner, emit=self.emit,
                )  # fmt: skip
        except (CargoshipError, OSError, ValueError) as error:
            # where cargo cannot tell its units it cannot compile them either, and will say so
            self.emit(Note(f"the unit cache is not used: {error}", Level.VERBOSE))
            return
        found = self.restored
        total, hits = len(found.graph.units), len(found.resolution.hits)
        spared = sum(entry.seconds for entry in found.placed.values())
        self.emit(UnitsRestored(len(found.placed), hits, total, found.size, found.seconds, spared))

    @contextlib.contextmanager
    def _runtime_brought(self) -> Iterator[None]:
        """What Zig has compiled of itself is put in place meanwhile: nearly every build that needs cargo links."""
        thread = threading.Thread(target=self._bring_runtime, name="runtime", daemon=True)
        thread.start()
        yield
        thread.join()

    def _bring_runtime(self) -> None:
        try:
            for target in bring_runtimes(self.runtime, self.store, self._index) if self.runtime is not None else ():
                self.emit(Note(f"Zig's runtime for {target} comes from the unit cache", Level.VERBOSE))
        except (CargoshipError, OSError) as error:
            self.emit(Note(f"Zig's runtime does not come from the unit cache: {error}", Level.VERBOSE))

    def _expected(self) -> None:
        """Packs that are on their way are known to be: nobody reads them a second time."""
        if self._bringing is not None:
            self._bringing.join()

    def keep(self, done: Watched) -> None:
        """Begin to keep what was compiled; what a failed build has compiled too."""
        if self.restored is None:
            return
        self._saving = threading.Thread(target=self._save, args=(self.restored, done), name="units", daemon=True)
        self._saving.start()

    def settle(self) -> None:
        """Wait until everything is kept, and say so if that takes long."""
        if self._saving is None:
            return
        started = time.monotonic()
        self._saving.join(_TOLD_S)
        if self._saving.is_alive():
            self.emit(Note(f"waiting for the unit cache {self.store.name}"))
            self._saving.join()
        if self.kept is not None and self.kept.units:
            kept = self.kept
            self.emit(UnitsKept(kept.units, kept.packs, kept.size, kept.seconds, time.monotonic() - started))

    def _save(self, restored: Restored, done: Watched) -> None:
        try:
            self.kept = save(
                restored, done.messages, self.store,
                scratch=self.scratch, emit=self.emit, programs=self.programs, question=self.question,
                whole=self.whole, local=self.local,
                libraries=self.libraries, runtime=self.runtime,
            )  # fmt: skip
        except CargoshipError as error:
            self.emit(Note(f"nothing was kept in the unit cache {self.store.name}: {error.message}", Level.WARNING))
        except Exception as error:  # noqa: BLE001 - what is wrong in here is no reason to end a build that is done
            self.emit(Note(f"nothing was kept in the unit cache {self.store.name}: {error!r}", Level.WARNING))


def _begin(work: Callable[[], _T], name: str) -> Future[_T]:
    pool = ThreadPoolExecutor(1, thread_name_prefix=name)
    begun = pool.submit(work)
    pool.shutdown(wait=False)
    return begun


@contextlib.contextmanager
def settled(units: Units | None) -> Iterator[None]:
    """What was compiled is kept when the block is done, also when it failed; who interrupts does not wait."""
    try:
        yield
    except CargoshipError:
        if units is not None:
            units.settle()
        raise
    if units is not None:
        units.settle()
