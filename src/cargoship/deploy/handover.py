"""Handing resolved documents to the tools that run them: kubectl, Compose, and Amazon's command line.

Each tool is found before anything is built. What it prints is its own; a failure of it loses nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cargoship.context import Context
from cargoship.deploy.resolve import Document, joined
from cargoship.errors import ToolFailed, ToolMissing, UsageError
from cargoship.oci.files import atomic_file, writing
from cargoship.process import Command, Terminal

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""What Compose looks for, in its order; each may have an override beside it."""


def find_kubectl(context: Context) -> tuple[str, ...]:
    """The words that start kubectl; raises ToolMissing."""
    return _on_path("kubectl", context, "install kubectl, or write the documents with `cargoship resolve`")


def find_aws(context: Context) -> tuple[str, ...]:
    """The words that start the AWS command line; raises ToolMissing."""
    return _on_path("aws", context, "install the AWS command line, or see the input with --print")


def find_compose(context: Context) -> tuple[str, ...]:
    """The words that start Compose: Docker's plugin, else the program of old; raises ToolMissing."""
    path = context.env.get("PATH")
    if shutil.which("docker", path=path) is not None:
        plugin = ("docker", "compose")
        if context.runner.run(Command((*plugin, "version"), env=context.env)).code == 0:
            return plugin
    if shutil.which("docker-compose", path=path) is not None:
        return ("docker-compose",)
    raise ToolMissing(
        "there is neither `docker compose` nor docker-compose",
        hint="install Docker's Compose plugin, or write the file with `cargoship resolve`",
    )


def compose_files(folder: Path) -> tuple[str, ...]:
    """What Compose would read in a folder; raises UsageError."""
    for name in COMPOSE_FILES:
        if (folder / name).is_file():
            stem = name.partition(".")[0]
            names = [f"{stem}.override{suffix}" for suffix in (".yaml", ".yml")]
            overrides = [each for each in names if (folder / each).is_file()]
            return (name, *overrides[:1])
    raise UsageError(f"there is no Compose file in {folder}", hint="name it with -f")


def apply(
    kubectl: Sequence[str], documents: Sequence[Document], words: Sequence[str], context: Context, terminal: Terminal
) -> None:
    """`kubectl apply` everything as one stream; raises ToolFailed, OutputError."""
    stream = joined(documents)
    with tempfile.TemporaryFile() as stdin:
        stdin.write(stream)
        stdin.flush()
        stdin.seek(0)
        command = Command((*kubectl, "apply", "-f", "-", *words), cwd=context.cwd, env=context.env)
        code = terminal.attach(command, stdin=stdin)
    if code != 0:
        kept = _kept(stream, "resolved.yaml", context)
        raise ToolFailed(
            f"kubectl ended with {code}",
            code,
            hint=f"the images are pushed; once it is mended, go on with: kubectl apply -f {kept}",
        )


def up(
    compose: Sequence[str],
    documents: Sequence[Document],
    words: Sequence[str],
    context: Context,
    terminal: Terminal,
    *,
    folder: Path,
) -> None:
    """`docker compose up` with the documents in place of the files; `folder` is the project's. Raises ToolFailed."""
    with _written(documents, context) as paths:
        files = [word for path in paths for word in ("-f", str(path))]
        argv = (*compose, "--project-directory", str(folder), *files, "up", *words)
        code = terminal.attach(Command(argv, cwd=context.cwd, env=context.env))
    if code != 0:
        raise ToolFailed(
            f"{' '.join(compose)} up ended with {code}",
            code,
            hint="the images are pushed: the same again builds nothing",
        )


def register(aws: Sequence[str], task: bytes, words: Sequence[str], context: Context, terminal: Terminal) -> None:
    """`aws ecs register-task-definition`; raises ToolFailed, OutputError."""
    kept = _kept(task, "task-definition.json", context)
    argv = (*aws, "ecs", "register-task-definition", "--cli-input-json", f"file://{kept}", *words)
    code = terminal.attach(Command(argv, cwd=context.cwd, env=context.env))
    if code != 0:
        raise ToolFailed(f"aws ended with {code}", code, hint=f"the images are pushed; the input is in {kept}")
    kept.unlink(missing_ok=True)


def _on_path(name: str, context: Context, hint: str) -> tuple[str, ...]:
    if shutil.which(name, path=context.env.get("PATH")) is None:
        raise ToolMissing(f"{name} is not on PATH", hint=hint)
    return (name,)


def _kept(data: bytes, name: str, context: Context) -> Path:
    """Write what must not be lost; documents may hold secrets, so that this user alone can read it."""
    path = context.cache_dir / "deploy" / name
    with atomic_file(path, private=True) as stream:
        stream.write(data)
    return path


@contextmanager
def _written(documents: Sequence[Document], context: Context) -> Iterator[list[Path]]:
    """The documents as files, until the block ends; only this user can read them."""
    place = context.cache_dir / "deploy"
    with writing(place):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = tempfile.TemporaryDirectory(prefix="compose-", dir=place)
    with folder as root:
        paths = []
        for number, document in enumerate(documents):
            path = Path(root) / f"{number}-{document.relative.name}"
            path.write_bytes(document.data)
            paths.append(path)
        yield paths
