"""A cargo invocation of a person's own, with the unit cache around it.

cargo runs twice where its output belongs to the person: first with its JSON messages, which tell the units, then as it
was asked for. By then everything is compiled, and the second run only does what is left, such as running the tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.cargo.command import MESSAGE_FORMAT
from cargoship.cargo.progress import PROGRESS_ENV
from cargoship.cargo.project import Project, load_project
from cargoship.cargo.watch import watch
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.process import Command
from cargoship.settings.cache import CacheOptions
from cargoship.settings.sources import load_settings
from cargoship.toolchain.rust import Rust, toolchains
from cargoship.toolchain.zig import Zig, find_zig, find_zigbuild
from cargoship.unitcache.compilers import plain_compilers
from cargoship.unitcache.opening import open_stores
from cargoship.unitcache.session import Units, Workspace, settled

_COMPILES = ("build", "b", "check", "c", "clippy", "rustc", "zigbuild")
_RUNS = ("test", "t", "bench")


@dataclass(frozen=True)
class Ended:
    """How the compilation ended, and what is left to be done: cargo, exactly as it was asked for."""

    code: int
    then: Command | None = None


def run_cargo(words: Sequence[str], context: Context, overrides: Mapping[str, object]) -> Ended:
    """Compile what `cargo WORDS` would; `overrides` are settings by their keys, as flags give them.

    Raises UsageError for subcommands that compile nothing, and what reading the project and finding Rust raise.
    """
    if not words or words[0] not in (*_COMPILES, *_RUNS):
        named = f"cargo {words[0]}" if words else "nothing"
        raise UsageError(
            f"{named} is not what compiled units are kept of",
            hint=f"one of cargo {', '.join((*_COMPILES[:1], *_COMPILES[2:3], *_COMPILES[4:], *_RUNS[:1], *_RUNS[2:]))}",
        )
    rust = next(iter(toolchains(context.runner, context.env, context.cwd)))
    manifest = option_of(words, "--manifest-path")
    project = load_project(context.runner, rust.cargo, context.cwd / (manifest or "."), env=context.env)
    program, env, zig = _program(words[0], rust, context)
    command = Command((str(program), *_told(words)), cwd=context.cwd, env={**env, **PROGRESS_ENV})
    options = _options(project, context, overrides)
    then = Command((str(program), *words), cwd=context.cwd, env=env) if _has_more(words) else None
    if not options.enabled:
        code = watch(context.runner, command, context.emit).code
        return Ended(code, then if code == 0 else None)
    targets = [triple.partition(".")[0] if zig else triple for triple in options_of(words, "--target")]
    through = words[0] if words[0] == "clippy" else ""
    compilers = plain_compilers(
        rust, context.env, zig=None if zig is None else zig.version, named=targets, through=through
    )
    with open_stores(options, context) as store:
        where = Workspace(project.root, _build_dir(words, project, context.cwd), project.root / "Cargo.lock")
        units = Units(store, where, context.runner, store.scratch, context.emit)
        with settled(units):
            units.restore(command, env=context.env, compilers=compilers)
            done = watch(context.runner, command, context.emit)
            units.keep(done)
    return Ended(done.code, then if done.code == 0 else None)


def option_of(words: Sequence[str], name: str) -> str | None:
    """The last value of an option among cargo's words; what follows `--` is not cargo's."""
    return next(iter(reversed(options_of(words, name))), None)


def options_of(words: Sequence[str], name: str) -> list[str]:
    """All values of an option."""
    own = list(words[: words.index("--")] if "--" in words else words)
    found = []
    for number, word in enumerate(own):
        if word == name and number + 1 < len(own):
            found.append(own[number + 1])
        elif word.startswith(f"{name}="):
            found.append(word.partition("=")[2])
    return found


def _program(subcommand: str, rust: Rust, context: Context) -> tuple[Path, Mapping[str, str], Zig | None]:
    if subcommand != "zigbuild":
        return rust.cargo, context.env, None
    zig = find_zig(context.runner, context.env)
    # by itself it would look on PATH only
    env = {"CARGO_ZIGBUILD_ZIG_PATH": str(zig.path), **context.env, "CARGO": str(rust.cargo)}
    return find_zigbuild(context.env), env, zig


def _told(words: Sequence[str]) -> tuple[str, ...]:
    """The words with which cargo compiles, and tells what in JSON."""
    end = words.index("--") if "--" in words else len(words)
    own, rest = list(words[:end]), words[end:]
    kept: list[str] = []
    skip = False
    for word in own:
        if not (skip or word == "--message-format" or word.startswith("--message-format=")):
            kept.append(word)
        skip = word == "--message-format"
    more = ("--no-run",) if words[0] in _RUNS and "--no-run" not in own else ()
    # a test's own words are of no use to a compilation; clippy's and rustc's are
    return (*kept, "--message-format", MESSAGE_FORMAT, *more, *(() if words[0] in _RUNS else rest))


def _has_more(words: Sequence[str]) -> bool:
    """Whether there is something left to do when all is compiled."""
    runs = words[0] in _RUNS and "--no-run" not in words
    return runs or option_of(words, "--message-format") is not None


def _build_dir(words: Sequence[str], project: Project, cwd: Path) -> Path:
    named = option_of(words, "--target-dir")
    if project.build_dir is not None and project.build_dir != project.target_dir:
        return project.build_dir
    return project.target_dir if named is None else cwd / named


def _options(project: Project, context: Context, overrides: Mapping[str, object]) -> CacheOptions:
    package = project.selected or next(iter((*project.default_members, *project.packages)))
    settings, notes = load_settings(project, [package], env=context.env, overrides=overrides)
    for note in notes:
        context.emit(note)
    return settings[package.name].caches
