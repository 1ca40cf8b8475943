"""What is loaded and started where nothing has changed: counted, for seconds differ from machine to machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.programs import distribution_rust, run, unmeasured

pytestmark = pytest.mark.tools

SCRIPT = """
import json, os, sys
started = []
def heard(event, words):
    if event == "subprocess.Popen":
        started.append([os.path.basename(os.fsdecode(words[0])), *map(os.fsdecode, words[1][1:])])
sys.addaudithook(heard)
from cargoship.cli.main import main
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    json.dump([started, sorted(sys.modules)], file)
sys.exit(code)
"""
# what compiles, keeps, explains, or talks to somebody else
NOT_NEEDED = {
    "cargoship.bom.sbom",
    "cargoship.cargo.messages",
    "cargoship.debian.mirror",
    "cargoship.http.exchange",
    "cargoship.licensing",
    "cargoship.registry.client",
    "cargoship.signing",
    "cargoship.unitcache.builddir.capture",
    "cargoship.unitcache.explain.differences",
    "cargoship.unitcache.restore",
    "cargoship.unitcache.save",
    "cargoship.unitcache.stores.objects",
    "cargoship.unitcache.stores.registry",
    "cargoship.unitcache.stores.tiered",
    "cargoship.unitcache.watching.reads",
    "httpcore2",
    "license_expression",
    "obstore",
}


@dataclass(frozen=True)
class Seen:
    """Programs that were started, and modules that were loaded."""

    programs: list[list[str]]
    modules: set[str]


def seen(record: Path, *words: str, cwd: Path) -> Seen:
    """Run the command line in a process of its own."""
    env = {**unmeasured(), **distribution_rust(), "CARGOSHIP_CACHE_DIR": str(record.parent / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, record, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    programs, modules = json.loads(record.read_text())
    return Seen(programs, set(modules))


def test_programs_that_come_back_ask_five_questions_and_load_no_part_that_compiles(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "src").mkdir(parents=True)
    (place / "src" / "main.rs").write_text("fn main() {}\n")
    (place / "Cargo.toml").write_text('[package]\nname = "one"\nversion = "0.1.0"\nedition = "2021"\n')
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    words = ("cargo", "--programs", "--", "build", "--release")
    first = seen(tmp_path / "first.json", *words, cwd=place)
    assert ["cargo", "build"] in [each[:2] for each in first.programs]
    shutil.rmtree(place / "target")
    again = seen(tmp_path / "again.json", *words, cwd=place)
    assert os.access(place / "target" / "release" / "one", os.X_OK)
    assert sorted(each[:2] for each in again.programs) == [
        ["cargo", "-V"],
        ["cargo", "metadata"],
        ["cc", "--version"],
        ["rustc", "--print"],
        ["rustc", "-vV"],
    ]
    assert again.modules & NOT_NEEDED == set()


def test_an_image_that_comes_back_has_rustc_asked_nothing(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "src").mkdir(parents=True)
    (place / "src" / "main.rs").write_text("fn main() {}\n")
    (place / "Cargo.toml").write_text('[package]\nname = "one"\nversion = "0.1.0"\nedition = "2021"\n')
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", cwd=place)
    words = ("build", "--platform", "linux/amd64", "--libc", "gnu", "--base", "scratch", "--no-verify")
    # the first compiles, the second one makes layers that this machine keeps
    for _ in range(2):
        seen(tmp_path / "before.json", *words, cwd=place)
        shutil.rmtree(place / "target")
    again = seen(tmp_path / "again.json", *words, cwd=place)
    assert (place / "target" / "cargoship" / "one" / "index.json").exists()
    # git looks whether the folder is a checkout
    assert sorted(each[:2] for each in again.programs if each[0] != "git") == [
        ["cargo", "-V"],
        ["cargo", "metadata"],
        ["cc", "--version"],
    ]
    compiling = {"cargoship.unitcache.restore", "cargoship.unitcache.save", "cargoship.unitcache.watching.reads"}
    compressing = {"zlib_ng.zlib_ng"}
    assert again.modules & (compiling | compressing | {"httpcore2"}) == set()
    # nor what makes bases of packages, and what reads cargo's words where it fails
    others = {
        "cargoship.bases.debian",
        "cargoship.cargo.failure",
        "cargoship.cargo.unit_graph",
        "cargoship.debian.mirror",
    }
    assert again.modules & others == set()


def test_a_build_loads_no_way_that_it_does_not_go() -> None:
    program = "import sys, cargoship.pipeline; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=unmeasured(), check=True, capture_output=True, text=True)
    modules = set(done.stdout.split())
    others = {
        "cargoship.bom.notices",
        "cargoship.prerequisites.build_needs",
        "cargoship.cargo.failure",
        "cargoship.cargo.unit_graph",
        "cargoship.debian.deb",
        "cargoship.destinations.archive",
        "cargoship.destinations.daemon",
        "cargoship.destinations.layout",
        "cargoship.images.copying",
        "cargoship.images.merging",
        "cargoship.images.signatures",
        "cargoship.prerequisites.link_check",
        "cargoship.planned_units",
        "cargoship.sandbox.start",
        "cargoship.signing.signer",
        "cargoship.toolchain.diagnose",
        "cargoship.touched",
        "cargoship.unitcache.restore",
        "cargoship.unitcache.save",
        "httpcore2",
    }
    assert modules & others == set()
