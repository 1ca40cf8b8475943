"""The options that commands share, in groups; `panels` arranges them, and `selecting` says what becomes of them.

Knows click; the meaning of a value is checked where it belongs, in the settings and the plan. Settings have environment
variables of their own, so none are declared here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from rich_click import RichOptionPanel

from cargoship.cli.asking import offers
from cargoship.cli.asking.panels import panels_of
from cargoship.cli.failing.mistakes import check_values
from cargoship.cli.render import Talk
from cargoship.cli.session import CliSession
from cargoship.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)


def group(*decorators: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several decorators as one, in the order in which help lists them."""

    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


path_argument = click.argument("path", type=_FILE, default=".", metavar="[PATH]")
paths_argument = click.argument("paths", type=_FILE, nargs=-1, metavar="[PATH]...")

since_option = click.option(
    "--changed-since",
    metavar="REF",
    help="Only images that a change since this commit, branch or tag may have changed.",
)

package_option = click.option(
    "-p",
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    shell_complete=offers.packages,
    help="Package to ship, by name or pattern such as 'svc-*'; may be repeated.  [default: the project's own, else the "
    "default members]",
)

package_options = group(
    package_option,
    click.option(
        "--manifest-path", type=_FILE, metavar="FILE", help="The project's Cargo.toml, in place of its folder."
    ),
    click.option("--workspace", is_flag=True, help="Ship every package of the workspace that has a binary."),
    click.option(
        "--exclude",
        multiple=True,
        metavar="NAME",
        shell_complete=offers.members,
        help="Package to leave out, by name or pattern; may be repeated.",
    ),
    click.option(
        "--bin",
        "bins",
        multiple=True,
        metavar="NAME",
        shell_complete=offers.binaries,
        help="Binary to ship; may be repeated.  [default: the package's default-run, else each of its binaries]",
    ),
)

offline_option = click.option(
    "--offline",
    is_flag=True,
    help="Use only what is on this machine: for cargo, and for a base that was used before.",
)

what_options = group(
    click.option(
        "--profile", metavar="NAME", shell_complete=offers.profiles, help="Cargo profile.  [default: release]"
    ),
    click.option(
        "-F",
        "--features",
        multiple=True,
        metavar="NAMES",
        shell_complete=offers.with_commas(offers.features),
        help="Cargo features, comma separated; may be repeated.",
    ),
    click.option("--all-features", is_flag=True, help="Turn every Cargo feature on."),
    click.option("--no-default-features", is_flag=True, help="Leave the default features off."),
    click.option(
        "--locked/--no-locked",
        default=None,
        help="Insist on Cargo.lock as it is, or let cargo change it.  [default: insist where there is one]",
    ),
)

cache_options = group(
    click.option(
        "--cache-from",
        multiple=True,
        metavar="CACHE",
        shell_complete=offers.caches,
        help="Read compiled units from registry:REFERENCE, s3://BUCKET/PREFIX or dir:PATH; may be repeated.",
    ),
    click.option(
        "--cache-to",
        multiple=True,
        metavar="CACHE",
        shell_complete=offers.caches,
        help="Read them from there and write them; may be repeated.",
    ),
    click.option(
        "--cache-trust",
        multiple=True,
        metavar="KEY",
        shell_complete=offers.files,
        help="Take only units that this public key (a file, env://NAME) or IDENTITY by ISSUER has signed; "
        "may be repeated.",
    ),
    click.option(
        "--cache-sign",
        metavar="KEY",
        shell_complete=offers.files,
        help="Sign the units that are written: a key's file, env://NAME or keyless.  [default: the key of --sign]",
    ),
    click.option("--no-cache", is_flag=True, help="Compile everything, and keep nothing of it for later."),
)

remote_option = click.option(
    "--remote",
    metavar="CLUSTER",
    help="Compile libraries on a Remote Execution cluster: reapi://HOST:PORT/INSTANCE?slots=8&PROPERTY=VALUE.",
)

compile_options = group(
    what_options,
    click.option("--release", is_flag=True, hidden=True, help="As cargo's; it is the default."),
    offline_option,
    click.option("--frozen", is_flag=True, help="Both --locked and --offline."),
    click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Parallel compiler processes."),
    remote_option,
    cache_options,
)

platform_option = group(
    click.option(
        "--platform",
        "platforms",
        multiple=True,
        metavar="LIST",
        shell_complete=offers.some_platforms,
        help="Platforms, comma separated, or all; may be repeated.  [default: linux/amd64,linux/arm64]",
    )
)

libc_option = group(
    click.option(
        "--libc",
        metavar="LIBC",
        shell_complete=offers.libcs,
        help="C library: musl (static), gnu, or gnu:2.17 for a lowest glibc.  [default: musl]",
    ),
)

base_option = click.option(
    "--base",
    metavar="BASE",
    shell_complete=offers.bases,
    help="What the image stands on: static, scratch, deb:RELEASE, oci:FOLDER, or an image in a registry.  "
    "[default: static]",
)

