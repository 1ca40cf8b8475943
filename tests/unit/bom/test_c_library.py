"""What is linked into programs besides crates: musl, what Zig adds, and LLVM's C++ library where there is C++."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from cargoship.bom.component import Kind
from cargoship.bom.crates import Crate, CrateGraph, NativeSource, ProgramCrates, Use
from cargoship.bom.libraries import cpe_of
from cargoship.bom.sbom import BaseContents, ImageFacts, ShippedProgram, sbom_of
from cargoship.c_library import LinkedLibraries, c_libraries, read_program
from cargoship.oci.digest import Digest
from cargoship.oci.platform import Platform
from cargoship.toolchain.locate import foresee_toolchain
from support.images import AMD64, ARM64
from support.installations import MUSL_TRIPLES, Machine
from support.scripted import ScriptedRunner, said

ZIG = version("ziglang")
LIBRARY = b"!<arch>\nversion.lo/\0\0\x7fELF\x001.2.5\0.symtab\0" + b"GCC: (GNU) 11.1.0\0"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def linked_on(machine: Machine, libc: str = "musl") -> dict[Platform, LinkedLibraries]:
    env = {"PATH": ":".join(map(str, machine.path)), "HOME": str(machine.root)}
    foreseen = foresee_toolchain(machine.wanted(libc=libc), runner=ScriptedRunner(machine.answers), env=env)
    assert foreseen is not None
    return dict(c_libraries(foreseen))


def found_on(machine: Machine, libc: str = "musl") -> dict[Platform, tuple[NativeSource, ...]]:
    """What every program has."""
    return {at: each.always for at, each in linked_on(machine, libc).items() if each.always}


def test_it_is_the_one_that_came_with_the_target(machine: Machine) -> None:
    sysroot = machine.rust("usr", std=tuple(MUSL_TRIPLES.values()))
    libraries = [
        sysroot / "lib" / "rustlib" / each / "lib" / "self-contained" / "libc.a" for each in MUSL_TRIPLES.values()
    ]
    libraries[0].write_bytes(LIBRARY)
    libraries[1].write_bytes(LIBRARY + b"\x001.2.3\0")
    found = found_on(machine)
    assert found == {AMD64: (NativeSource("musl", "1.2.5"),)}, "of two versions nobody knows which one it is"
    assert ARM64 not in found


@pytest.mark.parametrize(
    ("first", "release"),
    [
        ("rustc 1.99.0 (59807616e 2026-04-14)", "22.1.2"),
        ("rustc 1.99.0-nightly (59807616e 2026-04-14)", "22.1.2"),
        ("rustc 1.99.0 (59807616e 2026-04-14) (Fedora 1.99.0-1.fc44)", ""),
        ("rustc 1.99.0 (59807616e 2026-04-14) (built from a source tarball)", ""),
    ],
)
def test_the_unwinder_that_comes_with_the_target_is_named(machine: Machine, first: str, release: str) -> None:
    """A distribution's rustc may have another LLVM than the one whose unwinder its targets have."""
    sysroot = machine.rust("usr", std=tuple(MUSL_TRIPLES.values()))
    machine.answers["usr/bin/rustc", "-vV"] = said(
        f"{first}\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.99.0\nLLVM version: 22.1.2\n"
    )
    for each in MUSL_TRIPLES.values():
        (sysroot / "lib" / "rustlib" / each / "lib" / "self-contained" / "libunwind.a").touch()
    assert found_on(machine) == dict.fromkeys((AMD64, ARM64), (NativeSource("libunwind", release),))


def test_it_is_zigs_where_the_standard_library_is_built_here(machine: Machine) -> None:
    machine.rust("usr", sources=True)
    found = found_on(machine)
    assert found.keys() == {AMD64, ARM64}
    for own in found.values():
        versions = {each.name: each.version for each in own}
        assert versions["musl"].startswith("1.2."), "before anything is built"
        # of LLVM's sources, which Zig compiles: of the release of Zig's compiler
        assert versions["libunwind"].startswith("2")
        assert versions.get("zig-compiler-rt", ZIG) == ZIG


def test_glibc_is_the_bases_and_what_zig_links_to_it_is_not(machine: Machine) -> None:
    machine.rust("usr", std=("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"))
    for own in found_on(machine, libc="gnu:2.28").values():
        versions = {each.name: each.version for each in own}
        assert versions.keys() == {"glibc-start-files", "zig-compiler-rt", "libunwind"}
        assert (versions["glibc-start-files"], versions["zig-compiler-rt"]) == ("2.28", ZIG)


