"""The list of crates in programs, read by those who invented it: rust-audit-info, on the library of cargo-auditable."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cargoship.bom.embed import embed
from cargoship.bom.reduce import crates_of
from support.crates_graph import LOCK, TRIPLES, service
from support.elf_files import elf_file
from support.programs import distribution_rust, run

pytestmark = pytest.mark.tools

_JUDGE = "rust-audit-info"
_VERSION = "0.5.4"
MACHINES = {
    "amd64": ("EM_X86_64", 64), "arm64": ("EM_AARCH64", 64), "386": ("EM_386", 32), "arm": ("EM_ARM", 32),
    "riscv64": ("EM_RISCV", 64), "ppc64le": ("EM_PPC64", 64), "s390x": ("EM_S390", 64),
}  # fmt: skip


@pytest.fixture(scope="session")
def judge() -> Path:
    """The program, compiled once and kept with what tests keep."""
    root = Path(os.environ["CARGOSHIP_CACHE_DIR"]) / "judges" / f"{_JUDGE}-{_VERSION}"
    program = root / "bin" / _JUDGE
    if not program.exists():
        cargo = distribution_rust().get("CARGO", "cargo")
        env = {**distribution_rust(), "CARGO_TARGET_DIR": str(root / "target")}
        run(cargo, "install", "--quiet", "--debug", "--locked", f"{_JUDGE}@{_VERSION}", "--root", root, env=env)
    return program


@pytest.mark.parametrize("platform", MACHINES)
def test_the_list_is_read_as_it_was_meant(judge: Path, tmp_path: Path, platform: str) -> None:
    graph = crates_of(service(tmp_path), LOCK)
    crates = graph.program(f"{TRIPLES[0]}/service/serve")
    assert crates is not None
    machine, bits = MACHINES[platform]
    program = tmp_path / "serve"
    program.write_bytes(elf_file(machine, bits=bits))
    made = embed(program, crates, tmp_path / "programs")
    said = json.loads(run(judge, made).stdout)
    packages = {each["name"]: each for each in said["packages"]}
    assert packages["service"]["root"] is True
    names = {graph.crates[graph.uses[place].crate].name for place in crates.all()}
    assert packages.keys() == names
    # what ran while others were compiled is not in the program, and scanners leave it out
    linked = {graph.crates[graph.uses[place].crate].name for place in crates.linked()}
    assert {name for name, each in packages.items() if each.get("kind", "runtime") == "runtime"} == linked


def test_a_program_without_a_list_has_none(judge: Path, tmp_path: Path) -> None:
    program = tmp_path / "plain"
    program.write_bytes(elf_file("EM_X86_64"))
    assert subprocess.run([judge, program], capture_output=True, check=False).returncode != 0