set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", shell_complete=offers.keys,
    help="Any setting, such as --set stop-signal=SIGINT or --set env.RUST_LOG=debug; may be repeated.",
)  # fmt: skip
image_options = group(
    click.option(
        "-t",
        "--tag",
        "tags",
        multiple=True,
        metavar="REFERENCE",
        help="Name for the image, such as ghcr.io/me/{name}:{version}; may be repeated.",
    ),
    base_option,
    click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the image; may be repeated."),
    click.option(
        "--annotation",
        "annotations",
        multiple=True,
        metavar="KEY=VALUE",
        help="Annotation of its manifests and index; may be repeated.",
    ),
    click.option(
        "--user", metavar="USER", shell_complete=offers.users, help="Who the program runs as.  [default: nonroot]"
    ),
    set_option,
    click.option(
        "--compression", type=click.Choice(["gzip", "zstd", "none"]), help="Compression of layers.  [default: gzip]"
    ),
    click.option("--no-verify", is_flag=True, help="Do not check that each binary can start on its base."),
    click.option(
        "--smoke",
        metavar="ARGUMENTS",
        help='Start each program once with these, such as "--version", before anything is published.',
    ),
    click.option("--require-clean", is_flag=True, help="Refuse to build where files that git tracks have changed."),
)

env_option = click.option(
    "-e",
    "--env",
    "image_env",
    multiple=True,
    metavar="KEY=VALUE",
    help="Environment variable in the image; may be repeated.",
)

destination_options = group(
    click.option("--push", is_flag=True, help="Push to the registries that the tags name."),
    click.option(
        "--push-by-digest",
        is_flag=True,
        help="Push to the repositories that the tags name, without a tag: for `cargoship merge`.",
    ),
    click.option("--load", is_flag=True, help="Load this machine's platform into Docker or Podman."),
    click.option(
        "--cluster",
        "clusters",
        multiple=True,
        metavar="CLUSTER",
        shell_complete=offers.clusters,
        help="Load it into the nodes of a local cluster: kind, minikube or k3d, or kind:NAME; may be repeated.",
    ),
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="KIND:PATH",
        shell_complete=offers.outputs,
        help="Write oci:FOLDER, oci-archive:FILE, docker-archive:FILE, rootfs:FOLDER (the files) or wasm:FOLDER (an "
        "artifact); may be repeated.  "
        "[default, with no other destination: an OCI layout in the target directory]",
    ),
)

record_options = group(
    click.option(
        "--metadata-file", type=_FILE, metavar="FILE", help="Write what was built as JSON: digests, platforms, sizes."
    ),
    click.option(
        "--image-refs",
        type=_FILE,
        metavar="FILE",
        help="Write the digest references that standard output gets, one a line, with a tab and `changed` or "
        "`unchanged` after each.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the plan and build nothing."),
)

_verbose = click.option("-v", "--verbose", count=True, metavar="", help="Say more; -vv says everything.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
_COLOURS, _PROGRESS = ("auto", "always", "never"), ("auto", "plain", "json")
_colour = click.option(
    "--color",
    type=click.Choice(_COLOURS),
    help="Colours on standard error; NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE are respected.  [default: auto]",
)
_progress = click.option(
    "--progress",
    type=click.Choice(_PROGRESS),
    help="How progress is shown: a live display on a terminal, plain lines, or JSON lines.  [default: auto]",
)
talk_options = group(_verbose, _quiet, _colour)
progress_options = group(talk_options, _progress)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def panelled(command: click.Command) -> click.Command:
    """Arrange a command's options in the panels that fit it."""
    if isinstance(command, click.RichCommand):
        for title, held in panels_of(command).items():
            command.add_panel(RichOptionPanel(title, options=held))
    return command


def begin(ctx: click.Context) -> CliSession:
    """Return the run's session, which talks from now on as the command's options say; raises UsageError."""
    session = ctx.find_object(CliSession)
    if session is None:  # pragma: no cover - a fault of the entry point
        raise RuntimeError(ctx.command_path)
    check_values(ctx)
    session.talk(talk_of(ctx, session))
    return session


def talk_of(ctx: click.Context, session: CliSession) -> Talk:
    """How the run talks: as the options after the command say, else those before it, else variables.

    Raises UsageError for a variable that says nothing.
    """
    said = [each.params for each in _contexts(ctx)]
    env = session.world.env
    verbose = sum(int(each.get("verbose") or 0) for each in said)
    progress = next((each["progress"] for each in said if each.get("progress")), None)
    colour = next((each["color"] for each in said if each.get("color")), None)
    return Talk(
        verbosity=-1 if any(each.get("quiet") for each in said) else min(verbose, 2),
        progress=progress or _variable(env, "CARGOSHIP_PROGRESS", _PROGRESS),
        colour=colour or _variable(env, "CARGOSHIP_COLOR", _COLOURS),
        folders=_folders(ctx.params, session.world.cwd),
    )


def _contexts(ctx: click.Context) -> list[click.Context]:
    """A command's context and those around it."""
    return [ctx, *_contexts(ctx.parent)] if ctx.parent is not None else [ctx]


def _variable(env: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    value = env.get(name) or choices[0]
    if value not in choices:
        raise UsageError(f"{name} is {value!r}", hint=f"it may be {', '.join(choices)}")
    return value


def _folders(given: Mapping[str, Any], cwd: Path) -> tuple[Path, ...]:
    """Where the code may be: the projects that the options name, and the folders above them."""
    named = [cwd / each for each in (given.get("projects") or given.get("paths") or (given.get("path", "."),))]
    return tuple(dict.fromkeys(above for path in named for above in (path, *path.parents)))
