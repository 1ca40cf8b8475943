"""What is offered for values; tests/tools/test_completion.py has shells do it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.cli.table import COMMANDS, cargoship

# what only who types it knows
FREE = {
    "--address", "--annotation", "--apk", "--apt", "--binary", "--builder", "--cargoship", "--changed-since",
    "--env", "--identity", "--issuer", "--label", "--max-size", "--rust", "--selector", "--smoke", "--tag",
    "--remote", "--remote-link", "--remote-slots", "--username", "-Z", "--max", "unit", "words",
}  # fmt: skip


def parameters(command: click.Command) -> Iterator[click.Parameter]:
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            member = command.get_command(click.Context(command), each)
            assert member is not None
            yield from parameters(member)
    yield from command.params


def offers_something(parameter: click.Parameter) -> bool:
    if isinstance(parameter.type, click.Choice | click.Path | click.types.IntParamType):
        return True
    return parameter._custom_shell_complete is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_that_can_be_known_is_offered(name: str) -> None:
    command = cargoship.get_command(click.Context(cargoship), name)
    assert command is not None
    for parameter in parameters(command):
        if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
            continue
        called = parameter.opts[-1]
        if called not in FREE and not (name == "resolve" and called == "--output"):
            assert offers_something(parameter), called


def offered(line: str, folder: Path, **env: str) -> list[tuple[str, str]]:
    stdout = io.StringIO()
    asked = {"_CARGOSHIP_COMPLETE": "zsh_complete", "COMP_LINE": line, **env}
    assert main([], World(asked, folder, stdout, io.StringIO())) == 0
    return [(kind, value) for kind, value, _ in (each.split("\t") for each in stdout.getvalue().splitlines() if each)]


def test_a_value_after_a_comma_is_offered_once(tmp_path: Path) -> None:
    found = offered("cargoship build --platform linux/arm64,linux/arm", tmp_path)
    assert found == [("plain", "linux/arm64,linux/arm/v7"), ("plain", "linux/arm64,linux/arm/v6")]


def test_paths_are_offered_below_folders_and_hidden_ones_where_asked_for(tmp_path: Path) -> None:
    (tmp_path / "out" / "layout").mkdir(parents=True)
    (tmp_path / "out" / ".cache").mkdir()
    (tmp_path / "out" / "app.tar").touch()
    assert offered("cargoship inspect oci:out/", tmp_path) == [
        ("plain", "oci:out/app.tar"),
        ("open", "oci:out/layout/"),
    ]
    assert offered("cargoship copy out/.", tmp_path) == [("open", "out/.cache/")]
    assert offered("cargoship copy oci:nowhere/", tmp_path) == []


def test_settings_are_offered_with_what_they_may_be(tmp_path: Path) -> None:
    assert ("open", "env.") in offered("cargoship build --set e", tmp_path)
    assert offered("cargoship build --set skip=", tmp_path) == [("plain", "skip=true"), ("plain", "skip=false")]
    assert offered("cargoship build --set provenance-labels=i", tmp_path) == [
        ("plain", "provenance-labels=index"),
        ("plain", "provenance-labels=image"),
    ]
    assert offered("cargoship build --set sbom=spdx,cyclonedx-1.", tmp_path) == [
        ("plain", "sbom=spdx,cyclonedx-1.5"),
        ("plain", "sbom=spdx,cyclonedx-1.7"),
    ]
    assert offered("cargoship build --set profile=r", tmp_path) == [("plain", "profile=release")]
    assert offered("cargoship build --set sign=k", tmp_path) == [("plain", "sign=keyless")]
    assert offered("cargoship build --set nothing=", tmp_path) == []


def test_a_manifest_that_cannot_be_read_offers_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text("[package\n")
    assert offered("cargoship build --bin ", tmp_path) == []
    assert offered("cargoship build --profile r", tmp_path) == [("plain", "release")]


def test_an_unknown_shell_is_refused(tmp_path: Path) -> None:
    stdout = io.StringIO()
    assert main([], World({"_CARGOSHIP_COMPLETE": "tcsh_source"}, tmp_path, stdout, io.StringIO())) == 1
    assert stdout.getvalue() == ""
