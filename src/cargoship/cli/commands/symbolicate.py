"""`cargoship symbolicate`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession


@click.command()
@click.argument("target", metavar="REFERENCE|PATH", shell_complete=offers.images)
@click.argument("log", metavar="[LOG]", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--platform", "platforms", metavar="PLATFORM", multiple=True, shell_complete=offers.platforms,
    help="The platform on which the program ran; without it all are tried.",
)  # fmt: skip
@click.option(
    "--address", "address", metavar="ADDRESS",
    help="Where the program was in memory, such as 0x7f0000000000, where it is not found by itself.",
)  # fmt: skip
@options.talk_options
@click.pass_context
def symbolicate(ctx: click.Context, /, **_: object) -> None:
    """Name functions and lines in backtraces of a program whose symbols are apart (debug-symbols = "split").

    Reads a log from a file or standard input and prints it with what the addresses of backtraces mean. The program
    prints such addresses with RUST_BACKTRACE=full. What is no backtrace stays as it is.
    """
    from cargoship.images.backtraces import symbolicated
    from cargoship.images.symbols import opened_symbols

    session = options.begin(ctx)
    base = _base(ctx.params["address"])
    text = _text(session, ctx.params["log"])
    with (
        session.work() as context,
        opened_symbols(ctx.params["target"], context, platforms=ctx.params["platforms"]) as files,
    ):
        found = "".join(symbolicated(text.splitlines(keepends=True), files, base))
    session.result_bytes(found.encode("utf-8", "surrogateescape"))


def _text(session: CliSession, log: str | None) -> str:
    if log is None or log == "-":
        return session.read_stdin().decode("utf-8", "surrogateescape")
    try:
        return (session.world.cwd / log).read_text("utf-8", "surrogateescape")
    except OSError as error:
        raise UsageError(f"cannot read {log}: {os.strerror(error.errno or 0)}") from error


def _base(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text, 16)
    except ValueError as error:
        raise UsageError(f"--address {text!r} is no address", hint="write it as 0x7f0000000000") from error


command = options.panelled(symbolicate)
