"""What one run of the command line has: the world it sees, and how it talks.

The world is read here, once, and handed down as values.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from cargoship.cli.paint import Paint, wants_colour
from cargoship.cli.render import Talk, make_renderer
from cargoship.cli.render.renderer import Renderer
from cargoship.errors import UsageError
from cargoship.printable import styled, without_passwords

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.cli.job_summary import Observer
    from cargoship.context import Context
    from cargoship.destinations import Published
    from cargoship.events import Event
    from cargoship.images.inspection import Inspection
    from cargoship.images.sboms import FoundSbom
    from cargoship.images.signatures import SignatureReport
    from cargoship.images.verification import Examination, ImagePrograms
    from cargoship.oci.platform import Platform
    from cargoship.pins import PinnedBase
    from cargoship.plan import Plan, Selection
    from cargoship.process import Terminal
    from cargoship.programs import ProgramFinder
    from cargoship.shipping import BuildResult
    from cargoship.toolchain.diagnose import Diagnosis


class Operations(Protocol):
    """What the commands ask for; the module `cargoship.operations` has the real ones."""

    def plan(self, selection: Selection, context: Context) -> Plan:
        """See `cargoship.planning.plan`."""
        ...

    def by_workspace(self, selection: Selection, context: Context) -> tuple[Selection, ...]:
        """See `cargoship.planning.by_workspace`."""
        ...

    def foresee(self, made: Plan, context: Context) -> None:
        """See `cargoship.planning.foresee`."""
        ...

    def build(self, selection: Selection, context: Context) -> BuildResult:
        """See `cargoship.pipeline.build`."""
        ...

    def build_each(self, selections: Sequence[Selection], context: Context) -> tuple[BuildResult, ...]:
        """See `cargoship.pipeline.build_each`."""
        ...

    def pack(
        self, selection: Selection, binaries: Mapping[Platform, tuple[Path, ...]], context: Context
    ) -> BuildResult:
        """See `cargoship.pipeline.pack`."""
        ...

    def inspect(self, target: str, context: Context) -> Inspection:
        """See `cargoship.images.copying.inspect`."""
        ...

    def verify(self, target: str, context: Context) -> Examination:
        """See `cargoship.images.verification.verify`."""
        ...

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
        """See `cargoship.images.signatures.verify_signatures`."""
        ...

    def find_sbom(self, target: str, context: Context, *, platform: str | None, form: str | None) -> FoundSbom:
        """See `cargoship.images.sboms.find_sbom`."""
        ...

    def inspect_programs(self, target: str, context: Context) -> tuple[ImagePrograms, ...]:
        """See `cargoship.images.verification.inspect_programs`."""
        ...

    def doctor(self, selection: Selection, context: Context, *, fix: bool) -> Diagnosis:
        """See `cargoship.diagnosis.doctor`."""
        ...

    def copy(
        self, source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool
    ) -> Published | None:
        """See `cargoship.images.copying.copy`."""
        ...

    def merge(
        self, parts: Sequence[str], tags: Sequence[str], context: Context, *, sign: str | None = None
    ) -> tuple[Published, ...]:
        """See `cargoship.images.merging.merge`."""
        ...

    def pin_base(self, selection: Selection, context: Context) -> tuple[PinnedBase, ...]:
        """See `cargoship.pins.pin_base`."""
        ...


if TYPE_CHECKING:
    from cargoship import operations as real

    _: Operations = real


@dataclass(frozen=True)
class World:
    """The machine as a command sees it; `operations` None are the real ones, loaded when they are needed."""

    env: Mapping[str, str]
    cwd: Path
    stdout: TextIO
    stderr: TextIO
    clock: Callable[[], float] = time.monotonic
    operations: Operations | None = None
    stdin: TextIO = field(default_factory=lambda: sys.stdin)

    @classmethod
    def system(cls, operations: Operations | None = None) -> World:
        """The real one; raises UsageError when the current folder has been removed."""
        try:
            cwd = Path.cwd()
        except FileNotFoundError as error:
            raise UsageError("the current folder does not exist any more", hint="cd to another one") from error
        if isinstance(sys.stdout, io.TextIOWrapper):
            # a file's name may be anything; standard error is like this from the start
            sys.stdout.reconfigure(errors="backslashreplace")
        return cls(dict(os.environ), cwd, sys.stdout, sys.stderr, operations=operations)


class CliSession:
    """One run: before a command has parsed its options it talks in the default way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.words: Sequence[str] = ()
        """The words of the command line, for hints that repeat them."""
        self.observer: Observer | None = None
        """What the events of the work have reported, where a summary is wanted."""
        self._talk = Talk()

    def talk(self, talk: Talk) -> None:
        """Take over what the command's options say about talking."""
        self._talk = talk

    @property
    def verbosity(self) -> int:
        """-1 for errors only, 0, 1 for -v, 2 for -vv."""
        return self._talk.verbosity

    @property
    def json_progress(self) -> bool:
        """Whether stderr carries JSON lines alone."""
        return self._talk.progress == "json"

    def paint(self) -> Paint:
        """Colours and links for standard error."""
        from cargoship.cli.render.terminal import shows_links

        terminal = self.world.stderr.isatty()
        colours = wants_colour(self._talk.colour, self.world.env, terminal=terminal)
        return Paint(colours, links=shows_links(self.world.env, terminal=terminal))

    def result_paint(self) -> Paint:
        """Colours for standard output; what is set for cargo about colours does not concern results in a file."""
        env = {name: value for name, value in self.world.env.items() if name != "CARGO_TERM_COLOR"}
        return Paint(wants_colour(self._talk.colour, env, terminal=self.world.stdout.isatty()))

    @property
    def operations(self) -> Operations:
        """Those of this world."""
        if self.world.operations is not None:
            return self.world.operations
        from cargoship import operations

        return operations

    @property
    def summary_file(self) -> Path | None:
        """Where a CI host takes the summary of its job from."""
        named = self.world.env.get("GITHUB_STEP_SUMMARY")
        return self.world.cwd / named if named else None

    def append_summary(self, text: str) -> None:
        """Add to the summary of a CI host's job; that it cannot be written ends nothing."""
        if self.summary_file is None:
            return
        try:
            with self.summary_file.open("a", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            self.say(f"the job's summary cannot be written: {error}")

    @property
    def is_interactive(self) -> bool:
        """Whether a person sits at both ends."""
        return self.world.stdin.isatty() and self.world.stdout.isatty()

    @property
    def terminal(self) -> Terminal:
        """What starts programs that take over this process's own streams."""
        from cargoship.process import SystemRunner

        self.world.stdout.flush()
        self.world.stderr.flush()
        return SystemRunner(self._programs())

    def _programs(self) -> ProgramFinder:
        from cargoship.programs import ProgramFinder

        return ProgramFinder.outside((self.world.cwd, *self._talk.folders), self.world.env)

    @contextlib.contextmanager
    def work(self, *, verify: bool = True) -> Iterator[Context]:
        """Events are shown while this is entered; what they left on the terminal is settled afterwards."""
        from cargoship.context import Context
        from cargoship.process import SystemRunner

        renderer = self.renderer()
        emit = renderer.emit
        if self.summary_file is not None:
            from cargoship.cli.job_summary import Observer

            self.observer = observer = Observer()

            def emit(event: Event) -> None:
                observer.emit(event)
                renderer.emit(event)

        # One decision about colours for us and for cargo, whose lines we pass on as they are.
        colour = "always" if self.paint().enabled else "never"
        try:
            yield Context(
                env=self.world.env, cwd=self.world.cwd, runner=SystemRunner(self._programs()), emit=emit, verify=verify,
                colour=colour, clock=time.time,
            )  # fmt: skip
        except BaseException:
            renderer.close(failed=True)
            raise
        renderer.close(failed=False)

    def renderer(self) -> Renderer:
        """A renderer for this run's events."""
        return make_renderer(self._talk, self.world.stderr, self.paint(), self.world.env, self.world.clock)

    def result(self, text: str) -> None:
        """Write a result to standard output, where nothing but its colours is obeyed by a terminal."""
        self.world.stdout.write(styled(text) + "\n")
        self.world.stdout.flush()

    def result_bytes(self, data: bytes) -> None:
        """Write a result to standard output, byte for byte where that takes bytes."""
        self.world.stdout.flush()
        binary = getattr(self.world.stdout, "buffer", None)
        if binary is None:
            self.world.stdout.write(data.decode())
        else:
            binary.write(data)
            binary.flush()

    def read_stdin(self) -> bytes:
        """Everything that standard input holds."""
        binary = getattr(self.world.stdin, "buffer", None)
        return self.world.stdin.read().encode() if binary is None else binary.read()

    def result_json(self, document: object) -> None:
        """Write a result to standard output as indented JSON."""
        from cargoship.cli.render.document import indented

        self.result(indented(document))

    def say(self, text: str) -> None:
        """Write lines for a person to standard error, unless only errors are wanted or stderr is for machines."""
        if self.verbosity >= 0 and not self.json_progress:
            self.world.stderr.write(styled(text) + "\n")

    def tell_result(self, document: Mapping[str, object]) -> None:
        """Write the outcome as the last JSON line of standard error."""
        from cargoship.cli.render.jsonlines import JsonRenderer

        if self.verbosity >= 0:
            JsonRenderer(self.world.stderr, self.verbosity, self.world.clock).result(document)

    def report(self, failure: Failure, error: BaseException) -> None:
        """Show an error on standard error."""
        backtrace = bool(self.world.env.get("CARGOSHIP_BACKTRACE", "0").strip("0"))
        if backtrace or (failure.unexpected and self.verbosity > 1):
            self.world.stderr.write(styled(without_passwords("".join(traceback.format_exception(error)))))
        self.renderer().fail(failure)
        self.world.stderr.flush()
        if self.observer is not None:
            from cargoship.cli.job_summary import failed_summary

            self.append_summary(failed_summary(failure, self.observer))
