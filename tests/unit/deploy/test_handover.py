"""What kubectl, Compose and Amazon's command line are started with, and what is kept when they fail."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO

import pytest

from cargoship.context import Context
from cargoship.deploy.handover import apply, compose_files, find_aws, find_compose, find_kubectl, register, up
from cargoship.deploy.resolve import ResolvedDocument
from cargoship.errors import OutputError, ToolFailed, ToolMissing, UsageError
from cargoship.process import Child, Command, GracePeriod
from support.scripted import Answer, ScriptedRunner, said

SECRET = b"kind: Secret\ndata: {a: Yg==}\n"
DOCUMENTS = (
    ResolvedDocument("a/web.yaml", PurePath("web.yaml"), b"kind: Pod\n"),
    ResolvedDocument("b/web.yaml", PurePath("more/web.yaml"), SECRET),
)


@dataclass
class Handed:
    """A terminal that writes down what it was given, and lets the program end with `code`."""

    code: int = 0
    argv: tuple[str, ...] = ()
    stdin: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    modes: set[int] = field(default_factory=set)

    def spawn(self, command: Command) -> Child:
        raise AssertionError(command)

    def attach(self, command: Command, *, stdin: IO[bytes] | None = None, patience: GracePeriod | None = None) -> int:
        assert patience is None, "what stops a cluster may take its time"
        self.argv = command.argv
        self.stdin = b"" if stdin is None else stdin.read()
        for word in command.argv:
            path = Path(word.removeprefix("file://"))
            if path.is_file():
                self.files[path.name] = path.read_bytes()
                self.modes.add(stat.S_IMODE(path.parent.stat().st_mode))
        return self.code


def context(root: Path, *programs: str, answers: dict[tuple[str, ...], Answer] | None = None) -> Context:
    """A machine with these programs on PATH, and nothing else."""
    folder = root / "bin"
    folder.mkdir()
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    env = {"PATH": str(folder), "CARGOSHIP_CACHE_DIR": str(root / "cache")}
    return Context(env=env, cwd=root, runner=ScriptedRunner(answers or {}))


def kept(root: Path) -> dict[str, bytes]:
    folder = root / "cache" / "deploy"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize(
    ("programs", "code", "words"),
    [
        (("docker", "docker-compose"), 0, ("docker", "compose")),
        (("docker", "docker-compose"), 1, ("docker-compose",)),
        (("docker-compose",), 1, ("docker-compose",)),
    ],
    ids=["the plugin", "no plugin", "no docker"],
)
def test_compose_is_the_plugin_or_the_program_of_old(
    tmp_path: Path, programs: Sequence[str], code: int, words: tuple[str, ...]
) -> None:
    assert find_compose(context(tmp_path, *programs, answers={("compose", "version"): said(code=code)})) == words


def test_what_is_missing_is_reported_with_a_way_out(tmp_path: Path) -> None:
    around = context(tmp_path, "docker", answers={("compose", "version"): said(code=1)})
    with pytest.raises(ToolMissing, match="neither `docker compose` nor docker-compose") as compose:
        find_compose(around)
    assert "cargoship resolve" in (compose.value.hint or "")
    with pytest.raises(ToolMissing, match="kubectl is not on PATH") as kubectl:
        find_kubectl(around)
    assert "cargoship resolve" in (kubectl.value.hint or "")
    with pytest.raises(ToolMissing, match="aws is not on PATH") as aws:
        find_aws(around)
    assert "--print" in (aws.value.hint or "")


def test_what_is_there_is_started_by_its_name(tmp_path: Path) -> None:
    around = context(tmp_path, "kubectl", "aws")
    assert (find_kubectl(around), find_aws(around)) == (("kubectl",), ("aws",))


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (("compose.yaml",), ("compose.yaml",)),
        (("docker-compose.yml", "compose.yml"), ("compose.yml",)),
        (("compose.yaml", "compose.override.yml"), ("compose.yaml", "compose.override.yml")),
        (("compose.yaml", "compose.override.yaml", "compose.override.yml"), ("compose.yaml", "compose.override.yml")),
        (("docker-compose.yml", "compose.override.yml"), ("docker-compose.yml", "compose.override.yml")),
    ],
)
def test_compose_files_are_those_that_compose_would_read(
    tmp_path: Path, there: Sequence[str], found: tuple[str, ...]
) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert compose_files(tmp_path, {}) == found


def test_a_folder_without_a_compose_file(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").mkdir()
    with pytest.raises(UsageError, match="no Compose file"):
        compose_files(tmp_path, {})


def test_kubectl_reads_one_stream(tmp_path: Path) -> None:
    terminal = Handed()
    apply(("kubectl",), DOCUMENTS, ("--dry-run=client",), context(tmp_path), terminal)
    assert terminal.argv == ("kubectl", "apply", "-f", "-", "--dry-run=client")
    assert terminal.stdin == b"kind: Pod\n---\n" + SECRET
    assert kept(tmp_path) == {}


def test_what_kubectl_did_not_take_is_kept_for_another_try(tmp_path: Path) -> None:
    terminal = Handed(code=3)
    with pytest.raises(ToolFailed, match="kubectl ended with 3") as caught:
        apply(("kubectl",), DOCUMENTS, (), context(tmp_path), terminal)
    assert caught.value.exit_code == 3
    (path,) = (tmp_path / "cache" / "deploy").iterdir()
    assert (caught.value.hint or "").endswith(f"kubectl apply -f {path}")
    assert path.read_bytes() == terminal.stdin
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "it may hold secrets"


def test_the_hint_goes_on_with_the_cluster_and_namespace_that_were_asked_for(tmp_path: Path) -> None:
    words = ("--server-side", "--context", "prod", "-n", "my shop", "--token=s3cret", "--password", "s3cret", "--v=2")
    with pytest.raises(ToolFailed) as caught:
        apply(("kubectl",), DOCUMENTS, words, context(tmp_path), Handed(code=1))
    hint = caught.value.hint or ""
    assert hint.endswith("--server-side --context prod -n 'my shop' --token=... --password ... --v=2")
    assert "s3cret" not in hint


def test_what_one_project_left_is_not_overwritten_by_the_next(tmp_path: Path) -> None:
    around, hints = context(tmp_path), []
    for number in range(20):
        document = ResolvedDocument("web.yaml", PurePath("web.yaml"), b"kind: Pod%d\n" % number)
        with pytest.raises(ToolFailed) as caught:
            apply(("kubectl",), (document,), (), around, Handed(code=1))
        hints.append(Path((caught.value.hint or "").split()[-1]))
    assert [path.read_bytes() for path in hints[-16:]] == [b"kind: Pod%d\n" % number for number in range(4, 20)]
    assert len(kept(tmp_path)) == 16, "they may hold secrets, and do not pile up"


@pytest.mark.parametrize("code", [0, 5])
def test_compose_gets_files_that_are_gone_afterwards(tmp_path: Path, code: int) -> None:
    terminal = Handed(code=code)
    words = (("docker", "compose"), DOCUMENTS, ("-d",), context(tmp_path), terminal)
    if code:
        with pytest.raises(ToolFailed, match="docker compose up ended with 5") as caught:
            up(*words, folder=tmp_path / "project")
        assert caught.value.exit_code == code
    else:
        up(*words, folder=tmp_path / "project")
    assert terminal.argv[:4] == ("docker", "compose", "--project-directory", str(tmp_path / "project"))
    assert [terminal.argv[4], terminal.argv[6], *terminal.argv[8:]] == ["-f", "-f", "up", "-d"]
    # two documents may have one name
    assert terminal.files == {"0-web.yaml": b"kind: Pod\n", "1-web.yaml": SECRET}
    assert terminal.modes == {0o700}
    assert kept(tmp_path) == {}


def test_compose_files_are_gone_after_an_interrupt(tmp_path: Path) -> None:
    class Interrupted(Handed):
        def attach(
            self, command: Command, *, stdin: IO[bytes] | None = None, patience: GracePeriod | None = None
        ) -> int:
            super().attach(command, stdin=stdin, patience=patience)
            raise KeyboardInterrupt

    terminal = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        up(("docker-compose",), DOCUMENTS, (), context(tmp_path), terminal, folder=tmp_path)
    assert terminal.files
    assert kept(tmp_path) == {}


def test_amazon_reads_a_file_that_stays_where_it_failed(tmp_path: Path) -> None:
    around = context(tmp_path)
    terminal = Handed()
    register(("aws",), b'{"family": "a"}', ("--region", "eu-west-1"), around, terminal)
    assert terminal.argv[:4] == ("aws", "ecs", "register-task-definition", "--cli-input-json")
    assert terminal.argv[5:] == ("--region", "eu-west-1")
    assert terminal.files == {"task-definition.json": b'{"family": "a"}'}
    assert kept(tmp_path) == {}
    with pytest.raises(ToolFailed, match="aws ended with 254") as caught:
        register(("aws",), b"{}", ("--region", "eu-west-1"), around, Handed(code=254))
    assert caught.value.exit_code == 254
    (path,) = (tmp_path / "cache" / "deploy").iterdir()
    assert path.read_bytes() == b"{}"
    asked = f"aws ecs register-task-definition --cli-input-json file://{path} --region eu-west-1"
    assert (caught.value.hint or "").endswith(asked)


def test_a_cache_folder_that_cannot_be_written_is_reported_before_anything_is_started(tmp_path: Path) -> None:
    around = context(tmp_path)
    (tmp_path / "cache").write_text("no folder")
    terminal = Handed()
    with pytest.raises(OutputError, match="cache"):
        up(("docker-compose",), DOCUMENTS, (), around, terminal, folder=tmp_path)
    with pytest.raises(OutputError, match="cache"):
        register(("aws",), b"{}", (), around, terminal)
    assert terminal.argv == ()
