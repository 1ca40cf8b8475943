"""Commands that cargoship advises: typed as they are shown, they mean the image that they are shown for."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from cargoship.cli.asking import selecting
from cargoship.cli.asking.asked import Asked
from cargoship.cli.paint import NO_COLOURS
from cargoship.cli.results.summary import next_steps
from cargoship.cli.session import CliSession, World
from cargoship.cli.table import cargoship
from cargoship.context import Context
from cargoship.destinations.layout import OwnLayoutDestination
from cargoship.events import ignore
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import Plan, Selection
from cargoship.planning import plan
from support import results
from support.deploying import metadata
from support.scripted import ScriptedRunner, said

PACKAGES: dict[str, Sequence[str]] = {"api": ["api", "migrate"], "work": ["work"]}
Settings = Mapping[str, dict[str, object]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in (tmp_path, *(tmp_path / name for name in PACKAGES)):
        each.mkdir(exist_ok=True)
        (each / "Cargo.toml").touch()
    # a name as nobody's, so that it has to be quoted
    (tmp_path / "Cargo.toml").write_text('[profile."my dist"]\ninherits = "release"\n')
    return tmp_path


def parsed(argv: list[str], folder: Path) -> tuple[click.Context, Selection]:
    session = CliSession(World({}, folder, io.StringIO(), io.StringIO()))
    root = click.Context(cargoship, info_name="cargoship", **cargoship.context_settings, obj=session)
    command = cargoship.get_command(root, argv[0])
    assert command is not None
    ctx = command.make_context(argv[0], argv[1:], parent=root)
    return ctx, selecting.selection_of(ctx, session)


def planned(selection: Selection, folder: Path, settings: Settings) -> Plan:
    reported = json.loads(metadata(folder, PACKAGES, dict(settings)))
    for each in reported["packages"]:
        each["features"] = {"tls": [], "fast": []}
    runner = ScriptedRunner({("metadata",): said(json.dumps(reported)), (): said(code=128)})
    return plan(selection, Context(env={}, cwd=folder, runner=runner, emit=ignore))


def advice(made: Plan, asked: Asked, folder: Path) -> list[Mapping[str, list[str]]]:
    """The commands for each image, by their use."""
    result = results.result(made)
    for built in result.images:
        names = (Reference.parse(f"{built.name}:latest"),)
        OwnLayoutDestination(built.outputs[0].path, names, made.platforms[0], ignore).publish(built.index)
    found: list[Mapping[str, list[str]]] = []
    for block in next_steps(result, asked, folder, NO_COLOURS).split(" go on with one of\n")[1:]:
        lines = [line.strip().partition(":") for line in block.splitlines() if line.startswith("  ")]
        found.append({use: shlex.split(command) for use, _, command in lines})
    return found


CHOSEN = ["-p work", "--bin api", "--workspace --exclude api", "-p 'w*'", "--manifest-path work/Cargo.toml", "work"]
DETAILS = [
    "",
    "--platform linux/arm64",
    "--profile 'my dist' -F tls,fast --no-default-features",
    "--all-features --no-locked -j 3 --offline",
    "--set user=root --set env.A='x y' -e B=$C -e A=2 --smoke '--help all' --label a='b c'",
    "-t 'ghcr.io/me/{name}:1' --libc gnu:2.31 --base debian:12 --no-cache",
    "-v --color never --metadata-file m.json --timings --release --cache-to dir:/c",
]


@pytest.mark.parametrize(("chosen", "details"), list(zip([*CHOSEN, "--bin api"], DETAILS, strict=True)))
def test_what_was_asked_for_is_asked_for_again(chosen: str, details: str, folder: Path) -> None:
    """`build --bin greeter --platform linux/amd64` advised `cargoship run`, which met two images."""
    ctx, selection = parsed(["build", *shlex.split(f"{chosen} {details}")], folder)
    made = planned(selection, folder, {"api": {"bins": ["api"]}})
    (commands,) = advice(made, Asked.of(ctx), folder)
    assert commands["load"][0] == "cargoship"
    assert parsed(commands["load"][1:], folder)[1] == replace(selection, load=True)
    pushed = parsed(commands["push"][1:], folder)[1]
    tags = {} if "-t " in details else {"tags": (f"registry.example.com/{made.images[0].name}",)}
    assert pushed == replace(selection, push=True, overrides={**selection.overrides, **tags})
    # one platform is run, the engine's own where several were asked for
    _, ran = parsed(commands["run"][1:], folder)
    assert parsed(commands["run"][1:], folder)[0].params["platform"] == (
        "linux/arm64" if "--platform" in details else None
    )
    but = {"platforms": selection.overrides["platforms"]} if "platforms" in selection.overrides else {}
    assert replace(ran, overrides={**ran.overrides, **but}) == selection


SEVERAL: list[tuple[str, Settings]] = [
    ("-p api", {}),
    ("-p api --bin api --bin migrate --profile dev", {}),
    ("--workspace", {"api": {"bins": ["migrate"]}}),
    ("api work", {"api": {"bins": ["api"]}}),
    ("--workspace", {"api": {"bundle": ["api", "migrate"]}}),
]


@pytest.mark.parametrize(("words", "settings"), SEVERAL)
def test_of_several_images_the_one_is_chosen(words: str, settings: Settings, folder: Path) -> None:
    ctx, selection = parsed(["build", *shlex.split(words)], folder)
    made = planned(selection, folder, settings)
    reported = advice(made, Asked.of(ctx), folder)
    assert len(reported) == len(made.images) == 2
    for image, commands in zip(made.images, reported, strict=True):
        for use in ("run", "load"):
            again = planned(parsed(commands[use][1:], folder)[1], folder, settings)
            assert [(each.name, each.package, each.bins) for each in again.images] == [
                (image.name, image.package, image.bins)
            ]
            assert again.cargo.profile == made.cargo.profile


def test_what_has_changed_is_named_for_what_cannot_ask(folder: Path) -> None:
    """`run` has no --changed-since: alone, it would meet all images."""
    ctx, selection = parsed(["build", "--workspace", "--changed-since", "main"], folder)
    made = planned(replace(selection, changed_since=None, bins=("work",)), folder, {})
    (commands,) = advice(made, Asked.of(ctx), folder)
    assert commands["run"] == ["cargoship", "run", "--workspace", "--bin", "work"]
    assert commands["load"] == ["cargoship", "build", "--load", "--workspace", "--bin", "work"]


def test_programs_that_were_given_are_not_compiled(folder: Path) -> None:
    (folder / "server").touch()
    ctx, selection = parsed(["pack", "work", "--binary", "linux/amd64=server"], folder)
    (commands,) = advice(planned(selection, folder, {}), Asked.of(ctx), folder)
    assert commands["load"] == ["cargoship", "pack", "--load", "--binary", "linux/amd64=server", "work"]
    assert "run" not in commands


def test_many_images_are_published_as_they_were_chosen(folder: Path) -> None:
    ctx, selection = parsed(["build", "--workspace", "--platform", "linux/amd64", "--set", "env.A=a b"], folder)
    made = planned(selection, folder, {})
    assert len(made.images) == 3
    reported = next_steps(results.result(made), Asked.of(ctx), folder, NO_COLOURS)
    push = "cargoship build --push -t registry.example.com/{name} --workspace --platform linux/amd64 --set 'env.A=a b'"
    assert reported == f"publish them with: {push}, or one of them with: cargoship copy oci:FOLDER REF"


def test_a_machine_is_mended_for_what_was_asked_about(folder: Path) -> None:
    asked = Asked.of(parsed(["doctor", "--json", "--platform", "linux/s390x", "work"], folder)[0])
    assert asked.again("--fix", but=("fix",)) == "cargoship doctor --fix --platform linux/s390x work"
    assert (
        Platform("linux", "s390x")
        in planned(parsed(shlex.split(asked.again("--fix"))[1:], folder)[1], folder, {}).platforms
    )
