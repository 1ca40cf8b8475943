# ruff: noqa: E501 - documents are one line each
"""Hostile projects: manifests, lock files, recipes, git, and what cargo and build scripts say."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import tomli_w

from cargoship.cargo.config import configuration_files, default_targets, read_table, replaced_sources, unstable_switches
from cargoship.cargo.failure import failure_of
from cargoship.cargo.git import read_git_facts, web_address
from cargoship.cargo.git.names import choose_tag, refs_of
from cargoship.cargo.messages import MessageReader
from cargoship.cargo.progress import StderrReader
from cargoship.cargo.project import Binary, Package, Project, load_project
from cargoship.cargo.unit_graph import decode_unit_graph
from cargoship.cli.paint import NO_COLOURS, Paint
from cargoship.cli.render import Talk, make_renderer
from cargoship.cli.render.document import indented, line
from cargoship.cli.results.planned import plan_text
from cargoship.dockerfile import BuilderImage, DockerfileOptions, dockerfile, dockerignore, recorded
from cargoship.errors import CargoshipError
from cargoship.events import Event
from cargoship.pins import with_base
from cargoship.plan import ProjectFacts, Selection, choose_packages, make_plan
from cargoship.plan.describe import describe, placeholders, reference
from cargoship.plan.render import plan_to_json
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder
from cargoship.recipe.lock import mask, reachable
from cargoship.recipe.lock import parse_cargo_lock as read_recipe_lock
from cargoship.recipe.model import parse_recipe
from cargoship.recipe.skeleton import check_free, skeleton_files, write_files
from cargoship.settings.fields import FIELDS
from cargoship.settings.include import resolve_includes
from cargoship.settings.sources import load_settings
from cargoship.unitcache.keys.configuration import manifest_digest
from cargoship.unitcache.keys.environment import locked_sources
from cargoship.unitcache.keys.manifests import local_manifests, workspace_of
from support.deploying import metadata
from support.hostile.changes import Chance, as_json, changed, changed_bytes, changed_text
from support.hostile.judge import Kind, shown
from support.recipes import prepare_recipe
from support.scripted import ScriptedRunner

SHA = "0123456789abcdef0123456789abcdef01234567"
_SOURCE = "registry+https://github.com/rust-lang/crates.io-index"
LOCK = f"""\
version = 4

[[package]]
name = "app"
version = "1.2.3"
dependencies = [
 "serde",
 "helper 0.1.0",
]

[[package]]
name = "helper"
version = "0.1.0"

