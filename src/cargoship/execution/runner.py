"""A runner whose cargo has its libraries compiled by a cluster: all other programs are started as they are.

    runner = open_cluster(cluster, context, root=workspace)

In the place of the rustc that cargo would start the stand-in is named, which asks the desk. Which rustc that is, cargo
is told (`toolchain.environment`), or whoever opens the runner knows. cargo stays the judge of what is compiled, and of
the order.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cargoship.cargo.jobs import VARIABLE, SaidJobs, said_jobs
from cargoship.context import Context
from cargoship.errors import CargoshipError
from cargoship.events import Emit, Level, Note, count
from cargoship.execution.address import ClusterAddress
from cargoship.execution.compiling import RemoteCompiler
from cargoship.execution.desk import Desk, open_desk
from cargoship.execution.digests import ContentDigests
from cargoship.execution.inputs import CallInputs, SourceFolders
from cargoship.execution.rust_files import RustFiles
from cargoship.execution.stand_in import HANDOVER, UNLINKED, stand_in
from cargoship.http.metered import Meter
from cargoship.native import machine_name
from cargoship.process import Command, Completed, Runner, Sink
from cargoship.programs import ProgramFinder
from cargoship.reapi.connect import open_reapi
from cargoship.reapi.execution import Executor
from cargoship.reapi.schema import message_class
from cargoship.registry.connect import insecure_hosts
from cargoship.toolchain.zig import Zig, find_zig
from cargoship.unitcache.stores.untrusted import untrusted
from cargoship.unitcache.watching.library import library

_RUSTC = "CARGOSHIP_RUSTC"
_OF_CARGO = "CARGO_BUILD_RUSTC"
"""Rather than RUSTC, which a build script may have named as what its result depends on; where it is set it counts."""


def open_cluster(cluster: ClusterAddress, context: Context, *, root: Path, rustc: Path | None = None) -> ClusterRunner:
    """A runner for the workspace in `root`.

    `rustc` is what a plain cargo starts; None: cargo has one from its environment, which is cargoship's own wrapper.
    A job for somebody else's changes gives the cluster no work, which is noted. Raises UsageError for a server that is
    not to be used so, ToolMissing.
    """
    cluster.server.is_secure(insecure_hosts(context.env), certificates=True)
    message_class("Action")
    reason = untrusted(context.env)
    if reason is not None:
        context.emit(Note(f"{cluster} is given no work, what it knows is taken: this is {reason}"))
    return ClusterRunner(
        context.runner,
        cluster,
        context.env,
        context.cwd,
        context.cache_dir,
        SourceFolders.of(context.env, root),
        cores=os.cpu_count() or 1,
        emit=context.emit,
        runs=reason is None,
        rustc=rustc,
    )


@dataclass(frozen=True)
class ClusterRunner:
    """A Runner. What goes wrong with the cluster is a warning, and compiled here."""

    runner: Runner
    cluster: ClusterAddress
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    cache_dir: Path
    sources: SourceFolders
    cores: int
    """How many calls of rustc run here at once, where nobody says less."""
    emit: Emit
    runs: bool = True
    """Whether workers may be given work; else only what they have done before is taken."""
    rustc: Path | None = None

    @property
    def programs(self) -> ProgramFinder:
        """See Runner."""
        return self.runner.programs

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See Runner."""
        return self.runner.run(command, stdin=stdin, timeout_s=timeout_s)

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See Runner."""
        rustc = (command.env or {}).get(_RUSTC) or (None if self.rustc is None else str(self.rustc))
        if rustc is None:
            return self.runner.stream(command, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)
        try:
            zig = find_zig(self.runner, self.env)
            shim, linker = (
                stand_in(each, machine_name(), zig, runner=self.runner, env=self.env, cache_dir=self.cache_dir)
                for each in (HANDOVER, UNLINKED)
            )
        except (CargoshipError, OSError) as error:
            self.emit(Note(f"nothing is compiled at {self.cluster}: {error}", Level.WARNING))
            return self.runner.stream(command, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)
        digests = ContentDigests(self.cache_dir / "remote" / "toolchains.json")
        meter = Meter(self.emit, "cluster")
        client = open_reapi(
            self.cluster.server, env=self.env, runner=self.runner, insecure=insecure_hosts(self.env), meter=meter
        )
        executor = Executor(client)
        rust = RustFiles(Path(rustc), self.runner, digests)
        compiler = RemoteCompiler(
            executor, rust, digests, CallInputs(self.sources), self.cluster.platform, self.runs,
            plain=self.rustc is not None, watch=self._watch(zig), linker=linker,
        )  # fmt: skip
        jobs = self._said_jobs(command)
        cores = self.cores if jobs is None else min(jobs.number, self.cores)
        desk = Desk(
            compiler, self.runner, slots=self.cluster.slots, cores=cores, name=str(self.cluster), emit=self.emit
        )
        try:
            with open_desk(desk) as place:
                made = self._environment(command, shim, rustc, place)
                if jobs is None:
                    made[VARIABLE] = str(self._most)
                changed = dataclasses.replace(command, env=made)
                return self.runner.stream(changed, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)
        finally:
            executor.close()
            meter.tell()
            self.emit(Note(desk.tally.sentence(str(self.cluster))))

    def _watch(self, zig: Zig) -> Path | None:
        """What sees the reads of macros; None where there is no such thing, which is noted."""
        try:
            return library(zig, runner=self.runner, env=self.env, cache_dir=self.cache_dir)
        except OSError as error:
            self.emit(Note(f"what may use procedural macros is compiled here: {error}", Level.VERBOSE))
            return None

    def _said_jobs(self, command: Command) -> SaidJobs | None:
        """What somebody has said of how much is done at once, which counts: here and there together."""
        said = said_jobs(command.argv[1:], command.env or {}, command.cwd or self.cwd, cores=self.cores)
        if said is not None and said.number < self.cluster.slots:
            most = f"{self.cluster.slots} slots of {self.cluster} and {count(self.cores, 'core')} here"
            self.emit(Note(f"{said.by} says {said.number}: no more is done at once; --jobs {self._most} is for {most}"))
        return said

    @property
    def _most(self) -> int:
        """How much can be done at once: by those that wait for a worker, and those that compile here."""
        return self.cluster.slots + self.cores

    @staticmethod
    def _environment(command: Command, shim: Path, rustc: str, place: Path) -> dict[str, str]:
        env = command.env or {}
        name = _RUSTC if _RUSTC in env else "RUSTC" if "RUSTC" in env else _OF_CARGO
        return {
            **env,
            name: str(shim),
            "CARGOSHIP_REMOTE_RUSTC": rustc,
            "CARGOSHIP_REMOTE_SOCKET": str(place),
        }
