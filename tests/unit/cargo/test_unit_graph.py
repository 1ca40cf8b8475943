from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cargoship.cargo.unit_graph import SourcesUnreachable, ask_unit_graph, decode_unit_graph, question
from cargoship.errors import ToolchainError, UnitsUnknown
from cargoship.process import Command
from support.scripted import ScriptedRunner, said

STABLE = said(
    code=101,
    stderr="error: the `-Z` flag is only accepted on the nightly channel of Cargo, but this is the `stable` channel",
)


def unit(name: str, *needs: int, **more: object) -> dict[str, Any]:
    target = {"kind": ["lib"], "crate_types": ["lib"], "name": name, "src_path": f"/w/{name}/src/lib.rs"}
    return {
        "pkg_id": f"path+file:///w/{name}#0.1.0",
        "target": {**target, "edition": "2021", "doc": True, "doctest": True, "test": True},
        "profile": {"name": "release", "opt_level": "3", "lto": "false"},
        "platform": None,
        "mode": "build",
        "features": [],
        "dependencies": [{"index": index, "extern_crate_name": f"c{index}", "public": False} for index in needs],
        **more,
    }


def graph(*units: dict[str, Any], version: int = 1) -> bytes:
    return json.dumps({"version": version, "units": units, "roots": [0]}).encode()


def test_units_come_after_what_they_depend_on() -> None:
    made = decode_unit_graph(graph(unit("app", 1, 3), unit("mid", 2), unit("base"), unit("other", 2)))
    order = list(made.in_order())
    assert sorted(order) == [0, 1, 2, 3]
    for index in order:
        assert all(order.index(each.index) < order.index(index) for each in made.units[index].dependencies)


@pytest.mark.thorough
def test_a_chain_of_thousands_is_no_recursion() -> None:
    count = 5000
    units = [unit(f"u{number}", *([number + 1] if number + 1 < count else [])) for number in range(count)]
    assert next(decode_unit_graph(graph(*units)).in_order()) == count - 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"[]",
        graph(unit("app"), version=2),
        graph(unit("app", 7)),
        graph(unit("app", -1)),
        graph(unit("app", platform=3)),
    ],
    ids=["nothing", "empty", "list", "version", "beyond", "before", "type"],
)
def test_what_is_no_graph_is_refused(answer: bytes) -> None:
    with pytest.raises(ToolchainError):
        decode_unit_graph(answer)


def test_a_circle_is_refused() -> None:
    with pytest.raises(ToolchainError, match="circle"):
        list(decode_unit_graph(graph(unit("a", 1), unit("b", 0))).in_order())


def test_fields_of_newer_cargos_are_passed_over() -> None:
    assert decode_unit_graph(graph({**unit("app"), "new": {"thing": 1}})).units[0].package == "app"


def test_what_belongs_to_a_program_stays_behind_the_dashes() -> None:
    argv = ("cargo", "test", "--release", "--", "--nocapture")
    assert question(argv) == ("cargo", "test", "--release", "--unit-graph", "-Zunstable-options", "--", "--nocapture")


def test_the_question_is_the_build_s_own_and_cargo_remembers_nothing_of_it() -> None:
    runner = ScriptedRunner({("--unit-graph",): said(graph(unit("app")).decode())})
    asked = Command(("cargo", "build", "--locked"), Path("/w"), {"RUSTFLAGS": "-g"})
    assert [each.name for each in ask_unit_graph(runner, asked).units] == ["app"]
    (command,) = runner.commands
    assert command.argv[:3] == asked.argv
    assert command.cwd == asked.cwd
    assert command.env is not None
    # nightly's cfg values, once remembered, would reach the build scripts of the build that follows
    assert command.env["CARGO_CACHE_RUSTC_INFO"] == "0"
    assert command.env["RUSTC_BOOTSTRAP"] == "1"
    assert command.env["RUSTFLAGS"] == "-g"
    assert "RUSTC_BOOTSTRAP" not in (asked.env or {})


UNREACHED = """warning: spurious network error (1 try remaining): [6] Could not resolve hostname
error: failed to download from `https://static.crates.io/crates/itoa/1.0.0/download`

Caused by:
  [6] Could not resolve hostname (Could not resolve host: static.crates.io)
"""


def test_crates_that_cannot_be_fetched_are_tried_once_by_a_build() -> None:
    """Without a network the question waited for all of cargo's attempts, and then the build did so again."""
    runner = ScriptedRunner({("--unit-graph",): said(code=101, stderr=UNREACHED)})
    command = Command(("cargo-zigbuild", "zigbuild", "--release"), Path("/w"), {"CARGO": "/bin/cargo"})
    with pytest.raises(SourcesUnreachable) as caught:
        ask_unit_graph(runner, command)
    assert (caught.value.details or "").startswith("error: failed to download from")
    assert "check the network" in (caught.value.hint or "")
    assert len([each for each in runner.commands if "--unit-graph" in each.argv]) == 1


