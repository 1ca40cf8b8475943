"""SBOMs, held against the validators that others use."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cargoship.bom.component import Kind
from cargoship.bom.crates import Crate
from cargoship.bom.cyclonedx import cyclonedx
from cargoship.bom.reduce import crates_of
from cargoship.bom.sbom import (
    BaseContents,
    BasePackage,
    ImageFacts,
    Sbom,
    ShippedProgram,
    crate_purl,
    crate_ref,
    sbom_of,
)
from cargoship.bom.spdx import spdx
from cargoship.bom.spdx3 import is_spdx3, spdx3
from cargoship.oci.digest import Digest
from support.crates_graph import LOCK, TRIPLES, service

BASE = BaseContents(
    "docker.io/library/debian:12-slim",
    Digest.of(b"base"),
    {"certifi": "2026.1.1"},
    (BasePackage("libstdc++6", "12.2.0-14+deb12u1", "amd64", "debian-12", "a" * 64),),
)


def sbom(root: Path, *, base: BaseContents = BASE, known: bool = True, creator: str = "", lock: str = LOCK) -> Sbom:
    graph = crates_of(service(root), lock)
    crates = graph.program(f"{TRIPLES[0]}/service/serve") if known else None
    sha512 = Digest.of(b"program", "sha512").hex
    program = ShippedProgram("serve", "0.1.0", "/app/serve", Digest.of(b"program"), crates, sha512=sha512)
    tools = {"cargoship": "0.1.0", "rustc": "1.96.0 (ac68faa20 2026-05-25)", "zig": "0.17.1"}
    return sbom_of(
        ImageFacts("me/service", Digest.of(b"image"), "amd64", "2026-11-28T00:00:00Z", creator),
        tools=tools, programs=[program], base=base,
    )  # fmt: skip


@pytest.fixture
def components(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(cyclonedx(sbom(tmp_path), "1.6"))["components"]}


def test_a_crate_is_named_once_however_many_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: Counter[Crate] = Counter()

    def counted(crate: Crate) -> str:
        named[crate] += 1
        return crate_purl(crate)

    monkeypatch.setattr("cargoship.bom.sbom.crate_purl", counted)
    made = sbom(tmp_path)
    crates = {each.purl for each in made.components if each.kind is Kind.CRATE and each.purl}
    assert crates == {crate_purl(each) for each in named} - {""}
    # the program's own crate is what the program needs, too
    assert {each.name: times for each, times in named.items() if times > 1} == {"service": 2}


@pytest.mark.parametrize(
    ("source", "purl"),
    [
        (f"git+file:///home/me/fork#{'f' * 40}", ""),
        ("registry+file:///home/me/index", ""),
        ("sparse+FILE:///home/me/index/", ""),
        (f"git+ssh://git@example.org/fork#{'f' * 40}", "vcs_url=git%2Bssh%3A%2F%2Fexample.org%2Ffork%40" + "f" * 40),
    ],
)
def test_no_folder_of_a_machine_is_in_the_name_of_a_crate(source: str, purl: str) -> None:
    made = crate_purl(Crate("fork", "0.3.0", source))
    assert made == (f"pkg:cargo/fork@0.3.0?{purl}" if purl else "")
    assert len({crate_ref(Crate("fork", "0.3.0", each)) for each in ("", source)}) == (1 if "index" in source else 2)


@pytest.mark.parametrize("source", [f"git+file:///home/me/fork?branch=x#{'f' * 40}", "registry+file:///home/me/index"])
def test_no_folder_of_a_machine_is_in_an_sbom(tmp_path: Path, source: str) -> None:
    """The folder was the crate's supplier, and its package URL was none."""
    program = crates_of(service(tmp_path), LOCK).program(f"{TRIPLES[0]}/service/serve")
    assert program is not None
    crates = tuple(each if each.is_local else replace(each, source=source, authors=()) for each in program.graph.crates)
    shipped = ShippedProgram(
        "serve",
        "0.1.0",
        "/app/serve",
        Digest.of(b"program"),
        replace(program, graph=replace(program.graph, crates=crates)),
    )
    facts = ImageFacts("me/service", Digest.of(b"image"), "amd64", "2026-11-28T00:00:00Z", "")
    made = sbom_of(facts, tools={}, programs=[shipped], base=BASE)
    assert any(each.ref.startswith("crate:") and each.name != "service" for each in made.components)
    assert {each.purl.partition(":")[0] for each in made.components} == {"", "pkg"}
    for written in (cyclonedx(made, "1.6"), spdx(made), spdx3(made)):
        assert b"/home/me" not in written


@pytest.mark.parametrize("version", ["1.5", "1.6", "1.7"])
@pytest.mark.parametrize("known", [True, False])
def test_cyclonedx_is_valid(tmp_path: Path, version: str, known: bool) -> None:  # noqa: FBT001
    document = cyclonedx(sbom(tmp_path, known=known), version).decode()
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - seconds
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - seconds

    assert JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(document) is None


