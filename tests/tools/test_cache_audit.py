"""`cargoship cache audit`: anybody who doubts a cache can prove it by a build without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cargoship.unitcache.builds import PROGRAM
from cargoship.unitcache.stores.directory import DirectoryStore
from support.programs import CARGOSHIP, RunCargoship, distribution_rust, run
from support.projects import project
from support.units import tamper

pytestmark = pytest.mark.tools

ONE = ("--platform", "linux/amd64")
# the process's number is nothing that a cache could see to be read
_UNSTABLE = """fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    std::fs::write(out.join("made.rs"), format!("pub const MADE: u32 = {};\\n", std::process::id())).unwrap();
}
"""
_MAIN = 'include!(concat!(env!("OUT_DIR"), "/made.rs"));\nfn main() { println!("{MADE}"); }\n'


@dataclass(frozen=True)
class Built:
    """A project that was built with a cache of its own."""

    place: Path
    store: DirectoryStore
    run_cargoship: RunCargoship

    @property
    def words(self) -> tuple[str | Path, ...]:
        return (self.place, *ONE, "--cache-to", f"dir:{self.store.root}")

    def audit(self, code: int) -> Mapping[str, Any]:
        done = self.run_cargoship("cache", "audit", *self.words, "--json", check=False)
        assert done.returncode == code, done.stderr
        found: Mapping[str, Any] = json.loads(done.stdout)
        assert not (self.place / "target/.cargoship-audit").exists()
        return found

    def program(self, output: Path) -> str:
        """What the program says that the next build ships."""
        self.run_cargoship("build", *self.words, "-o", f"rootfs:{output}")
        (program,) = output.rglob("app/app")
        return run(program).stdout


@pytest.fixture
def built(run_cargoship: RunCargoship, tmp_path: Path) -> Built:
    place = project(tmp_path / "app")
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=place)
    made = Built(place, DirectoryStore(tmp_path / "cache"), run_cargoship)
    run_cargoship("build", *made.words)
    return made


def test_an_honest_cache_is_clean_and_a_program_of_another_is_found_and_dropped(built: Built, tmp_path: Path) -> None:
    clean = built.audit(0)
    assert (clean["units"], clean["programs"], clean["findings"]) == (1, 1, [])
    other = project(tmp_path / "other", files={"src/main.rs": 'fn main() { println!("another"); }\n'})
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=other)
    apart = Built(other, DirectoryStore(tmp_path / "another"), built.run_cargoship)
    assert apart.program(tmp_path / "one") == "another\n"
    wrong = next((other / "target/x86_64-unknown-linux-musl/release/deps").glob("app-????????????????")).read_bytes()

    def change(folder: Path) -> None:
        (path,) = (
            each
            for each in folder.rglob("*")
            if each.name.startswith("app-") and os.access(each, os.X_OK) and each.is_file()
        )
        path.write_bytes(wrong)

    (entry,) = (each for each in built.store.load().entries.values() if each.name.startswith(("app ", PROGRAM)))
    tamper(built.store, entry, change)
    assert built.program(tmp_path / "two") == "another\n", "nothing but an audit can see it"
    found = built.audit(67)
    assert found["dropped"]
    states = {(each["kind"], each["state"]) for each in found["findings"]}
    assert states == {("unit", "wrong"), ("program", "wrong")}
    (program,) = (each for each in found["findings"] if each["kind"] == "program")
    assert program["name"] == "x86_64-unknown-linux-musl/app/app"
    assert any(part.startswith("section ") for part in program["where"])
    assert built.program(tmp_path / "three") == "hello\n"
    assert built.audit(0)["programs"] == 1


def test_what_compiles_otherwise_each_time_is_not_called_wrong(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    place = project(tmp_path / "app", files={"build.rs": _UNSTABLE, "src/main.rs": _MAIN})
    run(distribution_rust().get("CARGO", "cargo"), "generate-lockfile", "--offline", cwd=place)
    built = Built(place, DirectoryStore(tmp_path / "cache"), run_cargoship)
    run_cargoship("build", *built.words)
    before = built.store.load()
    found = built.audit(0)
    assert {each["state"] for each in found["findings"]} == {"not reproducible by itself"}
    assert {each["kind"] for each in found["findings"]} == {"unit", "program"}
    assert built.store.load().entries == before.entries


def test_a_killed_audit_loses_nothing(built: Built) -> None:
    before = built.store.load()
    folder = built.place / "target/.cargoship-audit/first"
    env = {**os.environ, **distribution_rust()}
    with subprocess.Popen(
        [CARGOSHIP, "cache", "audit", *built.words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:  # fmt: skip
        for _ in range(600):
            if folder.exists() or running.poll() is not None:
                break
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert built.store.load() == before
    assert built.audit(0)["findings"] == []
