"""What docs/architecture.md promises about the house, as tests."""

from __future__ import annotations

import ast
import builtins
import functools
import graphlib
import importlib
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from cargoship import errors
from support.programs import unmeasured

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
    "httpcore2",
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

SEAMS: tuple[tuple[set[str], tuple[str, ...]], ...] = (
    (
        {"subprocess", "os.system", "os.popen", "os.fork", "os.execv", "os.execve", "os.execvp", "os.posix_spawn"},
        ("process/",),
    ),
    (
        {"socket", "ssl", "http.client", "http.server", "urllib.request", "httpcore2"},
        ("http/transport.py", "testing/"),
    ),
    ({"print", "input", "breakpoint", "sys.exit", "sys.stdout", "sys.stderr"}, ("cli/", "__main__.py")),
    ({"os.environ", "os.getenv", "os.getcwd", "os.chdir", "Path.cwd", "Path.home"}, ("calls.py", "cli/")),
    (
        {"os.uname", "os.confstr", "platform.machine", "platform.system", "platform.node"},
        ("cli/", "native.py", "unitcache/keys/"),
    ),
    (
        {"os.cpu_count", "os.process_cpu_count", "os.sched_getaffinity"},
        ("cli/", "execution/", "oci/compress.py", "records/"),
    ),
    (
        {"os.getuid", "os.geteuid", "os.getgid", "os.getegid", "os.getlogin"},
        ("cli/", "oci/unpack.py", "owners.py", "registry/connect.py", "sandbox/", "scratch.py", "unitcache/keys/"),
    ),
    ({"obstore"}, ("unitcache/stores/objects.py",)),
    ({"grpc"}, ("reapi/channel.py",)),
    ({"google"}, ("reapi/schema.py",)),
    ({"opentelemetry"}, ("cli/results/telemetry.py",)),
    ({"shutil.which", "os.get_exec_path"}, ("programs.py", "process/")),
    ({"time.time", "datetime.now", "datetime.utcnow"}, ("calls.py", "cli/")),
)
"""What belongs to a few modules: names, and where those may be used."""
OWNERS = {name: places for names, places in SEAMS for name in names}


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax tree; several tests look at each."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a module's syntax tree: walking through it is what these tests spend their time with."""
    return tuple(ast.walk(parsed(path)))


def place_of(path: Path) -> str:
    """A module's file, from the package's own folder."""
    return path.relative_to(SOURCE).as_posix()


def test_layers_and_seams(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(REPOSITORY)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_circles() -> None:
    """Modules of one room, too, import each other in one direction alone, for types as well as at run time."""
    graph = grimp.build_graph("cargoship", cache_dir=None)
    names = sorted(graph.modules)
    graphlib.TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in names}).prepare()


def seam_breaks(path: Path, root: Path = SOURCE) -> Iterator[str]:
    """Uses of processes, sockets, the terminal and the process's own state where they do not belong.

    import-linter sees packages; this sees names in them: urllib.request (urllib.parse is harmless), os.environ.
    """
    place = path.relative_to(root).as_posix()
    renamed = dict(renamings(path))
    for node in nodes(path):
        match node:
            case ast.Import(names=names):
                imported = [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names):
                imported = [module, *(f"{module}.{name.name}" for name in names)]
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                imported = [f"{renamed.get(owner, owner)}.{attribute}"]
            case ast.Call(func=ast.Name(id=function)):
                imported = [renamed.get(function, function)]
            case _:
                continue
        for name in imported:
            if not allowed(name, place):
                yield f"{place}:{node.lineno}: {name}"


def renamings(path: Path) -> Iterator[tuple[str, str]]:
    """Names that imports give to other names: `import platform as machine`, `from pathlib import Path as P`."""
    for node in nodes(path):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((name.asname, name.name) for name in node.names if name.asname is not None)


@pytest.mark.parametrize(
    "line",
    [
        "import platform as machine; machine.machine()",
        "from os import environ as env",
        "import os as system; system.environ['A']",
        "from time import time as now; now()",
        "from pathlib import Path as P; P.cwd()",
        "import subprocess as s",
    ],
)
def test_a_seam_is_seen_under_another_name(line: str, tmp_path: Path) -> None:
    """`import platform as machine` asked the machine in four modules that may not."""
    path = tmp_path / "module.py"
    path.write_text(line)
    assert list(seam_breaks(path, tmp_path))


def allowed(name: str, place: str) -> bool:
    """Whether a module may use a name that belongs to one seam."""
    places = OWNERS.get(name)
    # programs of their own: what the compiler's wrappers start, and what makes the sandbox
    return places is None or place.startswith((*places, "toolchain/scripts/", "sandbox/inside/"))


def test_effects_stay_in_their_seams() -> None:
    assert [each for path in MODULES for each in seam_breaks(path)] == []


def test_the_tables_of_layers_are_those_of_the_contracts() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    with_tables = runpy.run_path(str(REPOSITORY / "scripts" / "layer_tables.py"))["with_tables"]
    assert with_tables(page) == page, "run scripts/layer_tables.py"


def test_the_seams_exist() -> None:
    (table,) = tables("seam")
    for seam, _ in table:
        module, _, name = seam.strip("`").rpartition(".")
        assert hasattr(importlib.import_module(module), name), seam


