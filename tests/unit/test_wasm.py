"""The frame of WebAssembly files, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wasmtime
from msgspec.structs import replace
from wasmtime import component

from cargoship.bom.auditable import SECTION
from cargoship.bom.crates import Crate, CrateGraph, ProgramCrates, Use
from cargoship.bom.embed import embed
from cargoship.checks.program import check_wasm
from cargoship.compile import CompiledProgram
from cargoship.debug_symbols import split_programs, symbols_of
from cargoship.destinations.wasm import CONFIG, LAYER, wasm_artifact
from cargoship.errors import CannotStart, PlatformUnknown
from cargoship.events import ignore
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import decode_manifest
from cargoship.oci.platform import Platform
from cargoship.platforms import DEFAULT_PLATFORMS, TABLE, WASI, WASI_2, Libc, kin, row
from cargoship.wasm import WasmKind, custom_section, custom_sections, wasm_kind
from cargoship.wasm_component import interfaces_of
from support import results

MODULE = b"\0asm\x01\0\0\0"
COMPONENT = b"\0asm\x0d\0\x01\0"
WORLD = """(component
  (type $poll (instance (export "pollable" (type (sub resource)))))
  (import "wasi:io/poll@0.2.6" (instance (type $poll)))
  (import "log" (func $log (param "text" u32)))
  (import "inner" (component))
  (import "kind" (type $kind (sub resource)))
  (import "other" (type (eq $kind)))
  (import "code" (core module))
  (component $empty)
  (instance $run (instantiate $empty))
  (export "wasi:cli/run@0.2.0" (instance $run))
  (export "again" (func $log))
  (export "kind2" (type $kind))
)"""
RARE = {"inner", "kind", "other", "kind2", "again"}
# a type section with one function without parameters and results
TYPES = b"\x01\x04\x01\x60\0\0"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (MODULE, WasmKind.MODULE),
        (COMPONENT, WasmKind.COMPONENT),
        (b"\0asm\x02\0\0\0", None),
        (b"\0asm", None),
        (b"\x7fELF\x02\x01\x01\0", None),
        (b"", None),
    ],
)
def test_kinds(start: bytes, kind: WasmKind | None) -> None:
    assert wasm_kind(start) is kind


@pytest.mark.parametrize("size", [0, 1, 127, 128, 70_000])
def test_a_section_is_found_behind_others(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(MODULE + TYPES + custom_section("producers", b"x") + custom_section("mine", b"y" * size))
    assert custom_sections(path) == ("producers", "mine")


@pytest.mark.parametrize(
    "rest", [b"\x00\x05\x01a", b"\x00", b"\x00\xff\xff\xff\xff\xff\x01", b"\x00\x02\x7fa", b"\x01\x80\x80\x80\x80\x01"]
)
def test_damaged_files_are_refused(tmp_path: Path, rest: bytes) -> None:
    path = tmp_path / "a.wasm"
    path.write_bytes(MODULE + rest)
    with pytest.raises(ValueError, match=r"section|number|file|name"):
        custom_sections(path)


def crates() -> ProgramCrates:
    graph = CrateGraph((Crate("app", "1.0.0", ""),), (Use(0, "wasm32-wasip1"),), {"wasm32-wasip1/app/app": 0}, {})
    found = graph.program("wasm32-wasip1/app/app")
    assert found is not None
    return found


def test_the_list_of_crates_is_a_custom_section(tmp_path: Path) -> None:
    program = tmp_path / "app.wasm"
    program.write_bytes(MODULE + TYPES)
    made = embed(program, crates(), tmp_path / "programs")
    assert made.read_bytes().startswith(MODULE + TYPES)
    assert custom_sections(made) == (SECTION,)
    # what has one stays as it is
    assert embed(made, crates(), tmp_path / "programs") == made


def test_a_damaged_program_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "app.wasm"
    program.write_bytes(MODULE + b"\x00\x50\x01")
    with pytest.raises(CannotStart, match="damaged"):
        embed(program, crates(), tmp_path / "programs")


def test_the_artifact_is_that_of_the_community() -> None:
    program = MODULE + TYPES
    tree = wasm_artifact(program, created="1970-01-01T00:00:00Z", annotations={"a": "b"})
    manifest = decode_manifest(tree.root.data)
    assert manifest.config.media_type == CONFIG == "application/vnd.wasm.config.v0+json"
    assert [(each.media_type, each.digest) for each in manifest.layers] == [(LAYER, Digest.of(program))]
    (config,) = tree.configs
    with config.open() as stream:
        assert json.load(stream) == {
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip1",
            "layerDigests": [str(Digest.of(program))],
        }
    assert wasm_artifact(program, created="1970-01-01T00:00:00Z", annotations={"a": "b"}) == tree


@pytest.mark.parametrize("program", [b"\x7fELF", b""])
def test_what_is_neither_is_no_artifact(program: bytes) -> None:
    with pytest.raises(CannotStart, match="neither a module nor a component"):
        wasm_artifact(program, created="", annotations={})


def test_the_artifact_of_a_component_lists_its_interfaces() -> None:
    program = bytes(wasmtime.wat2wasm(WORLD))
    with next(iter(wasm_artifact(program, created="", annotations={}).configs)).open() as stream:
        said = json.load(stream)
    engine = wasmtime.Engine()
    # wasmtime runs none that want components or types
    plain = "\n".join(line for line in WORLD.splitlines() if not any(word in line for word in RARE))
    judged = component.Component(engine, plain).type
    assert said["os"] == "wasip2"
    assert list(judged.imports(engine)) == [each for each in said["component"]["imports"] if each not in RARE]
    assert list(judged.exports(engine)) == [each for each in said["component"]["exports"] if each not in RARE]
    assert said["component"]["imports"] == ["wasi:io/poll@0.2.6", "log", "inner", "kind", "other", "code"]
    assert said["component"]["exports"] == ["wasi:cli/run@0.2.0", "again", "kind2"]


def test_a_component_that_is_cut_is_damaged_or_has_what_came_before() -> None:
    program = bytes(wasmtime.wat2wasm(WORLD))
    whole, damaged = interfaces_of(program), 0
    for kept in range(8, len(program)):
        try:
            found = interfaces_of(program[:kept])
        except ValueError:
            damaged += 1
        else:
            # between two sections
            assert whole.imports[: len(found.imports)] == found.imports
    assert damaged > len(program) // 2


@pytest.mark.parametrize(
    "section",
    [
        b"\x0a\x05\x01\x02\x01a\x01",  # another form of a name
        b"\x0a\x06\x01\0\x01a\x09\0",  # another sort
        b"\x0a\x07\x01\0\x01a\x02\x01\0",  # a value of a type
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a\x05\xff\xff\xff\xff\x0f",
        b"\x0a\x05\x01\0\x01\xff\x05",
    ],
)
def test_a_component_of_forms_that_are_not_known(section: bytes) -> None:
    with pytest.raises(CannotStart, match="cannot be read"):
        wasm_artifact(COMPONENT + section, created="", annotations={})


@pytest.mark.parametrize("name", ["wasi/wasm", "wasm", "wasi/wasm32", "wasip1/wasm", "wasm32-wasip1"])
def test_the_platform_has_these_names(name: str) -> None:
    assert row(name) is WASI


@pytest.mark.parametrize("name", ["wasip2/wasm", "wasip2", "wasi/wasip2", "wasm32-wasip2"])
def test_components_are_a_platform_of_their_own(name: str) -> None:
    assert row(name) is WASI_2
    assert str(WASI_2.platform) == "wasip2/wasm"
    assert (WASI_2.is_wasm, WASI_2.is_component, WASI.is_component) == (True, True, False)


def test_a_module_is_no_program_for_the_platform_of_components() -> None:
    (found,) = check_wasm(WasmKind.MODULE, "app.wasm", WASI_2.platform)
    assert "is a module of WebAssembly, but wasip2/wasm is for components" in found.text
    assert "give the module to wasi/wasm" in (found.hint or "")
    assert not list(check_wasm(WasmKind.COMPONENT, "app.wasm", WASI_2.platform))
    # shims take either for wasi/wasm
    assert not list(check_wasm(WasmKind.COMPONENT, "app.wasm", WASI.platform))


def test_it_is_no_linux() -> None:
    assert WASI not in TABLE
    assert WASI.platform not in DEFAULT_PLATFORMS
    assert kin(Platform("wasi", "wasm")) is WASI
    with pytest.raises(PlatformUnknown):
        row("linux/wasm")
    with pytest.raises(PlatformUnknown, match="has no glibc"):
        WASI.triple(Libc.parse("gnu"))


def test_symbols_stay_in_a_module(tmp_path: Path) -> None:
    """Splitting them took it for a damaged ELF file."""
    path = tmp_path / "app.wasm"
    path.write_bytes(MODULE + TYPES)
    made = replace(results.plan(tmp_path, "app"), splits_symbols=True)
    program = CompiledProgram("app", "app", WASI.platform, "wasm32-wasip1", path, fresh=False)
    assert split_programs((program,), made, ignore) == (program,)
    assert symbols_of((program,)) == {}
