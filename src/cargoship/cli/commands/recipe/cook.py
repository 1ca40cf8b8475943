"""`cargoship recipe cook`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from cargoship.cli.asking import offers, options, selecting
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.recipe.cook import Cooking

F = TypeVar("F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)
_THROUGH = ("check", "clippy", "zigbuild", "no_build")


def _flag(name: str, text: str) -> Callable[[F], F]:
    return click.option(name, is_flag=True, help=text)


def _many(*names: str, metavar: str, text: str, offer: offers.Offer | None = None) -> Callable[[F], F]:
    help_ = f"{text}; may be repeated."
    return click.option(*names, multiple=True, metavar=metavar, shell_complete=offer, help=help_)


@click.command()
@click.option(
    "--recipe-path", type=_PATH, default="recipe.json", show_default=True, metavar="FILE", help="The recipe to cook."
)
@_flag("--check", "Run cargo check instead of cargo build.")
@_flag("--clippy", "Run cargo clippy instead of cargo build.")
@_flag("--zigbuild", "Run cargo zigbuild instead of cargo build.")
@_flag("--no-build", "Write the files and compile nothing.")
@_many(
    "--platform",
    "platforms",
    metavar="LIST",
    text="Compile as cargoship build does for these, comma separated",
    offer=offers.some_platforms,
)
@click.option(
    "--libc",
    metavar="LIBC",
    shell_complete=offers.libcs,
    help="C library for --platform: musl, gnu, or gnu:2.17.  [default: musl]",
)
@_many("--target", "targets", metavar="TRIPLE", text="Compile for this target", offer=offers.targets)
@click.option("--profile", metavar="NAME", shell_complete=offers.profiles, help="Cargo profile.  [default: dev]")
@_flag("--release", "The same as --profile release.")
@click.option("--target-dir", type=_PATH, metavar="DIR", help="Target directory.  [default: as cargo has it]")
@_many(
    "-p", "--package", "packages", metavar="SPEC", text="Package to compile the dependencies of", offer=offers.members
)
@_flag("--workspace", "Those of all packages of the workspace.")
@_many("--bin", "bins", metavar="NAME", text="Only those of this binary", offer=offers.binaries)
@click.option("--bins", "all_bins", is_flag=True, help="Only those of binaries.")
@_flag("--tests", "Those of tests.")
@_flag("--benches", "Those of benches.")
@_flag("--examples", "Those of examples.")
@_flag("--all-targets", "Those of every target.")
@_many(
    "-F",
    "--features",
    metavar="NAMES",
    text="Cargo features, comma separated",
    offer=offers.with_commas(offers.features),
)
@_flag("--all-features", "Turn every Cargo feature on.")
@_flag("--no-default-features", "Leave the default features off.")
@click.option("--manifest-path", type=_PATH, metavar="FILE", help="The Cargo.toml to build, in the current folder.")
@_flag("--locked", "Insist on Cargo.lock as it is in the recipe.")
@_flag("--offline", "Let cargo use only what is on this machine.")
@_flag("--frozen", "Both --locked and --offline.")
@_many("-Z", "unstable", metavar="FEATURE", text="Unstable feature of cargo")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Parallel compiler processes.")
@_flag("--timings", "Let cargo report how long each unit takes.")
@_flag("--no-std", "Dummies for a target without the standard library.")
@_flag("--force", "Write over files of the project that are there.")
@options.cache_options
@options.progress_options
@click.pass_context
def cook(ctx: click.Context, /, **_: object) -> None:
    """Compile the dependencies of a recipe in the current folder, with dummies for the code.

    What the dummies became is removed again, so that nothing of them can get into a program. The options are those of
    cargo-chef's cook; with --platform the dependencies are compiled as `cargoship build` compiles them.
    """
    from cargoship import cook
    from cargoship.recipe.model import read_recipe
    from cargoship.settings.sources import load_flags

    session = options.begin(ctx)
    cooking = _cooking(ctx.params)
    targets = cook.CookTargets(selecting.split(ctx.params["platforms"]), ctx.params["libc"])
    root = session.world.cwd
    caches = load_flags(selecting.cache_overrides(ctx.params), session.world.env).caches
    recipe = read_recipe(root / ctx.params["recipe_path"])
    with session.work() as context:
        cook.cook(recipe, cooking, targets, root, context, caches=caches)


def _cooking(given: Mapping[str, Any]) -> Cooking:
    """What the options ask for; raises UsageError for those that do not go together."""
    from cargoship.recipe.cook import Cooking, Subcommand

    through = [name for name in _THROUGH if given[name]]
    if len(through) > 1:
        spelled = " and ".join("--" + name.replace("_", "-") for name in through)
        raise UsageError(f"{spelled} do not go together", hint="leave all but one out")
    if given["release"] and given["profile"]:
        raise UsageError("--release and --profile do not go together", hint="leave one of them out")
    if given["platforms"] and (through or given["targets"]):
        other = "--target" if given["targets"] else "--" + through[0].replace("_", "-")
        raise UsageError(f"--platform and {other} do not go together", hint="leave one of them out")
    if given["libc"] and not given["platforms"]:
        raise UsageError(
            "--libc needs --platform", hint="name the platforms, such as --platform linux/amd64,linux/arm64"
        )
    kinds = {
        "check": Subcommand.CHECK,
        "clippy": Subcommand.CLIPPY,
        "zigbuild": Subcommand.ZIGBUILD,
        "no_build": Subcommand.NOTHING,
    }
    return Cooking(
        subcommand=kinds[through[0]] if through else Subcommand.BUILD,
        profile="release" if given["release"] else given["profile"] or "dev",
        targets=given["targets"],
        target_dir=given["target_dir"],
        features=selecting.split(given["features"]),
        all_features=given["all_features"],
        no_default_features=given["no_default_features"],
        unstable=given["unstable"],
        benches=given["benches"],
        tests=given["tests"],
        examples=given["examples"],
        all_targets=given["all_targets"],
        bins=given["bins"],
        all_bins=given["all_bins"],
        manifest_path=given["manifest_path"],
        packages=given["packages"],
        workspace=given["workspace"],
        offline=given["offline"],
        locked=given["locked"],
        frozen=given["frozen"],
        verbose=given["verbose"] > 0,
        timings=given["timings"],
        no_std=given["no_std"],
        jobs=given["jobs"],
        force=given["force"],
    )


command = options.panelled(cook)