[[package]]
name = "serde"
version = "1.0.203"
source = "{_SOURCE}"
checksum = "9330f8b2ff13f34540b44e946ef35111825727b38d33286ef986142615121801"
"""
_MANIFEST: dict[str, Any] = {
    "package": {
        "name": "app",
        "version": "1.2.3",
        "edition": "2021",
        "build": "build.rs",
        "default-run": "app",
        "metadata": {"cargoship": {"base": "debian:12", "env": {"A": "b"}}},
    },
    "dependencies": {
        "serde": "1",
        "helper": {"path": "helper", "features": ["x"]},
        "gone": {"git": "https://h/x", "rev": "1"},
    },
    "build-dependencies": {"cc": {"workspace": True}},
    "features": {"default": ["x"], "x": []},
    "bin": [{"name": "app", "path": "src/main.rs"}],
    "lib": {"path": "src/lib.rs", "proc-macro": False},
    "workspace": {
        "members": ["helper", "crates/*"],
        "exclude": ["x"],
        "dependencies": {"cc": "1"},
        "package": {"version": "1"},
    },
    "profile": {"release": {"lto": True}},
    "patch": {"crates-io": {"a": {"path": "helper"}}},
    "target": {"cfg(unix)": {"dependencies": {"libc": "0.2"}}},
    "lints": {"rust": {"x": "allow"}},
}


def toml(value: Mapping[str, Any], chance: Chance) -> bytes:
    """A document of it, which is now and then no good TOML."""
    try:
        text = tomli_w.dumps(_without_null(value))
    except (TypeError, ValueError, RecursionError):
        text = tomli_w.dumps({})
    if chance.often(0.2):
        text = chance.choice(
            (
                lambda: changed_text(text, chance),
                lambda: text + "x = " + "[" * 5000,
                lambda: text + "[a]\n[a]\n",
                lambda: text + "a" + ".a" * 3000 + " = 1\n",
                lambda: text + "n = " + "9" * 5000 + "\n",
                lambda: "\ufeff" + text,
            )
        )()
    return text.encode("utf-8", "surrogatepass")


def _without_null(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _without_null(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_null(each) for each in value if each is not None]
    return value


def manifests(chance: Chance, folder: Path) -> None:
    """Cargo.toml, Cargo.lock and what lies beside them, read for a recipe and for keys."""
    (folder / "helper").mkdir()
    (folder / "src").mkdir()
    document = changed(_MANIFEST, chance) if chance.often(0.8) else _MANIFEST
    data = toml(document, chance)
    (folder / "Cargo.toml").write_bytes(data)
    (folder / "helper" / "Cargo.toml").write_bytes(
        toml(changed({"package": {"name": "helper", "version": "0.1.0"}}, chance), chance)
    )
    (folder / "Cargo.lock").write_bytes(
        changed_text(LOCK, chance).encode("utf-8", "surrogatepass") if chance.often() else LOCK.encode()
    )
    (folder / "src" / "main.rs").write_text("fn main() {}")
    if chance.often(0.2):
        (folder / "src" / "bin").symlink_to(chance.choice(("/", "..", ".", "/etc")))
    if chance.often(0.2):
        (folder / "rust-toolchain.toml").write_bytes(
            changed_text('[toolchain]\nchannel = "1.90"\n', chance).encode("utf-8", "surrogatepass")
        )
    manifest_digest(data, data)
    local_manifests(folder, [folder / "helper", folder])
    workspace_of(folder / "helper" / "Cargo.toml", folder)
    recipe = prepare_recipe(folder)
    again = parse_recipe(recipe.to_json())
    skeleton_files(again)


def locks(chance: Chance, folder: Path) -> None:
    """Cargo.lock."""
    text = changed_text(LOCK, chance)
    (folder / "Cargo.lock").write_bytes(text.encode("utf-8", "surrogatepass"))
    with contextlib.suppress(ValueError, OSError):
        locked_sources(folder / "Cargo.lock", decode_unit_graph(json.dumps(_graph()).encode()), folder)
    lock = read_recipe_lock(text, folder / "Cargo.lock")
    mask(lock, keep=["app"]).text()
    reachable(lock, ["app", chance.word()])


_RECIPE: dict[str, Any] = {
    "skeleton": {
        "manifests": [
            {
                "relative_path": "Cargo.toml",
                "contents": '[package]\nname = "app"\nversion = "0.0.1"\n',
                "targets": [
                    {"path": "src/lib.rs", "kind": {"Lib": {"is_proc_macro": True}}, "name": "app"},
                    {"path": "src/main.rs", "kind": "Bin", "name": "app"},
                ],
            },
            {
                "relative_path": "helper/Cargo.toml",
                "contents": '[package]\nname = "helper"\nversion = "0.0.1"\n',
                "targets": [],
            },
        ],
        "config_file": "[build]\n",
        "lock_file": LOCK,
        "rust_toolchain_file": ["Toml", '[toolchain]\nchannel = "1.90"\n'],
        "files": {"x.json": "{}"},
    },
    "version": 1,
}


def recipes(chance: Chance, folder: Path) -> None:
    """recipe.json, and the skeleton that it is."""
    recipe = parse_recipe(as_json(changed(_RECIPE, chance), chance))
    files = skeleton_files(recipe, no_std=chance.often())
    (folder / "out").mkdir()
    if chance.often(0.2):
        (folder / "out" / chance.choice(("src", "helper", ".cargo"))).symlink_to(folder.parent / "outside")
    check_free(folder / "out", files)
    write_files(folder / "out", files)


def _graph() -> dict[str, Any]:
    unit = {
        "pkg_id": f"{_SOURCE}#serde@1.0.203",
        "target": {
            "kind": ["lib"],
            "crate_types": ["lib"],
            "name": "serde",
            "src_path": "/c/serde/src/lib.rs",
            "edition": "2021",
            "doc": True,
            "test": True,
        },
        "profile": {
            "name": "release",
            "opt_level": "3",
            "lto": "false",
            "debuginfo": 0,
            "strip": {"resolved": {"Named": "none"}},
        },
        "platform": None,
        "mode": "build",
        "features": ["std"],
        "dependencies": [{"index": 1, "extern_crate_name": "a", "public": False, "noprelude": False}],
    }
    return {
        "version": 1,
        "units": [unit, {**unit, "pkg_id": "path+file:///w#app@1.2.3", "dependencies": []}],
        "roots": [0],
    }


def unit_graphs(chance: Chance, _: Path) -> None:
    """cargo's unit graph, with circles in it."""
    document = _graph()
    if chance.often(0.3):
        document["units"][1]["dependencies"] = [{"index": chance.choice((0, 1, 5, -1)), "extern_crate_name": "a"}]
    graph = decode_unit_graph(as_json(changed(document, chance), chance))
    assert len(list(graph.in_order())) <= len(graph.units)
    for unit in graph.units:
        assert (unit.package, unit.is_local, unit.runs, unit.opt_level) is not None


