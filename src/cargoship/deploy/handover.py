"""Handing resolved documents to the tools that run them: kubectl, Compose, and Amazon's command line.

Each tool is found before anything is built. What it prints is its own; a failure of it loses nothing.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cargoship.context import Context
from cargoship.deploy.joining import joined
from cargoship.deploy.resolve import ResolvedDocument
from cargoship.errors import ToolFailed, ToolMissing, UsageError
from cargoship.oci.files import atomic_file, writing
from cargoship.owners import Owners
from cargoship.process import Command, Terminal
from cargoship.reading import is_file, read_utf8
from cargoship.scratch import scratch

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""What Compose looks for, in its order (compose-go, cli/options.go)."""
OVERRIDE_FILES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""What it lays over the first of these, whatever that is called."""
_SECRETS = ("--token", "--password")
"""kubectl's options whose values are nobody's business."""
_KEPT_MAX = 16
"""How many files that a tool has not taken are kept, the newest."""


def find_kubectl(context: Context) -> tuple[str, ...]:
    """The words that start kubectl; raises ToolMissing."""
    return _on_path("kubectl", context, "install kubectl, or write the documents with `cargoship resolve`")


def find_aws(context: Context) -> tuple[str, ...]:
    """The words that start the AWS command line; raises ToolMissing."""
    return _on_path("aws", context, "install the AWS command line, or see the input with --print")


def find_compose(context: Context) -> tuple[str, ...]:
    """The words that start Compose: Docker's plugin, else the program of old; raises ToolMissing."""
    programs = context.runner.programs
    if programs.find("docker", context.env) is not None:
        plugin = ("docker", "compose")
        if context.runner.run(Command((*plugin, "version"), env=context.env)).code == 0:
            return plugin
    if programs.find("docker-compose", context.env) is not None:
        return ("docker-compose",)
    raise ToolMissing(
        "there is neither `docker compose` nor docker-compose",
        hint="install Docker's Compose plugin, or write the file with `cargoship resolve`",
    )


