"""What cargo is about to compile, unit by unit, as cargo itself says: `cargo build --unit-graph`.

Format: https://doc.rust-lang.org/cargo/reference/unstable.html#unit-graph, version 1. It is asked for with the
words of the build that follows, for features, profiles and targets all have a say in it. The option is unstable,
and so RUSTC_BOOTSTRAP=1 is set for this one question. cargo would remember what rustc says with that variable, and take
it for what the stable one says (cfg values of nightly would reach build scripts): it is set to remember nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.cargo.config import (
    cargo_home,
    configuration_files,
    options_tables,
    read_table,
    unstable_switches,
    without_colours,
)
from cargoship.cargo.failure import failure_of
from cargoship.cargo.messages import is_local, package_name, package_version
from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import CompileFailed, ToolchainError, UnitsUnknown
from cargoship.process import Command, Completed, Runner

RUN_CUSTOM_BUILD = "run-custom-build"
_VERSION = 1
_QUESTION = ("--unit-graph", "-Zunstable-options")
_TIMEOUT_S = 600.0
_FLOOR = re.compile(r"^(--target=[\w-]+|[\w-]+-linux-gnu\w*)\.\d+(?:\.\d+)*$")
_HOW_IT_TALKS = re.compile(r"term\.(?:color|quiet|progress\.\w+)=")
_UNSTABLE = "CARGO_UNSTABLE_"
_REFUSAL = "only accepted on the nightly channel"
"""What a stable cargo says to -Z (cargo, src/cargo/core/features.rs)."""
_UNREACHED = ("spurious network error", "failed to download from", "network failure seems to have happened")
"""A cargo without network, when it has given up; one that was told to be offline says something else."""
_INDIFFERENT = frozenset({"git", "gitoxide", "gc", "registry-auth", "asymmetric-token", "unstable-options"})
"""Switches that have no say in what is built."""
_ZIGBUILDS_OWN = frozenset({"--disable-zig-linker", "--enable-zig-ar"})


class _Dependency(msgspec.Struct, frozen=True):
    index: int
    extern_crate_name: str


class _Target(msgspec.Struct, frozen=True):
    kind: tuple[str, ...]
    crate_types: tuple[str, ...]
    name: str
    src_path: str
    edition: str = ""


class _Unit(msgspec.Struct, frozen=True):
    pkg_id: str
    target: _Target
    profile: dict[str, Any]
    mode: str
    platform: str | None = None
    features: tuple[str, ...] = ()
    dependencies: tuple[_Dependency, ...] = ()


class _Graph(msgspec.Struct, frozen=True):
    version: int
    units: tuple[_Unit, ...]
    roots: tuple[int, ...] = ()


class Dependency(Struct, frozen=True):
    """Another unit that a unit needs, under the name by which its code knows it."""

    name: str
    index: int


@dataclass(frozen=True)
class Unit:
    """A thing that cargo compiles, or a build script that it runs."""

    package_id: str
    kinds: tuple[str, ...]
    """lib, rlib, cdylib, proc-macro, bin, custom-build, test, example, bench."""
    crate_types: tuple[str, ...]
    name: str
    """The target's name; crates have underscores in theirs."""
    source: str
    """The target's root file."""
    edition: str
    mode: str
    """build, check, test, doc, run-custom-build, ..."""
    platform: str | None
    """The triple that was asked for; None: the host."""
    features: tuple[str, ...]
    profile: Mapping[str, Any] = field(hash=False)
    dependencies: tuple[Dependency, ...] = ()

    @property
    def package(self) -> str:
        """The name of the package."""
        return package_name(self.package_id)

    @property
    def version(self) -> str:
        """The version of the package."""
        return package_version(self.package_id)

    @property
    def is_local(self) -> bool:
        """Whether it is of the workspace, or of a package that is named by its path."""
        return is_local(self.package_id)

    @property
    def runs(self) -> bool:
        """Whether it is the run of a build script."""
        return self.mode == RUN_CUSTOM_BUILD

    @property
    def opt_level(self) -> str:
        """As cargo's messages have it."""
        return str(self.profile.get("opt_level", ""))


class SourcesUnreachable(CompileFailed):
    """Crates cannot be fetched. A build would wait for the same attempts again, so it ends with this."""


class UnitGraph(Struct, frozen=True):
    """All units of a build; dependencies are places in `units`."""

    units: tuple[Unit, ...]
    roots: tuple[int, ...]

    def in_order(self) -> Iterator[int]:
        """The places of all units, every one after those that it depends on. Raises ToolchainError for a circle."""
        state = bytearray(len(self.units))
        for first in range(len(self.units)):
            pending = [(first, False)]
            while pending:
                place, left = pending.pop()
                if left:
                    state[place] = 2
                    yield place
                elif state[place] == 1:
                    raise ToolchainError("cargo's unit graph goes in a circle")
                elif state[place] == 0:
                    state[place] = 1
                    pending.append((place, True))
                    pending += [(each.index, False) for each in self.units[place].dependencies if state[each.index] < 2]  # noqa: PLR2004


def decode_unit_graph(answer: bytes) -> UnitGraph:
    """Read cargo's answer; raises ToolchainError for what is none, and for another version of the format."""
    try:
        raw = decode_json(answer, _Graph)
    except Undecodable as error:
        raise ToolchainError(f"cargo gave a unit graph that cannot be read: {error}") from error
    if raw.version != _VERSION:
        raise ToolchainError(f"cargo gave a unit graph of version {raw.version}, which is not known")
    places = range(len(raw.units))
    if not all(each.index in places for unit in raw.units for each in unit.dependencies):
        raise ToolchainError("cargo gave a unit graph with dependencies that are not there")
    return UnitGraph(tuple(_unit(unit) for unit in raw.units), raw.roots)


