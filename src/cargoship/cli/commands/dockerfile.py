"""`cargoship dockerfile`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.core import ParameterSource

from cargoship.cli.asking import options, selecting
from cargoship.cli.asking.asked import Asked
from cargoship.reading import real_path

if TYPE_CHECKING:
    from cargoship.cli.results.generated import GeneratedFiles
    from cargoship.context import Context
    from cargoship.dockerfile import BuilderImage, DockerfileOptions, PrivateSources
    from cargoship.recipe.gather import WorkspaceSources

_BUILDERS = "builder"
_GIVEN = ParameterSource.COMMANDLINE
_PATH = click.Path(path_type=Path)
# where the file is and what is done with it: everything else makes it what it is
_NOT_CONTENT = {"path", "file", "write", "check", "overwrite", "verbose", "quiet", "color"}


@click.command()
@options.path_argument
@options.package_options
@options.platform_option
@options.libc_option
@options.what_options
@options.base_option
@click.option(
    "--variant",
    type=click.Choice(["cross", "native"]),
    default="cross",
    show_default=True,
    help="Compile on the machine that builds, for all platforms at once, or on the image's own platform.",
)
@click.option("--rust", metavar="VERSION", help="Version of Rust.  [default: the toolchain file's, else the one here]")
@click.option(
    "--builder", metavar="IMAGE", help="Image with Rust to compile in.  [default: rust:VERSION-slim-bookworm]"
)
@click.option("--apt", multiple=True, metavar="PACKAGES", help="Debian packages that the build needs, comma separated.")
@click.option("--apk", multiple=True, metavar="PACKAGES", help="Alpine packages; the builder is then rust:*-alpine.")
@click.option(
    "--cargoship",
    "source",
    metavar="SOURCE",
    help="What pip installs: a version, a URL, a file in the build context; `builder`: nothing, the builder has it.  "
    "[default: this version]",
)
@click.option(
    "--write", is_flag=True, help="Write the file, and its .dockerignore; with -f FILE that is FILE.dockerignore."
)
@click.option("--check", is_flag=True, help="Fail if the file is not what would be written now.")
@click.option(
    "-f", "--file", type=_PATH, metavar="FILE", help="The Dockerfile.  [default: Dockerfile in the workspace's folder]"
)
@click.option("--overwrite", is_flag=True, help="Write over files that cargoship has not made.")
@options.talk_options
@click.pass_context
def dockerfile(ctx: click.Context, /, **_: object) -> None:
    """Print a Dockerfile for the project in PATH: with a layer of dependencies, and without emulation.

    Its stages are tools, planner, dependencies, build and runtime. The settings in Cargo.toml hold as they do for
    `cargoship build`. With --write and --check alone, the options are those that the file was made with: its first
    line names them.
    """
    from cargoship.cli.results.generated import GeneratedFiles, Texts
    from cargoship.dockerfile import dockerfile as dockerfile_text
    from cargoship.dockerfile import dockerignore
    from cargoship.errors import UsageError
    from cargoship.prerequisites.objections import warn_of_old_rust
    from cargoship.recipe.gather import gather_workspace

    session = options.begin(ctx)
    if ctx.params["write"] and ctx.params["check"]:
        raise UsageError("--write and --check do not go together", hint="leave one of them out")
    sources = gather_workspace(session.world.cwd / ctx.params["path"])
    again = Asked.of(ctx).again("--write", but=("write", "check", "overwrite"))
    files = GeneratedFiles.of(sources.root, ctx.params["file"], session.world.cwd, again)
    asked = _recorded(ctx, files) if ctx.params["check"] or ctx.params["write"] else ctx
    with session.work() as context:
        plan = session.operations.plan(selecting.selection_of(asked, session), context)
        wishes = _wishes(asked, sources, files, context)
        warn_of_old_rust(plan, wishes.builder.release, context.emit)
        made = Texts(dockerfile_text(plan, wishes), dockerignore(plan, wishes))
    if ctx.params["check"]:
        files.check(made)
    elif ctx.params["write"]:
        files.write(made, session.renderer().emit, overwrite=ctx.params["overwrite"])
    else:
        session.result_bytes(made.dockerfile.encode())


def _recorded(ctx: click.Context, files: GeneratedFiles) -> click.Context:
    """The options to write or check a file with: those given, else those that the file was made with."""
    if any(True for _ in _content(ctx)) or (recorded := files.recorded()) is None:
        return ctx
    return ctx.command.make_context(str(ctx.info_name), [*recorded, str(ctx.params["path"])], parent=ctx.parent)


def _content(ctx: click.Context) -> Iterator[click.Option]:
    """The options given that say what the file should be."""
    for option in ctx.command.params:
        source = ctx.get_parameter_source(str(option.name))
        if isinstance(option, click.Option) and option.name not in _NOT_CONTENT and source is _GIVEN:
            yield option


def _wishes(
    ctx: click.Context, sources: WorkspaceSources, files: GeneratedFiles, context: Context
) -> DockerfileOptions:
    from cargoship.dockerfile import DockerfileOptions, Variant, private_sources
    from cargoship.version import __version__

    given = ctx.params
    outside = sorted(folder for folder in sources.locals if not folder.is_relative_to(sources.root))
    if outside:
        from cargoship.errors import UsageError

        raise UsageError(
            f"{outside[0]} is outside of {sources.root}, which is all that Docker sees",
            hint="move the crate into the workspace's folder",
        )
    builder, found = _builder(ctx, sources, context)
    requirements, wheel = _requirements(ctx, sources.root)
    private = private_sources(sources.lock, sources.config)
    _check_sources(private, sources, context)
    apk = selecting.split(given["apk"])
    apt = selecting.split(given["apt"])
    return DockerfileOptions(
        builder=builder,
        requirements=requirements,
        variant=Variant(given["variant"]),
        wheel=wheel,
        bins=given["bins"],
        apt=apt if apk else (*apt, *private.packages),
        apk=(*apk, *private.packages) if apk else (),
        private=private,
        version=__version__,
        arguments=tuple(_spelled(ctx, {"rust": found, "packages": _package(ctx, sources)})),
        file=files.name,
    )


def _check_sources(private: PrivateSources, sources: WorkspaceSources, context: Context) -> None:
    """Say what a cargo in a container will not know; raises UsageError for crates that it cannot see."""
    from cargoship.dockerfile import has_unlocked_sources, undefined_registries
    from cargoship.errors import UsageError
    from cargoship.events import Level, Note

    for folder in private.folders:
        if folder.startswith(("/", "../")) or folder == "..":
            raise UsageError(
                f"cargo's configuration takes crates from {folder}: Docker sees {sources.root} alone, elsewhere",
                hint="vendor them into a folder of the workspace, and name it from there: `cargo vendor` says how",
            )
    if has_unlocked_sources((each.manifest for each in sources.locals.values()), sources.lock, sources.config):
        text = f"{sources.root} has no Cargo.lock: which crates want a login is not known, and no step is given one"
        context.emit(Note(f"{text}; `cargo generate-lockfile` writes it", Level.WARNING))
    for index in undefined_registries(private, sources.config):
        text = f"the registry {index} is in no [registries] of {sources.root / '.cargo' / 'config.toml'}"
        context.emit(Note(f"{text}: where Docker builds, cargo reads no other configuration", Level.WARNING))


def _builder(ctx: click.Context, sources: WorkspaceSources, context: Context) -> tuple[BuilderImage, str | None]:
    """The builder, and the version of the Rust here if that is what decides."""
    from cargoship.dockerfile import choose_builder
    from cargoship.errors import ToolMissing
    from cargoship.toolchain.rust import toolchains

    asked: list[str] = []

    def installed() -> str | None:
        try:
            rust = next(toolchains(context.runner, context.env, sources.root))
        except ToolMissing:
            return None
        asked.append(rust.release)
        return rust.release

    kinds = {"Bare": "rust-toolchain", "Toml": "rust-toolchain.toml"}
    builder = choose_builder(
        image=ctx.params["builder"],
        rust=ctx.params["rust"],
        toolchain=None if sources.toolchain is None else (kinds[sources.toolchain[0]], sources.toolchain[1]),
        installed=installed,
        alpine=bool(ctx.params["apk"]),
    )
    return builder, asked[0] if asked else None


def _package(ctx: click.Context, sources: WorkspaceSources) -> tuple[str, ...]:
    """The package of the folder that was named: the file is made again from the workspace's folder."""
    from cargoship.cargo.manifest import find_manifest

    folder = find_manifest(sources.root / ctx.obj.world.cwd / ctx.params["path"]).parent
    local = sources.locals.get(folder)
    return () if folder == sources.root or local is None or local.name is None else (local.name,)


