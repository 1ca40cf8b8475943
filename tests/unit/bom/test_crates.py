"""From cargo's unit graph to the crates of a program, and the record of them."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from cargoship.bom.auditable import packages_in, section_content
from cargoship.bom.crates import Crate, CrateGraph, NativeSource, ProgramCrates, Use, decode
from cargoship.bom.manifests import facts_of
from cargoship.bom.reduce import crates_of
from cargoship.errors import ContentInvalid
from support.crates_graph import LOCK, TRIPLES, crate_folder, service

SERVE = f"{TRIPLES[0]}/service/serve"


@pytest.fixture
def graph(tmp_path: Path) -> CrateGraph:
    return crates_of(service(tmp_path), LOCK)


def program(graph: CrateGraph, name: str = SERVE) -> ProgramCrates:
    found = graph.program(name)
    assert found is not None
    return found


def named(graph: CrateGraph, places: frozenset[int]) -> set[tuple[str, str]]:
    """Names, each with `host` or the first word of the target."""
    uses = (graph.uses[place] for place in places)
    return {(graph.crates[use.crate].name, (use.triple or "host").partition("-")[0]) for use in uses}


def test_programs_and_what_is_linked_into_them(graph: CrateGraph) -> None:
    assert set(graph.roots) == {f"{triple}/service/serve" for triple in TRIPLES}
    assert named(graph, program(graph).linked()) == {
        ("service", "x86_64"), ("shared", "x86_64"), ("fork", "x86_64"), ("own", "x86_64"), ("bzip2-sys", "x86_64"),
    }  # fmt: skip


def test_what_ran_while_it_was_compiled(graph: CrateGraph) -> None:
    own = program(graph)
    assert named(graph, own.all() - own.linked()) == {("derive", "host"), ("shared", "host"), ("cc", "host")}


def test_the_sides_of_a_crate_have_features_of_their_own(graph: CrateGraph) -> None:
    found = {use.triple: use.features for use in graph.uses if graph.crates[use.crate].name == "shared"}
    assert found == {None: ("proc",), TRIPLES[0]: ("std",), TRIPLES[1]: ("std",)}


def test_where_crates_come_from_and_under_which_licence(graph: CrateGraph) -> None:
    found = {crate.name: crate for crate in graph.crates}
    assert (found["shared"].license, found["shared"].checksum) == ("MIT OR Apache-2.0", "5" * 64)
    assert found["shared"].authors == ("Ann <ann@example.org>",)
    assert found["fork"].license == "ISC AND LicenseRef-Ours-1.0"
    assert found["fork"].source.endswith(f"#{'f' * 40}")
    # neither is an SPDX expression: what the manifest says stays readable
    assert [(found[name].license, found[name].license_text) for name in ("derive", "own")] == [
        ("", "COPYING"), ("", "Proprietary (ours)"),
    ]  # fmt: skip
    assert found["own"].checksum == "0" * 64
    assert found["service"].is_local
    # not in the lock file
    assert (found["cc"].checksum, found["cc"].is_local) == ("", False)


def test_c_sources(graph: CrateGraph) -> None:
    found = {use.triple: use.native for use in graph.uses if graph.crates[use.crate].name == "bzip2-sys"}
    assert found[TRIPLES[0]] == (NativeSource("bzip2", "1.0.8"),)


def test_no_folder_of_the_machine_is_in_the_record(tmp_path: Path) -> None:
    records = {crates_of(service(tmp_path / where), LOCK).encode() for where in ("here", "and/there")}
    assert len(records) == 1
    assert str(tmp_path).encode() not in records.pop()


def test_the_record_is_read_again(graph: CrateGraph) -> None:
    assert decode(graph.encode(), "record") == graph


@pytest.mark.parametrize(
    "record",
    [
        b"", b"{", b"[]", b"\xff", b"null", b'{"crates":1}', b'{"crates":[{"name":"a"}]}', b"[" * 100_000,
        CrateGraph((Crate("a", "1"),), (Use(1, None),)).encode(),
        CrateGraph((Crate("a", "1"),), (Use(0, None, needs=(1,)),)).encode(),
        CrateGraph((Crate("a", "1"),), (Use(0, None, builds_with=(-1,)),)).encode(),
        CrateGraph((Crate("a", "1"),), (Use(0, None),), {"a": 7}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_record(record: bytes) -> None:
    with pytest.raises(ContentInvalid):
        decode(record, "record")


def test_the_section_is_what_auditing_tools_read(graph: CrateGraph) -> None:
    packages = packages_in(section_content(program(graph)))
    assert [(each["name"], each["source"], each.get("kind", "runtime")) for each in packages] == [
        ("bzip2-sys", "crates.io", "runtime"),
        ("cc", "crates.io", "build"),
        ("derive", "crates.io", "build"),
        ("fork", "git", "runtime"),
        ("own", "registry", "runtime"),
        ("service", "local", "runtime"),
        ("shared", "crates.io", "runtime"),
    ]
    assert [each["name"] for each in packages if each.get("root")] == ["service"]
    by_name = {each["name"]: each for each in packages}
    needed = {packages[place]["name"] for place in by_name["service"]["dependencies"]}
    assert needed == {"bzip2-sys", "derive", "fork", "own", "shared"}
    assert [packages[place]["name"] for place in by_name["bzip2-sys"]["dependencies"]] == ["cc"]


def test_both_platforms_have_one_section(graph: CrateGraph) -> None:
    assert len({section_content(program(graph, name)) for name in graph.roots}) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"nothing", zlib.compress(b""), zlib.compress(b"{}"), zlib.compress(b"[]"),
        zlib.compress(b'{"packages":1}'),
        zlib.compress(b'{"packages":[1]}'), zlib.compress(b'{"packages":[]}')[:-1], zlib.compress(bytes(70 << 20)),
    ],
)  # fmt: skip
def test_what_is_no_section(content: bytes) -> None:
    with pytest.raises(ContentInvalid):
        packages_in(content)


def test_a_pipe_in_place_of_a_manifest_is_not_waited_for(tmp_path: Path) -> None:
    source = crate_folder(tmp_path, "inside", "[package]\nlicense.workspace = true\n", registry=False)
    os.mkfifo(tmp_path / "Cargo.toml")
    assert facts_of(source).license == ""
