"""The options that commands share, in groups, and what becomes of them: a `Selection`.

Knows click and the shape of a request; the meaning of a value is checked where it belongs, in the settings and
the plan. Settings have environment variables of their own, so none are declared here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click
from rich_click import RichOptionPanel

from cargoship.cli.render import Talk
from cargoship.cli.session import Session
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.plan import Selection

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

package_option = click.option(
    "-p",
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="Package to ship; may be repeated.  [default: the one in PATH, else the default members]",
)

package_options = group(
    package_option,
    click.option(
        "--bin",
        "bins",
        multiple=True,
        metavar="NAME",
        help="Binary to ship; may be repeated.  [default: the package's default-run, else each of its binaries]",
    ),
)

offline_option = click.option(
    "--offline",
    is_flag=True,
    help="Use only what is on this machine: for cargo, and for a base that was used before.",
)

what_options = group(
    click.option("--profile", metavar="NAME", help="Cargo profile.  [default: release]"),
    click.option(
        "-F", "--features", multiple=True, metavar="NAMES", help="Cargo features, comma separated; may be repeated."
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
        help="Read compiled units from registry:REFERENCE, s3://BUCKET/PREFIX or dir:PATH; may be repeated.",
    ),
    click.option(
        "--cache-to", multiple=True, metavar="CACHE", help="Read them from there and write them; may be repeated."
    ),
    click.option("--no-cache", is_flag=True, help="Compile everything, and keep nothing of it for later."),
)

compile_options = group(
    what_options,
    offline_option,
    click.option("--frozen", is_flag=True, help="Both --locked and --offline."),
    click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Parallel compiler processes."),
    cache_options,
)

platform_option = group(
    click.option(
        "--platform",
        "platforms",
        multiple=True,
        metavar="LIST",
        help="Platforms, comma separated; may be repeated.  [default: linux/amd64,linux/arm64]",
    )
)

libc_option = group(
    click.option(
        "--libc",
        metavar="LIBC",
        help="C library: musl (static), gnu, or gnu:2.17 for a lowest glibc.  [default: musl]",
    ),
)

base_option = click.option(
    "--base",
    metavar="BASE",
    help="What the image stands on: static, scratch, deb:RELEASE, oci:DIR, or an image in a registry.  "
    "[default: static]",
)

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

destination_options = group(
    click.option("--push", is_flag=True, help="Push to the registries that the tags name."),
    click.option(
        "--push-by-digest",
        is_flag=True,
        help="Push to the repositories that the tags name, without a tag: for `cargoship merge`.",
    ),
    click.option("--load", is_flag=True, help="Load this machine's platform into Docker or Podman."),
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="KIND:PATH",
        help="Write oci:DIR, oci-archive:FILE, docker-archive:FILE or rootfs:DIR (the files); may be repeated.  "
        "[default, with no other destination: an OCI layout in the target directory]",
    ),
)

record_options = group(
    click.option(
        "--metadata-file", type=_FILE, metavar="FILE", help="Write what was built as JSON: digests, platforms, sizes."
    ),
    click.option("--image-refs", type=_FILE, metavar="FILE", help="Write the digest references, one a line."),
    click.option("--dry-run", is_flag=True, help="Print the plan and build nothing."),
)

_verbose = click.option("-v", "--verbose", count=True, metavar="", help="Say more; -vv says everything.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
_colour = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colours on standard error; NO_COLOR and CLICOLOR_FORCE are respected.",
)
_progress = click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "json"]),
    default="auto",
    show_default=True,
    help="How progress is shown: a live display on a terminal, plain lines, or JSON lines.",
)
talk_options = group(_verbose, _quiet, _colour)
progress_options = group(talk_options, _progress)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

# How help is arranged; the order of the commands' options follows from their decorators.
PANELS: dict[str, tuple[str, ...]] = {
    "What to resolve": ("--filename", "--recursive", "--selector", "--format", "--project"),
    "What to write": ("--ci", "--matrix"),
    "What to do with it": ("--print", "--env", "--network"),
    "What to build": (
        "--package",
        "--workspace",
        "--bin",
        "--bins",
        "--tests",
        "--benches",
        "--examples",
        "--all-targets",
        "--binary",
        "--all",
        "--platform",
        "--referrers",
        "--libc",
        "--target",
        "--profile",
        "--release",
        "--features",
        "--all-features",
        "--no-default-features",
        "--locked",
        "--offline",
        "--frozen",
        "--jobs",
    ),
    "Where units are kept": ("--cache-from", "--cache-to", "--no-cache", "--programs"),
    "How to cook": (
        "--recipe-path",
        "--check",
        "--clippy",
        "--zigbuild",
        "--no-build",
        "--no-std",
        "--manifest-path",
        "--target-dir",
        "--timings",
        "-Z",
        "--force",
    ),
    "The builder": ("--variant", "--rust", "--builder", "--apt", "--apk", "--cargoship"),
    "What to mend": ("--fix",),
    "What stays": ("--max-size", "--keep-plans", "--days"),
    "Who you are": ("--username", "--password-stdin"),
    "The image": ("--tag", "--base", "--compression", "--no-verify", "--smoke", "--require-clean"),
    "Where it goes": (
        "--push",
        "--push-by-digest",
        "--load",
        "--output",
        "--metadata-file",
        "--image-refs",
        "--dry-run",
    ),
    "The file": ("--write", "--check", "--file", "--overwrite"),
    "How it talks": ("--verbose", "--quiet", "--color", "--progress", "--json", "--help"),
}


def panelled(command: click.Command) -> click.Command:
    """Arrange a command's options in the panels that fit it."""
    if isinstance(command, click.RichCommand):
        names = {name for each in command.params for name in each.opts} | {"--help"}
        for title, options in PANELS.items():
            held = [option for option in options if option in names]
            if held:
                command.add_panel(RichOptionPanel(title, options=held))
    return command


