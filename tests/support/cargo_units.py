"""Build small workspaces with real cargo between a restore and a save, and see what cargo had to compile."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.cargo.watch import Watched
from cargoship.events import Emit, Event
from cargoship.process import Command, SystemRunner
from cargoship.toolchain.rust import Rust, toolchains
from cargoship.unitcache.build import BuildInputs, Workspace
from cargoship.unitcache.keys.environment import Compilers
from cargoship.unitcache.restore import Restored
from cargoship.unitcache.save import SaveResult
from cargoship.unitcache.session import open_session
from cargoship.unitcache.stores.store import LocalStore
from cargoship.unitcache.watching.tools import watcher
from support.crates import download
from support.programs import distribution_rust

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Done:
    """What a build with the cache did."""

    restored: Restored
    watched: Watched
    kept: SaveResult
    events: tuple[Event, ...]

    @property
    def compiled(self) -> tuple[str, ...]:
        """`package kind` of every unit that cargo compiled, sorted; build scripts that ran are known by `ran`."""
        return tuple(sorted(f"{unit.package} {unit.kinds[0]}" for unit in self.watched.units if not unit.fresh))

    @property
    def programs(self) -> Mapping[str, Path]:
        found = [each for each in self.watched.units if each.is_binary and not each.profile.test]
        return {each.target_name: each.executable for each in found if each.executable}


@dataclass(frozen=True)
class CachedWorkspace:
    """A place for checkouts of one workspace, each as on a machine of its own, and a store that they share."""

    folder: Path
    store: LocalStore
    arguments: tuple[str, ...] = ("--release", "--offline")
    env: Mapping[str, str] = field(default_factory=dict)
    watched: bool = True
    """Whether somebody sees what units read."""

    def checkout(self, source: Path, name: str, *changes: Change) -> Path:
        """A copy as a fresh clone is: every file is new."""
        place = self.folder / name
        shutil.copytree(
            source, place, ignore=shutil.ignore_patterns("target", "between"), copy_function=shutil.copyfile
        )
        for change in changes:
            change(place)
        # a person needs longer from clone to build
        time.sleep(0.05)
        return place

    def build(self, place: Path, *, check: bool = True, emit: Emit = lambda _: None) -> Done:
        events: list[Event] = []

        def heard(event: Event) -> None:
            events.append(event)
            emit(event)

        runner = SystemRunner()
        if "--offline" in self.arguments:
            download(place)
        env = {**os.environ, **distribution_rust(), **self.env, "CARGO_TERM_COLOR": "never"}
        rust = next(toolchains(runner, env, place))
        command = Command(
            (str(rust.cargo), "build", "--message-format", "json-render-diagnostics", *self.arguments), place, env
        )
        named = env.get("CARGO_BUILD_BUILD_DIR", "target").replace("{workspace-root}", str(place))
        where = Workspace(place, place / named, place / "Cargo.lock")
        cache_dir = Path(env["CARGOSHIP_CACHE_DIR"])
        with open_session(self.store, runner=runner, emit=heard) as session:
            bring = session.bring_watching
            sees = watcher(rust, runner=runner, env=env, cache_dir=cache_dir, emit=heard, bring=bring)
            build = BuildInputs(command, env, where, compilers(rust), watcher=sees if self.watched else None)
            with session.around(build) as running:
                watched = running.compile()
                outcome = running.keep(watched)
        if check:
            assert watched.code == 0, watched.stderr
        restored, kept = running.restored, outcome()
        assert restored is not None
        assert kept is not None
        return Done(restored, watched, kept, tuple(events))


def compilers(rust: Rust) -> Compilers:
    library = rust.sysroot / "lib" / "rustlib"
    triples = {path.name: path for path in library.iterdir() if (path / "lib").is_dir()}
    return Compilers(rust.cargo, rust.version, rust.host, triples, {})


def edit(path: str, old: str, new: str) -> Change:
    def change(place: Path) -> None:
        text = (place / path).read_text()
        assert old in text
        (place / path).write_text(text.replace(old, new))

    return change


def create(path: str, text: str) -> Change:
    def change(place: Path) -> None:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)

    return change