def _spelled(ctx: click.Context, found: Mapping[str, object]) -> Iterator[str]:
    """The options that say what the file should be, as they would be typed, and what was found without them."""
    given = {option.name for option in _content(ctx)}
    for option in ctx.command.params:
        value: Any = ctx.params[str(option.name)] if option.name in given else found.get(str(option.name))
        if (not value and option.name not in given) or not isinstance(option, click.Option):
            continue
        name = next(each for each in option.opts if each.startswith("--"))
        if option.is_flag:
            yield name if value else option.secondary_opts[0]
        else:
            for each in value if option.multiple else (value,):
                yield from (name, str(each))


def _requirements(ctx: click.Context, root: Path) -> tuple[tuple[str, ...], str | None]:
    """What pip installs, and the file of the build context that is the first of it; raises UsageError."""
    from cargoship.errors import UsageError
    from cargoship.version import __version__

    text = ctx.params["source"]
    if text != _BUILDERS:
        requirement, wheel = _source(text or __version__, root)
        return (requirement, *_pins()), wheel
    if ctx.params["builder"] is None:
        raise UsageError(
            "--cargoship builder is for a builder that has it",
            hint="name one, such as --builder ghcr.io/OWNER/cargoship:0.1.0",
        )
    return (), None


def _source(text: str, root: Path) -> tuple[str, str | None]:
    """What pip installs as cargoship, and the file of the build context that it is; raises UsageError."""
    from cargoship.errors import UsageError

    if "://" in text:
        return text, None
    path = root / text
    if path.is_file() and real_path(path).is_relative_to(root):
        return "cargoship", path.relative_to(root).as_posix()
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*[a-z0-9.+]*", text):
        raise UsageError(
            f"--cargoship {text!r} is neither a version, nor a URL, nor a file in {root}",
            hint="such as 1.2.3, or a wheel that lies in the build context",
        )
    return f"cargoship=={text}", None


def _pins() -> tuple[str, ...]:
    """The compilers that come with cargoship, as they are here."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("cargo-zigbuild", "ziglang"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name}=={version(name)}")
    return tuple(found)


command = options.panelled(dockerfile)
