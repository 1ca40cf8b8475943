"""The programs of a plan: those that the cache has as a whole, and those that are compiled now."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cargoship import compile  # noqa: A004 - the step's own name
from cargoship.bases.package_base import PackageBase
from cargoship.bom.embed import embed
from cargoship.context import Context
from cargoship.debug_symbols import symbols_environment
from cargoship.plan import Plan
from cargoship.platforms import row
from cargoship.run_toolchain import RunToolchain
from cargoship.toolchain.allocator import SYSTEM, choice_environment, mimalloc_environment, mimalloc_folders
from cargoship.toolchain.locate import Toolchain
from cargoship.unitcache.explain.account import record_no_use
from cargoship.unitcache.session import Workspace, open_session
from cargoship.unitcache.stores.opening import open_stores

if TYPE_CHECKING:
    from cargoship.process import Runner

_WRITERS = 4


class Compilation(Struct, frozen=True):
    """What compiles the programs of a plan, and where those come from that need no compiler."""

    plan: Plan
    toolchain: RunToolchain
    context: Context
    runner: Runner
    """What starts the cargo that compiles."""
    cached: compile.Cached | None
    """The cache of compiled units; None where it is turned off."""
    packages: PackageBase | None
    """Whose headers and libraries are compiled against; None where no image stands on packages."""
    scratch: Path

    def environment(self) -> Mapping[str, str]:
        """What cargo and build scripts see: the user's own environment, and where the system's libraries are."""
        env: Mapping[str, str] = self.context.env
        sysroots = {} if self.packages is None else self.packages.sysroots()
        if sysroots:
            from cargoship.toolchain.libraries import library_environment

            by_triple = {row(platform).gnu: sysroot for platform, sysroot in sysroots.items()}
            env = library_environment(by_triple, env, cache_dir=self.context.cache_dir)
        return {**env, **choice_environment(self.plan.allocator), **symbols_environment(self.plan, self.context.env)}

    def recalled(self, env: Mapping[str, str]) -> compile.Recalled:
        """The programs of builds that were made before with all as it is now, and what is still to be compiled."""
        if self.cached is None:
            return compile.Recalled(missing=tuple((build, None) for build in self.plan.builds))
        programs: dict[str, set[str]] = {}
        for each in (each for image in self.plan.images for each in image.bins):
            programs.setdefault(each.package, set()).add(each.name)
        wanted = {name: sorted(bins) for name, bins in programs.items()}
        return compile.recall(
            self.plan.builds, self.toolchain.foreseen, self.cached, env, self.context,
            into=self.scratch, project=self.plan.project, programs=wanted,
        )  # fmt: skip

    def compiled(
        self, toolchain: Toolchain, env: Mapping[str, str], recalled: compile.Recalled
    ) -> tuple[compile.CompiledProgram, ...]:
        """All programs, with what had to be compiled; raises as `compile.run_builds` does."""
        context, wanted = self.context, self.toolchain.wanted
        if self.plan.allocator != SYSTEM:
            triples = [triple for triple, _ in wanted.linux_pairs]
            folders = mimalloc_folders(triples, toolchain.zig, cache_dir=wanted.cache_dir)
            recalled = recalled.with_missing(lambda cached: cached.bringing(folders.values()))
            env = {
                **env,
                **mimalloc_environment(
                    wanted.linux_pairs, rust=toolchain.rust, zig=toolchain.zig, runner=context.runner, env=context.env,
                    cwd=wanted.cwd, cache_dir=wanted.cache_dir, offline=wanted.offline, emit=context.emit,
                ),
            }  # fmt: skip
        made = compile.run_builds(
            recalled.missing, toolchain, env, dataclasses.replace(context, runner=self.runner),
            lock=self.plan.root / "Cargo.lock", apart=len(self.plan.builds) > 1,
        )  # fmt: skip
        return (*recalled.artifacts, *made)

    def audited(self, programs: Sequence[compile.CompiledProgram]) -> tuple[compile.CompiledProgram, ...]:
        """The programs with the list of their crates in them, where the plan wants that; raises as `embed` does."""
        if not self.plan.auditable:
            return tuple(programs)
        with ThreadPoolExecutor(_WRITERS) as writers:
            return tuple(writers.map(self._audited, programs))

    def _audited(self, program: compile.CompiledProgram) -> compile.CompiledProgram:
        if program.crates is None:
            return program
        # what comes from the cache is unpacked again each time, and so is its copy
        if not program.path.is_relative_to(self.plan.target_dir):
            return replace(program, path=embed(program.path, program.crates, self.scratch / ".programs"))
        folder = self.plan.target_dir / "cargoship" / ".programs" / compile.folder_name_of(program) / program.package
        return replace(program, path=embed(program.path, program.crates, folder))

    def bring(self, folders: Iterable[Path]) -> None:
        """Put those in their places that the cache of compiled units has."""
        if self.cached is not None:
            self.cached.bringing(folders)

    def find_toolchain(self, recalled: compile.Recalled) -> Toolchain:
        """The compilers, or what they and the cache lack made; raises ToolchainError's family."""
        self.bring(folder for _, cached in recalled.missing[:1] if cached for folder in cached.libraries.values())
        return self.toolchain.find()


@contextlib.contextmanager
def open_cached(plan: Plan, context: Context, runner: Runner) -> Iterator[compile.Cached | None]:
    """The cache of compiled units, for one build; None where it is turned off."""
    if not plan.cache.enabled:
        record_no_use(plan.build_dir)
        yield None
        return
    where = Workspace(plan.root, plan.build_dir, plan.root / "Cargo.lock", plan.target_dir)
    with (
        open_stores(plan.cache, context) as store,
        open_session(store, runner=runner, emit=context.emit) as session,
    ):
        yield compile.Cached(session, where)


def cargo_runner(plan: Plan, context: Context) -> Runner:
    """What starts the cargo that compiles: with a cluster, where there is one. Raises UsageError."""
    if plan.remote is None:
        return context.runner
    from cargoship.execution.runner import open_cluster

    return open_cluster(plan.remote, context, root=plan.root)
