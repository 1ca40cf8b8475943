"""One cargo invocation for every binary and every target, with its progress as events."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.failure import explain_failure
from cargoship.cargo.messages import Artifact as Unit
from cargoship.cargo.messages import BuildFinished, BuildScriptRun, Message, MessageReader
from cargoship.cargo.progress import PROGRESS_ENV, StatusLine, StderrReader, Written
from cargoship.errors import CompileFailed
from cargoship.events import CompileProgress, Emit, Level, Note, PhaseEnded, PhaseStarted, ToolOutput, UnitFinished
from cargoship.oci.platform import Platform
from cargoship.platforms import LibcFamily
from cargoship.process import Command, Runner
from cargoship.toolchain.environment import compile_environment
from cargoship.toolchain.locate import Toolchain, Way

_KEPT_STDERR = 64 * 1024
# What is missing on this machine when cargo, or a build script, ends with these words
_HINTS = {
    "linker `cc` not found": "build scripts and procedural macros run here and need a C compiler: "
    "apt-get install gcc libc6-dev",
    "Unable to find libclang": "bindgen reads C headers with libclang: apt-get install libclang-dev",
    "is `cmake` not installed?": "a dependency is built with CMake: apt-get install cmake",
    "Could not find `protoc`": "a dependency is generated from protocol buffers: apt-get install protobuf-compiler",
    "pkg-config has not been configured to support cross-compilation": "a dependency looks for a C library of the "
    "system, which is not there for the target; see whether the crate has a feature to compile it (vendored, bundled)",
}


@dataclass(frozen=True)
class Artifact:
    """A program that cargo has built for one platform."""

    package: str
    bin: str
    platform: Platform
    triple: str
    path: Path
    fresh: bool
    """cargo found it already there."""


def run(
    build: CargoBuild,
    toolchain: Toolchain,
    *,
    runner: Runner,
    env: Mapping[str, str],
    cache_dir: Path,
    emit: Emit,
) -> tuple[Artifact, ...]:
    """Compile; raises CompileFailed or the error that cargo's words mean.

    What cargo prints arrives as ToolOutput, unchanged; its JSON messages say which programs there are.
    """
    started = time.monotonic()
    emit(PhaseStarted("compile", f"{len(toolchain.targets)} targets"))
    if toolchain.way is Way.ZIGBUILD:
        emit(Note(f"linking through cargo-zigbuild: {toolchain.why_zigbuild}", Level.VERBOSE))
    with tempfile.TemporaryDirectory(prefix="cargoship-") as scratch:
        notes = Path(scratch) / "notes"
        notes.touch()
        command = Command(
            _argv(build, toolchain),
            cwd=build.cwd,
            env=compile_environment(toolchain, env, cache_dir=cache_dir, notes=notes),
        )
        emit(Note(f"running {' '.join(command.argv)}", Level.DEBUG))
        watch = _Watch(emit)
        code = runner.stream(command, on_stdout=watch.stdout, on_stderr=watch.stderr)
        watch.finish()
        for line in notes.read_text().splitlines():
            emit(Note(line, Level.VERBOSE))
    if code != 0:
        raise _failure(code, watch.tail)
    fresh = sum(unit.fresh for unit in watch.units)
    detail = f"{len(watch.units) - fresh} units, {fresh} fresh"
    emit(PhaseEnded("compile", time.monotonic() - started, detail))
    return _artifacts(watch.units, toolchain)


def stream_plainly(runner: Runner, emit: Emit) -> Callable[[Command], int]:
    """A way to run cargo for something else than the user's build, showing progress and errors alike."""

    def stream(command: Command) -> int:
        watch = _Watch(emit)
        made = Command(command.argv, command.cwd, {**(command.env or {}), **PROGRESS_ENV})
        code = runner.stream(made, on_stdout=watch.stdout, on_stderr=watch.stderr)
        watch.finish()
        return code

    return stream


class _Watch:
    """Turns cargo's two streams into events, and keeps what the end of the build needs."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._messages = MessageReader()
        self._stderr = StderrReader()
        self.units: list[Unit] = []
        self.tail = ""

    def stdout(self, data: bytes) -> None:
        self._take(self._messages.feed(data))

    def stderr(self, data: bytes) -> None:
        self._show(self._stderr.feed(data))

    def finish(self) -> None:
        self._take(self._messages.finish())
        self._show(self._stderr.finish())

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            match message:
                case Unit():
                    self.units.append(message)
                    self._emit(UnitFinished(message.package, message.target_name, message.fresh))
                case ToolOutput():
                    self._emit(message)
                case BuildScriptRun() | BuildFinished():
                    pass

    def _show(self, written: Sequence[Written]) -> None:
        for each in written:
            match each:
                case CompileProgress():
                    self._emit(each)
                case StatusLine():
                    self._emit(Note(each.line, Level.VERBOSE))
                case ToolOutput():
                    self.tail = (self.tail + each.line + "\n")[-_KEPT_STDERR:]
                    self._emit(each)


def _argv(build: CargoBuild, toolchain: Toolchain) -> tuple[str, ...]:
    if toolchain.way is Way.DIRECT or toolchain.zigbuild is None:
        triples = [target.triple for target in toolchain.targets]
        return (str(toolchain.rust.cargo), *build.with_targets(*triples).arguments("build"))
    triples = []
    for target in toolchain.targets:
        floor = toolchain.libc.floor or target.row.gnu_floor
        suffix = ".{}.{}".format(*floor) if toolchain.libc.family is LibcFamily.GNU else ""
        triples.append(target.triple + suffix)
    return (str(toolchain.zigbuild), *build.with_targets(*triples).arguments("zigbuild"))


def _artifacts(units: Sequence[Unit], toolchain: Toolchain) -> tuple[Artifact, ...]:
    by_triple = {target.triple: target for target in toolchain.targets}
    found = []
    for unit in units:
        if unit.executable is None or not unit.is_binary:
            continue
        # cargo puts a target's programs below a folder of the target's name
        triple = next((part for part in reversed(unit.executable.parts) if part in by_triple), None)
        if triple is not None:
            platform = by_triple[triple].platform
            found.append(Artifact(unit.package, unit.target_name, platform, triple, unit.executable, unit.fresh))
    return tuple(found)


def _failure(code: int, stderr: str) -> Exception:
    explained = explain_failure(stderr)
    if explained is not None:
        explained.details = None  # cargo's words have been shown as they came
        return explained
    hint = next((hint for words, hint in _HINTS.items() if words in stderr), None)
    return CompileFailed(f"cargo ended with exit code {code}", hint=hint)