@pytest.mark.parametrize("before", [0, 100, (1 << 20) - 20])
def test_a_program_with_cpp_has_its_library_too(machine: Machine, tmp_path: Path, before: int) -> None:
    """Wherever in the file the mark is, at the border of what is read at once too. It is a string of C."""
    machine.rust("usr", sources=True)
    linked = linked_on(machine)[AMD64]
    program = tmp_path / "program"
    program.write_bytes(b"\0" * before + b"N10__cxxabiv116__shim_type_infoE\0" + b"\0" * 100)
    found = read_program(program, tmp_path / "kept")
    assert found.digest == Digest.of(program.read_bytes())
    assert found.sha512 == Digest.of(program.read_bytes(), "sha512").hex
    added = {each.name: each.version for each in linked.of(found)[len(linked.always) :]}
    (unwinder,) = (each for each in linked.always if each.name == "libunwind")
    assert added == {"libc++": unwinder.version, "libc++abi": unwinder.version}
    program.write_bytes(b"\0" * before + b"N10__cxxabiv116__shim_type_infoE in a text of somebody who reads names")
    assert linked.of(read_program(program, tmp_path / "kept")) == linked.always


def test_a_program_is_read_whole_once_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, same, kept = tmp_path / "one", tmp_path / "same", tmp_path / "kept"
    one.write_bytes(b"program")
    same.write_bytes(b"program")
    found = read_program(one, kept)
    (file,) = kept.iterdir()
    with monkeypatch.context() as without:
        without.delattr("cargoship.c_library._read_whole")
        assert read_program(same, kept) == found
    for damaged in (b"", b"{", b"[" * 100_000, file.read_bytes().replace(found.digest.hex.encode(), b"0" * 64)):
        file.write_bytes(damaged)
        assert read_program(one, kept) == found
    # where nothing can be kept, nothing is
    assert read_program(one, one) == found


def test_a_sbom_has_it_below_the_standard_library() -> None:
    graph = CrateGraph(
        (Crate("app", "1.0.0"),), (Use(0, "x86_64-unknown-linux-musl"),), {"app": 0}, {"rustc": "1.96.0"}
    )
    linked = (NativeSource("musl", "1.2.5"), NativeSource("libunwind", "22.1.8"))
    program = ShippedProgram("app", "1.0.0", "/app/app", Digest.of(b"app"), ProgramCrates(graph, 0), linked)
    sbom = sbom_of(
        ImageFacts("app", Digest.of(b"image"), "amd64", ""), tools={"rustc": "1.96.0"},
        programs=[program], base=BaseContents(),
    )  # fmt: skip
    (musl,) = (each for each in sbom.components if each.name == "musl")
    assert (musl.kind, musl.version, musl.license, musl.is_shipped) == (Kind.NATIVE, "1.2.5", "MIT", True)
    assert cpe_of(musl) == "cpe:2.3:a:musl-libc:musl:1.2.5:*:*:*:*:*:*:*"
    (std,) = (each for each in sbom.components if each.name == "rust-std")
    (unwinder,) = (each for each in sbom.components if each.name == "libunwind")
    assert (unwinder.license, unwinder.supplier) == ("Apache-2.0 WITH LLVM-exception", "LLVM")
    assert cpe_of(unwinder) == ""
    assert {musl.ref, unwinder.ref} <= {*std.needs}


def test_a_sbom_has_the_probe_of_health_checks() -> None:
    graph = CrateGraph(
        (Crate("app", "1.0.0"),), (Use(0, "x86_64-unknown-linux-musl"),), {"app": 0}, {"rustc": "1.96.0"}
    )
    program = ShippedProgram("app", "1.0.0", "/app/app", Digest.of(b"app"), ProgramCrates(graph, 0))
    probe = ShippedProgram("cargoship-probe", "0.1.0", "/app/cargoship-probe", Digest.of(b"probe"))
    sbom = sbom_of(
        ImageFacts("app", Digest.of(b"image"), "amd64", ""), tools={"rustc": "1.96.0"},
        programs=[program], base=BaseContents(), probe=probe,
    )  # fmt: skip
    (found,) = (each for each in sbom.components if each.name == "cargoship-probe")
    assert (found.kind, found.place, found.sha256) == (Kind.PROGRAM, "/app/cargoship-probe", probe.digest.hex)
    assert found.ref in sbom.top
    (std,) = (each for each in sbom.components if each.name == "rust-std")
    assert found.needs == (std.ref,)
    assert sbom.is_whole, "all that is in it is known"
