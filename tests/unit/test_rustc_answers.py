"""rustc is asked once, and again whenever its answer could be another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from cargoship import rustc_answers
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder
from cargoship.rustc_answers import RustcAnswers


@dataclass
class Machine:
    """A rustc, or rustup's proxy of one, with its libraries; `asked` are the questions that reached it."""

    root: Path
    proxied: bool = False
    driver: str = "librustc_driver-1.so"
    asked: list[tuple[str, ...]] = field(default_factory=list)
    programs: ProgramFinder = field(default_factory=ProgramFinder)

    def __post_init__(self) -> None:
        for path in (self.real, self.library, self.root / "project" / "src" / "main.rs", self.home / "settings.toml"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("as it was")
        if self.proxied:
            self.rustc.parent.mkdir(parents=True)
            (self.rustc.parent / "rustup").write_text("rustup")
            self.rustc.symlink_to("rustup")

    @property
    def home(self) -> Path:
        return self.root / "rustup-home"

    @property
    def sysroot(self) -> Path:
        return self.home / "toolchains" / "stable"

    @property
    def real(self) -> Path:
        return self.sysroot / "bin" / "rustc"

    @property
    def library(self) -> Path:
        return self.sysroot / "lib" / self.driver

    @property
    def rustc(self) -> Path:
        return self.root / "bin" / "rustc" if self.proxied else self.real

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:  # noqa: ARG002
        if "LD_TRACE_LOADED_OBJECTS" in (command.env or {}):
            assert command.argv == (str(self.real),)
            return Completed(0, f"\tlinux-vdso.so.1 (0x1)\n\tx.so => {self.library} (0x00007f)\n".encode(), b"")
        self.asked.append(command.argv[1:])
        return Completed(0, f"{self.sysroot}\n".encode(), b"")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        raise NotImplementedError

    def ask(self, *words: str, **env: str) -> str:
        """The answer to a question, in a project's folder."""
        words = words or ("--print", "sysroot")
        env = {"RUSTUP_HOME": str(self.home), "HOME": str(self.root), **env}
        command = Command((str(self.rustc), *words), self.root / "project" / "src", env)
        return RustcAnswers(self, self.root / "answers").run(command).text


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old, which they are not in tests."""
    monkeypatch.setattr(rustc_answers, "_SETTLED_NS", -(10**18))


@pytest.mark.parametrize("proxied", [False, True])
def test_the_same_question_is_answered_without_rustc(tmp_path: Path, *, proxied: bool) -> None:
    machine = Machine(tmp_path, proxied)
    first = machine.ask()
    asked = len(machine.asked)
    assert machine.ask(PATH="/elsewhere", CARGOSHIP_CACHE_DIR="/x") == first == f"{machine.sysroot}\n"
    assert len(machine.asked) == asked
    machine.ask("-vV")
    assert len(machine.asked) > asked


CHANGES: dict[str, Callable[[Machine], object]] = {
    "program": lambda at: at.real.write_text("as it is"),
    "library": lambda at: at.library.write_text("as it is"),
    "library before the one that was found": lambda at: (at.library.parent / "libLLVM.so").touch(),
    "no library": lambda at: at.library.unlink(),
    "whole toolchain": lambda at: (at.sysroot.rename(at.root / "old"), Machine(at.root, driver=at.driver)),
}
RUSTUPS: dict[str, Callable[[Machine], object]] = {
    "default toolchain": lambda at: (at.home / "settings.toml").write_text("default"),
    "toolchain file here": lambda at: (at.root / "project" / "src" / "rust-toolchain").write_text("nightly"),
    "toolchain file above": lambda at: (at.root / "project" / "rust-toolchain.toml").write_text("[toolchain]"),
    "another toolchain": lambda at: (at.home / "toolchains" / "1.90").mkdir(),
    "rustup itself": lambda at: (at.root / "bin" / "rustup").write_text("newer"),
}


@pytest.mark.parametrize(
    ("proxied", "change"),
    [
        *[pytest.param(False, change, id=name) for name, change in CHANGES.items()],
        *[pytest.param(True, change, id=f"rustup, {name}") for name, change in (CHANGES | RUSTUPS).items()],
    ],
)
def test_what_has_a_say_in_the_answer_has_it_asked_again(
    tmp_path: Path, *, proxied: bool, change: Callable[[Machine], object]
) -> None:
    machine = Machine(tmp_path, proxied)
    machine.ask()
    before = len(machine.asked)
    machine.ask()
    assert len(machine.asked) == before
    change(machine)
    machine.ask()
    assert len(machine.asked) > before


@pytest.mark.parametrize("name", ["RUSTUP_TOOLCHAIN", "RUSTC_FORCE_RUSTC_VERSION", "LD_LIBRARY_PATH", "HOME"])
def test_variables_that_rustc_looks_at_are_another_question(tmp_path: Path, name: str) -> None:
    machine = Machine(tmp_path, proxied=True)
    machine.ask()
    before = len(machine.asked)
    machine.ask(**{name: str(tmp_path / "other")})
    assert len(machine.asked) > before


def test_a_wrapper_is_asked_each_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path, driver="libc.so.6")
    machine.ask()
    before = len(machine.asked)
    machine.ask()
    assert len(machine.asked) == before + 1


def test_what_has_just_been_installed_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rustc_answers, "_SETTLED_NS", 2_000_000_000)
    machine = Machine(tmp_path)
    machine.ask()
    before = len(machine.asked)
    machine.ask()
    assert len(machine.asked) > before


def test_other_questions_go_to_rustc_each_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.ask("--print", "cfg")
    machine.ask("--print", "cfg")
    assert machine.asked == [("--print", "cfg")] * 2


def test_a_damaged_memory_is_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    expected = machine.ask()
    before = len(machine.asked)
    for path in (tmp_path / "answers").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    assert machine.ask() == expected
    assert len(machine.asked) > before
