"""Components of WebAssembly: which program links them, and the sources that lack what their bindings link."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo.limits import known_limit
from cargoship.errors import ToolMissing
from cargoship.platforms import row
from cargoship.toolchain.component import component_linker, whole_sources
from cargoship.toolchain.diagnose import diagnose
from cargoship.toolchain.locate import Foreseen, foresee_toolchain
from support.installations import Machine
from support.scripted import ScriptedRunner

TRIPLE = "wasm32-wasip2"
NAME = "wasm-component-ld"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def foreseen(machine: Machine, *platforms: str) -> Foreseen:
    env = {"PATH": ":".join(map(str, machine.path)), "HOME": str(machine.root / "home")}
    found = foresee_toolchain(machine.wanted(*platforms), runner=ScriptedRunner(machine.answers), env=env)
    assert found is not None
    return found


def add(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_rusts_own_linker_comes_before_that_of_path_and_those_before_others(machine: Machine) -> None:
    sysroot = machine.rust("usr", std=(TRIPLE,))
    with pytest.raises(ToolMissing, match="was not found") as caught:
        foreseen(machine, "wasip2/wasm")
    assert "cargo install --locked wasm-component-ld" in (caught.value.hint or "")
    toolchains = machine.root / "home" / ".rustup" / "toolchains"
    in_order = [
        toolchains / "1.95.0-x86_64" / "lib" / "rustlib" / "x86_64-unknown-linux-gnu" / "bin" / NAME,
        machine.root / "home" / ".cargo" / "bin" / NAME,
        machine.path[0] / NAME,
        sysroot / "lib" / "rustlib" / "x86_64-unknown-linux-gnu" / "bin" / NAME,
    ]
    for place in in_order:
        add(place)
        assert foreseen(machine, "wasip2/wasm").component_linker == place


def test_modules_and_linux_ask_for_no_linker(machine: Machine) -> None:
    machine.rust("usr", std=("wasm32-wasip1", "x86_64-unknown-linux-musl"))
    found = foreseen(machine, "wasi/wasm", "linux/amd64")
    assert found.component_linker is None
    assert component_linker(found.rust, [row("wasm")], runner=ScriptedRunner({}), env={}) is None


def test_doctor_names_the_linker_and_the_command_that_brings_it(machine: Machine) -> None:
    machine.rust("usr", std=(TRIPLE,))
    env = {"PATH": f"{machine.path[0]}:/usr/bin", "HOME": str(machine.root)}

    def last() -> tuple[bool, str]:
        found = diagnose(machine.wanted("wasip2/wasm"), runner=ScriptedRunner(machine.answers), env=env).findings[-1]
        return found.ok, found.found or " ".join(found.mend.argv[1:] if found.mend else ())

    assert last() == (False, "install --locked wasm-component-ld")
    there = add(machine.path[0] / NAME)
    assert last() == (True, str(there))


def test_sources_without_the_objects_of_their_bindings_get_them(tmp_path: Path) -> None:
    """Debian removes objects from sources: the build script of wit-bindgen ended with 'No such file'."""
    vendored, work = tmp_path / "vendored", tmp_path / "work"
    work.mkdir()
    for crate in ("wit-bindgen-0.45.1", "wit-bindgen-rt-0.33.0", "libc-0.2.183"):
        (vendored / crate / "src").mkdir(parents=True)
        (vendored / crate / "src" / "lib.rs").write_text(crate)
    (vendored / "wit-bindgen-0.45.1" / "src" / "rt").mkdir()
    made = whole_sources(vendored, work)
    assert made == work / "vendor"
    names = sorted(path.name for path in made.iterdir())
    assert names == ["libc-0.2.183", "wit-bindgen-0.45.1", "wit-bindgen-rt-0.33.0"]
    for place in ("wit-bindgen-0.45.1/src/rt", "wit-bindgen-rt-0.33.0/src"):
        assert (made / place / "libwit_bindgen_cabi.a").read_bytes() == b"!<arch>\n"
    assert (made / "wit-bindgen-0.45.1" / "src" / "lib.rs").read_text() == "wit-bindgen-0.45.1"
    assert (made / "libc-0.2.183" / "src" / "lib.rs").read_text() == "libc-0.2.183"

    # those that have them stay where they are, and what is there is not touched
    assert not list(vendored.rglob("*.a"))
    for place in ("wit-bindgen-0.45.1/src/rt", "wit-bindgen-rt-0.33.0/src"):
        (vendored / place / "libwit_bindgen_cabi.a").write_bytes(b"objects")
    assert whole_sources(vendored, work) == vendored


def test_sockets_that_the_c_library_lacks_are_told_apart_from_other_symbols() -> None:
    words = "wasm-ld: error: /c/sysroots/8/libstd-92.rlib(std-92.std.39-cgu.03.rcgu.o): undefined symbol: {}\n"
    found = known_limit(words.format("getaddrinfo"))
    assert found is not None
    assert "uses sockets (getaddrinfo)" in found[0]
    assert "rustup target add wasm32-wasip2" in found[1]
    assert known_limit(words.format("connector_of_mine")) is None


def test_a_long_word_of_a_linker_holds_nobody_up() -> None:
    """Minutes for a megabyte: each part of a name was tried as its beginning."""
    assert known_limit("wasm-ld: error: " + "libstd-" * 300_000) is None
