"""Where cargo takes crates from, changed under a lock file that stays: cargo refuses, and so nothing comes back."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from support.cargo_units import create
from support.crates import download
from support.programs import RunCargoship, distribution_rust, run

pytestmark = pytest.mark.tools

RUST = distribution_rust()
CARGO = RUST.get("CARGO", "cargo")
PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
LOCAL = '[source.crates-io]\nreplace-with = "kept"\n[source.kept]\nlocal-registry = "kept"\n'


def publish(registry: Path, source: str) -> None:
    """Put a crate into a local registry, as cargo-local-registry does."""
    files = {"Cargo.toml": PACKAGE.format("one"), "src/lib.rs": source}
    registry.mkdir(exist_ok=True)
    crate = registry / "one-0.1.0.crate"
    with tarfile.open(crate, "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"one-0.1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    checksum = hashlib.sha256(crate.read_bytes()).hexdigest()
    line = {"name": "one", "vers": "0.1.0", "deps": [], "cksum": checksum, "features": {}, "yanked": False}
    create("index/3/o/one", json.dumps(line) + "\n")(registry)


@pytest.mark.parametrize("by", ["configuration", "option"])
def test_a_crate_of_a_local_registry_that_the_lock_file_does_not_know_is_refused(
    run_cargoship: RunCargoship, tmp_path: Path, by: str
) -> None:
    root = tmp_path / "root"
    create("Cargo.toml", PACKAGE.format("app") + '[dependencies]\none = "0.1"\n')(root)
    create("src/main.rs", 'fn main() { println!("{}", one::SAID); }\n')(root)
    create(".cargo/config.toml" if by == "configuration" else "ci/kept.toml", LOCAL)(root)
    options = () if by == "configuration" else ("--config", "ci/kept.toml")
    env = {**RUST, "CARGO_HOME": str(tmp_path / "home")}
    publish(root / "kept", 'pub const SAID: &str = "first";\n')
    run(CARGO, "generate-lockfile", *options, cwd=root, env=env)
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", *options)
    for whole in (False, True):
        shutil.rmtree(root / "target", ignore_errors=True)
        done = run_cargoship("cargo", *words, cwd=root, env=env)
        assert ("cargo is not started" in done.stderr) is whole
        assert run(root / "target/debug/app").stdout == "first\n"
    publish(root / "kept", 'pub const SAID: &str = "second";\n')
    shutil.rmtree(root / "target")
    done = run_cargoship("cargo", *words, cwd=root, env=env, check=False)
    assert done.returncode == 101
    assert "checksum for `one v0.1.0` changed between lock files" in done.stderr


def test_a_name_that_stood_for_crates_io_is_asked_for_again(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """The lock file has crates.io alone then, and the package that says the name is no member."""
    root = tmp_path / "root"
    create("app/Cargo.toml", PACKAGE.format("app") + '[dependencies]\nlib1 = { path = "../lib" }\n[workspace]\n')(root)
    create("app/src/main.rs", 'fn main() { println!("{}", lib1::said()); }\n')(root)
    create("lib/Cargo.toml", PACKAGE.format("lib1") + '[dependencies]\nitoa = { version = "1", registry = "mine" }\n')(
        root
    )
    create("lib/src/lib.rs", "pub fn said() -> String { itoa::Buffer::new().format(1).into() }\n")(root)
    env = {**RUST, "CARGO_REGISTRIES_MINE_INDEX": "sparse+https://index.crates.io/"}
    download(root, "app", env=env)
    run(CARGO, "generate-lockfile", "--offline", cwd=root / "app", env={**os.environ, **env})
    words = ("--cache-to", f"dir:{tmp_path / 'cache'}", "--programs", "--", "build", "--offline")
    for whole in (False, True):
        shutil.rmtree(root / "app/target", ignore_errors=True)
        done = run_cargoship("cargo", *words, cwd=root / "app", env=env)
        assert ("cargo is not started" in done.stderr) is whole
    shutil.rmtree(root / "app/target")
    env["CARGO_REGISTRIES_MINE_INDEX"] = f"sparse+file://{tmp_path}/none/"
    done = run_cargoship("cargo", *words, cwd=root / "app", env=env, check=False)
    assert done.returncode == 101
