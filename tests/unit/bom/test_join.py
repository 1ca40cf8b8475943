"""The SBOM of a merged index is that of one that was built whole."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from spdx_python_model import v3_0_1 as model

from cargoship.bom.crates import CrateGraph, NativeSource
from cargoship.bom.formats import SbomFormat
from cargoship.bom.join import join_sboms
from cargoship.bom.reduce import crates_of
from cargoship.bom.sbom import BaseContents, BasePackage, ImageFacts, Sbom, ShippedProgram, sbom_of, union_of
from cargoship.oci.digest import Digest
from support.crates_graph import LOCK, TRIPLES, service

_INDEX = Digest.of(b"index")


@pytest.fixture
def sboms(tmp_path: Path) -> list[Sbom]:
    graph = crates_of(service(tmp_path), LOCK)
    return [_sbom(graph, triple, name) for triple, name in zip(TRIPLES, ("amd64", "arm64"), strict=True)]


def _sbom(graph: CrateGraph, triple: str, architecture: str) -> Sbom:
    package = BasePackage("libstdc++6", "12.2.0-14+deb12u1", architecture, "debian-12", "a" * 64)
    crates = graph.program(f"{triple}/service/serve")
    # as they are found: in no order
    linked = (NativeSource("musl", "1.2.5"), NativeSource("libunwind", "22.1.8"), NativeSource("libc++", "22.1.8"))
    program = ShippedProgram("serve", "0.1.0", "/app/serve", Digest.of(architecture.encode()), crates, linked)
    return sbom_of(
        ImageFacts("me/service", Digest.of(triple.encode()), architecture, "2026-11-28T00:00:00Z"),
        tools={"cargoship": "0.1.0", "rustc": "1.96.0 (ac68faa20 2026-05-25)", "zig": "0.17.1"},
        programs=[program],
        base=BaseContents(data={"certifi": "2026.1.1"}, packages=(package,)),
    )  # fmt: skip


@pytest.mark.parametrize("form", [SbomFormat.CYCLONEDX, SbomFormat.CYCLONEDX_1_5, SbomFormat.CYCLONEDX_1_7])
def test_cyclonedx_is_the_same_as_that_of_one_build(form: SbomFormat, sboms: list[Sbom]) -> None:
    made = join_sboms(form.media_type, [form.write(each) for each in sboms], _INDEX)
    assert made == form.write(union_of(sboms, _INDEX))


def test_spdx_says_the_same_as_that_of_one_build(sboms: list[Sbom]) -> None:
    form = SbomFormat.SPDX
    made = join_sboms(form.media_type, [form.write(each) for each in sboms], _INDEX)
    assert made is not None
    whole = form.write(union_of(sboms, _INDEX))
    assert _unordered(json.loads(made)) == _unordered(json.loads(whole))


def test_spdx_3_says_the_same_as_that_of_one_build(sboms: list[Sbom]) -> None:
    form = SbomFormat.SPDX_3
    made = join_sboms(form.media_type, [form.write(each) for each in sboms], _INDEX)
    assert made is not None
    assert made == join_sboms(form.media_type, [form.write(each) for each in sboms], _INDEX)
    read = model.SHACLObjectSet()
    model.JSONLDDeserializer().read(io.BytesIO(made), read)
    assert not read.missing_ids
    assert _said(made) == _said(form.write(union_of(sboms, _INDEX)))


def test_spdx_3_of_others_is_not_joined(sboms: list[Sbom]) -> None:
    form = SbomFormat.SPDX_3
    written = [form.write(each) for each in sboms]
    others = (
        written[1].replace(b"cargoship 0.1.0", b"others 0.1.0"),
        written[1].replace(b"https://cargoship.dev/spdx/", b"https://example.com/spdx/"),
        written[1].replace(b"SpdxDocument", b"Something"),
        b'{"@context": 1, "@graph": [1, {"type": []}]}',
        SbomFormat.SPDX.write(sboms[1]),
    )
    for other in others:
        assert join_sboms(form.media_type, [written[0], other], _INDEX) is None


def _said(document: bytes) -> list[str]:
    """What the elements of a graph say, whatever their order is and however relations are called."""
    graph = json.loads(document)["@graph"]
    relations = {
        each["spdxId"]: f"{each['from']} {each['relationshipType']} {each.get('scope')}"
        for each in graph
        if "relationshipType" in each
    }

    def plain(value: object) -> object:
        if isinstance(value, list):
            return sorted(map(str, map(plain, value)))
        return relations.get(value, value) if isinstance(value, str) else value

    return sorted(json.dumps({name: plain(value) for name, value in each.items()}, sort_keys=True) for each in graph)


def _unordered(document: dict[str, Any]) -> dict[str, Any]:
    for key in ("packages", "relationships"):
        document[key] = sorted(document[key], key=json.dumps)
    document["creationInfo"]["creators"].sort()
    return document


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"specVersion":"1.6"}',
        b'{"specVersion":"1.6","metadata":{"tools":{"components":[{"name":"trivy","version":"1"}]}}}',
        b'{"specVersion":"1.6","metadata":{"tools":[]},"components":[1]}',
        b'{"specVersion":"1.5"}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_ours_is_not_joined(text: bytes, sboms: list[Sbom]) -> None:
    form = SbomFormat.CYCLONEDX
    assert join_sboms(form.media_type, [form.write(sboms[0]), text], _INDEX) is None
    assert join_sboms(form.media_type, [text, form.write(sboms[0])], _INDEX) is None
    assert join_sboms("text/plain", [text], _INDEX) is None


def test_what_would_fill_memory_is_not_joined(sboms: list[Sbom]) -> None:
    own = SbomFormat.CYCLONEDX.write(sboms[0])
    large = own.replace(b"{", b'{"x":[' + b"{}," * 1_100_000 + b"{}],", 1)
    assert join_sboms(SbomFormat.CYCLONEDX.media_type, [own], _INDEX) is not None
    assert join_sboms(SbomFormat.CYCLONEDX.media_type, [large], _INDEX) is None
