"""`cargoship base pin`."""

from __future__ import annotations

import rich_click as click

from cargoship.cli.asking import options, selecting


@click.command()
@options.path_argument
@options.package_option
@options.talk_options
@click.pass_context
def pin(ctx: click.Context, /, **_: object) -> None:
    """Write the digest of a base into the settings in Cargo.toml.

    A base such as "debian:12-slim" becomes "debian:12-slim@sha256:...", and a later call brings the digest up to date.
    Nothing else of the file changes. For a base of Debian packages, cargoship.lock gets the newest ones. Builds then
    stand on the same base until the next call, and need not ask the registry about it. Standard output gets each base
    as it is now.
    """
    from cargoship.cli.render import words

    session = options.begin(ctx)
    selection = selecting.selection_of(ctx, session)
    with session.work() as context:
        pinned = session.operations.pin_base(selection, context)
    for each in pinned:
        how = "is up to date in" if each.after == each.before and not each.renewed else "is now in"
        session.say(words.status("Pinned", f"{each.before} {how} {each.manifest}", session.paint()))
    for line in dict.fromkeys(each.after for each in pinned):
        session.result(line)


command = options.panelled(pin)
