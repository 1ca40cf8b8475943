"""What real cargo and cargo-zigbuild say that they will compile."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.cargo.unit_graph import ask_unit_graph, decode_unit_graph, question, without_zigbuild
from cargoship.errors import UnitsUnknown
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
    assert asked == decode_unit_graph(said[said.index('{"version"') :].encode())
    assert {unit.platform for unit in asked.units} == {None, "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"}


def _of_channel(folder: Path, channel: str) -> str:
    """A cargo of a channel, whatever the one that is here was built as; with RUSTC_BOOTSTRAP=1 each takes all."""
    path = folder / f"cargo-{channel}"
    path.write_text(
        '#!/bin/sh\n[ "$RUSTC_BOOTSTRAP" = 1 ] || '
        f"export __CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS={channel}\n"
        f'exec "{distribution_rust().get("CARGO", "cargo")}" "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("by", ["configuration", "variable", "option", "file"])
def test_what_a_stable_cargo_passes_over_has_no_say_in_its_units(tmp_path: Path, by: str) -> None:
    place = write_workspace(tmp_path / "place")
    cargo = _of_channel(tmp_path, "stable")
    env = {**os.environ, **distribution_rust(), "CARGO": cargo}
    run(cargo, "generate-lockfile", cwd=place)
    build = Command((cargo, "build", "--release", "--offline"), place, env)
    plain = ask_unit_graph(SystemRunner(), build)
    if by == "variable":
        build = replace(build, env={**env, "CARGO_UNSTABLE_BUILD_STD": "std"})
    elif by == "option":
        build = replace(build, argv=(*build.argv, "--config", "unstable.bindeps=true"))
    elif by == "file":
        (place / "more.toml").write_text("[unstable]\nbindeps = true\n")
        build = replace(build, argv=(*build.argv, "--config=more.toml"))
    else:
        (place / ".cargo").mkdir()
        (place / ".cargo/config.toml").write_text("[unstable]\nbindeps = true\nprofile-rustflags = true\n")
    assert ask_unit_graph(SystemRunner(), build) == plain


def test_cargo_is_not_asked_where_its_answer_would_be_another_builds(tmp_path: Path) -> None:
    place = write_workspace(tmp_path / "place")
    (place / ".cargo").mkdir()
    (place / ".cargo/config.toml").write_text('[unstable]\nbuild-std = ["std"]\n')
    cargo = _of_channel(tmp_path, "stable")
    env = {**os.environ, **distribution_rust(), "CARGO": cargo}
    build = Command((cargo, "build"), place, env)
    with pytest.raises(UnitsUnknown, match="build-std"):
        ask_unit_graph(SystemRunner(), build)


@pytest.mark.parametrize("channel", ["nightly", "dev"])
def test_a_cargo_that_does_what_the_table_says_is_asked_as_it_is(tmp_path: Path, channel: str) -> None:
    """Without the table it refuses the profile, and so it was asked for another build, or for none."""
    place = write_workspace(tmp_path / "place")
    (place / ".cargo").mkdir()
    (place / ".cargo/config.toml").write_text(
        '[unstable]\nprofile-rustflags = true\n[profile.release]\nrustflags = ["--cfg", "x"]\n'
    )
    cargo = _of_channel(tmp_path, channel)
    env = {**os.environ, **distribution_rust(), "CARGO": cargo}
    run(cargo, "generate-lockfile", cwd=place)
    build = Command((cargo, "build", "--release", "--offline"), place, env)
    said = run(*question(build.argv), cwd=place, env={**env, "RUSTC_BOOTSTRAP": "1"}).stdout
    assert ask_unit_graph(SystemRunner(), build) == decode_unit_graph(said.encode())
