"""What a person is shown about an exception: one sentence, details, a hint, and the exit code.

Knows every kind of exception that reaches the boundary; does not print.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import click

from cargoship.cli.failing.interrupts import Interrupt
from cargoship.cli.failing.mistakes import corrected
from cargoship.cli.paint import NO_COLOURS, Paint
from cargoship.errors import EXIT_UNEXPECTED, CargoshipError, Interrupted, OutputError, UsageError
from cargoship.printable import printable_lines, without_passwords

# The first can only come from a write.
_WRITE_ERRNOS = frozenset({errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EBADF})
_FILE_ERRNOS = _WRITE_ERRNOS | {errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
_HINTS = {
    errno.ENOSPC: "free some space there, or build into another folder",
    errno.EDQUOT: "free some space there, or build into another folder",
    errno.EBADF: "standard output is closed: let it lead somewhere, such as to /dev/null",
    errno.EACCES: "let this user read and write it; HOME and CARGO_HOME may name folders of another user",
    errno.EROFS: "choose a folder that can be written to",
}
_FULL_STREAM = "free some space where standard output and temporary files (TMPDIR) go"
_UNNAMED_HINTS = {errno.ENOSPC: _FULL_STREAM, errno.EDQUOT: _FULL_STREAM}
"""Where the system names no file, it was a stream."""
REPORT = "this is a fault in cargoship; please report it, with the output of CARGOSHIP_BACKTRACE=1"


@dataclass(frozen=True)
class Failure:
    """An error as it is shown."""

    message: str
    exit_code: int
    hint: str | None = None
    details: str | None = None
    unexpected: bool = False

    def text(self, paint: Paint = NO_COLOURS) -> str:
        """The lines for a person: the sentence, the tool's own lines, what to do next."""
        lines = [f"{paint.bad('error')}: {printable_lines(self.message)}"]
        if self.details:
            lines += [paint.tool_line(line) for line in self.details.rstrip("\n").split("\n")]
        if self.hint:
            lines.append(f"{paint.strong('hint')}: {printable_lines(self.hint)}")
        return "\n".join(lines) + "\n"


def explain_error(error: BaseException) -> Failure:  # noqa: PLR0911 - one for each kind
    """What to say about `error`."""
    match error:
        case CargoshipError():
            message, hint, details = (
                None if text is None else without_passwords(text) for text in (error.message, error.hint, error.details)
            )
            return Failure(_with_what_is_in_the_way(message or "", error.__cause__), error.exit_code, hint, details)
        case click.exceptions.NoArgsIsHelpError(ctx=click.Context(command=click.Group() as group) as ctx):
            # click's own message is the whole help
            names = ", ".join(group.list_commands(ctx))
            message = f"{ctx.command_path} needs one of its commands: {names}"
            return Failure(message, UsageError.exit_code, f"see '{ctx.command_path} --help'")
        case click.UsageError():
            message, hint = corrected(error) or (_uncapital(error.format_message().rstrip(".")), None)
            help_ = None if error.ctx is None else f"see '{error.ctx.command_path} --help'"
            return Failure(message, UsageError.exit_code, hint or help_)
        case click.ClickException():
            return Failure(_uncapital(error.format_message().rstrip(".")), UsageError.exit_code)
        case Interrupt():
            return Failure("interrupted", error.exit_code)
        case KeyboardInterrupt() | click.Abort():
            return Failure("interrupted", Interrupted.exit_code)
        case FileExistsError() if words := _in_the_way(error):
            return Failure(f"cannot write {error.filename}: {words}", OutputError.exit_code)
        case OSError(errno=int(number)) if number in _FILE_ERRNOS:
            where = "cannot write" if number in _WRITE_ERRNOS else "cannot read or write"
            where += f" {error.filename}" if error.filename else ""
            hint = _HINTS.get(number) if error.filename else _UNNAMED_HINTS.get(number, _HINTS.get(number))
            return Failure(f"{where}: {os.strerror(number)}", OutputError.exit_code, hint)
        case _:
            text = without_passwords(str(error).strip().split("\n", 1)[0])
            message = type(error).__name__ + (f": {text}" if text else "")
            return Failure(f"unexpected {message}", EXIT_UNEXPECTED, REPORT, unexpected=True)


def _with_what_is_in_the_way(message: str, cause: BaseException | None) -> str:
    words = _in_the_way(cause)
    if words is None or not isinstance(cause, FileExistsError):
        return message
    said = os.strerror(errno.EEXIST)
    return message.replace(f"{cause.filename}: {said}", f"{cause.filename}: {words}").replace(
        said, f"{cause.filename} is {words}"
    )


def _in_the_way(error: BaseException | None) -> str | None:
    """What stands where a folder was to be made: the system says "File exists" of a file, and of a link to nowhere."""
    if not isinstance(error, FileExistsError) or error.filename is None:
        return None
    path = Path(os.fsdecode(error.filename))
    try:
        if path.is_symlink() and not path.exists():
            return f"a link to {path.readlink()}, which is not there"
        return "a file, and a folder belongs there" if path.is_file() else None
    except OSError:
        return None


def _uncapital(text: str) -> str:
    # click's sentences start with a capital, cargo's and ours do not
    return text[:1].lower() + text[1:]