def begin(ctx: click.Context) -> Session:
    """Return the run's session, which talks from now on as the command's options say."""
    session = ctx.find_object(Session)
    if session is None:  # pragma: no cover - a fault of the entry point
        raise RuntimeError(ctx.command_path)
    given = ctx.params
    session.talk(
        Talk(
            verbosity=-1 if given.get("quiet") else min(int(given.get("verbose", 0)), 2),
            progress=given.get("progress", "auto"),
            colour=given.get("color", "auto"),
            folders=_folders(given, session.world.cwd),
        )
    )
    return session


def _folders(given: Mapping[str, Any], cwd: Path) -> tuple[Path, ...]:
    """Where the code may be: the projects that the options name, and the folders above them."""
    named = [cwd / each for each in (given.get("projects") or (given.get("path", "."),))]
    return tuple(dict.fromkeys(above for path in named for above in (path, *path.parents)))


def cache_overrides(given: Mapping[str, Any]) -> dict[str, object]:
    """What the options say about caches, by the keys of the settings; nothing for what they do not say."""
    said = {
        "cache": False if given.get("no_cache") else None,
        "cache-from": tuple(given.get("cache_from", ())),
        "cache-to": tuple(given.get("cache_to", ())),
    }
    return {key: value for key, value in said.items() if value not in (None, ())}


def selection_of(ctx: click.Context, session: Session) -> Selection:
    """What the options ask for; options that a command lacks count as not given. Raises UsageError."""
    from cargoship.plan import Output, Selection

    given: Mapping[str, Any] = ctx.params
    cwd = session.world.cwd
    overrides = {
        "platforms": split(given.get("platforms", ())),
        "libc": given.get("libc"),
        "tags": tuple(given.get("tags", ())),
        "base": given.get("base"),
        "compression": given.get("compression"),
        "smoke": _words(given.get("smoke")),
        **cache_overrides(given),
    }
    return Selection(
        path=cwd / given.get("path", "."),
        packages=tuple(given.get("packages", ())),
        bins=tuple(given.get("bins", ())),
        profile=given.get("profile"),
        features=split(given.get("features", ())),
        all_features=given.get("all_features", False),
        no_default_features=given.get("no_default_features", False),
        locked=given.get("locked"),
        offline=given.get("offline", False),
        frozen=given.get("frozen", False),
        jobs=given.get("jobs"),
        overrides={key: value for key, value in overrides.items() if value not in (None, ())},
        push=given.get("push", False),
        push_by_digest=given.get("push_by_digest", False),
        load=given.get("load", False),
        require_clean=given.get("require_clean", False),
        outputs=tuple(Output.parse(text, cwd=cwd) for text in given.get("outputs", ())),
    )


def _words(text: str | None) -> tuple[str, ...]:
    """Words as a shell takes them apart."""
    try:
        return tuple(shlex.split(text or ""))
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be taken apart into words: {error}") from error


def split(values: tuple[str, ...]) -> tuple[str, ...]:
    """Take values apart that may be repeated and comma separated; cargo also allows spaces between features."""
    return tuple(part for value in values for part in value.replace(",", " ").split())
