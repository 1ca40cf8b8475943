"""cargo's run in a filled build directory, and a second one where it used what this cache cannot vouch for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from msgspec import Struct, structs

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.watch import Watched, watch_cargo
from cargoship.events import Emit, Note, count
from cargoship.process import Command, Runner
from cargoship.unitcache.build import BuildInputs
from cargoship.unitcache.builddir.matching import look
from cargoship.unitcache.builddir.provenance import strangers
from cargoship.unitcache.restore import Restored, forget_units
from cargoship.unitcache.save import SaveResult, note
from cargoship.unitcache.watching.reads import Reads


class RunningBuild(Struct):
    """A build whose units were put in place."""

    restored: Restored | None
    """What was found; None: the cache is not used for it."""
    command: Command
    """cargo, as it is to be run: what it starts is watched."""
    runner: Runner
    emit: Emit
    again: Callable[[BuildInputs], Restored | None]
    """Puts units in place once more."""
    reads: Callable[[], Reads | None]
    """What was seen to be read so far."""
    begin: Callable[[Restored, Watched, bytes | None], Future[SaveResult | None]]

    def compile(self) -> Watched:
        """Run cargo: twice, if it took for fresh what nobody can speak for. Raises ToolMissing, OSError."""
        done = self._watched()
        if self.restored is not None and done.code == 0 and self._forgets_strangers(self.restored, done):
            return self._watched()
        return done

    def keep(self, done: Watched, record: bytes | None = None) -> Callable[[], SaveResult | None]:
        """Begin to keep what was compiled; what a failed build has compiled too. What is returned gives the outcome.

        The `record` comes back with the programs, when they are recalled as a whole.
        """
        return (lambda: None) if self.restored is None else self.begin(self.restored, done, record).result

    def _watched(self) -> Watched:
        messages: list[Artifact | BuildScriptRun] = []
        try:
            return watch_cargo(self.runner, self.command, self.emit, messages.append)
        except BaseException:
            # so that the next run need not make again what this one has made
            if self.restored is not None and messages:
                with contextlib.suppress(OSError, ValueError):
                    note(self.restored, messages, reads=self.reads())
            raise

    def _forgets_strangers(self, restored: Restored, done: Watched) -> bool:
        """Let cargo make again what nobody can speak for, and all that depends on it; whether there is such a thing."""
        seen = look(restored.graph, done.messages, restored.contents.build_dir)
        # who keeps the units need not look once more
        self.restored = restored = structs.replace(restored, seen=seen)
        found, forgotten = strangers(restored.wanted, seen, stamp_ns=restored.stamp_ns)
        if not found:
            return False
        note(restored, done.messages, reads=self.reads())
        lay = f"{count(len(found), 'unit')} {'was' if len(found) == 1 else 'were'}"
        place = restored.contents.build_dir.name
        self.emit(Note(f"{lay} in {place}/ that cargoship has not made: compiling again, this once, to know of what"))
        # another cargo that works there ends some time
        forget_units(restored.contents.build_dir, forgotten, timeout_s=None)
        there = self.again(replace(restored.build, graph=lambda: restored.graph, surroundings=restored.around))
        self.restored = None if there is None else structs.replace(there, strangers=frozenset(found))
        return True