def test_modules_that_are_named_exist() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    named = re.findall(r"`(?:src/cargoship/)?([\w/]+\.py)`", text)
    assert named
    assert [
        name for name in named if not any((root / name).is_file() for root in (REPOSITORY, SOURCE, SOURCE.parent))
    ] == []


def tables(first: str) -> list[list[tuple[str, str]]]:
    """The tables of docs/architecture.md whose first column has this head."""
    found: list[list[tuple[str, str]]] = []
    inside = False
    for line in (REPOSITORY / "docs" / "architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|", 1)] if line.startswith("|") else []
        if not cells:
            inside = False
        elif cells[0] == first:
            inside = True
            found.append([])
        elif inside and not cells[0].startswith("---"):
            found[-1].append((cells[0], cells[1]))
    return found


def test_what_a_person_may_see_is_in_errors() -> None:
    """Exceptions of other modules are signals; one that refines an error has nothing of its own but its name."""
    known = {name for name, value in vars(errors).items() if isinstance(value, type)}
    elsewhere = []
    for path in MODULES:
        for node in nodes(path) if path.name != "errors.py" else ():
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                named_only = all(isinstance(part, ast.Expr) for part in node.body)
                if bases & known and not named_only:
                    elsewhere.append(f"{place_of(path)}: {node.name} belongs into errors.py")
    assert elsewhere == []


def test_modules_are_short() -> None:
    lines = {place_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {place: count for place, count in lines.items() if count > LINES_MAX} == {}


SAME_NAME = {"main": "where a program begins: the command line, the sandbox's, and the linker's driver are three"}
"""Public names that stand in several modules, each with the reason."""


def public_names() -> Iterator[tuple[str, str]]:
    """Public classes and functions of modules, with the module; not the verbs of the command line and the library.

    Those are called like the function that does what they say.
    """
    for path in MODULES:
        place = place_of(path)
        if place == "__init__.py":
            continue
        for node in parsed(path).body:
            if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if not any(".command(" in text or "click.group(" in text or ".group(" in text for text in decorators):
                yield node.name, place


def test_a_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, place in public_names():
        places.setdefault(name, []).append(place)
    several = {name: where for name, where in places.items() if len(where) > 1}
    assert {name: where for name, where in several.items() if name not in SAME_NAME} == {}
    assert set(SAME_NAME) <= set(several)


def test_errors_that_docstrings_name_exist() -> None:
    """Three exceptions had been renamed, and who called what raises them still read the old names."""
    known = dir(builtins)
    known += [node.name for path in MODULES for node in nodes(path) if isinstance(node, ast.ClassDef)]
    gone = []
    for path in MODULES:
        for node in nodes(path):
            text = ast.get_docstring(node) if isinstance(node, ast.ClassDef | ast.FunctionDef) else None
            for listed in re.findall(
                r"[Rr]aises ((?:[A-Z]\w+(?:'s family)?(?:, and |, or |, | and | or |\b))+)", text or ""
            ):
                names = set(re.findall(r"\b[A-Z]\w+", listed))
                gone += [f"{place_of(path)}: {name}" for name in sorted(names.difference(known))]
    assert gone == []


CALLED_BY_OTHERS = {
    "cargo_ship": "cargo, as a subcommand",
    "__getattr__": "Python",
    "__dir__": "Python",
    "get_completion_args": "click",
    "format_completion": "click",
    "read_layout": "tests and nobody else: the other half of write_layout, by which they see what was written",
    "readinto": "io",
    "handle_error": "http.server",
    "log_message": "http.server",
}
"""What nothing in cargoship calls by its name, and who does."""


def test_nothing_is_there_for_tests_alone() -> None:
    """Functions, classes, methods and constants are used by cargoship itself, or documented for programs of others."""
    used = {name for path in MODULES for node in nodes(path) for name in _used_by(node)}
    pages = [path for path in (REPOSITORY / "docs").rglob("*.md") if "decisions" not in path.parts]
    documented = {word for page in pages for code in _code_of(page.read_text()) for word in re.findall(r"\w+", code)}
    known = used | documented | CALLED_BY_OTHERS.keys()
    defined = {name: place_of(path) for path in MODULES for name in _defined_in(path)}
    assert {name: place for name, place in defined.items() if name not in known and name[:2] != "__"} == {}


def _used_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Load()) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            yield name
        case ast.ImportFrom(names=names):
            yield from (each.name for each in names if each.asname not in {None, each.name})
        case _:
            pass


def _defined_in(path: Path) -> Iterator[str]:
    for node in parsed(path).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))
    yield from (node.name for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.ClassDef))


def _code_of(page: str) -> list[str]:
    return re.findall(r"```.*?```|`[^`\n]+`", page, re.DOTALL)


def test_version_loads_little() -> None:
    script = (
        "import sys\n"
        "from cargoship.cli.main import main\n"
        "assert main(['--version']) == 0\n"
        "sys.stderr.write('\\n'.join(sys.modules))\n"
    )
    # nothing of this environment's own start-up (coverage, editors) counts
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True, env=unmeasured()
    )
    loaded = set(done.stderr.split())
    assert done.stdout.startswith("cargoship")
    assert sorted(loaded & HEAVY) == []
