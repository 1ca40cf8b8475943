"""What docs/architecture.md promises about the house, as tests."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

REPOSITORY = Path(__file__).parents[1]
SOURCE = REPOSITORY / "src" / "cargoship"
LINES_MAX = 400
"""A module beyond this is split by noun; most stay below 250."""

# What `cargoship --version` must not load: its time is the time of imports.
HEAVY = {
    "asyncio",
    "backports.zstd",
    "cargoship.pipeline",
    "cargoship.plan",
    "cargoship.registry",
    "cargoship.settings",
    "cargoship.toolchain",
    "cargo_zigbuild",
    "certifi",
    "compression.zstd",
    "elftools",
    "http.client",
    "httpx2",
    "importlib.metadata",
    "msgspec",
    "rich.progress",
    "ssl",
    "subprocess",
    "tomlkit",
    "tomllib",
    "tzdata",
    "urllib.request",
    "zlib_ng",
}


MODULES = sorted(SOURCE.rglob("*.py"))


def test_layers_and_seams(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(REPOSITORY)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def seam_breaks(path: Path) -> Iterator[str]:
    """Uses of processes, sockets, the terminal and the process's own state where they do not belong.

    import-linter sees packages; this sees names in them: urllib.request (urllib.parse is harmless), os.environ.
    """
    place = path.relative_to(SOURCE).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                imported = [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names):
                imported = [module, *(f"{module}.{name.name}" for name in names)]
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                imported = [f"{owner}.{attribute}"]
            case ast.Call(func=ast.Name(id=function)):
                imported = [function]
            case _:
                continue
        for name in imported:
            if not allowed(name, place):
                yield f"{place}:{node.lineno}: {name}"


def allowed(name: str, place: str) -> bool:
    """Whether a module may use a name that belongs to one seam."""
    seams: tuple[tuple[set[str], tuple[str, ...]], ...] = (
        (
            {"subprocess", "os.system", "os.popen", "os.fork", "os.execv", "os.execve", "os.execvp", "os.posix_spawn"},
            ("process.py",),
        ),
        (
            {"socket", "ssl", "http.client", "http.server", "urllib.request", "httpx2"},
            ("registry/transport.py", "testing/"),
        ),
        ({"print", "input", "breakpoint", "sys.exit", "sys.stdout", "sys.stderr"}, ("cli/", "__main__.py")),
        ({"os.environ", "os.getenv", "os.getcwd", "os.chdir", "Path.cwd", "Path.home"}, ("cli/", "__init__.py")),
        ({"time.time", "datetime.now", "datetime.utcnow"}, ("cli/",)),
    )
    if place.startswith("toolchain/scripts/"):
        return True  # programs of their own, which the compiler's wrappers start
    return all(name not in names or place.startswith(places) for names, places in seams)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_effects_stay_in_their_seams(path: Path) -> None:
    assert list(seam_breaks(path)) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def test_version_loads_little() -> None:
    script = (
        "import sys\n"
        "from cargoship.cli.main import main\n"
        "assert main(['--version']) == 0\n"
        "sys.stderr.write('\\n'.join(sys.modules))\n"
    )
    # -I: nothing of this environment's own start-up (coverage, editors) counts
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    loaded = set(done.stderr.split())
    assert done.stdout.startswith("cargoship")
    assert sorted(loaded & HEAVY) == []
