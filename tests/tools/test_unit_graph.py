"""What real cargo and cargo-zigbuild say that they will compile."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cargoship.cargo.unit_graph import ask_unit_graph, decode, question, without_zigbuild
from cargoship.process import Command, SystemRunner
from support.programs import distribution_rust, run
from support.unit_projects import write_workspace

pytestmark = pytest.mark.tools


def test_cargo_tells_the_units_that_cargo_zigbuild_would_compile(tmp_path: Path) -> None:
    """With the host among the targets, which cargo-zigbuild treats in a way of its own, and a floor for glibc."""
    place = write_workspace(tmp_path / "place")
    cargo = distribution_rust().get("CARGO", "cargo")
    run(cargo, "generate-lockfile", cwd=place)
    targets = ("--target", "x86_64-unknown-linux-gnu.2.28", "--target=aarch64-unknown-linux-gnu")
    env = {**os.environ, **distribution_rust(), "CARGO": cargo}
    # cargo-zigbuild asks PATH's python3 for Zig
    beside = Path(sys.executable).parent
    env["PATH"] = f"{beside}{os.pathsep}{env['PATH']}"
    build = Command((str(beside / "cargo-zigbuild"), "zigbuild", "--release", *targets), place, env)
    asked = ask_unit_graph(SystemRunner(), build)
    env["RUSTC_BOOTSTRAP"] = "1"
    said = run(*question(build.argv), cwd=place, env=env).stdout
    assert without_zigbuild(build).argv[1] == "build"
    assert asked == decode(said[said.index('{"version"') :].encode())
    assert {unit.platform for unit in asked.units} == {None, "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"}
