"""Builds with a session of the unit cache around them, and what came of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cargoship.cargo.watch import Watched
from cargoship.events import Event, Note
from cargoship.unitcache.build import BuildInputs, Missed, Workspace
from cargoship.unitcache.builds import BuildKey, build_key_of, build_request
from cargoship.unitcache.keys.environment import find_environment
from cargoship.unitcache.restore import Restored
from cargoship.unitcache.save import SaveResult
from cargoship.unitcache.session import RecalledPrograms, open_session
from cargoship.unitcache.stores.store import LocalStore
from cargoship.unitcache.watching.library import Watcher
from support.fake_cargo import COMPILERS, FakeCargo


@dataclass(frozen=True)
class Built:
    """What a build with the cache did."""

    restored: Restored | None
    watched: Watched
    kept: SaveResult | None
    compiled: tuple[str, ...]
    events: tuple[Event, ...]

    @property
    def notes(self) -> str:
        return notes_of(self.events)

    @property
    def refused(self) -> dict[str, str]:
        """Why units cannot be kept, by package and kind."""
        assert self.kept is not None
        assert self.restored is not None
        units = self.restored.graph.units
        return {f"{units[at].package} {units[at].kinds[0]}": why for at, why in self.kept.capture.refused.items()}


def inputs_of(cargo: FakeCargo) -> BuildInputs:
    where = Workspace(cargo.root, cargo.build_dir, cargo.root / "Cargo.lock")
    return BuildInputs(
        cargo.command, cargo.env, where, COMPILERS, watcher=Watcher(Path("/nowhere/watching/0/watch.so"))
    )


def question_for(cargo: FakeCargo, *words: str) -> BuildKey:
    """The key of the whole build."""
    around = find_environment(COMPILERS, cargo.root, cargo.command, runner=cargo, env=cargo.env)
    return build_key_of(around, build_request(cargo.root, ("build", *words), "project"))


def build(cargo: FakeCargo, store: LocalStore, inputs: BuildInputs | None = None, *, whole: bool = False) -> Built:
    """Run the cargo with a session around it; with `whole` the build has a key of its own, and is looked for."""
    events: list[Event] = []
    inputs = inputs or inputs_of(cargo)
    with open_session(store, runner=cargo, emit=events.append) as session:
        if whole:
            build_key = question_for(cargo)
            found = session.whole_build(build_key, inputs.workspace, cargo.env, into=cargo.root.parent / "programs")
            assert isinstance(found, Missed)
            inputs = replace(inputs, build_key=build_key, missed=found)
        with session.around(inputs) as running:
            done = running.compile()
            outcome = running.keep(done)
    return Built(running.restored, done, outcome(), tuple(cargo.compiled), tuple(events))


def whole(cargo: FakeCargo, store: LocalStore, into: Path) -> tuple[RecalledPrograms | Missed, str]:
    """Look for a build as a whole; with what was said meanwhile."""
    events: list[Event] = []
    with open_session(store, runner=cargo, emit=events.append) as session:
        found = session.whole_build(question_for(cargo), inputs_of(cargo).workspace, cargo.env, into=into)
    return found, notes_of(events)


def notes_of(events: list[Event] | tuple[Event, ...]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Note))
