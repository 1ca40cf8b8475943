"""A runner whose cargo has its libraries compiled by a cluster: all other programs are started as they are.

    runner = open_cluster(cluster, context, runs=True)

cargo is known by what it is told of its rustc (`toolchain.environment`): that it would start, and in its place the
stand-in is named, which asks the desk. cargo stays the judge of what is compiled, and of the order.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cargoship.context import Context
from cargoship.errors import CargoshipError
from cargoship.events import Emit, Level, Note
from cargoship.execution.address import ClusterAddress
from cargoship.execution.compiling import RemoteCompiler
from cargoship.execution.desk import Desk, open_desk
from cargoship.execution.digests import ContentDigests
from cargoship.execution.rust_files import RustFiles
from cargoship.execution.stand_in import stand_in
from cargoship.http.metered import Meter
from cargoship.native import machine_name
from cargoship.process import Command, Completed, Runner, Sink
from cargoship.programs import ProgramFinder
from cargoship.reapi.connect import open_reapi
from cargoship.reapi.execution import Executor
from cargoship.reapi.schema import message_class
from cargoship.registry.connect import insecure_hosts
from cargoship.toolchain.zig import find_zig

_RUSTC = "CARGOSHIP_RUSTC"
_JOBS = frozenset({"-j", "--jobs"})


def open_cluster(cluster: ClusterAddress, context: Context, *, runs: bool) -> ClusterRunner:
    """A runner for a user's machine; raises UsageError for a server that is not to be used so, ToolMissing."""
    cluster.server.is_secure(insecure_hosts(context.env), certificates=True)
    message_class("Action")
    return ClusterRunner(
        context.runner,
        cluster,
        context.env,
        context.cache_dir,
        cores=os.cpu_count() or 1,
        emit=context.emit,
        runs=runs,
    )


@dataclass(frozen=True)
class ClusterRunner:
    """A Runner. What goes wrong with the cluster is a warning, and compiled here."""

    runner: Runner
    cluster: ClusterAddress
    env: Mapping[str, str] = field(repr=False)
    cache_dir: Path
    cores: int
    """How many calls of rustc run here at once."""
    emit: Emit
    runs: bool = True
    """Whether workers may be given work; else only what they have done before is taken."""

    @property
    def programs(self) -> ProgramFinder:
        """See Runner."""
        return self.runner.programs

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See Runner."""
        return self.runner.run(command, stdin=stdin, timeout_s=timeout_s)

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See Runner."""
        rustc = (command.env or {}).get(_RUSTC)
        if rustc is None:
            return self.runner.stream(command, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)
        try:
            zig = find_zig(self.runner, self.env)
            shim = stand_in(machine_name(), zig, runner=self.runner, env=self.env, cache_dir=self.cache_dir)
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
        compiler = RemoteCompiler(executor, rust, digests, self.cluster.platform, self.runs)
        desk = Desk(compiler, slots=self.cluster.slots, cores=self.cores, name=str(self.cluster), emit=self.emit)
        try:
            with open_desk(desk) as place:
                changed = dataclasses.replace(command, env=self._environment(command, shim, rustc, place))
                return self.runner.stream(changed, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)
        finally:
            executor.close()
            meter.tell()
            self.emit(Note(desk.tally.sentence(str(self.cluster))))

    def _environment(self, command: Command, shim: Path, rustc: str, place: Path) -> dict[str, str]:
        made = {
            **(command.env or {}),
            _RUSTC: str(shim),
            "CARGOSHIP_REMOTE_RUSTC": rustc,
            "CARGOSHIP_REMOTE_SOCKET": str(place),
        }
        if _JOBS.isdisjoint(command.argv):
            # those that wait for a worker, and those that compile here
            made["CARGO_BUILD_JOBS"] = str(self.cluster.slots + self.cores)
        return made
