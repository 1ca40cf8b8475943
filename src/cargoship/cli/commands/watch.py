"""`cargoship watch`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import options, resolving, running, selecting
from cargoship.cli.session import CliSession
from cargoship.errors import CargoshipError, UsageError
from cargoship.reading import real_path

if TYPE_CHECKING:
    from cargoship.cargo.neighbours import Neighbours
    from cargoship.context import Context
    from cargoship.deploy.changes import OwnFiles
    from cargoship.deploy.launch import Host, LaunchOptions
    from cargoship.deploy.watching import Running, Start
    from cargoship.oci.platform import Platform
    from cargoship.plan import Plan, Selection
    from cargoship.process import Child

    Attempt = Callable[[OwnFiles], Start]

_STOP_S = 0.4
"""How long a program has to end by itself: who changes its code waits for it, and so does who presses Ctrl-C."""


@click.command()
@resolving.file_option
@resolving.object_options
@resolving.cluster_option
@running.run_options
@click.pass_context
def watch(ctx: click.Context, /, **_: object) -> None:
    """Build and run the image, and again whenever the code changes.

    As `cargoship run`; with -f as `cargoship apply`, whose documents are watched too, and with --cluster as that does
    for a local cluster. The program is restarted when what was changed has compiled; how long that took is said.
    Code that does not compile changes nothing: what runs goes on. Ctrl-C stops both.
    """
    from msgspec.structs import replace

    from cargoship.deploy import watching
    from cargoship.deploy.changes import FileChanges, OwnFiles

    session = options.begin(ctx)
    if ctx.params["clusters"] and not ctx.params["filenames"]:
        raise UsageError("--cluster is for documents", hint="name them with -f")
    selection = replace(selecting.selection_of(ctx, session), clusters=())
    with session.work() as context:
        plan = session.operations.plan(selection, context)
        beside = _neighbours(plan, context)
    folders, attempt = _applying(ctx, session, plan) if ctx.params["filenames"] else _running(ctx, session, plan)
    but = [plan.target_dir, plan.build_dir, context.cache_dir, *beside.target_dirs]
    with FileChanges([*folders, *beside.folders], but=but) as changes:
        own = OwnFiles(changes, plan.root)
        watching.watch(changes, lambda: attempt(own), _Teller(session), session.world.clock)


def _neighbours(plan: Plan, context: Context) -> Neighbours:
    """What is watched outside of the workspace: packages there are code of the program too."""
    from cargoship.cargo.neighbours import find_neighbours
    from cargoship.cargo.project import load_project

    cargo = Path(context.env.get("CARGO") or "cargo")
    load = partial(load_project, context.runner, cargo, env=context.env, offline=True)
    return find_neighbours(load(plan.root), load)


def _running(ctx: click.Context, session: CliSession, plan: Plan) -> tuple[list[Path], Attempt]:
    """What to watch and what to do for a program that runs here."""
    from cargoship.deploy import launch
    from cargoship.platforms import row

    launch.check_alone([image.name for image in plan.images])
    asked = ctx.params["platform"]
    with session.work() as context:
        host = launch.find_host(context)
    wishes = launch.LaunchOptions(
        ctx.params["words"], ctx.params["variables"], ctx.params["network"], name=f"cargoship-watch-{os.getpid()}"
    )
    program = _Program(
        session, selecting.selection_of(ctx, session), host, None if asked is None else row(asked).platform, wishes,
        verify=not ctx.params["no_verify"],
    )  # fmt: skip
    return [plan.root], program.attempt


@dataclass(frozen=True)
class _Program:
    """A program that is built, and started in place of the one before."""

    session: CliSession
    selection: Selection
    host: Host
    platform: Platform | None
    wishes: LaunchOptions
    verify: bool

    def attempt(self, own: OwnFiles) -> Start:
        """Build it; what is returned starts it."""
        from cargoship.deploy import launch
        from cargoship.rootfs.unpack import private

        with ExitStack() as held:
            folder = held.enter_context(private("cargoship-watch-"))
            with self.session.work(verify=self.verify) as context:
                selection = launch.selection_for(self.selection, self.host, self.platform, folder)
                result = self.session.operations.build(selection, own.noted(context))
            if self.host.engine is None:
                command = launch.bare_command(result, folder, self.wishes, context)
            else:
                command = launch.container_command(result, self.host, self.wishes, context)
            kept = held.pop_all()
        return lambda: _Started(self.session.terminal.spawn(command), self.host, self.wishes.name, kept, context)


@dataclass(frozen=True)
class _Started:
    """A program that runs, in a container or in a folder."""

    child: Child
    host: Host
    name: str | None
    kept: ExitStack
    """Its folder."""
    context: Context

    def poll(self) -> int | None:
        """See `Running.poll`."""
        return self.child.poll()

    def stop(self) -> None:
        """See `Running.stop`: the engine's client passes signals on, and a container that stays is removed.

        It stays where the program takes no notice, and where the client ends between making and starting it.
        """
        from cargoship.deploy.launch import remove_container

        self.child.stop(_STOP_S)
        if self.host.engine is not None and self.name is not None:
            remove_container(self.host.engine, self.name, self.context)
        self.kept.close()


def _applying(ctx: click.Context, session: CliSession, plan: Plan) -> tuple[list[Path], Attempt]:
    """What to watch and what to do for documents that kubectl gets."""
    from cargoship.deploy import handover
    from cargoship.deploy.documents import STDIN
    from cargoship.deploy.recipients import check_for_kubectl
    from cargoship.deploy.resolve import prepare, resolve

    words = resolving.kubectl_words(ctx)
    names = ctx.params["filenames"]
    if STDIN in names:
        raise UsageError("standard input cannot be watched", hint="name files or folders with -f")
    ctx.params["projects"] = (ctx.params["path"],)
    with session.work() as context:
        kubectl = handover.find_kubectl(context)

    def attempt(own: OwnFiles) -> Start:
        request = resolving.request_of(ctx, session, resolving.sources_of(ctx, session, names))
        with session.work(verify=not ctx.params["no_verify"]) as context:
            noted = own.noted(context)
            prepared = prepare(request, noted, session.operations, check_for_kubectl)
            resolved = resolve(prepared, noted, session.operations, resolving.called(request))

        def start() -> Running:
            handover.apply(kubectl, resolved.documents, words, context, session.terminal)
            return _Applied()

        return start

    # a file that is saved may take the place of the one before: its folder is what stays
    places = [session.world.cwd / name for name in names]
    folders = [path if path.is_dir() else path.parent for path in places]
    return list(dict.fromkeys([plan.root, *(real_path(folder) for folder in folders)])), attempt


class _Applied:
    """What runs elsewhere goes on running there."""

    def poll(self) -> int | None:
        """See `Running.poll`."""
        return None

    def stop(self) -> None:
        """See `Running.stop`."""


@dataclass(frozen=True)
class _Teller:
    """Tells on standard error."""

    session: CliSession

    def failed(self, error: CargoshipError, *, still_running: bool) -> None:
        """See `Teller.failed`."""
        from cargoship.cli.failing.failures import explain_error

        self.session.report(explain_error(error), error)
        self.session.say("waiting for changes" + ("; the one before goes on running" if still_running else ""))

    def started(self, built_s: float, started_s: float) -> None:
        """See `Teller.started`."""
        from cargoship.cli.render import words

        outcome = f"in {words.duration(built_s)}, started in {words.duration(started_s)}; waiting for changes"
        self.session.say(words.status("Built", outcome, self.session.paint()))

    def ended(self, code: int) -> None:
        """See `Teller.ended`."""
        self.session.say(f"the program ended with {code}; waiting for changes")


command = options.panelled(watch)