def test_a_licence_or_later_is_valid_spdx(tmp_path: Path) -> None:
    """A crate with such a licence had none in SBOMs; spdx-tools takes `MPL-2.0+` for no licence."""
    made = sbom(tmp_path, known=True)
    first = replace(made.components[0], license="MPL-2.0+ OR LicenseRef-Other")
    made = replace(made, components=(first, *made.components[1:]))
    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(spdx(made))
    found = json.loads(path.read_bytes())
    (package,) = (each for each in found["packages"] if each["name"] == first.name)
    assert (package["licenseDeclared"], package["licenseComments"]) == ("NOASSERTION", first.license)
    assert [each["licenseId"] for each in found["hasExtractedLicensingInfos"]] == ["LicenseRef-Ours-1.0"]
    from spdx_tools.spdx.parser.parse_anything import parse_file  # noqa: PLC0415 - seconds
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document  # noqa: PLC0415 - seconds

    assert validate_full_spdx_document(parse_file(str(path))) == []
    assert {"expression": first.license} in json.loads(cyclonedx(made, "1.6"))["components"][0]["licenses"]


@pytest.mark.parametrize("known", [True, False])
def test_spdx_is_valid(tmp_path: Path, known: bool) -> None:  # noqa: FBT001
    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(spdx(sbom(tmp_path, known=known)))
    if known:
        declared = json.loads(path.read_bytes())["hasExtractedLicensingInfos"]
        assert declared == [{"licenseId": "LicenseRef-Ours-1.0", "extractedText": "NOASSERTION"}]
    from spdx_tools.spdx.parser.parse_anything import parse_file  # noqa: PLC0415 - seconds
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document  # noqa: PLC0415 - seconds

    assert validate_full_spdx_document(parse_file(str(path))) == []


@pytest.mark.parametrize("known", [True, False])
def test_spdx_3_is_read_and_written_by_the_model_of_its_makers(tmp_path: Path, known: bool) -> None:  # noqa: FBT001
    from spdx_python_model import v3_0_1 as model  # noqa: PLC0415 - a second

    made = sbom(tmp_path, known=known)
    read = model.SHACLObjectSet()
    model.JSONLDDeserializer().read(io.BytesIO(spdx3(made)), read)
    # nothing is named that is not there, and nothing lacks what its kind must have
    assert read.missing_ids == set()
    model.JSONLDSerializer().write(read, io.BytesIO())


def test_spdx_3_declares_licences_that_spdx_does_not_list(tmp_path: Path) -> None:
    graph = json.loads(spdx3(sbom(tmp_path)))["@graph"]
    by_id = {each["spdxId"]: each for each in graph if "spdxId" in each}
    (expression,) = (each for each in graph if "LicenseRef-" in each.get("simplelicensing_licenseExpression", ""))
    (entry,) = expression["simplelicensing_customIdToUri"]
    assert entry["key"] == "LicenseRef-Ours-1.0"
    assert by_id[entry["value"]]["simplelicensing_licenseText"] == "NOASSERTION"
    (document,) = (each for each in graph if each["type"] == "SpdxDocument")
    assert entry["value"] in document["element"]
    plain = [each for each in graph if "LicenseRef-" not in each.get("simplelicensing_licenseExpression", "")]
    assert not [each for each in plain if "simplelicensing_customIdToUri" in each]


def test_spdx_3_says_what_is_in_the_image_and_what_ran(tmp_path: Path) -> None:
    made = sbom(tmp_path)
    graph = json.loads(spdx3(made))["@graph"]
    by_id = {each["spdxId"]: each for each in graph if "spdxId" in each}
    (bom,) = (each for each in graph if each["type"] == "software_Sbom")
    image = by_id[bom["rootElement"][0]]
    assert image["verifiedUsing"] == [{"type": "Hash", "algorithm": "sha256", "hashValue": made.digest.hex}]
    packages = [each for each in graph if each["type"] == "software_Package" and each is not image]
    assert sorted(each["name"] for each in packages) == sorted(each.name for each in made.components)
    licenses = {
        (by_id[each["from"]]["name"], by_id[each["to"][0]]["simplelicensing_licenseExpression"])
        for each in graph
        if each.get("relationshipType") == "hasDeclaredLicense"
    }
    assert licenses == {(each.name, each.license) for each in made.components if each.license}
    needs = [
        (by_id[each["from"]]["name"], by_id[other]["name"], each["scope"])
        for each in graph
        if each.get("relationshipType") == "dependsOn"
        for other in each["to"]
    ]
    known = {each.ref: each for each in made.components}
    assert sorted(needs) == sorted(
        (each.name, known[ref].name, "runtime" if each.is_shipped and known[ref].is_shipped else "build")
        for each in made.components
        for ref in each.needs
    )
    assert {"runtime", "build"} == {scope for _, _, scope in needs}


def _facts(component: dict[str, Any], prefix: str) -> dict[str, str]:
    found = {each["name"]: each["value"] for each in component.get("properties", ())}
    return {name: value for name, value in found.items() if name.startswith(prefix)}


