"""Addresses of manifests in SBOMs, held against validators that others wrote."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from cargoship.bom.addresses import address_for_sbom
from cargoship.bom.crates import Crate, CrateGraph, ProgramCrates, Use
from cargoship.bom.cyclonedx import cyclonedx
from cargoship.bom.sbom import BaseContents, ImageFacts, Sbom, ShippedProgram, sbom_of
from cargoship.oci.digest import Digest

ODD = {
    'https://me:secret@example.com/x?q="<>': "https://example.com/x?q=%22%3C%3E",
    " https://example.com/a b ": "https://example.com/a%20b",
    "https://example.com/grün": "https://example.com/gr%C3%BCn",
    "https://grün.example/": "https://gr%C3%BCn.example/",
    "https://example.com/100%": "https://example.com/100%25",
    "https://example.com/%C3%BC?a={b}": "https://example.com/%C3%BC?a=%7Bb%7D",
    "https://example.com:8080/x[1]": "https://example.com:8080/x%5B1%5D",
    "HTTP://EXAMPLE.COM": "HTTP://EXAMPLE.COM",
    "https://": "",
    "https://example.com:port/": "",
    "https://example.com/#a#b": "",
    "git@github.com:me/app.git": "",
    "see the README": "",
    "": "",
}


def sbom(repository: str) -> Sbom:
    crate = Crate("app", "1.0.0", "registry+https://github.com/rust-lang/crates.io-index", "0" * 64)
    graph = CrateGraph((replace(crate, repository=repository),), (Use(0, "x86_64-unknown-linux-musl"),))
    program = ShippedProgram("app", "1.0.0", "/app/app", Digest.of(b"program"), ProgramCrates(graph, 0))
    return sbom_of(
        ImageFacts("app", Digest.of(b"image"), "amd64", "1970-01-01T00:00:00Z"),
        tools={}, programs=[program], base=BaseContents(),
    )  # fmt: skip


@pytest.mark.parametrize(("said", "address"), ODD.items())
def test_what_a_manifest_calls_an_address_is_a_uri_or_is_left_out(said: str, address: str) -> None:
    assert address_for_sbom(said) == address


@pytest.mark.parametrize("said", ODD)
def test_a_sbom_is_valid_whatever_a_manifest_calls_an_address(said: str) -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - seconds
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - seconds

    document = cyclonedx(sbom(said), "1.6").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
    (crate,) = (each for each in json.loads(document)["components"] if each["name"] == "app" and "purl" in each)
    assert [each["url"] for each in crate.get("externalReferences", ())] == [ODD[said]] * bool(ODD[said])
