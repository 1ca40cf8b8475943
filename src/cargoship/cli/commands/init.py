"""`cargoship init`."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import rich_click as click

from cargoship.cli.asking import offers, options, selecting
from cargoship.cli.session import CliSession
from cargoship.errors import ManifestInvalid, UsageError, WouldOverwrite
from cargoship.reading import read_file, real_path

if TYPE_CHECKING:
    from cargoship.context import Context


@click.command()
@options.path_argument
@click.option("--ci", type=click.Choice(["github", "gitlab"]), help="Write a workflow for this host instead.")
@click.option(
    "--matrix",
    metavar="KIND",
    shell_complete=offers.matrices,
    help="A job for each platform or package, and one that merges.",
)
@click.option(
    "--cargoship",
    "source",
    metavar="SOURCE",
    help="What the workflow installs: a version, a URL, or a wheel in the repository.  [default: this version]",
)
@click.option("--force", is_flag=True, help="Replace the workflow that is there.")
@options.talk_options
@click.pass_context
def init(ctx: click.Context, /, **_: object) -> None:
    """Write commented settings into Cargo.toml, or a workflow for CI.

    Without --ci, a table of settings is added to the Cargo.toml in PATH, all of them commented out; what is there stays
    as it is. With --ci github or gitlab, a workflow is written that builds the images for every platform and pushes
    them to the host's own registry, or to those that the tags in the settings name, with a cache of compiled units.
    """
    session = options.begin(ctx)
    ci = ctx.params["ci"]
    if ci is None and ctx.params["matrix"]:
        raise UsageError("--matrix is for workflows", hint="add --ci github or --ci gitlab")
    if ci is None and ctx.params["source"]:
        raise UsageError("--cargoship is for workflows", hint="add --ci github or --ci gitlab")
    with session.work() as context:
        if ci is None:
            _settings(session, context, context.cwd / ctx.params["path"])
        else:
            _workflow(ctx, session, context, ci)


def _settings(session: CliSession, context: Context, path: Path) -> None:
    from cargoship.cargo.git import read_git_facts
    from cargoship.cargo.manifest import find_manifest
    from cargoship.ci.settings import has_settings, has_table, read_manifest, with_settings
    from cargoship.oci.files import atomic_file

    manifest = real_path(find_manifest(path))
    try:
        data = read_file(manifest)
    except OSError as error:
        raise ManifestInvalid(f"{manifest} cannot be read: {os.strerror(error.errno or 0)}") from error
    text = read_manifest(data, manifest)
    section = "package" if has_table(text, "package") else "workspace"
    if has_settings(text, section):
        session.say(f"{manifest} has settings already: [{section}.metadata.cargoship]")
        return
    facts = read_git_facts(context.runner, manifest.parent, env=context.env, tell=context.emit)
    place = _registry(facts.remote if facts else None)
    examples = {"tags": f'["{place}/{{name}}:{{version}}", "{place}/{{name}}:{{latest}}"]'}
    changed = with_settings(text, section, examples)
    with atomic_file(manifest) as stream:
        stream.write(changed.encode())
        os.fchmod(stream.fileno(), manifest.stat().st_mode)
    session.say(f"wrote [{section}.metadata.cargoship] to {manifest}, all of it commented out")


def _registry(remote: str | None) -> str:
    """Where a repository's images usually go."""
    host, _, rest = (remote or "https://github.com/me/").removeprefix("https://").partition("/")
    owner = rest.rpartition("/")[0].lower() or "me"
    return f"registry.gitlab.com/{rest.lower()}" if host == "gitlab.com" else f"ghcr.io/{owner}"


def _workflow(ctx: click.Context, session: CliSession, context: Context, ci: str) -> None:
    from cargoship.cargo.git import read_checkout
    from cargoship.ci import github, gitlab
    from cargoship.ci.workflow import Matrix, workflow_of
    from cargoship.oci.files import write_atomically
    from cargoship.prerequisites.objections import warn_of_old_rust

    matrix = None if ctx.params["matrix"] is None else Matrix.parse(ctx.params["matrix"])
    plan = session.operations.plan(selecting.selection_of(ctx, session), context)
    checkout = read_checkout(context.runner, plan.root, env=context.env, tell=context.emit)
    root, branch = checkout or (plan.root, "main")
    folder = PurePosixPath(real_path(plan.cargo.cwd).relative_to(real_path(root)).as_posix())
    file, rust = _rust(context, plan.root)
    warn_of_old_rust(plan, rust, context.emit)
    workflow = workflow_of(
        plan, matrix,
        source=_source(ctx.params["source"], root), folder=folder, branch=branch, rust=rust, toolchain_file=file,
    )  # fmt: skip
    path, text = {
        "github": (github.PATH, github.github(workflow)),
        "gitlab": (gitlab.PATH, gitlab.gitlab(workflow)),
    }[ci]
    place = root / path
    if place.exists() and not ctx.params["force"]:
        raise WouldOverwrite(f"there is {place} already", hint="--force replaces it")
    write_atomically(place, text.encode())
    session.say(f"wrote {place}")


def _source(text: str | None, root: Path) -> str:
    """What pip installs in a job; raises UsageError for a file that is not in the repository."""
    from cargoship.version import __version__

    text = text or __version__
    if "://" in text:
        return text
    if text.endswith(".whl"):
        path = Path(os.path.normpath(root / text))
        if not path.is_file() or not path.is_relative_to(root):
            raise UsageError(f"there is no {text} in {root}", hint="a wheel is named by its path in the repository")
        return path.relative_to(root).as_posix()
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*[a-z0-9.+]*", text):
        raise UsageError(f"--cargoship {text!r} is no version", hint="such as 0.1.0; or a URL, or a wheel's path")
    return f"cargoship=={text}"


def _rust(context: Context, root: Path) -> tuple[bool, str | None]:
    """Whether the project has a toolchain file, and the exact version of Rust that it names, or that is here."""
    from cargoship.dockerfile import choose_builder
    from cargoship.errors import ToolMissing
    from cargoship.toolchain.around_cargo import environment_of_cargo
    from cargoship.toolchain.rust import toolchains

    def installed() -> str | None:
        env = environment_of_cargo(context.runner, context.env, root, context.emit)
        try:
            return next(toolchains(context.runner, env, root)).release
        except ToolMissing:
            return None

    names = [name for name in ("rust-toolchain", "rust-toolchain.toml") if (root / name).is_file()]
    file = (names[0], (root / names[0]).read_text("utf-8", "replace")) if names else None
    try:
        builder = choose_builder(image=None, rust=None, toolchain=file, installed=installed, alpine=False)
    except UsageError as error:
        from cargoship.events import Level, Note

        context.emit(Note(f"the workflow takes the newest Rust, for no version is known: {error}", Level.WARNING))
        return bool(names), None
    found = re.match(r"rust:([0-9.]+)-", builder.image)
    return bool(names), found[1] if found else None


command = options.panelled(init)