def compose_files(folder: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """What Compose would read in a folder: what COMPOSE_FILE says, there or in .env, else the files of that name.

    Those are looked for in the folders above too. Raises UsageError, and ForeignFile for what others have put there.
    """
    owners = Owners.of(folder, env)
    owners.check_own("Compose", (".env", *COMPOSE_FILES, *OVERRIDE_FILES))
    said = {**_dotenv(folder / ".env"), **env}
    if said.get("COMPOSE_FILE"):
        separator = said.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        return tuple(str(folder / each) for each in said["COMPOSE_FILE"].split(separator) if each)
    for place in (folder, *folder.parents):
        if place != folder:
            # nobody has named a folder above: whose it is says nothing
            owners.check("Compose", (place / name for name in (*COMPOSE_FILES, *OVERRIDE_FILES)))
        for name in COMPOSE_FILES:
            if is_file(place / name):
                overrides = [each for each in OVERRIDE_FILES if is_file(place / each)]
                names = (name, *overrides[:1])
                return names if place == folder else tuple(str(place / each) for each in names)
    raise UsageError(f"there is no Compose file in {folder}", hint="name it with -f")


def compose_variables(folder: Path, env: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """What Compose fills in for variables: those of the environment, and else of the files that it reads them from."""
    named = [cwd / each for each in env.get("COMPOSE_ENV_FILES", "").split(",") if each]
    said: dict[str, str] = {}
    for path in named or [folder / ".env"]:
        said.update(_dotenv(path))
    return {**said, **env}


def _dotenv(path: Path) -> dict[str, str]:
    """The plain assignments of a .env file."""
    try:
        lines = read_utf8(path).splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.removeprefix("export ").partition("=") for line in map(str.strip, lines) if not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, equals, value in pairs if equals}


def apply(
    kubectl: Sequence[str],
    documents: Sequence[ResolvedDocument],
    words: Sequence[str],
    context: Context,
    terminal: Terminal,
    verb: str = "apply",
) -> None:
    """`kubectl apply` everything as one stream, or another verb of kubectl; raises ToolFailed, OutputError."""
    stream = joined([each.data for each in documents])
    with tempfile.TemporaryFile() as stdin:
        stdin.write(stream)
        stdin.flush()
        stdin.seek(0)
        command = Command((*kubectl, verb, "-f", "-", *words), cwd=context.cwd, env=context.env)
        code = terminal.attach(command, stdin=stdin)
    if code != 0:
        kept = _kept(stream, "resolved.yaml", context)
        again = _shown((*kubectl, verb, "-f", str(kept), *words))
        pushed = "" if verb == "delete" else "the images are there; "
        raise ToolFailed(f"kubectl ended with {code}", code, hint=f"{pushed}once it is mended, go on with: {again}")


def up(
    compose: Sequence[str],
    documents: Sequence[ResolvedDocument],
    words: Sequence[str],
    context: Context,
    terminal: Terminal,
    *,
    folder: Path,
) -> None:
    """`docker compose up` with the documents in place of the files; `folder` is the project's.

    Raises ToolFailed, and ForeignFile where a stranger's variables would count.
    """
    # Compose takes variables from there
    Owners.of(folder, context.env).check_own("Compose", (".env",))
    with _written(documents, context) as paths:
        files = [word for path in paths for word in ("-f", str(path))]
        argv = (*compose, "--project-directory", str(folder), *files, "up", *words)
        code = terminal.attach(Command(argv, cwd=context.cwd, env=context.env))
    if code != 0:
        raise ToolFailed(
            f"{' '.join(compose)} up ended with {code}",
            code,
            hint="the images are built and where they were to go: the same command again compiles nothing",
        )


def register(aws: Sequence[str], task: bytes, words: Sequence[str], context: Context, terminal: Terminal) -> None:
    """`aws ecs register-task-definition`; raises ToolFailed, OutputError."""
    register_with = (*aws, "ecs", "register-task-definition", "--cli-input-json")
    with _folder("ecs-", context) as folder:
        path = folder / "task-definition.json"
        path.write_bytes(task)
        argv = (*register_with, f"file://{path}", *words)
        code = terminal.attach(Command(argv, cwd=context.cwd, env=context.env))
    if code != 0:
        kept = _kept(task, "task-definition.json", context)
        again = _shown((*register_with, f"file://{kept}", *words))
        raise ToolFailed(
            f"aws ended with {code}", code, hint=f"the images are pushed; once it is mended, go on with: {again}"
        )


def _on_path(name: str, context: Context, hint: str) -> tuple[str, ...]:
    programs = context.runner.programs
    if programs.find(name, context.env) is None:
        raise ToolMissing(programs.reason(name, context.env), hint=hint)
    return (name,)


def _kept(data: bytes, name: str, context: Context) -> Path:
    """Write what must not be lost; documents may hold secrets, so that this user alone can read it.

    The file is called after its content: a hint of one project never names what another has left since.
    """
    stem, dot, suffix = name.partition(".")
    folder = context.cache_dir / "deploy"
    path = folder / f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}{dot}{suffix}"
    with atomic_file(path, private=True) as stream:
        stream.write(data)
    there = [each for each in folder.glob(f"{stem}-*.{suffix}") if is_file(each) and each != path]
    for old in sorted(there, key=lambda each: each.stat().st_mtime_ns, reverse=True)[_KEPT_MAX - 1 :]:
        old.unlink(missing_ok=True)
    return path


def _shown(argv: Sequence[str]) -> str:
    """A command as a shell takes it, with `...` in place of secrets."""
    shown: list[str] = []
    hide = False
    for word in argv:
        name, equals, _ = word.partition("=")
        if hide:
            shown.append("...")
        else:
            shown.append(f"{name}=..." if name in _SECRETS and equals else shlex.quote(word))
        hide = not hide and word in _SECRETS
    return " ".join(shown)


@contextmanager
def _written(documents: Sequence[ResolvedDocument], context: Context) -> Iterator[list[Path]]:
    """The documents as files, until the block ends; only this user can read them."""
    with _folder("compose-", context) as root:
        paths = []
        for number, document in enumerate(documents):
            path = root / f"{number}-{document.relative.name}"
            path.write_bytes(document.data)
            paths.append(path)
        yield paths


@contextmanager
def _folder(prefix: str, context: Context) -> Iterator[Path]:
    """A folder that only this user can read, until the block ends; raises OutputError."""
    place = context.cache_dir / "deploy"
    with ExitStack() as held:
        with writing(place):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            root = held.enter_context(scratch(prefix, place))
        yield root