@functools.cache
def _metadata() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(metadata(Path("/w"), {"app": ["app"]}, {"app": {"base": "static"}}))
    return made


def metadata_of_cargo(chance: Chance, folder: Path) -> None:
    """`cargo metadata`."""
    (folder / "Cargo.toml").write_text("")
    document = {**_metadata(), "workspace_root": str(folder)}
    answer = as_json(changed(document, chance), chance)
    runner = ScriptedRunner(
        {
            ("metadata",): Completed(
                chance.choice((0, 0, 0, 101, 1)), answer, changed_text("error: no\n", chance).encode("utf-8", "replace")
            )
        }
    )
    load_project(runner, Path("cargo"), folder, env={"HOME": str(folder), "PATH": ""})


_MESSAGES = [
    {
        "reason": "compiler-artifact",
        "package_id": "path+file:///w#app@1.2.3",
        "manifest_path": "/w/Cargo.toml",
        "target": {"kind": ["bin"], "name": "app", "src_path": "/w/src/main.rs"},
        "profile": {"opt_level": "3", "debuginfo": 2, "test": False},
        "features": [],
        "filenames": ["/w/target/app"],
        "executable": "/w/target/app",
        "fresh": False,
    },
    {
        "reason": "build-script-executed",
        "package_id": "a",
        "linked_libs": ["z"],
        "linked_paths": ["native=/x"],
        "env": [["A", "b"]],
        "out_dir": "/o",
    },
    {"reason": "compiler-message", "message": {"rendered": "warning: x"}},
    {"reason": "build-finished", "success": True},
]
_STDERR = (
    "   Compiling serde v1.0.203\n\x1b[1m\x1b[32m   Compiling\x1b[0m app v1.2.3 (/w)\n"
    "    Building [=====>       ] 3/9: serde, rand\r\x1b[K"
    "error[E0308]: mismatched types\n  --> src/main.rs:1:5\nwarning: app@1.2.3: said by a build script\n    Finished `release` profile\n"
)


