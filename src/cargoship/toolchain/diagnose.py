"""What a build would find on this machine, and what mends what is missing. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from msgspec import Struct

from cargoship.errors import ToolMissing
from cargoship.native import debian_release
from cargoship.platforms import LibcFamily, PlatformSpec
from cargoship.process import Command, Runner
from cargoship.toolchain import sysroot
from cargoship.toolchain.component import INSTALL, LINKER, component_linker
from cargoship.toolchain.locate import Wanted, ways_out
from cargoship.toolchain.rust import Rust, toolchains
from cargoship.toolchain.zig import Zig, find_zig, find_zigbuild

# what bookworm calls cargo is of 2022; the one for browsers is kept new
_DEBIANS_RUST = {"bookworm": ("cargo-web", "rust-web-src"), "bullseye": ("cargo-web", "rust-web-src")}


class Prerequisite(Struct, frozen=True):
    """One thing that a build needs: what was found, or what is missing and the command that mends it."""

    subject: str
    found: str | None
    """None: missing."""
    problem: str = ""
    mend: Command | None = None
    """A command that mends it; None where there is nothing to mend, or no command can."""
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is there."""
        return self.found is not None


class Diagnosis(Struct, frozen=True):
    """Everything that was looked at."""

    findings: tuple[Prerequisite, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return all(finding.ok for finding in self.findings)


def diagnose(wanted: Wanted, *, runner: Runner, env: Mapping[str, str]) -> Diagnosis:
    """Look for everything; a missing tool is a finding, not an error. Raises PlatformUnknown."""
    pairs = wanted.pairs
    zig, zig_finding = _zig(runner, env)
    rusts, failure = _all_toolchains(runner, env, wanted)
    findings = [_rust(rusts, failure, runner, env), zig_finding]
    if wanted.libc.family is LibcFamily.GNU:
        findings.append(_zigbuild(runner, env))
    findings.append(_host_compiler(runner, env))
    if rusts and zig is not None:
        best = min(rusts, key=lambda rust: len(_lacking(rust, zig, wanted)))
        findings += [_target(triple, row, best, zig, wanted) for triple, row in pairs]
    findings += _component_linker(rusts, pairs, runner, env)
    return Diagnosis(tuple(findings))


def mending(found: Diagnosis) -> Iterator[Command]:
    """The commands that mend what is missing, in order; before Debian's first one its lists of packages are fetched.

    A new machine has none, and those of an old one name packages that are gone.
    """
    is_fetched = False
    for command in (each.mend for each in found.findings if not each.ok and each.mend is not None):
        if PurePath(command.argv[0]).name == "apt-get" and not is_fetched:
            yield replace(command, argv=(command.argv[0], "update"))
            is_fetched = True
        yield command


def _all_toolchains(runner: Runner, env: Mapping[str, str], wanted: Wanted) -> tuple[list[Rust], ToolMissing | None]:
    found: list[Rust] = []
    try:
        found.extend(toolchains(runner, env, wanted.cwd))
    except ToolMissing as error:
        return found, error
    return found, None


def _rust(rusts: list[Rust], failure: ToolMissing | None, runner: Runner, env: Mapping[str, str]) -> Prerequisite:
    if not rusts:
        message, hint = (failure.message, failure.hint or "") if failure else ("no Rust toolchain was found", "")
        return Prerequisite("rust", None, message, mend=_debians_rust(runner, env), hint=hint)
    shown = "; ".join(f"{rust.release} ({rust.rustc}{', rustup' if rust.rustup else ''})" for rust in rusts)
    return Prerequisite("rust", shown)


def _debians_rust(runner: Runner, env: Mapping[str, str]) -> Command | None:
    """A Rust with the sources of its standard library, which all targets are made from; None on other systems.

    Where somebody has rustup or names a compiler, another Rust is not what they want.
    """
    apt, release = runner.programs.find("apt-get", env), debian_release()
    if apt is None or release is None or runner.programs.find("rustup", env) or env.get("RUSTC") or env.get("CARGO"):
        return None
    packages = _DEBIANS_RUST.get(release, ("cargo", "rust-src"))
    return Command((str(apt), "install", "-y", *packages), env=env)


def _zig(runner: Runner, env: Mapping[str, str]) -> tuple[Zig | None, Prerequisite]:
    try:
        zig = find_zig(runner, env)
    except ToolMissing as error:
        return None, Prerequisite("zig", None, error.message, hint=error.hint or "")
    return zig, Prerequisite("zig", f"{zig.version} ({zig.path})")


def _zigbuild(runner: Runner, env: Mapping[str, str]) -> Prerequisite:
    try:
        return Prerequisite("cargo-zigbuild", str(find_zigbuild(runner, env)))
    except ToolMissing as error:
        return Prerequisite("cargo-zigbuild", None, error.message, hint=error.hint or "")


def _host_compiler(runner: Runner, env: Mapping[str, str]) -> Prerequisite:
    found = runner.programs.find("cc", env)
    if found is not None:
        return Prerequisite("C compiler of this machine", str(found))
    apt = runner.programs.find("apt-get", env)
    packages = ("gcc", "libc6-dev")
    return Prerequisite(
        "C compiler of this machine",
        None,
        "cc is not on PATH: build scripts and procedural macros are linked with it",
        mend=Command((str(apt), "install", "-y", *packages), env=env) if apt else None,
        hint=f"install {' and '.join(packages)}, or what the system calls them",
    )


def _component_linker(
    rusts: list[Rust], pairs: Sequence[tuple[str, PlatformSpec]], runner: Runner, env: Mapping[str, str]
) -> Iterator[Prerequisite]:
    if not rusts or not any(row.is_component for _, row in pairs):
        return
    try:
        found = component_linker(rusts[0], dict(pairs).values(), runner=runner, env=env)
    except ToolMissing as error:
        mend = Command((str(rusts[0].cargo), *INSTALL.split()[1:]), env=env)
        yield Prerequisite(LINKER, None, error.message, mend=mend)
    else:
        yield Prerequisite(LINKER, str(found))


def _lacking(rust: Rust, zig: Zig, wanted: Wanted) -> list[str]:
    return [triple for triple, row in wanted.pairs if not _has(triple, row, rust, zig, wanted)]


def _has(triple: str, row: PlatformSpec, rust: Rust, zig: Zig, wanted: Wanted) -> bool:
    library = sysroot.standard_library(wanted.cache_dir, rust, zig, triple, row, wanted.libc)
    return rust.has_std(triple) or library.is_built


def _target(triple: str, row: PlatformSpec, rust: Rust, zig: Zig, wanted: Wanted) -> Prerequisite:
    subject = f"{row.platform} ({triple})"
    library = sysroot.standard_library(wanted.cache_dir, rust, zig, triple, row, wanted.libc)
    if rust.has_std(triple):
        return Prerequisite(subject, f"standard library of Rust {rust.release}, installed")
    made_from = "" if library.musl is None else f", {library.musl.name}"
    if library.is_built:
        return Prerequisite(subject, f"standard library built from source ({library.folder}{made_from})")
    mend = None
    if rust.rustup is not None:
        argv = (str(rust.rustup), "target", "add", "--toolchain", rust.sysroot.name, triple)
        mend = Command(argv, cwd=wanted.cwd)
    if rust.sources is not None:
        how = f"the first build makes it from {rust.sources} (a minute or two, once{made_from})"
        return Prerequisite(subject, f"standard library not built yet: {how}", mend=mend)
    return Prerequisite(subject, None, "no standard library", mend=mend, hint=ways_out([triple]))
