"""SBOMs held against what cargo itself says of a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.programs import RunCargoship, distribution_rust, run

TRIPLES = {"linux/amd64": "x86_64-unknown-linux-musl", "linux/arm64": "aarch64-unknown-linux-musl"}
Crates = set[tuple[str, str]]
"""Names and versions."""


def crates_by_cargo(project: Path, triple: str, *edges: str) -> Crates:
    """What a project's programs are made of, as `cargo tree` knows it."""
    printed = run(
        "cargo", "tree", "--locked", "--target", triple, "-e", ",".join(edges), "--prefix", "none", "--format", "{p}",
        cwd=project, env=distribution_rust(),
    ).stdout  # fmt: skip
    found = (line.split() for line in printed.splitlines() if line.strip())
    return {(words[0], words[1].removeprefix("v")) for words in found}


def check_sbom(run_cargoship: RunCargoship, reference: str, platform: str, project: Path) -> Any:  # noqa: ANN401 - JSON
    """The SBOM of an image for a platform, no crate of which is missing, too many, or on the wrong side."""
    sbom = json.loads(run_cargoship("sbom", reference, "--platform", platform).stdout)
    crates = [each for each in sbom["components"] if each.get("purl", "pkg:cargo/").startswith("pkg:cargo/")]
    crates = [each for each in crates if each["type"] == "library"]
    triple = TRIPLES[platform]
    shipped = {(each["name"], each["version"]) for each in crates if each["scope"] == "required"}
    assert shipped == crates_by_cargo(project, triple, "normal", "no-proc-macro")
    assert {(each["name"], each["version"]) for each in crates} == crates_by_cargo(project, triple, "normal", "build")
    own = {each["name"] for each in crates if "purl" not in each}
    assert not [each["name"] for each in crates if not each.get("licenses") and each["name"] not in own]
    return sbom
