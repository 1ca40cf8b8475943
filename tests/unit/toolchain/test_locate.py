"""Which toolchain is chosen, and how it gets what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.errors import StandardLibraryMissing, ToolMissing
from cargoship.events import Event
from cargoship.platforms import Libc, row
from cargoship.process import Command, Completed
from cargoship.toolchain.diagnose import diagnose
from cargoship.toolchain.locate import Toolchain, Wanted, Way, locate
from cargoship.toolchain.sysroot import standard_library
from support.scripted import Answer, ScriptedRunner, said

_TRIPLES = {"amd64": "x86_64-unknown-linux-musl", "arm64": "aarch64-unknown-linux-musl"}


class Machine:
    """A machine with Rust installations that a test describes, all in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = root / "project"
        self.project.mkdir()
        self.cache = root / "cache"
        self.answers: dict[tuple[str, ...], Answer] = {}
        self.path: list[Path] = []
        self.events: list[Event] = []
        self.streamed: list[Command] = []

    def rust(
        self, name: str, *, std: tuple[str, ...] = (), self_contained: bool = True, sources: bool = False,
        rustup: Answer | None = None,
    ) -> Path:  # fmt: skip
        """Install a toolchain and put it at the end of PATH; the folder of its sysroot."""
        sysroot = self.root / ("toolchains" if rustup else "distributions") / name
        self._program(sysroot / "bin" / "rustc")
        self._program(sysroot / "bin" / "cargo")
        for triple in std:
            self.add_std(sysroot / "lib" / "rustlib" / triple, self_contained=self_contained)
        if sources:
            library = sysroot / "lib" / "rustlib" / "src" / "rust" / "library" / "std"
            library.mkdir(parents=True)
            (library / "Cargo.toml").touch()
        if rustup:
            proxies = self.root / "proxies" / name
            self._program(proxies / "rustc")
            self._program(proxies / "rustup")
            self.answers[f"{name}/rustup", "add"] = rustup
            self.answers[f"{proxies.name}/rustc", "sysroot"] = said(f"{sysroot}\n")
            self.path.append(proxies)
        else:
            self.path.append(sysroot / "bin")
        self.answers[f"{name}/bin/rustc", "sysroot"] = said(f"{sysroot}\n")
        version = f"rustc 1.99.0\nrelease: 1.99.0\nhost: x86_64-unknown-linux-gnu\ncommit-hash: {name}\n"
        self.answers[f"{name}/bin/rustc", "-vV"] = said(version)
        return sysroot

    def add_std(self, folder: Path, *, self_contained: bool = True) -> None:
        (folder / "lib" / "self-contained").mkdir(parents=True)
        (folder / "lib" / "libstd-0123.rlib").touch()
        if self_contained:
            (folder / "lib" / "self-contained" / "crt1.o").touch()

    def wanted(self, *platforms: str, libc: str = "musl") -> Wanted:
        chosen = tuple(row(name).platform for name in platforms or ("amd64", "arm64"))
        return Wanted(chosen, Libc.parse(libc), self.project, self.cache)

    def locate(self, wanted: Wanted | None = None, **env: str) -> Toolchain:
        def stream(command: Command) -> int:
            self.streamed.append(command)
            return 101

        environment = {"PATH": ":".join(map(str, self.path)), **env}
        return locate(
            wanted or self.wanted(),
            runner=ScriptedRunner(self.answers), stream=stream, env=environment, emit=self.events.append,
        )  # fmt: skip

    def _program(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_installed_targets_are_used_as_they_are(machine: Machine) -> None:
    sysroot = machine.rust("stable", std=tuple(_TRIPLES.values()))
    toolchain = machine.locate()
    assert toolchain.way is Way.DIRECT
    assert (toolchain.sysroot, toolchain.shimmed) == (sysroot, ())
    assert toolchain.rust.cargo == sysroot / "bin" / "cargo"


def test_a_toolchain_further_on_path_that_has_the_targets_is_preferred_to_downloads(machine: Machine) -> None:
    machine.rust("stable", rustup=said(code=1))
    distribution = machine.rust("usr", std=tuple(_TRIPLES.values()))
    assert machine.locate().rust.sysroot == distribution


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
    assert [word for word in command.argv if word in _TRIPLES.values()] == list(_TRIPLES.values())
    assert command.env is not None
    assert command.env["RUSTC_BOOTSTRAP"] == "1"
    assert not list((machine.cache / "std").glob(".making-*")), "nothing half-made stays"


def test_the_users_flags_do_not_reach_the_standard_library(machine: Machine) -> None:
    machine.rust("usr", sources=True)
    with pytest.raises(Exception, match="could not be built"):
        machine.locate(RUSTFLAGS="-Ctarget-cpu=native", CARGO_BUILD_TARGET="x", CARGO_PROFILE_RELEASE_LTO="fat")
    (command,) = machine.streamed
    assert command.env is not None
    assert not {"RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_PROFILE_RELEASE_LTO"} & set(command.env)


def test_what_was_built_earlier_serves_beside_what_is_installed(machine: Machine) -> None:
    machine.rust("stable", std=(_TRIPLES["amd64"],), rustup=said(code=1))
    with pytest.raises(StandardLibraryMissing):
        machine.locate()
    toolchain = machine.locate(machine.wanted("amd64"))
    arm64 = row("arm64")
    library = standard_library(
        machine.cache, toolchain.rust, toolchain.zig, _TRIPLES["arm64"], arm64, Libc.parse("musl")
    )
    machine.add_std(library.folder)
    both = machine.locate()
    assert both.shimmed == tuple(_TRIPLES.values())
    for triple in _TRIPLES.values():
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
    machine.rust("usr", std=tuple(_TRIPLES.values()))
    (machine.project / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "stable"\n')
    with pytest.raises(StandardLibraryMissing):
        machine.locate()


def test_the_environments_own_choice_is_the_only_one(machine: Machine) -> None:
    machine.rust("stable", std=tuple(_TRIPLES.values()))
    other = machine.rust("usr", std=(_TRIPLES["amd64"], _TRIPLES["arm64"]))
    assert machine.locate(RUSTC=str(other / "bin" / "rustc")).rust.sysroot == other


@pytest.mark.parametrize(("libc", "self_contained"), [("musl", False), ("gnu:2.17", True)])
def test_what_cannot_be_linked_directly_goes_through_zigbuild(
    machine: Machine, libc: str, *, self_contained: bool
) -> None:
    triples = (*_TRIPLES.values(), "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
    machine.rust("stable", std=triples, self_contained=self_contained)
    toolchain = machine.locate(machine.wanted(libc=libc))
    assert toolchain.way is Way.ZIGBUILD
    assert toolchain.zigbuild is not None
    assert toolchain.why_zigbuild


@pytest.mark.parametrize(
    ("std", "sources", "ok", "words"),
    [
        (tuple(_TRIPLES.values()), False, True, "installed"),
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
