"""Compile a recipe's dependencies, and leave nothing of the dummies behind that they were compiled with."""

from __future__ import annotations

import contextlib
import enum
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cargoship.cargo.command import MESSAGE_FORMAT, option_with
from cargoship.cargo.failure import failure_of
from cargoship.cargo.manifest import MANIFEST
from cargoship.cargo.project import Project, load_project
from cargoship.cargo.watch import Watched, watch_cargo
from cargoship.clock import phase
from cargoship.errors import LockOutdated, UsageError
from cargoship.events import Emit, Level, Note, count
from cargoship.oci.files import writing
from cargoship.process import Command, Runner
from cargoship.reading import real_path
from cargoship.recipe.dummies import Dummies, remove_dummies
from cargoship.recipe.model import Recipe
from cargoship.recipe.placing import OUTSIDE
from cargoship.recipe.settling import settle_lock
from cargoship.recipe.skeleton import check_free, skeleton_files, write_files


class Subcommand(enum.Enum):
    """What compiles: the subcommand of cargo, or nothing."""

    BUILD = "build"
    CHECK = "check"
    CLIPPY = "clippy"
    ZIGBUILD = "zigbuild"
    NOTHING = ""


class Cooking(Struct, frozen=True):
    """How to cook: cargo-chef's options, under its names, and `force`."""

    subcommand: Subcommand = Subcommand.BUILD
    profile: str = "dev"
    targets: tuple[str, ...] = ()
    target_dir: Path | None = None
    features: tuple[str, ...] = ()
    all_features: bool = False
    no_default_features: bool = False
    unstable: tuple[str, ...] = ()
    """Values of -Z."""
    benches: bool = False
    tests: bool = False
    examples: bool = False
    all_targets: bool = False
    bins: tuple[str, ...] = ()
    all_bins: bool = False
    manifest_path: Path | None = None
    packages: tuple[str, ...] = ()
    workspace: bool = False
    offline: bool = False
    locked: bool = False
    frozen: bool = False
    verbose: bool = False
    timings: bool = False
    no_std: bool = False
    jobs: int | None = None
    force: bool = False
    """Write over files that no cook has written."""

    def arguments(self) -> tuple[str, ...]:
        """What follows the program."""
        flags = {
            "--no-default-features": self.no_default_features,
            "--all-features": self.all_features,
            "--benches": self.benches,
            "--tests": self.tests,
            "--examples": self.examples,
            "--all-targets": self.all_targets,
            "--bins": self.all_bins,
            "--workspace": self.workspace,
            "--offline": self.offline,
            "--locked": self.locked,
            "--frozen": self.frozen,
            "--verbose": self.verbose,
            "--timings": self.timings,
        }
        return (
            self.subcommand.value,
            "--message-format",
            MESSAGE_FORMAT,
            *(() if self.profile == "dev" else option_with("--profile", self.profile)),
            *(word for target in self.targets for word in option_with("--target", target)),
            *(() if self.target_dir is None else option_with("--target-dir", str(self.target_dir))),
            *(() if self.manifest_path is None else option_with("--manifest-path", str(self.manifest_path))),
            *(option_with("--features", ",".join(self.features)) if self.features else ()),
            *(word for package in self.packages for word in option_with("--package", package)),
            *(word for name in self.bins for word in option_with("--bin", name)),
            *(word for name in self.unstable for word in ("-Z", name)),
            *(() if self.jobs is None else ("--jobs", str(self.jobs))),
            *(flag for flag, given in flags.items() if given),
        )


@dataclass(frozen=True)
class CookPrograms:
    """The programs that cook, and what they see: `program` is cargo, or cargo-zigbuild."""

    cargo: Path
    program: Path
    env: Mapping[str, str] = field(repr=False)
    told: tuple[str, ...] = ()
    """Options of cargo's that say how it talks."""


Compile = Callable[[], Watched]
"""Runs cargo, and keeps what it has made."""
Around = Callable[[Command, Project], AbstractContextManager[Compile]]
"""What is done before and after a compilation; for a cache, of which recipes know nothing."""


def write_skeleton(recipe: Recipe, cooking: Cooking, root: Path, *, emit: Emit) -> None:
    """Write manifests, lock file and dummies into `root`.

    Raises WouldOverwrite, UsageError and RecipeInvalid before anything is written, OutputError when that fails.
    """
    manifest = root / (cooking.manifest_path or MANIFEST)
    if not real_path(manifest).is_relative_to(real_path(root)):
        raise UsageError(f"--manifest-path {cooking.manifest_path} is outside of the folder that is cooked in")
    files = skeleton_files(recipe, no_std=cooking.no_std)
    if not cooking.force:
        check_free(root, files)
    write_files(root, files)
    emit(Note(f"{count(len(files), 'file')} written to {root}", Level.VERBOSE))


def compile_dependencies(
    recipe: Recipe,
    cooking: Cooking,
    root: Path,
    *,
    programs: CookPrograms,
    runner: Runner,
    emit: Emit,
    around: Around | None = None,
    before: Sequence[Watched] = (),
) -> Watched:
    """Compile what `write_skeleton` has written into `root`, and remove what its dummies became.

    `before` are runs in the same folder whose dependencies stay, and have names that dummies have too.

    Raises ManifestInvalid with cargo's words, OutputError, and what a failed compile means. Dummies are removed after a
    failure too.
    """
    env = dict(programs.env)
    if cooking.target_dir is not None:
        env["CARGO_TARGET_DIR"] = str(root / cooking.target_dir)
    manifest = root / (cooking.manifest_path or MANIFEST)
    offline = cooking.offline or cooking.frozen
    if (cooking.locked or cooking.frozen) and settle_lock(
        recipe, root / MANIFEST, cargo=programs.cargo, runner=runner, env=env, offline=offline, emit=emit
    ):
        emit(Note("Cargo.lock has what the members of the recipe need", Level.VERBOSE))
    project = load_project(runner, programs.cargo, manifest, env=env, offline=offline)
    roots = [project.target_dir, *([] if project.build_dir is None else [project.build_dir])]
    cooking = replace(cooking, packages=tuple(_specification(name, project) for name in cooking.packages))
    subcommand, *words = cooking.arguments()
    command = Command((str(programs.program), subcommand, *programs.told, *words), cwd=root, env=env)
    alone = partial(watch_cargo, runner, command, emit)
    done: Watched | None = None
    with phase(emit, "cook", f"{len(recipe.skeleton.manifests)} manifests") as say:
        try:
            with nullcontext(alone) if around is None else around(command, project) as run:
                emit(Note(f"running {' '.join(command.argv)}", Level.DEBUG))
                done = run()
        finally:
            removed = remove_dummies(Dummies.of(recipe, (*before, *filter(None, [done]))), roots, cooking.profile)
            emit(Note(f"{removed} files and folders of dummies removed", Level.VERBOSE))
            with writing(root / OUTSIDE):
                if (root / OUTSIDE).is_dir():
                    shutil.rmtree(root / OUTSIDE)
                    with contextlib.suppress(OSError):
                        # where a person has something of his own, it stays
                        (root / OUTSIDE).parent.rmdir()
        if done.code != 0:
            failure = failure_of(done.code, done.stderr)
            if isinstance(failure, LockOutdated):
                failure.hint = "run `cargo update --workspace` in the project and make the recipe again"
            raise failure
        say(done.summary)
    return done


def _specification(name: str, project: Project) -> str:
    """For a member its own; whatever else --package takes is cargo's to read."""
    return next((project.specification(member) for member in project.packages if member.name == name), name)
