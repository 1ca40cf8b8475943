"""`cargoship doctor --fix`: what a first build would make, or fail at, is made or said now."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.programs import RunCargoship
from support.projects import locked_project, project

pytestmark = pytest.mark.tools

MANIFEST = '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n[dependencies]\n'
GNU = ("--platform", "linux/amd64", "--libc", "gnu:2.17")
MUSL = ("--platform", "linux/amd64", "--libc", "musl")


def test_zig_has_nothing_left_to_make_for_a_first_build(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    app = project(tmp_path / "app", name="app")
    cache = tmp_path / "zig"
    env = {"ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache)}
    done = run_cargoship("doctor", "--fix", *GNU, app, env=env)
    assert "Linked an empty program" in done.stderr
    made = made_by_zig(cache)
    assert {"Scrt1.o", "libc_nonshared.a", "libunwind.a", "libcompiler_rt.a"} <= {path.name for path in made}
    # the program itself is not run, and what it would stand on is not looked at
    run_cargoship("build", *GNU, "--no-cache", "--no-verify", "-o", f"oci:{tmp_path / 'out'}", app, env=env)
    assert made_by_zig(cache) == made


def made_by_zig(cache: Path) -> set[Path]:
    """Of the project, and, in a cache for each target, of itself."""
    return {path for path in cache.rglob("o/*/*") if path.is_file()}


def test_a_lock_file_that_is_out_of_date_is_found(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    """`build` would end with it, and nothing was missing."""
    app = locked_project(tmp_path, {"Cargo.toml": MANIFEST, "src/main.rs": "fn main() {}\n"})
    (app / "near").mkdir()
    project(app / "near", name="near", files={"src/lib.rs": ""})
    (app / "Cargo.toml").write_text(MANIFEST + 'near = { path = "near" }\n')
    done = run_cargoship("doctor", *MUSL, app, check=False)
    assert done.returncode == 1
    assert "Cargo.lock does not agree with the manifests" in done.stdout
    assert "cargo update --workspace" in done.stdout


def test_a_linker_that_fails_is_found(run_cargoship: RunCargoship, tmp_path: Path) -> None:
    env = {"CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER": "false"}
    done = run_cargoship("doctor", "--fix", *MUSL, tmp_path, env=env, check=False)
    assert done.returncode not in (0, 1)
    assert "linking with `false` failed" in done.stderr
    assert "Traceback" not in done.stderr