class _Screen:
    """A terminal, or a file; what is written to it is held against what a terminal would obey."""

    encoding = "utf-8"

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal
        self.text = ""

    def write(self, text: str) -> int:
        text.encode("utf-8", "backslashreplace")
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Everything is there."""

    def isatty(self) -> bool:
        return self._terminal


def said_by_cargo(chance: Chance, _: Path) -> None:
    """cargo's messages and status lines, those of build scripts among them, and how all of it is shown."""
    out = b"".join(as_json(changed(each, chance) if chance.often(0.5) else each, chance) + b"\n" for each in _MESSAGES)
    err = (
        changed_bytes(_STDERR.encode(), chance)
        if chance.often(0.3)
        else changed_text(_STDERR, chance).encode("utf-8", "surrogatepass")
    )
    messages, stderr = MessageReader(), StderrReader()
    reported: list[object] = []
    at = chance.randrange(len(out) + 1)
    reported += messages.feed(out[:at]) + messages.feed(out[at:]) + messages.finish()
    at = chance.randrange(len(err) + 1)
    reported += stderr.feed(err[:at]) + stderr.feed(err[at:]) + stderr.finish()
    env = chance.choice(({}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}))
    talk = Talk(chance.choice((-1, 0, 2)), chance.choice(("plain", "auto", "json")))
    screen: Any = _Screen(terminal=False)
    renderer = make_renderer(talk, screen, NO_COLOURS, env, lambda: 0.0)
    for each in reported:
        if isinstance(each, Event):
            renderer.emit(each)
    renderer.close(failed=True)
    shown(screen.text.replace("\t", " ") if "GITLAB_CI" not in env else "")
    failure = failure_of(chance.choice((101, 1, -9)), err.decode("utf-8", "replace"))
    coloured = Paint(enabled=True).tool_line(str(failure.details or ""))
    assert "\x1b]0" not in coloured
    assert "\x9b" not in coloured
    raise failure


