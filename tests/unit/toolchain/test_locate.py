"""Which toolchain is chosen, and how it gets what it lacks."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cargoship.errors import StandardLibraryMissing, SysrootBuildFailed, ToolMissing
from cargoship.events import Level, Note
from cargoship.locks import locked
from cargoship.platforms import Libc, row
from cargoship.process import Command, Completed
from cargoship.toolchain.diagnose import diagnose
from cargoship.toolchain.locate import Way, foresee_toolchain
from cargoship.toolchain.rust import toolchains
from cargoship.toolchain.sysroot import StandardLibrary, standard_library
from cargoship.toolchain.zig import find_zig
from support.installations import MUSL_TRIPLES, Machine
from support.scripted import ScriptedRunner, said


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_installed_targets_are_used_as_they_are(machine: Machine) -> None:
    sysroot = machine.rust("stable", std=tuple(MUSL_TRIPLES.values()))
    toolchain = machine.locate()
    assert toolchain.way is Way.DIRECT
    assert (toolchain.sysroot, toolchain.shimmed) == (sysroot, ())
    assert toolchain.rust.cargo == sysroot / "bin" / "cargo"


def test_a_toolchain_further_on_path_that_has_the_targets_is_preferred_to_downloads(machine: Machine) -> None:
    machine.rust("stable", rustup=said(code=1))
    distribution = machine.rust("usr", std=tuple(MUSL_TRIPLES.values()))
    assert machine.locate().rust.sysroot == distribution


@pytest.mark.parametrize("libc", ["musl", "gnu"])
@pytest.mark.parametrize("self_contained", [True, False])
def test_what_is_foreseen_is_linked_as_what_is_found(machine: Machine, libc: str, *, self_contained: bool) -> None:
    """The key of a build says how it is linked: it is known before the toolchain is complete."""
    triples = [row(name).triple(Libc.parse(libc)) for name in ("amd64", "arm64")]
    machine.rust("usr", std=tuple(triples), self_contained=self_contained)
    wanted = machine.wanted(libc=libc)
    path = ":".join(map(str, machine.path))
    foreseen = foresee_toolchain(wanted, runner=ScriptedRunner(machine.answers), env={"PATH": path})
    assert foreseen is not None
    assert foreseen.way is machine.locate(wanted).way
    assert foreseen.way is (Way.DIRECT if libc == "musl" and self_contained else Way.ZIGBUILD)


def test_rustup_adds_what_is_missing(machine: Machine) -> None:
    def add(command: Command) -> Completed:
        for triple in command.argv[command.argv.index("--toolchain") + 2 :]:
            machine.add_std(sysroot / "lib" / "rustlib" / triple)
        return said()

    sysroot = machine.rust("stable", rustup=add)
    toolchain = machine.locate()
    assert toolchain.rust.sysroot == sysroot
    assert toolchain.shimmed == ()


def test_without_downloads_the_sources_of_another_toolchain_are_built(machine: Machine) -> None:
    machine.rust("stable", rustup=said(code=1, stderr="error: could not download"))
    machine.rust("usr", sources=True)
    with pytest.raises(Exception, match="could not be built"):
        machine.locate()
    (command,) = machine.streamed
    assert "-Zbuild-std=std,panic_abort,panic_unwind" in command.argv
    assert [word for word in command.argv if word in MUSL_TRIPLES.values()] == list(MUSL_TRIPLES.values())
    assert command.env is not None
    assert command.env["RUSTC_BOOTSTRAP"] == "1"
    assert not list((machine.cache / "std").glob(".making-*")), "nothing half-made stays"


def told(machine: Machine) -> list[str]:
    return [event.text for event in machine.events if isinstance(event, Note) and event.level is Level.INFO]


@pytest.mark.parametrize("ready", [True, False])
def test_many_standard_libraries_are_announced_with_what_needs_none(machine: Machine, *, ready: bool) -> None:
    """`--platform all` began to make seven without a word of how long that takes, or of why."""
    machine.rust("stable", rustup=said(code=1, stderr="error: could not download"))
    machine.rust("usr", sources=True, std=(MUSL_TRIPLES["arm64"],) if ready else ())
    with pytest.raises(Exception, match="could not be built"):
        machine.locate(machine.wanted("arm64", "arm/v7", "386", "riscv64", *(() if ready else ("amd64",))))
    _, refused, announced = told(machine)
    assert refused == "rustup could not add them: error: could not download"
    assert announced.startswith(f"{3 if ready else 5} standard libraries are made first")
    assert announced.endswith("; --platform linux/arm64 needs none of them" if ready else "; --platform chooses fewer")


def test_a_standard_library_that_another_run_makes_is_waited_for_and_no_other_is(machine: Machine) -> None:
    """One lock for all made a build for arm64 wait, silently, for one that was for amd64 alone."""
    sysroot = machine.rust("usr", sources=True)
    rust = next(toolchains(ScriptedRunner(machine.answers), {"PATH": str(machine.path[0])}, machine.project))
    zig = find_zig(ScriptedRunner({}), {})

    def library(name: str) -> StandardLibrary:
        libc = Libc.parse("musl")
        return standard_library(machine.cache, rust, zig, row(name).triple(libc), row(name), libc)

    theirs = library("amd64")
    assert rust.sysroot == sysroot
    theirs.folder.parent.mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        with locked(theirs.folder.parent / f".lock-{theirs.folder.name}"):
            with pytest.raises(SysrootBuildFailed):
                machine.locate(machine.wanted("arm64"))
            assert len(machine.streamed) == 1
            assert not _notes(machine)
            waiting = pool.submit(machine.locate, machine.wanted("amd64"))
            while not _notes(machine):
                assert not waiting.done()
                time.sleep(0.01)
            machine.add_std(theirs.folder)
        assert waiting.result().targets[0].std == theirs.folder
    assert len(machine.streamed) == 1
    triple = MUSL_TRIPLES["amd64"]
    assert _notes(machine) == [f"waiting for another run, which makes the standard library for {triple}"]


def _notes(machine: Machine) -> list[str]:
    return [event.text for event in machine.events if isinstance(event, Note)]


def test_the_users_flags_do_not_reach_the_standard_library(machine: Machine) -> None:
    machine.rust("usr", sources=True)
    with pytest.raises(Exception, match="could not be built"):
        machine.locate(RUSTFLAGS="-Ctarget-cpu=native", CARGO_BUILD_TARGET="x", CARGO_PROFILE_RELEASE_LTO="fat")
    (command,) = machine.streamed
    assert command.env is not None
    assert not {"RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_PROFILE_RELEASE_LTO"} & set(command.env)


def test_what_was_built_earlier_serves_beside_what_is_installed(machine: Machine) -> None:
    machine.rust("stable", std=(MUSL_TRIPLES["amd64"],), rustup=said(code=1))
    with pytest.raises(StandardLibraryMissing):
        machine.locate()
    toolchain = machine.locate(machine.wanted("amd64"))
    arm64 = row("arm64")
    library = standard_library(
        machine.cache, toolchain.rust, toolchain.zig, MUSL_TRIPLES["arm64"], arm64, Libc.parse("musl")
    )
    machine.add_std(library.folder)
    both = machine.locate()
    assert both.shimmed == tuple(MUSL_TRIPLES.values())
    for triple in MUSL_TRIPLES.values():
        assert list((both.sysroot / "lib" / "rustlib" / triple / "lib").glob("libstd-*.rlib"))


def test_with_nothing_at_hand_the_error_names_three_ways_out(machine: Machine) -> None:
    machine.rust("usr")
    with pytest.raises(StandardLibraryMissing) as caught:
        machine.locate()
    hint = caught.value.hint or ""
    assert "rustup target add x86_64-unknown-linux-musl aarch64-unknown-linux-musl" in hint
    assert "rust-src" in hint
    assert "CARGO and RUSTC" in hint


def test_no_rust_at_all_is_one_clear_error(machine: Machine) -> None:
    with pytest.raises(ToolMissing, match="rustc was not found"):
        machine.locate()


def test_a_pinned_toolchain_is_the_only_one(machine: Machine) -> None:
    machine.rust("stable", rustup=said(code=1))
    machine.rust("usr", std=tuple(MUSL_TRIPLES.values()))
    (machine.project / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "stable"\n')
    with pytest.raises(StandardLibraryMissing):
        machine.locate()


def test_the_environments_own_choice_is_the_only_one(machine: Machine) -> None:
    machine.rust("stable", std=tuple(MUSL_TRIPLES.values()))
    other = machine.rust("usr", std=(MUSL_TRIPLES["amd64"], MUSL_TRIPLES["arm64"]))
    assert machine.locate(RUSTC=str(other / "bin" / "rustc")).rust.sysroot == other


def test_the_compiler_of_cargos_configuration_is_the_only_one(machine: Machine) -> None:
    """What PATH has was taken, without a word, and plain cargo took the other."""
    machine.rust("stable", std=tuple(MUSL_TRIPLES.values()))
    other = machine.rust("usr", std=tuple(MUSL_TRIPLES.values()))
    config = machine.project / ".cargo" / "config.toml"
    config.parent.mkdir()
    config.write_text('[build]\nrustc = "../distributions/usr/bin/rustc"\n')
    assert machine.locate().rust.sysroot == other
    # the environment counts more
    stable = machine.path[0] / "rustc"
    assert machine.locate(RUSTC=str(stable)).rust.sysroot == stable.parents[1]
    assert machine.locate(CARGO_BUILD_RUSTC=str(stable)).rust.sysroot == stable.parents[1]
    config.write_text('[build]\nrustc = "bin/rustc"\n')
    with pytest.raises(ToolMissing, match=rf"build.rustc of {config} names {machine.project}/bin/rustc, which is not"):
        machine.locate()


@pytest.mark.parametrize(("libc", "self_contained"), [("musl", False), ("gnu:2.17", True)])
def test_what_cannot_be_linked_directly_goes_through_zigbuild(
    machine: Machine, libc: str, *, self_contained: bool
) -> None:
    triples = (*MUSL_TRIPLES.values(), "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
    machine.rust("stable", std=triples, self_contained=self_contained)
    toolchain = machine.locate(machine.wanted(libc=libc))
    assert toolchain.way is Way.ZIGBUILD
    assert toolchain.zigbuild is not None
    assert toolchain.why_zigbuild


@pytest.mark.parametrize(
    ("std", "sources", "ok", "words"),
    [
        (tuple(MUSL_TRIPLES.values()), False, True, "installed"),
        ((), True, True, "the first build makes it"),
        ((), False, False, "no standard library"),
    ],
)
def test_doctor_says_what_each_target_has(
    machine: Machine, std: tuple[str, ...], words: str, *, sources: bool, ok: bool
) -> None:
    machine.rust("usr", std=std, sources=sources)
    env = {"PATH": ":".join([*map(str, machine.path), "/usr/bin"])}
    diagnosis = diagnose(machine.wanted(), runner=ScriptedRunner(machine.answers), env={**env, "RUSTC": str(
        machine.path[0] / "rustc")})  # fmt: skip
    found = [finding for finding in diagnosis.findings if "linux/" in finding.subject]
    assert [finding.ok for finding in found] == [ok, ok]
    assert all(words in (finding.found or finding.problem) for finding in found)