def test_what_is_shipped_and_what_only_ran(components: dict[str, dict[str, Any]]) -> None:
    scopes = {name: each["scope"] for name, each in components.items()}
    assert {name for name, scope in scopes.items() if scope == "excluded"} == {"cc", "derive"}
    assert scopes["shared"] == scopes["bzip2"] == scopes["rust-std"] == "required"


def test_features_of_both_sides(components: dict[str, dict[str, Any]]) -> None:
    facts = _facts(components["shared"], "cargoship:")
    assert facts == {
        "cargoship:features": "std",
        "cargoship:features-while-building": "proc",
        "cargoship:target": TRIPLES[0],
    }
    facts = _facts(components["derive"], "cargoship:")
    assert facts == {"cargoship:runs-while-building": "procedural-macro"}


@pytest.mark.parametrize(
    ("name", "purl"),
    [
        ("shared", "pkg:cargo/shared@1.2.3%2Bmeta"),
        ("fork", f"pkg:cargo/fork@0.3.0?vcs_url=git%2Bhttps%3A%2F%2Fexample.org%2Fme%2Ffork%40{'f' * 40}"),
        ("own", "pkg:cargo/own@2.0.0?repository_url=https%3A%2F%2Fcrates.example.org%2Findex%2F"),
        ("service", None),
        ("bzip2", "pkg:generic/bzip2@1.0.8"),
        ("libstdc++6", "pkg:deb/debian/libstdc++6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"),
        ("certifi", "pkg:pypi/certifi@2026.1.1"),
    ],
)
def test_package_urls(components: dict[str, dict[str, Any]], name: str, purl: str | None) -> None:
    assert components[name].get("purl") == purl


def test_c_sources_are_known_to_advisories(components: dict[str, dict[str, Any]]) -> None:
    assert components["bzip2"]["cpe"] == "cpe:2.3:a:bzip:bzip2:1.0.8:*:*:*:*:*:*:*"


def test_licences(components: dict[str, dict[str, Any]]) -> None:
    assert components["shared"]["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert components["own"]["licenses"] == [{"license": {"name": "Proprietary (ours)"}}]


def test_no_password_and_no_folder(tmp_path: Path) -> None:
    for document in (cyclonedx(sbom(tmp_path / "x"), "1.6"), spdx(sbom(tmp_path / "y"))):
        assert b"secret" not in document
        assert b"ann@example.org" not in document
        assert str(tmp_path).encode() not in document


def test_the_same_bytes(tmp_path: Path) -> None:
    one, other = sbom(tmp_path / "x"), sbom(tmp_path / "y")
    assert cyclonedx(one, "1.6") == cyclonedx(other, "1.6")
    assert spdx(one) == spdx(other)
    assert spdx3(one) == spdx3(other)


@pytest.mark.parametrize(
    ("base", "known", "said"),
    [(BASE, True, "complete"), (BaseContents(is_whole=False), True, "incomplete"), (BASE, False, "incomplete")],
)
def test_whether_all_is_listed(tmp_path: Path, base: BaseContents, known: bool, said: str) -> None:  # noqa: FBT001
    document = json.loads(cyclonedx(sbom(tmp_path, base=base, known=known), "1.6"))
    assert document["compositions"][0]["aggregate"] == said


def test_everything_needed_is_there(tmp_path: Path) -> None:
    document = json.loads(cyclonedx(sbom(tmp_path), "1.6"))
    there = {"image", *(each["bom-ref"] for each in document["components"])}
    assert {each["ref"] for each in document["dependencies"]} == there
    assert all(need in there for each in document["dependencies"] for need in each["dependsOn"])
    spdx_document = json.loads(spdx(sbom(tmp_path / "again")))
    build = [each for each in spdx_document["relationships"] if each["relationshipType"] == "BUILD_DEPENDENCY_OF"]
    assert len(build) == 3  # cc of bzip2-sys, derive of the service and of the fork


def test_who_supplies_it_is_said_of_everything(tmp_path: Path) -> None:
    """As the minimum elements of NTIA have it, and the checkers of that: supplier, name, version, a relation."""
    packages = json.loads(spdx(sbom(tmp_path)))["packages"]
    assert [each["name"] for each in packages if each["supplier"] == "NOASSERTION"] == []
    assert [each["name"] for each in packages if not each.get("versionInfo")] == []
    suppliers = {each["name"]: each["supplier"] for each in packages}
    assert suppliers["service"] == suppliers["serve"] == "Organization: me/service"
    assert "secret" not in str(suppliers)


@pytest.mark.parametrize(
    ("document", "is_third"),
    [
        (b'{"@context": "x", "@graph": []}', True),
        (b'{"spdxVersion": "SPDX-2.3"}', False),
        (b"[]", False),
        (b"\xff", False),
        (b'{"a":' * 3000, False),
    ],
)
def test_the_versions_of_spdx_are_distinguished(document: bytes, is_third: bool) -> None:  # noqa: FBT001
    assert is_spdx3(document) == is_third
