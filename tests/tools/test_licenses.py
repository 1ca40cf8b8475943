"""Licences of a real workspace: listed, refused before anything is compiled, put into the image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.programs import RunCargoship

pytestmark = pytest.mark.tools


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """app -> middle -> deep (GPL), and a build dependency (AGPL) of which no code is in the program."""
    crates = {
        "app": ('license = "MIT"', '[dependencies]\nmiddle = { path = "../middle" }\n', "main"),
        "middle": (
            'license = "MIT/Apache-2.0"\nbuild = "build.rs"',
            '[dependencies]\ndeep = { path = "../deep" }\n[build-dependencies]\ntool = { path = "../tool" }\n',
            "lib",
        ),
        "deep": ('license = "GPL-3.0-only"', "", "lib"),
        "tool": ('license = "AGPL-3.0-only"', "", "lib"),
    }
    for name, (license_line, needs, kind) in crates.items():
        folder = tmp_path / "work" / name
        (folder / "src").mkdir(parents=True)
        head = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{license_line}\n'
        (folder / "Cargo.toml").write_text(head + needs)
        (folder / "src" / f"{kind}.rs").write_text("fn main() {}\n" if kind == "main" else "")
        (folder / "LICENSE").write_text(f"the licence of {name}\n")
    (tmp_path / "work" / "middle" / "build.rs").write_text("fn main() {}\n")
    (tmp_path / "work" / "Cargo.toml").write_text('[workspace]\nresolver = "2"\nmembers = ["app"]\n')
    return tmp_path / "work"


def test_they_are_listed_with_their_way_in(app: Path, run_cargoship: RunCargoship) -> None:
    crates = json.loads(run_cargoship("licenses", app, "--json").stdout)["crates"]
    by_name = {each["name"]: each for each in crates}
    assert {name: each["license"] for name, each in by_name.items()} == {
        "app": "MIT", "deep": "GPL-3.0-only", "middle": "MIT OR Apache-2.0", "tool": "AGPL-3.0-only",
    }  # fmt: skip
    assert [name for name, each in by_name.items() if not each["shipped"]] == ["tool"]
    assert by_name["deep"]["path"] == ["app 0.1.0", "middle 0.1.0", "deep 0.1.0"]
    notices = run_cargoship("licenses", app, "--notices").stdout
    assert "the licence of deep" in notices
    assert "the licence of tool" not in notices


@pytest.mark.parametrize("verb", ["build", "plan", "licenses"])
def test_what_is_denied_is_refused_before_anything_is_compiled(
    verb: str, app: Path, run_cargoship: RunCargoship
) -> None:
    done = run_cargoship(verb, app, env={"CARGOSHIP_DENY_LICENSES": "GPL-*,AGPL-*"}, check=False)
    assert done.returncode == 34
    assert "deep 0.1.0: GPL-3.0-only is denied" in done.stderr
    assert "through app 0.1.0 -> middle 0.1.0 -> deep 0.1.0" in done.stderr
    # of what only runs while it is compiled, nothing is handed on
    assert "tool" not in done.stderr
    assert not list(app.rglob("*.rlib"))


def test_an_exception_lets_it_pass(app: Path, run_cargoship: RunCargoship) -> None:
    env = {"CARGOSHIP_DENY_LICENSES": "GPL-*", "CARGOSHIP_LICENSE_EXCEPTIONS": "deep@0.1.0=read by legal"}
    crates = json.loads(run_cargoship("licenses", app, "--json", env=env).stdout)["crates"]
    assert {each["name"]: each["exception"] for each in crates}["deep"] == "read by legal"
