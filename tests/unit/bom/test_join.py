"""The bill of a merged index is that of one that was built whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cargoship.bom.bill import BaseContents, BasePackage, Bill, ShippedProgram, bill_of, union_of
from cargoship.bom.crates import CrateGraph
from cargoship.bom.formats import BillFormat
from cargoship.bom.join import join_bills
from cargoship.bom.reduce import crates_of
from cargoship.oci.digest import Digest
from support.crates_graph import LOCK, TRIPLES, service

_INDEX = Digest.of(b"index")


@pytest.fixture
def bills(tmp_path: Path) -> list[Bill]:
    graph = crates_of(service(tmp_path), LOCK)
    return [_bill(graph, triple, name) for triple, name in zip(TRIPLES, ("amd64", "arm64"), strict=True)]


def _bill(graph: CrateGraph, triple: str, architecture: str) -> Bill:
    package = BasePackage("libstdc++6", "12.2.0-14+deb12u1", architecture, "debian-12", "a" * 64)
    program = Digest.of(architecture.encode())
    return bill_of(
        "me/service", Digest.of(triple.encode()),
        architecture=architecture, created="2026-11-28T00:00:00Z",
        tools={"cargoship": "0.1.0", "rustc": "1.96.0 (ac68faa20 2026-05-25)", "zig": "0.17.1"},
        programs=[ShippedProgram("serve", "0.1.0", "/app/serve", program, graph.program(f"{triple}/service/serve"))],
        base=BaseContents(data={"certifi": "2026.1.1"}, packages=(package,)),
    )  # fmt: skip


@pytest.mark.parametrize("form", [BillFormat.CYCLONEDX, BillFormat.CYCLONEDX_1_5, BillFormat.CYCLONEDX_1_7])
def test_cyclonedx_is_the_same_as_that_of_one_build(form: BillFormat, bills: list[Bill]) -> None:
    made = join_bills(form.media_type, [form.write(each) for each in bills], _INDEX)
    assert made == form.write(union_of(bills, _INDEX))


def test_spdx_says_the_same_as_that_of_one_build(bills: list[Bill]) -> None:
    form = BillFormat.SPDX
    made = join_bills(form.media_type, [form.write(each) for each in bills], _INDEX)
    assert made is not None
    whole = form.write(union_of(bills, _INDEX))
    assert _unordered(json.loads(made)) == _unordered(json.loads(whole))


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
def test_what_is_not_ours_is_not_joined(text: bytes, bills: list[Bill]) -> None:
    form = BillFormat.CYCLONEDX
    assert join_bills(form.media_type, [form.write(bills[0]), text], _INDEX) is None
    assert join_bills(form.media_type, [text, form.write(bills[0])], _INDEX) is None
    assert join_bills("text/plain", [text], _INDEX) is None