def question(argv: Sequence[str], switches: Sequence[str] = ()) -> tuple[str, ...]:
    """The command line that asks for the graph of a build with this command line."""
    words = tuple(_without_talking(argv))
    end = words.index("--") if "--" in words else len(words)
    return (*words[:end], *_QUESTION, *switches, *words[end:])


def _without_talking(argv: Sequence[str]) -> Iterator[str]:
    """The words but for those on how cargo talks: what it refuses becomes an error, which has no colours."""
    words = iter(argv)
    for word in words:
        value = next(words, None) if word == "--config" else None
        if value is None:
            yield word
        elif not _HOW_IT_TALKS.match(value):
            yield from (word, value)


def _as_stable(runner: Runner, build: Command) -> tuple[dict[str, str], tuple[str, ...]]:
    """The environment, and options, with which the question is answered as a stable cargo would build.

    A stable cargo passes over [unstable] in its configuration, and with RUSTC_BOOTSTRAP=1 it does not. Raises
    UnitsUnknown for what no option turns off.
    """
    env = dict(build.env or {})
    cwd = build.cwd or Path("/")
    tables = [*options_tables(build.argv, cwd), *map(read_table, configuration_files(cwd, cargo_home(env)))]
    switches = {name: value for name, value in unstable_switches(tables).items() if name not in _INDIFFERENT}
    variables = [name for name in env if name.startswith(_UNSTABLE)]
    if not (switches or variables) or env.get("RUSTC_BOOTSTRAP") == "1" or _obeys(runner, build):
        return env, ()
    others = [name for name, value in switches.items() if not isinstance(value, bool)]
    if others:
        raise UnitsUnknown(
            f"cargo's configuration has [unstable] {', '.join(others)}, which this cargo passes over when it builds, "
            "but not when it is asked what it will build",
            hint="take it out of the configuration, or use a nightly toolchain",
        )
    off = tuple(word for name, value in switches.items() if value for word in ("--config", f"unstable.{name}=false"))
    return {name: value for name, value in env.items() if name not in variables}, off


def _obeys(runner: Runner, build: Command) -> bool:
    """Whether a cargo does what [unstable] says when it builds.

    A nightly one does; so does one that was built without the name of a channel, such as Debian's, and its version
    does not show that.
    """
    cargo = (build.env or {}).get("CARGO") or build.argv[0]
    toolchain = build.argv[1:2] if build.argv[1:2] and build.argv[1].startswith("+") else ()
    asked = Command((cargo, *toolchain, "-Zunstable-options", "locate-project"), build.cwd, build.env)
    return _REFUSAL not in runner.run(asked, timeout_s=_TIMEOUT_S).error_text


def without_zigbuild(build: Command) -> Command:
    """The same invocation of cargo without cargo-zigbuild in between; as it is where there is none.

    What cargo-zigbuild adds says how things are compiled and linked, not which, and finding it out starts Zig twice for
    each target.
    """
    cargo = (build.env or {}).get("CARGO")
    if cargo is None or build.argv[1:2] != ("zigbuild",):
        return build
    words = (_FLOOR.sub(r"\1", word) for word in build.argv[2:] if word not in _ZIGBUILDS_OWN)
    return replace(build, argv=(cargo, "build", *words))


def ask_unit_graph(runner: Runner, build: Command) -> UnitGraph:
    """Ask cargo what a build would compile; it downloads sources that are not there.

    Raises ToolchainError with cargo's own words, UnitsUnknown where its answer would be that of another build,
    SourcesUnreachable where crates are not there and cannot be fetched, and ToolMissing.
    """
    plain = without_zigbuild(build)
    env, switches = _as_stable(runner, plain)
    # a build is asked in its folder; what names none has no configuration above it that is known here
    files = map(read_table, configuration_files(build.cwd, cargo_home(env)) if build.cwd is not None else ())
    env = without_colours({**env, "RUSTC_BOOTSTRAP": "1", "CARGO_CACHE_RUSTC_INFO": "0"}, files)
    done = runner.run(Command(question(plain.argv, switches), build.cwd, env), timeout_s=_TIMEOUT_S)
    _check_sources(done)
    if done.code != 0 and plain != build:
        # a configuration, or an option, that cargo-zigbuild alone understands
        done = runner.run(Command(question(build.argv, switches), build.cwd, env), timeout_s=_TIMEOUT_S)
    if done.code != 0 and switches:
        raise UnitsUnknown(
            "cargo does not tell its units with what its configuration has in [unstable], which it passes over when it "
            "builds",
            hint="take it out of the configuration, or use a nightly toolchain",
            details=done.error_text.strip(),
        )
    if done.code != 0:
        raise ToolchainError("cargo does not tell its unit graph", details=done.error_text.strip())
    # a line for people may come first
    return decode_unit_graph(done.stdout[max(done.stdout.find(b'{"version"'), 0) :])


def _check_sources(done: Completed) -> None:
    text = done.error_text
    if done.code != 0 and any(words in text for words in _UNREACHED):
        hint = failure_of(done.code, text).hint
        # what stands before is progress
        words = text[max(text.find("error:"), 0) :].strip()
        raise SourcesUnreachable("cargo cannot fetch crates that are not here yet", hint=hint, details=words)


def _unit(raw: _Unit) -> Unit:
    return Unit(
        package_id=raw.pkg_id,
        kinds=raw.target.kind,
        crate_types=raw.target.crate_types,
        name=raw.target.name,
        source=raw.target.src_path,
        edition=raw.target.edition,
        mode=raw.mode,
        platform=raw.platform,
        features=raw.features,
        profile=raw.profile,
        dependencies=tuple(Dependency(each.extern_crate_name, each.index) for each in raw.dependencies),
    )
