"""What a shell is offered for the value of an option or argument, where somebody asks it to complete one.

Each offer is a callback of click's: the context, the parameter, and what was typed of the value. What cannot be found
out is not offered: nobody wants an error under a half-typed line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from cargoship.cargo.project import Project

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

OPEN = "open"
"""The kind of an item that more follows, such as `oci:`: a shell sets no space after it."""
_SCHEMES = ("oci:", "oci-archive:", "docker-archive:")
_PATHS_MAX = 500


def _items(values: Iterable[str], typed: str) -> list[CompletionItem[str]]:
    fitting = dict.fromkeys(value for value in values if value.startswith(typed))
    return [CompletionItem(value, type=OPEN if value.endswith(("/", ":", "=", ".")) else "plain") for value in fitting]


def one_of(*values: str) -> Offer:
    """These values."""

    def offered(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
        del ctx, param
        return _items(values, typed)

    return offered


def with_commas(offer: Offer) -> Offer:
    """Values with commas between them, each once."""

    def offered(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
        before, comma, last = typed.rpartition(",")
        named = set(before.split(","))
        found = [each for each in offer(ctx, param, last) if each.value not in named]
        return [CompletionItem(before + comma + each.value, type=each.type) for each in found]

    return offered


def files(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """Files, which the shell itself knows best."""
    del ctx, param
    return [CompletionItem(typed, type="file")]


def schemes(*names: str, paths_too: bool = False) -> Offer:
    """`scheme:PATH`; `paths_too` where a path may stand alone. A scheme that ends in a slash is no path's."""

    def offered(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
        del param
        for name in names:
            if typed.startswith(name) and name.endswith(":"):
                return _items((name + path for path in _paths(ctx, typed.removeprefix(name))), typed)
        return _items((*names, *(_paths(ctx, typed) if paths_too else ())), typed)

    return offered


images = schemes(*_SCHEMES, paths_too=True)
"""Images on this machine; what registries have is not asked for while somebody types."""
outputs = schemes(*_SCHEMES, "rootfs:", "wasm:")
caches = schemes("registry:", "s3://", "dir:")
clusters = one_of("kind", "minikube", "k3d")
users = one_of("nonroot", "root")
registries = one_of("docker.io", "ghcr.io", "quay.io", "registry.gitlab.com")
matrices = one_of("platform", "package")
networks = one_of("bridge", "host", "none")
documents = one_of("yaml", "json", "text", "auto")


def platforms(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The platforms that there are."""
    from cargoship.platforms import TABLE, VARIANTS

    del ctx, param
    return _items((str(row.platform) for row in (*TABLE, *VARIANTS)), typed)


def some_platforms(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The platforms, comma separated, or all of them."""
    more = _items(("all",), typed)
    return [*with_commas(platforms)(ctx, param, typed), *more]


def libcs(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The C libraries, with the versions of glibc that releases of Debian have."""
    from cargoship.debian.suites import RELEASES

    del ctx, param
    floors = ("gnu:2.17", *("gnu:{}.{}".format(*release.glibc) for release in RELEASES))
    return _items(("musl", "gnu", *floors), typed)


def bases(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """What an image can stand on without a registry, and layouts."""
    from cargoship.debian.suites import RELEASES, SCHEME
    from cargoship.settings.base import BuiltInBase

    if typed.startswith("oci:"):
        return schemes("oci:")(ctx, param, typed)
    releases = (SCHEME + release.codename for release in reversed(RELEASES))
    return _items((*map(str, BuiltInBase), *releases, "oci:"), typed)


def keys(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """`KEY=VALUE` of any setting: its name, and the values where they are few."""
    from cargoship.settings.fields import BY_KEY

    key, equals, value = typed.partition("=")
    if not equals:
        tables = {name for name, field in BY_KEY.items() if field.spec.kind.schema.get("type") == "object"}
        return _items((name + ("." if name in tables else "=") for name in BY_KEY), typed)
    found = _VALUES.get(key) or (_stated(BY_KEY[key].spec.kind.schema) if key in BY_KEY else one_of())
    return _items((f"{key}={each.value}" for each in found(ctx, param, value)), typed)


def _stated(schema: Mapping[str, Any]) -> Offer:
    """The values that a setting's schema lists."""
    if schema.get("type") == "boolean":
        return one_of("true", "false")
    each = schema.get("items", {}).get("enum")
    return one_of(*map(str, schema.get("enum", ()))) if each is None else with_commas(one_of(*map(str, each)))


def packages(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The packages of the workspace that have a binary."""
    del param
    project = _project(ctx)
    return _items((each.name for each in project.packages if each.bins), typed) if project else []


def members(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """All packages of the workspace."""
    del param
    project = _project(ctx)
    return _items((each.name for each in project.packages), typed) if project else []


def binaries(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The binaries of the packages that are chosen, else of all."""
    del param
    project = _project(ctx)
    chosen = set(ctx.params.get("packages") or ())
    found = [each for each in project.packages if not chosen or each.name in chosen] if project else []
    return _items((each.name for package in found for each in package.bins), typed)


def features(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The features of the packages that are chosen, else of all."""
    del param
    project = _project(ctx)
    chosen = set(ctx.params.get("packages") or ())
    found = [each for each in project.packages if not chosen or each.name in chosen] if project else []
    return _items(sorted({name for package in found for name in package.features if name != "default"}), typed)


def profiles(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """Cargo's own profiles, and those of the workspace."""
    import tomllib

    from cargoship.reading import read_file

    del param
    project = _project(ctx)
    own: Sequence[str] = ()
    if project is not None:
        try:
            own = tuple(tomllib.loads(read_file(project.root / "Cargo.toml").decode("utf-8-sig")).get("profile", {}))
        except (OSError, ValueError):
            own = ()
    return _items((*own, "release", "dev"), typed)


_VALUES: dict[str, Offer] = {
    "platforms": some_platforms,
    "libc": libcs,
    "base": bases,
    "user": users,
    "cache-from": caches,
    "cache-to": caches,
    "bins": with_commas(binaries),
    "features": with_commas(features),
    "profile": profiles,
    "sign": one_of("keyless", "env://"),
}
"""By the keys of settings of which the schema does not list the values."""


def targets(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """Rust's names of the platforms."""
    from cargoship.platforms import TABLE

    del ctx, param
    return _items((name for row in TABLE for name in (row.musl, row.gnu) if name is not None), typed)


def helped(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """The commands that there are below the words so far."""
    del param
    root = ctx.find_root()
    command: click.Command | None = root.command
    for word in ctx.params.get("words") or ():
        command = command.get_command(root, word) if isinstance(command, click.Group) else None
    return _items(command.list_commands(root), typed) if isinstance(command, click.Group) else []


def _project(ctx: click.Context) -> Project | None:
    """The project that the line names so far, as cargo describes it; None where it cannot be known."""
    from cargoship.cargo.project import load_project
    from cargoship.cli.session import CliSession
    from cargoship.errors import CargoshipError
    from cargoship.process import SystemRunner
    from cargoship.programs import ProgramFinder

    session = ctx.find_object(CliSession)
    if session is None:
        return None
    given = ctx.params
    paths = given.get("paths") or given.get("projects") or ()
    path = given.get("manifest_path") or (paths[0] if paths else given.get("path")) or "."
    # nothing is fetched because somebody asks for a name
    env = {**session.world.env, "RUSTUP_AUTO_INSTALL": "0"}
    try:
        cargo = Path(env.get("CARGO") or "cargo")
        return load_project(
            SystemRunner(ProgramFinder.outside((session.world.cwd,), env)),
            cargo,
            session.world.cwd / path,
            env=env,
            offline=True,
        )
    except (CargoshipError, OSError):
        return None


def _paths(ctx: click.Context, typed: str) -> list[str]:
    """The files and folders that what is typed is the beginning of; folders end in a slash."""
    from cargoship.cli.session import CliSession

    session = ctx.find_object(CliSession)
    folder, slash, beginning = typed.rpartition("/")
    place = Path(os.path.expanduser(folder + slash)) if folder + slash else Path()  # noqa: PTH111 - `~me` too
    if session is not None:
        place = session.world.cwd / place
    try:
        with os.scandir(place) as entries:
            found = [each.name + ("/" if each.is_dir() else "") for each in entries if each.name.startswith(beginning)]
    except OSError:
        return []
    shown = [name for name in found if not name.startswith(".") or beginning.startswith(".")]
    return [folder + slash + name for name in sorted(shown)[:_PATHS_MAX]]
