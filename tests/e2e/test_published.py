"""Programs that others wrote and published, as they are: no setting, no change."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.engine import Engine
from support.programs import RunCargoship, run
from support.registry import RunningRegistry
from support.sboms import check_sbom
from support.shipped import PLATFORMS, target_folder

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Published:
    """A crate of crates.io, and what it says when it is started."""

    name: str
    version: str
    arguments: tuple[str, ...]
    says: str
    carries: tuple[str, ...] = ()
    """C sources in its crates."""


PROGRAMS = (
    # Rust alone
    Published("hexyl", "0.17.0", ("--version",), "hexyl 0.17.0"),
    # libdeflate, in C
    Published("oxipng", "10.2.1", ("--version",), "oxipng 10.2.1", ("libdeflate",)),
)


def source_of(crate: Published, folder: Path) -> Path:
    """Let cargo download and verify a crate; a copy of its source.

    A package that only depends on it is enough for that. Only the sources of one crate are wanted: its
    dependencies are fetched again, by its own lock file, when it is built.
    """
    asking = folder / "asking"
    (asking / "src").mkdir(parents=True)
    (asking / "src" / "lib.rs").touch()
    manifest = asking / "Cargo.toml"
    manifest.write_text(
        f'[package]\nname = "asking"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n'
        f'[dependencies]\n{crate.name} = "={crate.version}"\n'
    )
    vendored = folder / "vendored"
    run("cargo", "vendor", "--manifest-path", manifest, vendored, cwd=asking)
    target = folder / crate.name
    shutil.copytree(vendored / crate.name, target)
    (target / ".cargo-checksum.json").unlink()
    return target


@pytest.mark.parametrize("crate", PROGRAMS, ids=lambda crate: crate.name)
def test_a_published_program(
    run_cargoship: RunCargoship, docker_registry: RunningRegistry, engine: Engine, tmp_path: Path, crate: Published
) -> None:
    reference = docker_registry.reference(crate.name, crate.version)
    project = source_of(crate, tmp_path)
    run_cargoship("build", project, "-t", reference, "--push", env=target_folder("musl"))
    for platform in PLATFORMS:
        sbom = check_sbom(run_cargoship, reference, platform, project)
        assert {each["name"] for each in sbom["components"]} >= {*crate.carries}
        image = engine.pull(reference, platform)
        assert crate.says in engine.output(image, platform, *crate.arguments)
