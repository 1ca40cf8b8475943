"""What BSI TR-03183-2 asks of SBOMs, held against a checker of it, and what is not there said by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cargoship.bom.cyclonedx import cyclonedx
from cargoship.bom.sbom import Sbom
from cargoship.bom.spdx import spdx
from cargoship.bom.spdx3 import spdx3
from cargoship.oci.digest import Digest
from support.crates_graph import LOCK
from unit.bom.test_sbom import sbom

_FILES = {"shared": "5", "derive": "d", "bzip2-sys": "b"}
"""Crates from a registry whose files cargo has kept, and the digit that stands for their checksums in the lock file."""
_CREATOR = "security@example.com"


def _registry(root: Path) -> tuple[Path, str]:
    """Cargo's folders for a registry, and the lock file for what is in it."""
    cache = root / "registry" / "cache" / "index"
    cache.mkdir(parents=True)
    lock = LOCK
    for name, digit in _FILES.items():
        (cache / f"{name}.crate").write_bytes(name.encode())
        lock = lock.replace(digit * 64, Digest.of(name.encode()).hex)
    return root / "registry" / "src" / "index", lock


@pytest.fixture
def described(tmp_path: Path) -> Sbom:
    sources, lock = _registry(tmp_path)
    return sbom(sources, creator=_CREATOR, lock=lock)


def test_the_checker_misses_what_the_documentation_says_and_nothing_else(described: Sbom, tmp_path: Path) -> None:
    from ntia_conformance_checker.bsi_checker import BSIChecker  # noqa: PLC0415 - a second

    path = tmp_path / "sbom.spdx3.json"
    path.write_bytes(spdx3(described))
    found = BSIChecker(str(path))
    assert (found.doc_creator, found.doc_timestamp, found.doc_uri) == (True, True, True)
    assert found.dependency_completeness
    assert found.components_without_names == found.components_without_versions == []
    image, base, own = "me/service", "docker.io/library/debian:12-slim", "own"
    assert _names(found.components_without_creators) == {base, own}
    # no file of theirs is in the image, or known
    parts = {image, base, "certifi", "libstdc++6", "bzip2", "rust-std"}
    assert _names(found.components_without_filenames) == {*parts, "cc", "fork", "service"}
    # there is a file, and cargo has not kept it
    assert _names(found.components_without_sha512_hashes) == {own}
    assert found.components_without_structured_prop == []
    unlicensed = {image, base, "certifi", "libstdc++6", "bzip2", "serve", "service", "derive", own}
    assert _names(found.components_without_concluded_licenses) == unlicensed


def _names(listed: list[tuple[str, str]]) -> set[str]:
    return {name for name, _ in listed}


def test_a_crates_file_is_hashed_only_where_it_is_the_one_of_the_lock_file(tmp_path: Path) -> None:
    sources, lock = _registry(tmp_path)
    (tmp_path / "registry/cache/index/shared.crate").write_bytes(b"another one")
    sums = {each.name: each.sha512 for each in sbom(sources, lock=lock).components if each.file}
    assert sums["derive"] == Digest.of(b"derive", "sha512").hex
    assert sums["shared"] == ""
    assert sums["serve"] == Digest.of(b"program", "sha512").hex


@pytest.mark.parametrize("version", ["1.5", "1.6", "1.7"])
@pytest.mark.parametrize("creator", [_CREATOR, "https://example.com/security"])
def test_cyclonedx_with_all_of_it_is_valid(described: Sbom, version: str, creator: str) -> None:
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415 - seconds
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - seconds
    from msgspec.structs import replace  # noqa: PLC0415 - beside the others

    document = cyclonedx(replace(described, creator=creator), version).decode()
    assert JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(document) is None
    said = json.loads(document)
    (maker,) = (said["metadata"][key] for key in ("manufacturer", "manufacture") if key in said["metadata"])
    assert creator in str(maker)
    (shared,) = (each for each in said["components"] if each["name"] == "shared")
    (file,) = (each for each in shared["externalReferences"] if each["type"] == "distribution")
    assert file["url"] == "https://static.crates.io/crates/shared/shared-1.2.3+meta.crate"
    assert {each["alg"]: each["content"] for each in file["hashes"]} == {
        "SHA-256": Digest.of(b"shared").hex,
        "SHA-512": Digest.of(b"shared", "sha512").hex,
    }


def test_the_properties_of_bsis_taxonomy(described: Sbom) -> None:
    components = {each["name"]: each for each in json.loads(cyclonedx(described, "1.6"))["components"]}
    facts = {
        name: {
            each["name"].removeprefix("bsi:component:"): each["value"]
            for each in components[name].get("properties", ())
            if each["name"].startswith("bsi:")
        }
        for name in ("serve", "shared", "rust-std")
    }
    assert facts == {
        "serve": {
            "archive": "no archive", "executable": "executable", "filename": "serve", "structured": "structured",
        },
        "shared": {
            "archive": "archive", "executable": "non-executable", "filename": "shared-1.2.3+meta.crate",
            "structured": "structured",
        },
        "rust-std": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("creator", "said"), [(_CREATOR, f"me/service ({_CREATOR})"), ("https://x.example", "me/service")]
)
def test_spdx_2_names_who_answers_for_it(tmp_path: Path, creator: str, said: str) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file  # noqa: PLC0415 - seconds
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document  # noqa: PLC0415 - seconds

    document = spdx(sbom(tmp_path, creator=creator))
    assert f"Organization: {said}" in json.loads(document)["creationInfo"]["creators"]
    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(document)
    assert validate_full_spdx_document(parse_file(str(path))) == []


def test_no_mail_address_of_an_author_is_passed_on(described: Sbom) -> None:
    for document in (spdx(described), spdx3(described), cyclonedx(described, "1.6")):
        assert {*re.findall(rb"[\w.]+@[\w-]+\.[a-z]{2,}", document)} <= {_CREATOR.encode()}