class _Git:
    """git, whose every answer is another's."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self.answers = answers
        self.programs = ProgramFinder()

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del stdin, timeout_s
        word = next((word for word in command.argv if word in self.answers), "")
        return Completed(0, self.answers[word], b"") if word else Completed(128, b"", b"fatal: no")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        raise NotImplementedError


_REFS = "HEAD -> refs/heads/main, tag: refs/tags/v1.2.3, tag: refs/tags/app-1.0-rc.1, refs/remotes/origin/main"
_GIT = {
    "rev-parse": "/w\n",
    "log": f"{SHA}\n1700000000\n{_REFS}\n",
    "status": "1 .M N... 100644 100644 100644 0 0 src/a.rs\x001 D. S.M. 160000 160000 160000 0 0 sub\x002 R. N... 100644 100644 100644 0 0 R100 b\0c\0? x\0",
    "config": "local\0remote.origin.url\nhttps://u:secret@h.org/me/x.git\0local\0filter.a.clean\nx\0global\0core.x\n1\0",
    "ls-files": "100644 0123 0\tsrc/a.rs\0160000 0 0\tsub\0",
    "symbolic-ref": "origin/main\n",
    "diff": "",
    "check-attr": "",
    "cat-file": "",
}
_PACKAGE = Package("id", "app", "1.2.3", Path("/w/Cargo.toml"), Path("/w"), (Binary("app", "app"),), description="d")


def git(chance: Chance, _: Path) -> None:
    """Branches, tags, remotes, changes, and what becomes of them in tags and labels."""
    # git writes the rest itself; names are anybody's
    file = chance.word().replace("\0", "")
    answers = {word: text.replace("src/a.rs", file).encode("utf-8", "surrogatepass") for word, text in _GIT.items()}
    asked = chance.choice(("log", "config", "symbolic-ref", "rev-parse", "check-attr", "cat-file"))
    if asked != "cat-file":
        answers[asked] = changed_text(_GIT[asked], chance).encode("utf-8", "surrogatepass")
    env = {"GIT_DIR": "/w/.git"}
    if chance.often(0.3):
        env |= {
            "GITHUB_SHA": SHA,
            "GITHUB_REF_NAME": chance.word(),
            "GITHUB_REF_TYPE": chance.choice(("tag", "branch")),
        }
    facts = read_git_facts(_Git(answers), Path("/w"), env=env)
    tags = refs_of(changed_text(_REFS, chance))[1]
    choose_tag([*tags, chance.word(), "v" + "1" * chance.choice((1, 5000)) + ".0"])
    address = web_address(
        changed_text(
            chance.choice(("git@h.org:me/x.git", "https://u:secret@h.org/me/x.git", "ssh://git@h:22/x")), chance
        )
    )
    shown(address or "")
    if facts is not None:
        for value in describe("app", _PACKAGE, facts, facts.commit_time).values():
            assert "u:secret" not in value
        known = placeholders("app", _PACKAGE, facts)
        found = reference(
            chance.choice(("h.org/{name}:{git.tag?}", "h.org/{name}:{branch?}", "h.org/x:{git.short}")), known
        )
        if found is not None:
            shown(str(found))
            assert not (found.tag or "").startswith("-")


_SETTINGS: dict[str, Any] = {
    "env": {"RUST_LOG": 'info,x="debug"', "PRICE": "5$ a\\b"},
    "expose": [8080, "53/udp"],
    "user": "1000:1001",
    "labels": {"com.example.team": "a 'b' \"c\" $HOME", "odd key": "x"},
    "entrypoint": ["/app/web", "--name", "$NAME"],
    "args": ["serve", "a b"],
    "workdir": "/da ta/$x",
    "stop-signal": "INT",
    "volumes": ["/state"],
    "healthcheck": {"command": ["/app/web", "--health"], "interval": "1m30s", "retries": 3},
    "tags": ["ghcr.io/me/{name}:{git.short}"],
    "platforms": ["linux/amd64", "linux/arm64"],
    "base": "debian:12-slim",
    "libc": "gnu:2.31",
    "include": ["a.txt -> /etc/a.txt", {"source": "b", "to": "/b", "mode": "0644"}],
    "compression": "zstd:3",
    "annotations": {"a": "b"},
    "cache-to": ["registry:h.org/c"],
    "cache-size": "5GB",
    "packages": ["libpq5"],
    "smoke": ["--version"],
}
_WISHES = DockerfileOptions(
    builder=BuilderImage("rust:1.96.0-slim-bookworm"),
    requirements=("cargoship==1.2.3",),
    version="1.2.3",
    arguments=("--rust", "1.96.0"),
)


def _project(chance: Chance, table: Mapping[str, Any], folder: Path) -> Project:
    name = "app" if chance.often(0.7) else chance.word()
    bins = (Binary(name, name), *((Binary(chance.word(), name),) if chance.often(0.2) else ()))
    package = Package(
        f"path+file:///w/{name}#1.2.3",
        name,
        "1.2.3" if chance.often(0.8) else chance.word(),
        folder / "Cargo.toml",
        folder,
        bins,
        features={chance.word(): ()},
        description=chance.word(),
        license=chance.word(),
        authors=(chance.word(),),
        homepage=chance.word(),
        metadata_cargoship=table,
    )
    return Project(folder, folder, folder / "target", (package,), (package,), package, None)


def settings(chance: Chance, folder: Path) -> None:
    """Settings of a manifest and of the environment, and the plan and Dockerfile that come of them."""
    table = {key: value for key, value in _SETTINGS.items() if chance.often(0.3)}
    table = changed(table, chance) if table else {chance.word(): chance.any_value()}
    project = _project(chance, table, folder)
    env = {}
    if chance.often(0.3):
        field = chance.choice(list(FIELDS))
        env[field.variable] = changed_text(str(_SETTINGS.get(field.key, "x")), chance)
    chosen = choose_packages(project, Selection(folder))
    loaded, notes = load_settings(project, chosen, env=env, overrides={})
    made = make_plan(ProjectFacts(project, chosen, loaded, None, notes=notes), Selection(folder))
    indented(plan_to_json(made))
    plan_text(made, NO_COLOURS)
    for image in made.images:
        with contextlib.suppress(CargoshipError):
            resolve_includes(image.settings.include, folder, folder / "target")
    if chance.often(0.7):
        # the Dockerfile knows no packages, and one base alone
        with contextlib.suppress(CargoshipError):
            _check_dockerfile(dockerfile(made, _WISHES))
        dockerignore(made, _WISHES)


_INSTRUCTIONS = {
    "FROM",
    "ARG",
    "RUN",
    "COPY",
    "ENV",
    "LABEL",
    "WORKDIR",
    "USER",
    "ENTRYPOINT",
    "CMD",
    "EXPOSE",
    "VOLUME",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "#",
    "ADD",
}


def _check_dockerfile(text: str) -> None:
    """Every line is an instruction that a generator writes, or goes on with one."""
    goes_on = False
    for each in text.split("\n"):
        if each and not goes_on:
            assert each.split(" ")[0] in _INSTRUCTIONS or each.startswith("#"), each[:200]
        goes_on = each.endswith("\\") or (goes_on and each.lstrip().startswith("#"))


def dockerfiles(chance: Chance, _: Path) -> None:
    """Words of a Dockerfile that is there, and toolchain files."""
    recorded(changed_text("# Made by cargoship 1.2.3: cargoship dockerfile --rust '1.96.0'\nFROM x\n", chance))


def configurations(chance: Chance, folder: Path) -> None:
    """.cargo/config.toml, what it includes, and manifests that are changed."""
    config = {
        "build": {"target": ["a", "b"], "rustflags": ["-C", "x"]},
        "include": ["other.toml", {"path": "x", "optional": True}],
        "unstable": {"build-std": True},
        "source": {"crates-io": {"replace-with": "v"}, "v": {"directory": "v"}},
        "env": {"A": "b"},
        "target": {"x86_64-unknown-linux-musl": {"linker": "x"}},
    }
    (folder / ".cargo").mkdir()
    (folder / ".cargo" / "config.toml").write_bytes(toml(changed(config, chance), chance))
    if chance.often(0.3):
        (folder / ".cargo" / "other.toml").write_bytes(toml({"include": ["config.toml", "other.toml"]}, chance))
    files = configuration_files(folder, folder / "home")
    tables = [read_table(each) for each in files]
    default_targets(tables, {})
    replaced_sources(tables)
    unstable_switches(tables)
    document = {"package": {"name": "app", "metadata": {"cargoship": {"base": "debian:12"}}}}
    with contextlib.suppress(CargoshipError):
        with_base(tomli_w.dumps(document), "package", "debian:12@sha256:" + "a" * 64)


def lines_of_output(chance: Chance, _: Path) -> None:
    """Anything as a result: one line for programs, several for people."""
    value = chance.any_value(3)
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN
        return
    with contextlib.suppress(OverflowError, RecursionError):
        shown(line(_jsonable(value)))
        shown(indented(_jsonable(value)))


def _jsonable(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)[:50] if value.bit_length() < 4000 else 0
    if isinstance(value, dict):
        return {key: _jsonable(each) for key, each in value.items()}
    return [_jsonable(each) for each in value] if isinstance(value, list) else value


KINDS = (
    Kind("projects on disk", manifests, 0.15, on_disk=True),
    Kind("Cargo.lock", locks, 2),
    Kind("recipes", recipes, 1, on_disk=True),
    Kind("unit graphs", unit_graphs, 4),
    Kind("metadata of cargo", metadata_of_cargo, 3, on_disk=True),
    Kind("words of cargo and build scripts", said_by_cargo, 2),
    Kind("git", git, 3),
    Kind("settings and Dockerfiles", settings, 2),
    Kind("recorded options", dockerfiles, 1),
    Kind("configurations of cargo", configurations, 0.2, on_disk=True),
    Kind("results", lines_of_output, 3),
)
