"""The toolchain of a run: asked for beside other work, and found or made when something is compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from cargoship import compile  # noqa: A004 - the step's own name
from cargoship.attest.provenance import Material
from cargoship.c_library import LinkedLibraries, c_libraries
from cargoship.context import Context
from cargoship.oci.platform import Platform
from cargoship.plan import Plan
from cargoship.rustc_answers import RustcAnswers
from cargoship.statements.materials import compiler_materials, known_toolchain
from cargoship.toolchain.around_cargo import environment_of_cargo
from cargoship.toolchain.locate import Foreseen, Toolchain, Wanted, locate

_Found = TypeVar("_Found")


class RunToolchain(Struct, frozen=True, dict=True):
    """What a plan wants of a toolchain, and what is known of it without making anything."""

    wanted: Wanted
    context: Context

    def ask(self) -> None:
        """Begin to ask, beside other work."""
        _ = self._asked

    @property
    def foreseen(self) -> Foreseen | None:
        """What would compile; None where it is not known, or not yet. Waits for the answer."""
        return self._asked.result()

    @cached_property
    def _asked(self) -> Future[Foreseen | None]:
        return _beside(self._known)

    def _known(self) -> Foreseen | None:
        answers = RustcAnswers(self.context.runner, self.context.cache_dir / "answers")
        return known_toolchain(self.wanted, runner=answers, env=self.context.env)

    def c_libraries(self) -> Mapping[Platform, LinkedLibraries]:
        """The C libraries, and what else is linked, in programs that it compiles."""
        # what was not there before may have been added for the compile
        found = self.foreseen or self._known()
        return {} if found is None else c_libraries(found)

    def ask_materials(self) -> None:
        """Begin to read what compiles, beside other work."""
        _ = self._materials

    def materials(self) -> tuple[Material, ...]:
        """What compiles, for provenance; waits for it."""
        return self._materials.result()

    @cached_property
    def _materials(self) -> Future[tuple[Material, ...]]:
        def read() -> tuple[Material, ...]:
            found = self.foreseen
            return () if found is None else compiler_materials(found, self.context.cache_dir / "toolchains")

        return _beside(read)

    def find(self) -> Toolchain:
        """The compilers, made where they are not there; raises ToolchainError's family."""
        return find_toolchain(self.wanted, self.context)


def _beside(work: Callable[[], _Found]) -> Future[_Found]:
    """Work in a thread of its own, which ends with it."""
    thread = ThreadPoolExecutor(1)
    asked = thread.submit(work)
    thread.shutdown(wait=False)
    return asked


def as_cargo_has_it(context: Context, cwd: Path) -> Context:
    """The context with the environment that cargo, started by its name in `cwd`, has."""
    env = environment_of_cargo(context.runner, context.env, cwd, context.emit)
    return dataclasses.replace(context, env=env)


def wanted_by(plan: Plan, context: Context) -> Wanted:
    """What a plan wants of a toolchain."""
    return Wanted(plan.platforms, plan.libc, plan.cargo.cwd, context.cache_dir, offline=plan.offline)


def find_toolchain(wanted: Wanted, context: Context) -> Toolchain:
    """The compilers for these targets; raises ToolchainError's family."""
    runner, emit = context.runner, context.emit
    return locate(wanted, runner=runner, stream=compile.stream_plainly(runner, emit), env=context.env, emit=emit)
