"""What editors make of a Cargo.toml: taplo, which is in Even Better TOML, with the schema of a whole file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cargoship.settings.fields import FIELDS
from cargoship.settings.schema import SchemaOf, schema_text
from support.programs import REPOSITORY, distribution_rust, run

pytestmark = pytest.mark.tools

PACKAGE = '[package]\nname = "app"\nversion = "1.0.0"\nauthors = []\n[dependencies]\nserde = "1"\n'


def taplo(folder: Path, *manifests: Path) -> subprocess.CompletedProcess[str]:
    schema = folder / "schema.json"
    schema.write_text(schema_text(SchemaOf.CARGO_TOML))
    judge = Path(sys.executable).parent / "taplo"
    words: list[str | Path] = [judge, "check", "--no-auto-config", "--schema", schema.as_uri(), *manifests]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize(
    "manifest",
    sorted(path for path in (REPOSITORY / "examples").rglob("Cargo.toml") if "target" not in path.parts),
    ids=lambda path: path.parent.name,
)
def test_whole_manifests_are_taken(manifest: Path, tmp_path: Path) -> None:
    done = taplo(tmp_path, manifest)
    assert done.returncode == 0, done.stderr


def test_manifests_of_published_crates_are_taken(tmp_path: Path) -> None:
    """As their authors wrote them, and as cargo published them."""
    manifest = REPOSITORY / "examples" / "web-service" / "Cargo.toml"
    words = ("metadata", "--locked", "--format-version", "1", "--manifest-path", manifest)
    told = json.loads(run("cargo", *words, env=distribution_rust()).stdout)
    found = [Path(each["manifest_path"]) for each in told["packages"] if each["source"] is not None]
    assert len(found) > 100
    for path in found:
        for place in (path, path.with_name("Cargo.toml.orig")):
            if place.exists():
                (tmp_path / f"{path.parent.name}{place.suffix}.toml").write_bytes(place.read_bytes())
    done = taplo(tmp_path, *sorted(tmp_path.glob("*.toml")))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("table", ["package", "workspace"])
def test_every_setting_is_taken_in_both_tables(table: str, tmp_path: Path) -> None:
    lines = [f"{field.key} = {field.spec.example}" for field in FIELDS]
    manifest = tmp_path / "Cargo.toml"
    manifest.write_text("\n".join([PACKAGE, f"[{table}.metadata.cargoship]", *lines]) + "\n")
    done = taplo(tmp_path, manifest)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", ['platform = ["linux/amd64"]', "expose = 8080", 'allocator = "jemalloc"'])
def test_what_is_wrong_is_reported(line: str, tmp_path: Path) -> None:
    manifest = tmp_path / "Cargo.toml"
    manifest.write_text(f"{PACKAGE}[package.metadata.cargoship]\n{line}\n")
    done = taplo(tmp_path, manifest)
    assert done.returncode != 0
    assert "Cargo.toml" in done.stderr