def test_cargo_s_own_words_come_with_the_error() -> None:
    runner = ScriptedRunner({("--unit-graph",): said(code=101, stderr="error: no such thing")})
    with pytest.raises(ToolchainError) as caught:
        ask_unit_graph(runner, Command(("cargo", "build"), Path("/w"), {}))
    assert caught.value.details == "error: no such thing"


@pytest.mark.parametrize(
    ("words", "off"),
    [
        (("--config", "unstable.bindeps=true"), ["unstable.bindeps=false"]),
        (("--config=unstable.bindeps=true", "--config", "unstable.bindeps=false"), []),
        (("--config", "build.jobs=2"), []),
        (("--config", "no toml ["), []),
        (("--", "--config", "unstable.bindeps=true"), []),
        (("--config",), []),
    ],
)
def test_what_options_turn_on_is_turned_off_for_the_question(words: tuple[str, ...], off: list[str]) -> None:
    runner = ScriptedRunner({("locate-project",): STABLE, ("--unit-graph",): said(graph(unit("app")).decode())})
    ask_unit_graph(runner, Command(("cargo", "build", *words), Path("/w"), {}))
    asked = list(runner.commands[-1].argv)
    assert [word for word in asked[asked.index("--unit-graph") :] if word.endswith("=false")] == off


def test_a_cargo_that_does_what_the_table_says_is_asked_as_it_is(tmp_path: Path) -> None:
    """Debian's cargo is built without a channel's name, calls itself 1.96.0, and takes every -Z."""
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text("[unstable]\nprofile-rustflags = true\nbuild-std = ['core']\n")
    runner = ScriptedRunner({("locate-project",): said("{}"), ("--unit-graph",): said(graph(unit("app")).decode())})
    ask_unit_graph(runner, Command(("cargo", "+mine", "build"), tmp_path, {"HOME": str(tmp_path)}))
    assert [command.argv[1] for command in runner.commands] == ["+mine", "+mine"]
    assert not [word for word in runner.commands[-1].argv if word.startswith("unstable.")]


def test_a_switch_of_a_kind_that_cargo_does_not_know_is_reported_as_what_it_is(tmp_path: Path) -> None:
    """[unstable] build-std = true fails the question alone: a stable cargo builds as if it was not there."""
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text("[unstable]\nbuild-std = true\n")
    runner = ScriptedRunner({("locate-project",): STABLE, ("--unit-graph",): said(code=101, stderr="expected a list")})
    with pytest.raises(UnitsUnknown, match=r"in \[unstable\]") as caught:
        ask_unit_graph(runner, Command(("cargo", "build"), tmp_path, {"HOME": str(tmp_path)}))
    assert caught.value.details == "expected a list"


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        (("--target", "x86_64-unknown-linux-gnu.2.17", "-p", "a.2"),
         ("--target", "x86_64-unknown-linux-gnu", "-p", "a.2")),
        (("--target=armv7-unknown-linux-gnueabihf.2.28",), ("--target=armv7-unknown-linux-gnueabihf",)),
        (("--enable-zig-ar", "--release", "--target", "x86_64-unknown-linux-musl"),
         ("--release", "--target", "x86_64-unknown-linux-musl")),
    ],
    ids=["floor", "equals", "options"],
)  # fmt: skip
def test_cargo_zigbuild_is_not_asked(words: tuple[str, ...], plain: tuple[str, ...]) -> None:
    runner = ScriptedRunner({("--unit-graph",): said(graph(unit("app")).decode())})
    ask_unit_graph(runner, Command(("/bin/cargo-zigbuild", "zigbuild", *words), Path("/w"), {"CARGO": "/bin/cargo"}))
    (command,) = runner.commands
    assert command.argv == ("/bin/cargo", "build", *plain, "--unit-graph", "-Zunstable-options")


def test_cargo_zigbuild_is_asked_where_cargo_does_not_understand() -> None:
    runner = ScriptedRunner(
        {("zigbuild",): said(graph(unit("app")).decode()), ("build",): said(code=101, stderr="error: what is macOS?")}
    )
    words = ("/bin/cargo-zigbuild", "zigbuild", "--target", "universal2-apple-darwin")
    assert ask_unit_graph(runner, Command(words, Path("/w"), {"CARGO": "/bin/cargo"})).units
    assert [command.argv[1] for command in runner.commands] == ["build", "zigbuild"]
