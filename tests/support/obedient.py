"""The command line around a pipeline that does what it is asked to, as a program of its own.

`python obedient.py BEHAVIOUR ARGUMENTS...`; what a behaviour is, see the table at the end.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Never

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.errors import CargoshipError, CompileFailed, RegistryUnreachable
from cargoship.events import CompileProgress, Level, Note, PhaseEnded, PhaseStarted, ToolOutput
from cargoship.process import Command

if TYPE_CHECKING:
    # each of the many processes that tests make of this would load all of cargoship
    from cargoship.context import Context
    from cargoship.destinations import Published
    from cargoship.images.inspection import Inspection
    from cargoship.images.sboms import FoundSbom
    from cargoship.images.signatures import SignatureReport
    from cargoship.images.verification import Examination, ImagePrograms
    from cargoship.oci.platform import Platform
    from cargoship.pins import PinnedBase
    from cargoship.plan import Plan, Selection
    from cargoship.shipping import BuildResult
    from cargoship.toolchain.diagnose import Diagnosis


class Obedient:
    """A pipeline whose every command does one and the same thing."""

    def __init__(self, behaviour: Callable[[Context], Never]) -> None:
        self._behaviour = behaviour

    def plan(self, selection: Selection, context: Context) -> Plan:
        del selection
        return self._behaviour(context)

    def by_workspace(self, selection: Selection, context: Context) -> tuple[Selection, ...]:
        del context
        return (selection,)

    def foresee(self, made: Plan, context: Context) -> None:
        del made, context

    def build(self, selection: Selection, context: Context) -> BuildResult:
        del selection
        return self._behaviour(context)

    def build_each(self, selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
        return tuple(self.build(each, context) for each in selections)

    def pack(
        self, selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context
    ) -> BuildResult:
        del selection, binaries
        return self._behaviour(context)

    def inspect(self, target: str, context: Context) -> Inspection:
        del target
        return self._behaviour(context)

    def find_sbom(self, target: str, context: Context, *, platform: str | None, form: str | None) -> FoundSbom:
        del target, platform, form
        return self._behaviour(context)

    def verify_signatures(
        self,
        target: str,
        context: Context,
        *,
        key: str | None,
        identity: str | None,
        issuer: str | None,
        required: Sequence[str],
    ) -> SignatureReport:
        del target, key, identity, issuer, required
        return self._behaviour(context)

    def inspect_programs(self, target: str, context: Context) -> tuple[ImagePrograms, ...]:
        del target
        return self._behaviour(context)

    def verify(self, target: str, context: Context) -> Examination:
        del target
        return self._behaviour(context)

    def doctor(self, selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
        del selection, fix
        return self._behaviour(context)

    def copy(
        self, source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool
    ) -> Published | None:
        del source, target, platforms, referrers
        return self._behaviour(context)

    def merge(
        self, parts: Sequence[str], tags: Sequence[str], context: Context, *, sign: str | None = None
    ) -> tuple[Published, ...]:
        del parts, tags, sign
        return self._behaviour(context)

    def pin_base(self, selection: Selection, context: Context) -> tuple[PinnedBase, ...]:
        del selection
        return self._behaviour(context)


class Recorded(CargoshipError):
    """The pipeline was asked, which is all that a test wanted."""

    exit_code = 99


class Recorder:
    """A pipeline that remembers what it was asked for, and stops there."""

    command: str
    selection: Selection
    context: Context
    binaries: Mapping[Platform, tuple[Path, ...]]
    target: str
    names: tuple[str, ...]
    referrers: bool
    fix: bool

    def plan(self, selection: Selection, context: Context) -> Plan:
        self.command, self.selection, self.context = "plan", selection, context
        raise Recorded("plan")

    def by_workspace(self, selection: Selection, context: Context) -> tuple[Selection, ...]:
        del context
        return (selection,)

    def foresee(self, made: Plan, context: Context) -> None:
        del made, context

    def build(self, selection: Selection, context: Context) -> BuildResult:
        self.command, self.selection, self.context = "build", selection, context
        raise Recorded("build")

    def build_each(self, selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
        return tuple(self.build(each, context) for each in selections)

    def pack(
        self, selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context
    ) -> BuildResult:
        self.command, self.selection, self.binaries, self.context = "pack", selection, binaries, context
        raise Recorded("pack")

    def inspect(self, target: str, context: Context) -> Inspection:
        self.command, self.target, self.context = "inspect", target, context
        raise Recorded("inspect")

    def find_sbom(self, target: str, context: Context, *, platform: str | None, form: str | None) -> FoundSbom:
        self.command, self.target, self.context = "find_sbom", target, context
        self.names = tuple(each for each in (platform, form) if each is not None)
        raise Recorded("find_sbom")

    def verify_signatures(
        self,
        target: str,
        context: Context,
        *,
        key: str | None,
        identity: str | None,
        issuer: str | None,
        required: Sequence[str],
    ) -> SignatureReport:
        self.command, self.target, self.context = "verify_signatures", target, context
        self.names = tuple(each for each in (key, identity, issuer, *required) if each is not None)
        raise Recorded("verify_signatures")

    def inspect_programs(self, target: str, context: Context) -> tuple[ImagePrograms, ...]:
        self.command, self.target, self.context = "inspect_programs", target, context
        raise Recorded("inspect_programs")

    def verify(self, target: str, context: Context) -> Examination:
        self.command, self.target, self.context = "verify", target, context
        raise Recorded("verify")

    def doctor(self, selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
        self.command, self.selection, self.context, self.fix = "doctor", selection, context, fix
        raise Recorded("doctor")

    def copy(
        self, source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool
    ) -> Published | None:
        self.command, self.names, self.context = "copy", (source, target, *platforms), context
        self.referrers = referrers
        raise Recorded("copy")

    def merge(
        self, parts: Sequence[str], tags: Sequence[str], context: Context, *, sign: str | None = None
    ) -> tuple[Published, ...]:
        del sign
        self.command, self.names, self.context = "merge", (*tags, *parts), context
        raise Recorded("merge")

    def pin_base(self, selection: Selection, context: Context) -> tuple[PinnedBase, ...]:
        self.command, self.selection, self.context = "base pin", selection, context
        raise Recorded("base pin")


def fail_to_compile(context: Context) -> Never:
    context.emit(PhaseStarted("compile", "2 targets"))
    context.emit(CompileProgress(1, 3, ("serde",)))
    context.emit(ToolOutput("\x1b[1;31merror[E0308]\x1b[0m: mismatched types"))
    context.emit(Note("a detail", Level.VERBOSE))
    context.emit(PhaseEnded("toolchain", 0.1))
    raise CompileFailed("cargo ended with exit code 101")


def refuse(_context: Context) -> Never:
    raise RegistryUnreachable("registry.example.com does not answer", hint="is it up?", details="dial tcp: refused")


def fill_the_disk(_context: Context) -> Never:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/full/blob")


def break_down(_context: Context) -> Never:
    raise KeyError("nobody expected this")


def wait_for_ever(context: Context) -> Never:
    """Say that it waits, with a child that would outlive its parent if nobody ended it."""
    half = context.cwd / "half-written"
    try:
        half.touch()
        context.emit(Note(f"waiting {os.getpid()}"))
        context.runner.run(Command(("sh", "-c", "echo $$ > child; exec sleep 60"), cwd=context.cwd))
        raise AssertionError("nobody interrupted")
    finally:
        half.unlink()


def clean_up_slowly(context: Context) -> Never:
    try:
        context.emit(Note(f"waiting {os.getpid()}"))
        time.sleep(60)
        raise AssertionError("nobody interrupted")
    finally:
        time.sleep(0.5)
        (context.cwd / "cleaned").touch()


def show_colours(context: Context) -> Never:
    raise RegistryUnreachable(str(context.colour))


BEHAVIOURS = {
    each.__name__.replace("_", "-"): each
    for each in (fail_to_compile, refuse, fill_the_disk, break_down, wait_for_ever, clean_up_slowly, show_colours)
}

if __name__ == "__main__":
    # a test run in the background of a shell hands down an ignored SIGINT
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[2:], World.system(Obedient(BEHAVIOURS[sys.argv[1]]))))
