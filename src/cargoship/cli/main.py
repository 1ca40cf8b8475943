"""The entry point and its error boundary: whatever happens inside becomes one clear line and an exit code.

Knows exit codes and signals; knows nothing of any command. At the top it imports what takes signals over and nothing
else, `typing` not either, so that Ctrl-C while the program loads ends cleanly.
"""

from __future__ import annotations

import os
import sys

from cargoship.cli.failing.interrupts import Interrupt, Interrupts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cargoship.cli.session import CliSession, World

EXIT_STDOUT_CLOSED = 141
"""What a shell reports for a program that SIGPIPE ended."""
_COMPLETION = "_CARGOSHIP_COMPLETE"
"""What a shell sets: `bash_source` asks for bash's script, `bash_complete` for what may stand at the cursor."""


def main(argv: Sequence[str] | None = None, world: World | None = None) -> int:
    """Run one command and return its exit code; never raises, and never leaves a traceback for bad input.

    `argv` is without the program's name (None: this process's own); `world` is what the command sees of the
    machine (None: the real one), and the seam through which tests give it other operations.
    """
    session: CliSession | None = None
    with Interrupts() as interrupts:
        try:
            session = _session(world)
            code = _run(session, sys.argv[1:] if argv is None else argv)
            session.world.stdout.flush()
            interrupts.settle()
        except BaseException as error:  # noqa: BLE001 - this is the boundary
            interrupts.settle()
            # whatever the unwinding ran into, the signal is what ended the run
            code = _failed(session, error if interrupts.received is None else Interrupt(interrupts.exit_code))
    _settle_stdout()
    if world is None:
        import gc

        # the interpreter ends now, and would look through everything once more for what nobody needs
        gc.freeze()
    return code


def cargo_ship() -> int:
    """`cargo ship ...`: cargo starts `cargo-ship` with `ship` as the first word."""
    words = sys.argv[1:]
    return main(words[1:] if words[:1] == ["ship"] else words)


def _session(world: World | None) -> CliSession:
    from cargoship.cli.streams import open_closed_streams

    # before anything is read: the next file would have a stream's number
    open_closed_streams()
    from cargoship.cli.session import CliSession, World

    return CliSession(World.system() if world is None else world)


def _run(session: CliSession, argv: Sequence[str]) -> int:
    from click.exceptions import Exit

    from cargoship.cli.table import cargoship

    if session.world.env.get(_COMPLETION):
        from cargoship.cli.documenting.completion import complete

        return complete(cargoship, _COMPLETION, session)
    session.words = argv
    # click's own main() would print errors in its own style and turn Ctrl-C into an exception of its own
    try:
        with cargoship.make_context("cargoship", list(argv), obj=session) as context:
            cargoship.invoke(context)
    except Exit as end:
        return end.exit_code
    return 0


def _failed(session: CliSession | None, error: BaseException) -> int:
    """Say what went wrong and return the exit code; nothing that happens in here may raise."""
    from contextlib import suppress

    from cargoship.errors import EXIT_UNEXPECTED, CargoshipError

    code = error.exit_code if isinstance(error, CargoshipError | Interrupt) else EXIT_UNEXPECTED
    try:
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error, BrokenPipeError):
            return EXIT_STDOUT_CLOSED
        from cargoship.cli.failing.failures import explain_error

        failure = explain_error(error)
        code = failure.exit_code
        if session is None:
            sys.stderr.write(failure.text())
        else:
            session.report(failure, error)
    except Exception:  # noqa: BLE001
        # such as where another cargoship was installed meanwhile, and what explains errors cannot be loaded any more
        with suppress(OSError, ValueError):
            # else stderr is gone too: the exit code is all that is left
            sys.stderr.write(f"error: {type(error).__name__}: {error}\n")
    return code


def _settle_stdout() -> None:
    """Keep the interpreter's last flush from complaining about a stdout that nobody reads any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            try:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            except (OSError, ValueError):
                return
