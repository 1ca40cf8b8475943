"""What the options of each command ask the pipeline for."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import click
import pytest

from cargoship.cli.failing.strangers import STRANGE_COMMANDS, STRANGE_OPTIONS
from cargoship.cli.main import cargo_ship, main
from cargoship.cli.render import Talk
from cargoship.cli.session import World
from cargoship.cli.table import cargoship
from cargoship.context import Context
from cargoship.errors import PlatformUnknown
from cargoship.oci.platform import Platform
from cargoship.plan import Cluster, ClusterTool, Output, OutputKind, Selection
from support.obedient import Recorder

HERE = Path("/somewhere")


def asked(*argv: str, cwd: Path = HERE) -> Recorder:
    recorder = Recorder()
    stderr = io.StringIO()
    code = main(argv, World({"X": "y"}, cwd, io.StringIO(), stderr, operations=recorder))
    assert code == 99, stderr.getvalue()
    return recorder


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), {}),
        (("app",), {"path": HERE / "app"}),
        (("/abs/Cargo.toml",), {"path": Path("/abs/Cargo.toml")}),
        (("-p", "a", "--package=b", "--bin", "c", "--bin", "d"), {"packages": ("a", "b"), "bins": ("c", "d")}),
        (
            ("--platform", "linux/amd64,linux/arm64", "--platform", "linux/arm/v7"),
            {"overrides": {"platforms": ("linux/amd64", "linux/arm64", "linux/arm/v7")}},
        ),
        (("--libc", "gnu:2.17", "--base", "scratch"), {"overrides": {"libc": "gnu:2.17", "base": "scratch"}}),
        (
            ("-t", "a/b:1", "--tag", "c/d", "--compression", "zstd"),
            {"overrides": {"tags": ("a/b:1", "c/d"), "compression": "zstd"}},
        ),
        (("--profile", "dist", "-F", "a,b c", "--features=d"), {"profile": "dist", "features": ("a", "b", "c", "d")}),
        (("--all-features", "--no-default-features"), {"all_features": True, "no_default_features": True}),
        (("--locked",), {"locked": True}),
        (("--no-locked",), {"locked": False}),
        (("--offline", "--frozen", "-j4"), {"offline": True, "frozen": True, "jobs": 4}),
        (("--push", "--load"), {"push": True, "load": True}),
        (("--workspace", "--exclude", "x-*"), {"workspace": True, "exclude": ("x-*",)}),
        (("a", "b/c"), {"path": HERE / "a", "also": (HERE / "b/c",)}),
        (("--changed-since", "main"), {"changed_since": "main"}),
        (("--manifest-path", "a/Cargo.toml", "--release"), {"path": HERE / "a/Cargo.toml"}),
        (("--label", "a=b=c", "--label", "d="), {"overrides": {"labels": {"a": "b=c", "d": ""}}}),
        (("--annotation", "a=b", "--user", "root"), {"overrides": {"annotations": {"a": "b"}, "user": "root"}}),
        (("-e", "A=1", "--env=B=2", "--set", "env.A=0"), {"overrides": {"env": {"A": "1", "B": "2"}}}),
        (("--set", "stop_signal=INT", "--set", "env.X=1"), {"overrides": {"stop-signal": "INT", "env": {"X": "1"}}}),
        (("--set", "user=a", "--set", "tags=a/b"), {"overrides": {"user": "a", "tags": "a/b"}}),
        (("--set", "user=a", "--user", "b"), {"overrides": {"user": "b"}}),
        (("--cluster", "kind"), {"clusters": (Cluster(ClusterTool.KIND, "kind"),)}),
        (("--push-by-digest",), {"push_by_digest": True}),
        (
            ("-o", "oci:out", "--output", "docker-archive:/x.tar"),
            {"outputs": (Output(OutputKind.OCI, HERE / "out"), Output(OutputKind.DOCKER_ARCHIVE, Path("/x.tar")))},
        ),
    ],
)
@pytest.mark.parametrize("command", ["build", "plan"])
def test_what_is_asked_for(command: str, argv: tuple[str, ...], expected: dict[str, Any]) -> None:
    recorder = asked(command, *argv)
    assert (recorder.command, recorder.selection) == (command, Selection(**{"path": HERE, **expected}))


def test_the_world_is_handed_down() -> None:
    context = asked("build").context
    assert isinstance(context, Context)
    assert (context.env["X"], context.colour) == ("y", "never")
    assert "CARGO_TERM_COLOR" not in context.env
    assert (context.cwd, context.verify) == (HERE, True)
    assert asked("build", "--no-verify").context.verify is False


def test_a_dry_run_plans_and_builds_nothing(tmp_path: Path) -> None:
    assert asked("build", "--dry-run").command == "plan"
    (tmp_path / "b").touch()
    assert asked("pack", "--dry-run", "--binary", "amd64=b", cwd=tmp_path).command == "plan"


def test_binaries_are_given_by_platform(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).touch()
    given = ("--binary", "linux/arm64=one", "--binary=amd64=two", "--binary", "aarch64=three")
    recorder = asked("pack", *given, "--libc=gnu", cwd=tmp_path)
    assert recorder.binaries == {
        Platform("linux", "arm64"): (tmp_path / "one", tmp_path / "three"),
        Platform("linux", "amd64"): (tmp_path / "two",),
    }
    assert recorder.selection.overrides == {"platforms": ("linux/arm64", "linux/amd64"), "libc": "gnu"}


@pytest.mark.parametrize("fix", [True, False])
def test_the_doctor_mends_on_request(*, fix: bool) -> None:
    recorder = asked("doctor", *(["--fix"] if fix else []), "--platform", "linux/riscv64")
    assert (recorder.command, recorder.fix) == ("doctor", fix)
    assert recorder.selection.overrides == {"platforms": ("linux/riscv64",)}


def test_an_image_is_inspected_by_its_name() -> None:
    recorder = asked("inspect", "ghcr.io/me/app:1")
    assert (recorder.command, recorder.target) == ("inspect", "ghcr.io/me/app:1")
    assert asked("inspect", "--elf", "a/b").command == "inspect_programs"
    assert asked("verify", "a/b").command == "verify"
    judged = asked("verify", "--key", "k.pub", "--require", "sbom", "a/b")
    assert (judged.command, judged.names) == ("verify_signatures", ("k.pub", "sbom"))


def test_images_are_copied_and_merged_by_their_names() -> None:
    recorder = asked("copy", "a/b:1", "c/d:1", "--platform", "linux/arm64,linux/amd64", "--platform", "linux/386")
    assert recorder.names == ("a/b:1", "c/d:1", "linux/arm64", "linux/amd64", "linux/386")
    assert (recorder.command, recorder.referrers) == ("copy", False)
    assert asked("copy", "a/b:1", "c/d:1", "--all").names == ("a/b:1", "c/d:1")
    assert asked("copy", "a/b:1", "c/d:1", "--referrers").referrers
    recorder = asked("merge", "-t", "a/b:1", "-t", "a/b:2", "a/b@sha256:1", "a/b@sha256:2")
    pinned = asked("base", "pin", "sub", "-p", "a")
    assert (pinned.command, pinned.selection.packages) == ("base pin", ("a",))
    assert (recorder.command, recorder.names) == ("merge", ("a/b:1", "a/b:2", "a/b@sha256:1", "a/b@sha256:2"))


def refused(*argv: str, env: dict[str, str] | None = None) -> str:
    stderr = io.StringIO()
    assert main(argv, World(env or {}, HERE, io.StringIO(), stderr, operations=Recorder())) == 2
    return stderr.getvalue()


@pytest.mark.parametrize("option", STRANGE_OPTIONS)
def test_another_tools_option_gets_a_hint_or_works(option: str) -> None:
    assert f"hint: {re.sub('[<>]', '', STRANGE_OPTIONS[option])}\n" in refused("build", option)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        # each of these named arm64
        (
            ("--target", "x86_64-unknown-linux-gnu"),
            "write --platform linux/amd64 --libc gnu in place of x86_64-unknown-l",
        ),
        (
            ("--target=x86_64-unknown-linux-musl",),
            "write --platform linux/amd64 in place of x86_64-unknown-linux-musl\n",
        ),
        (
            ("--target", "aarch64-unknown-linux-gnu.2.17"),
            "write --platform linux/arm64 --libc gnu:2.17 in place of aar",
        ),
        (("--target", "armv7-unknown-linux-gnueabihf"), "write --platform linux/arm/v7 --libc gnu in place of armv7-"),
        (("--target", "wasm32-wasip1"), "write --platform wasi/wasm in place of wasm32-wasip1\n"),
        (
            ("--target", "aarch64-apple-darwin"),
            "no image is made for aarch64-apple-darwin: --platform takes linux/amd64,",
        ),
        (
            ("--target", "--release"),
            "write --platform linux/arm64 in place of a target triple, and --libc gnu where it",
        ),
        (("--tarball=a b.tar",), "write -o docker-archive:'a b.tar', or -o oci-archive:'a b.tar'\n"),
        (("--destination", "gcr.io/me/app:1"), "write -t gcr.io/me/app:1\n"),
        (("--registry", "https://me:secret@example.com/x"), "set CARGOSHIP_REPO=https://...@example.com/x, or write"),
        (("--port", "3000", "app"), "write --set expose=3000\n"),
    ],
)
def test_a_hint_repeats_what_was_asked_for(words: tuple[str, ...], hint: str) -> None:
    assert f"hint: {hint}" in refused("build", *words)


def test_a_target_of_rust_is_no_platform() -> None:
    stderr = io.StringIO()
    argv = ("build", "--platform", "linux/amd64,aarch64-unknown-linux-gnu.2.17")
    assert main(argv, World({}, HERE, io.StringIO(), stderr, operations=Recorder())) == PlatformUnknown.exit_code
    assert stderr.getvalue() == (
        "error: aarch64-unknown-linux-gnu.2.17 is a target of Rust, and no platform\n"
        "hint: write --platform linux/arm64 --libc gnu:2.17 in place of aarch64-unknown-linux-gnu.2.17\n"
    )


@pytest.mark.parametrize(
    ("argv", "reported"),
    [
        (("--tag",), "--tag needs a value\nhint: write --tag REFERENCE: name for the image, such as ghcr.io/me/"),
        (("--tag", "--push"), "--tag needs a value, and --push is an option\nhint: write --tag REFERENCE: "),
        (("-p",), "-p needs a value\nhint: write -p NAME: package to ship"),
        (("-j", "x"), "--jobs: 'x' is not a whole number of at least 1\nhint: write --jobs N: parallel"),
        (("--color",), "--color needs a value\nhint: write --color with one of auto, always, never\n"),
        (("--push=true",), "--push takes no value\nhint: write --push alone\n"),
        (("--platfrom", "x"), "no such option --platfrom; did you mean --platform?\n"),
        (("--tags", "x"), "no such option --tags; did you mean --tag?\n"),
        # a variable of a script that was not set
        (("--platform", ""), "--platform names nothing\nhint: write --platform LIST: platforms, comma separated"),
        (
            ("ghcr.io/me/app:1",),
            "there is no folder ghcr.io/me/app:1\nhint: where it is to be the image's name, write -t ghcr",
        ),
    ],
)
def test_an_option_that_was_written_wrongly_is_answered_with_how_it_is_written(
    argv: tuple[str, ...], reported: str
) -> None:
    assert refused("build", *argv).startswith(f"error: {reported}")


@pytest.mark.parametrize(
    ("argv", "reported"),
    [
        ("build --profile a --profile b", "--profile is there twice\nhint: see 'cargoship build --help'"),
        ("build -j1 . --jobs=2 -j 3", "--jobs is there 3 times\n"),
        ("run --platform linux/amd64 --platform linux/arm64", "--platform is there twice\nhint: see 'cargoship run"),
        ("cache gc --days 1 --days 1", "--days is there twice\nhint: see 'cargoship cache gc --help'"),
        ("--color never --color always version", "--color is there twice\n"),
    ],
)
def test_a_value_that_is_given_twice_is_refused(argv: str, reported: str) -> None:
    """The last one was taken, and nothing said of the first."""
    assert refused(*argv.split()).startswith(f"error: {reported}")


@pytest.mark.parametrize(
    "argv", ["build -vv -q -q --push --push -p a -p b --locked --no-locked", "-v build --color never"]
)
def test_what_may_be_repeated_is(argv: str) -> None:
    assert asked(*argv.split()).command == "build"


def test_commands_of_a_group_get_the_same_hints() -> None:
    assert "error: --max-size needs a value\nhint: write --max-size SIZE: what packs" in refused(
        "cache", "gc", "--max-size"
    )
    assert "error: no such option --max-sice; did you mean --max-size?\n" in refused("cache", "gc", "--max-sice", "1")
    assert "error: no such command 'expor'; did you mean export?\n" in refused("cache", "expor")


def test_only_what_is_near_is_suggested() -> None:
    """`resolve --cluster kind` was answered with `did you mean --user?`."""
    assert refused("resolve", "--cluster", "kind").startswith("error: no such option --cluster\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("build", "--json"), "write --metadata-file FILE"),
        (("timings", "--json"), "write --format json"),
        (("sbom", "x", "--json"), None),
        (("login", "x", "--json"), None),
        (("history", "--name", "x"), None),
        (("init", "--manifest-path", "a"), "name the project's folder, or its Cargo.toml, as an argument"),
        (("size", "--manifest-path", "a"), "name the project's folder, or its Cargo.toml, as an argument"),
        (("resolve", "x", "--manifest-path=a/Cargo.toml"), "write --project a/Cargo.toml"),
        (("copy", "--manifest-path", "a"), None),
    ],
)
def test_hints_about_other_tools_are_options_of_the_command(words: tuple[str, ...], hint: str | None) -> None:
    text = refused(*words)
    option = next(word.partition("=")[0] for word in words if word.startswith("--"))
    assert f"no such option {option}" in text
    assert f"hint: {hint}" in text if hint else "write " not in text


def test_a_file_without_its_option_is_answered_with_the_option() -> None:
    assert "unexpected extra argument (a.yaml)\nhint: write -f a.yaml\n" in refused("resolve", "a.yaml")
    assert "unexpected extra arguments (a.yaml b.yaml)\nhint: write -f a.yaml\n" in refused(
        "resolve", "a.yaml", "b.yaml"
    )
    assert "hint: write -f" not in refused("dockerfile", "app", "a.yaml")


def test_hints_about_other_tools_name_commands_that_exist() -> None:
    """`cargoship cache clear` was none."""
    for text in (*STRANGE_COMMANDS.values(), *STRANGE_OPTIONS.values()):
        for first, second in re.findall(r"cargoship ([a-z]+)(?: ([a-z]+))?", text):
            command = cargoship.get_command(click.Context(cargoship), first)
            assert command is not None, text
            assert not isinstance(command, click.Group) or second in command.commands, text


def test_options_of_a_smoke_run_are_the_programs_own() -> None:
    assert asked("build", "--smoke", "--quiet").selection.overrides == {"smoke": ("--quiet",)}


@pytest.mark.parametrize("name", ["--sbom", "--provenance", "--attest", "--pull", "--squash", "--network"])
def test_what_buildx_has_is_not_taken_for_a_misspelt_option(name: str) -> None:
    """`--provenance` was answered with `did you mean --frozen?`."""
    said = refused("build", f"{name}=x")
    assert "did you mean" not in said
    assert STRANGE_OPTIONS[name] in said


@pytest.mark.parametrize("command", ["serve", "ps", "exec", "logs"])
def test_what_is_like_no_command_is_not_taken_for_one(command: str) -> None:
    """`serve` was answered with `did you mean merge?`, `images` with timings, `scan` with schema."""
    assert "did you mean" not in refused(command)


@pytest.mark.parametrize("command", STRANGE_COMMANDS)
def test_another_tools_command_gets_a_hint(command: str) -> None:
    assert STRANGE_COMMANDS[command] in refused(command)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--label", "a"), "--label 'a' is not KEY=VALUE"),
        (("--set", "user"), "--set 'user' is not KEY=VALUE"),
        (("--manifest-path", "Cargo.toml", "app"), "name the project both"),
        (("--cluster", "knid"), 'did you mean "kind"'),
    ],
)
def test_what_cannot_be_meant_is_refused(argv: tuple[str, ...], words: str) -> None:
    assert words in refused("build", *argv)


@pytest.mark.parametrize(
    ("argv", "env", "expected"),
    [
        (("build",), {}, (0, "auto", "auto")),
        (("-q", "build"), {}, (-1, "auto", "auto")),
        (("build", "-q"), {}, (-1, "auto", "auto")),
        (("-v", "build", "-v"), {}, (2, "auto", "auto")),
        (("-vv", "--color", "always", "build"), {}, (2, "auto", "always")),
        (("--color", "always", "--progress=json", "build", "--color", "never"), {}, (0, "json", "never")),
        (("build",), {"CARGOSHIP_PROGRESS": "plain", "CARGOSHIP_COLOR": "always"}, (0, "plain", "always")),
        (("build", "--progress=json"), {"CARGOSHIP_PROGRESS": "plain"}, (0, "json", "auto")),
        (("-q", "base", "pin"), {}, (-1, "auto", "auto")),
    ],
)
def test_how_it_talks_is_said_before_or_after_the_command(
    argv: tuple[str, ...], env: dict[str, str], expected: tuple[int, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Talk] = []
    monkeypatch.setattr("cargoship.cli.session.CliSession.talk", lambda _, talk: reported.append(talk))
    main(argv, World(env, HERE, io.StringIO(), io.StringIO(), operations=Recorder()))
    assert [(each.verbosity, each.progress, each.colour) for each in reported] == [expected]


def test_a_variable_that_says_nothing_is_refused() -> None:
    assert "CARGOSHIP_PROGRESS is 'fancy'" in refused("build", env={"CARGOSHIP_PROGRESS": "fancy"})


@pytest.mark.parametrize("argv", [("ship", "version"), ("version",), ("ship", "--version")])
def test_cargo_ship(argv: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["cargo-ship", *argv])
    assert cargo_ship() == 0
    assert capsys.readouterr().out.startswith("cargoship ")


def test_help_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words, shown in ((("help",), "cargoship"), (("help", "build"), "--push"), (("help", "base", "pin"), "digest")):
        assert main(words, World({}, HERE, io.StringIO(), io.StringIO())) == 0
        assert shown in capsys.readouterr().out
    assert "no such command 'biuld'" in refused("help", "biuld")
    assert "has no commands of its own" in refused("help", "build", "x")
