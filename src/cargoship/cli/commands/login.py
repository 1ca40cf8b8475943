"""`cargoship login`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession
    from cargoship.registry.auth.entries import Login

_PASSWORD_CHARACTERS = 1 << 16


@click.command()
@click.argument("registry", default="docker.io", metavar="[REGISTRY]", shell_complete=offers.registries)
@click.option("-u", "--username", metavar="NAME", help="User name.")
@click.option("--password-stdin", is_flag=True, help="Read the password or token from standard input.")
@options.talk_options
@click.pass_context
def login(ctx: click.Context, /, **_: object) -> None:
    """Log in to a registry, for cargoship, docker and podman alike.

    The credentials are tried first, and then kept where docker keeps them: in the helper program that its
    configuration names, else in its configuration file. REGISTRY is a host such as ghcr.io; without one it is
    Docker Hub.
    """
    from cargoship.registry.auth.login import log_in, registry_name

    session = options.begin(ctx)
    registry = registry_name(ctx.params["registry"])
    credentials = _credentials(session, registry, ctx.params["username"], from_stdin=ctx.params["password_stdin"])
    with session.work() as context:
        done = log_in(registry, credentials, env=context.env, runner=context.runner, emit=context.emit)
    if not done.asked:
        session.say(f"{registry} asks for no credentials: they are kept, but nobody has checked them")
    session.say(f"logged in to {registry}; the credentials are in {done.kept.place}")
    if done.kept.plain:
        session.say("they are not encrypted there: a credential helper keeps them better (docker's credsStore)")


def _credentials(session: CliSession, registry: str, username: str | None, *, from_stdin: bool) -> Login:
    from cargoship.registry.auth.entries import Login

    stdin = session.world.stdin
    whose = shlex.quote(username) if username else "NAME"
    piped = f"with it in a file: cargoship login {shlex.quote(registry)} --username {whose} --password-stdin < FILE"
    if from_stdin:
        if not username:
            raise UsageError("--password-stdin needs a user name", hint="add --username NAME")
        password = stdin.read(_PASSWORD_CHARACTERS + 1).rstrip("\r\n")
    elif stdin.isatty():
        username = username or _asked(session, f"user name for {registry}: ")
        password = _asked_secretly(session, f"password or token for {username} at {registry}: ")
    else:
        raise UsageError(
            "there is no terminal to ask for a password",
            hint=piped,
        )
    if not username or ":" in username:
        raise UsageError("a user name is needed, without a colon in it")
    if not password or len(password) > _PASSWORD_CHARACTERS:
        raise UsageError("that is too long for a password" if password else "no password was given", hint=piped)
    return Login(username, password)


def _asked(session: CliSession, question: str) -> str:
    session.world.stderr.write(question)
    session.world.stderr.flush()
    return session.world.stdin.readline().strip()


def _asked_secretly(session: CliSession, question: str) -> str:
    import getpass

    return getpass.getpass(question, session.world.stderr)


command = options.panelled(login)
