"""`cargoship build`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli import several
from cargoship.cli.asking import options, selecting, signing
from cargoship.cli.asking.asked import Asked
from cargoship.cli.results.outcome import RecordFiles, finish, send_failed
from cargoship.cli.results.planned import print_plan
from cargoship.errors import CargoshipError

if TYPE_CHECKING:
    from cargoship.cli.session import CliSession
    from cargoship.shipping import BuildResult


@click.command()
@options.paths_argument
@options.package_options
@options.since_option
@options.platform_option
@options.libc_option
@options.compile_options
@options.image_options
@options.env_option
@options.destination_options
@signing.sign_option
@options.record_options
@click.option("--timings", is_flag=True, help="Say at the end where the time went; `cargoship timings` says more.")
@options.progress_options
@click.pass_context
def build(ctx: click.Context, /, **_: object) -> None:
    """Compile the Cargo project in PATH for every platform and make its image.

    Several PATHs are packages of one workspace, or of several, of which nothing is pushed before all are built.
    --changed-since goes by what the units of a package and of the local packages below it have read; a REF on a branch
    of its own counts from where that parts. Where nothing has changed nothing is built, and the exit code is 0.

    Standard output gets the digest reference of each image, one a line, and nothing else: REPOSITORY@DIGEST of what was
    pushed, else oci:FOLDER@DIGEST of what was written, or with --load alone the name in the engine. Settings come from
    [package.metadata.cargoship] and [workspace.metadata.cargoship] in Cargo.toml, then from CARGOSHIP_* variables,
    then from these options.
    """
    session = options.begin(ctx)
    selection = selecting.selection_of(ctx, session)
    if ctx.params["dry_run"]:
        print_plan(session, selection, verify=not ctx.params["no_verify"])
        return
    records = RecordFiles.checked(ctx.params, session.world.cwd)
    began = datetime.now(UTC)
    with session.work(verify=not ctx.params["no_verify"]) as context:
        try:
            result = several.build_selected(session, selection, context)
        except CargoshipError:
            send_failed(session, selection.path, context, began)
            raise
    if result is None:
        records.write_none()
    else:
        finish(session, result, records, Asked.of(ctx))
        if ctx.params["timings"]:
            _tell_timings(session, result)


def _tell_timings(session: CliSession, result: BuildResult) -> None:
    """Of each workspace, with its name where there are several."""
    from cargoship.cli.results.timed import short_text
    from cargoship.records.folder import record_folder

    for each in result.target_dirs:
        folder = record_folder(each)
        try:
            record = folder.latest()
            title = record.project if len(result.target_dirs) > 1 else ""
            session.say(short_text(record, folder.before(record), session.paint(), title=title))
        except CargoshipError as error:
            session.say(f"note: where the time went is not known: {error.message}")


command = options.panelled(build)
