"""Units are restored into an empty build directory of a fresh checkout: cargo compiles what had to be, and no more."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cargoship.unitcache.explain.account import cost_of, read_record
from cargoship.unitcache.stores.directory import DirectoryStore
from support.cargo_units import CachedWorkspace, Change, create, edit
from support.programs import REPOSITORY, distribution_rust, run
from support.unit_projects import SAYS, write_workspace

pytestmark = pytest.mark.tools

APP = ("app bin",)
ENV = distribution_rust()


@dataclass(frozen=True)
class Row:
    """A change, and what cargo has to compile after it; build scripts that run again are in `runs`."""

    name: str
    compiled: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    says: str = SAYS


def manifest(package: str, old: str, new: str) -> Change:
    return edit(f"{package}/Cargo.toml", old, new)


LIBRARY = edit("helper/src/lib.rs", "pub fn", "#[inline(never)]\npub fn")
MACRO = edit("maker/src/lib.rs", "pub fn", "/**/pub fn")

ROWS = [
    Row("nothing", ()),
    Row("what is not compiled", (), (edit("helper/README.md", "nothing", "something"),)),
    Row("a comment in a manifest", (), (edit("Cargo.toml", "[workspace]", "# more\n[workspace]"),)),
    Row("code of the program", APP, (edit("app/src/main.rs", "{MADE}", "{MADE}!"),), says="hello 3 yes 3!\n"),
    Row(
        "code of a library",
        ("app bin", "helper lib"),
        (LIBRARY,),
    ),
    Row(
        "an included file",
        ("app bin", "helper lib"),
        (edit("helper/src/text.txt", "hello", "bye"),),
        says="bye 3 yes 3\n",
    ),
    Row("what nobody reads", (), (create("helper/sql/one.sql", "select 1"), create("helper/src/more.rs", ""))),
    Row(
        "code of a macro",
        ("app bin", "maker proc-macro", "maker proc-macro"),
        (MACRO,),
    ),
    Row(
        "C code",
        ("app bin", "native-sys lib"),
        (edit("native-sys/native.c", "a + b", "a - b"),),
        says="hello -1 yes 3\n",
    ),
    Row(
        "a build script",
        ("app bin", "app custom-build"),
        (edit("app/build.rs", "u8 = 3", "u8 = 4"),),
        says="hello 3 yes 4\n",
    ),
    Row("the program's version", ("app bin", "app custom-build"), (manifest("app", '"0.1.0"', '"0.2.0"'),)),
    Row("a library's version", ("app bin", "helper lib"), (manifest("helper", '"0.1.0"', '"0.2.0"'),)),
    Row("a feature", ("app bin", "app custom-build", "helper lib"), arguments=("--features", "app/loud")),
    Row(
        "a dependency more",
        ("app bin", "cfg-if lib", "helper lib"),
        (manifest("helper", "itoa", 'cfg-if = "1"\nitoa'),),
    ),
    Row("a dependency less", ("app bin", "helper lib"), (manifest("helper", 'itoa = "=1.0.17"', ""),)),
    Row(
        "a dependency upgraded",
        ("app bin", "helper lib", "itoa lib"),
        (manifest("helper", "=1.0.17", "=1.0.18"), manifest("app", "=1.0.17", "=1.0.18")),
    ),
]


@dataclass(frozen=True)
class Cooked:
    """A workspace that was built once, and the store that it filled."""

    source: Path
    store: Path


@pytest.fixture(scope="session")
def cooked(tmp_path_factory: pytest.TempPathFactory) -> Cooked:
    source = write_workspace(tmp_path_factory.mktemp("units") / "source")
    store = tmp_path_factory.mktemp("store")
    workspace = CachedWorkspace(tmp_path_factory.mktemp("first"), DirectoryStore(store))
    first = workspace.build(workspace.checkout(source, "first"))
    assert not first.restored.placed
    assert dict(first.kept.capture.refused) == {}
    assert first.kept.units == len(first.restored.graph.units)
    # as a project has it
    shutil.copy(workspace.folder / "first" / "Cargo.lock", source)
    return Cooked(source, store)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name.replace(" ", "-"))
def test_only_what_had_to_be_is_compiled(cooked: Cooked, tmp_path: Path, row: Row) -> None:
    shutil.copytree(cooked.store, tmp_path / "store")
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"), ("--release", *row.arguments), row.env)
    done = workspace.build(workspace.checkout(cooked.source, "again", *row.changes))
    assert done.compiled == row.compiled
    assert run(done.programs["app"]).stdout == row.says
    again = workspace.build(workspace.checkout(cooked.source, "third", *row.changes))
    assert again.compiled == ()
    assert again.kept.units == 0
    assert run(again.programs["app"]).stdout == row.says


@dataclass(frozen=True)
class Kitchen:
    """Where and how cargo builds."""

    name: str
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


NEW_LAYOUT = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": "true"}
KITCHENS = [
    Kitchen("new layout", ("--release",), NEW_LAYOUT),
    Kitchen("build-dir", ("--release",), {"CARGO_BUILD_BUILD_DIR": "between"}),
    Kitchen("both", ("--profile", "test"), {**NEW_LAYOUT, "CARGO_BUILD_BUILD_DIR": "{workspace-root}/between"}),
    Kitchen("host as a target", ("--release", "--target", "x86_64-unknown-linux-gnu")),
    Kitchen("dev", ("--workspace", "--all-targets")),
]


# what a project sees most of
CHANGES = {"the program's version", "a feature", "a dependency more", "a dependency less", "a dependency upgraded"}


@pytest.fixture(scope="session")
def stores(cooked: Cooked, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kitchen], Path]:
    """The store that a build of the same workspace fills in another layout, once for each."""

    @functools.cache
    def filled(kitchen: str) -> Path:
        (env,) = (each.env for each in KITCHENS if each.name == kitchen)
        store = tmp_path_factory.mktemp("store")
        workspace = CachedWorkspace(tmp_path_factory.mktemp("first"), DirectoryStore(store), env=env)
        assert not workspace.build(workspace.checkout(cooked.source, "first")).restored.placed
        return store

    return lambda kitchen: filled(kitchen.name)


@pytest.mark.parametrize("kitchen", KITCHENS[:3], ids=lambda kitchen: kitchen.name.replace(" ", "-"))
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.name in CHANGES], ids=lambda row: row.name.replace(" ", "-")
)
def test_no_more_is_compiled_in_another_layout(
    cooked: Cooked, stores: Callable[[Kitchen], Path], tmp_path: Path, row: Row, kitchen: Kitchen
) -> None:
    shutil.copytree(stores(kitchen), tmp_path / "store")
    store = DirectoryStore(tmp_path / "store")
    workspace = CachedWorkspace(tmp_path, store, ("--release", *row.arguments), {**row.env, **kitchen.env})
    done = workspace.build(workspace.checkout(cooked.source, "again", *row.changes))
    assert done.compiled == row.compiled
    assert run(done.programs["app"]).stdout == row.says


@pytest.mark.parametrize("kitchen", KITCHENS, ids=lambda kitchen: kitchen.name.replace(" ", "-"))
def test_every_layout_of_the_build_directory(cooked: Cooked, tmp_path: Path, kitchen: Kitchen) -> None:
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"), kitchen.arguments, kitchen.env)
    place = workspace.checkout(cooked.source, "place")
    first = workspace.build(place)
    assert dict(first.kept.capture.refused) == {}
    shutil.rmtree(place)
    # units of a profile with debug information name the folder: the same one is filled again
    again = workspace.build(workspace.checkout(cooked.source, "place"))
    assert again.compiled == ()
    assert len(again.restored.placed) == len(first.restored.graph.units)
    assert run(again.programs["app"]).stdout == SAYS
    shutil.rmtree(place)
    edited = workspace.build(workspace.checkout(cooked.source, "place", LIBRARY))
    assert set(edited.compiled) <= {"app bin", "helper lib"}
    assert "helper lib" in edited.compiled


def test_a_build_directory_that_has_some_gets_only_what_fits(cooked: Cooked, tmp_path: Path) -> None:
    shutil.copytree(cooked.store, tmp_path / "store")
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"))
    place = workspace.checkout(cooked.source, "place")
    workspace.build(place)
    for path in [*place.glob("target/release/.fingerprint/app-*"), *place.glob("target/release/.fingerprint/helper-*")]:
        shutil.rmtree(path)
    again = workspace.build(place)
    assert again.compiled == ()
    assert sorted(entry.name.split()[0] for entry in again.restored.placed.values()) == ["app"] * 3 + ["helper"]


def test_a_miss_is_explained_by_what_differs(cooked: Cooked, tmp_path: Path) -> None:
    shutil.copytree(cooked.store, tmp_path / "store")
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"))
    place = workspace.checkout(cooked.source, "place", edit("helper/src/text.txt", "hello", "bye"))
    workspace.build(place)
    record = read_record(place / "target")
    assert record is not None
    units = {unit.name.rpartition(" ")[0]: unit for unit in record.units}
    assert units["itoa 1.0.17 lib"].state == "restored"
    helper = units["helper 0.1.0 lib"]
    assert helper.state == "compiled"
    assert "the file helper/src/text.txt" in helper.because
    app = units["app 0.1.0 bin"]
    assert app.waits_for is not None
    assert record.units[app.waits_for] == helper
    ((root, (count, seconds)),) = cost_of(record).items()
    assert record.units[root] == helper
    assert count == 2
    assert seconds > 0


def test_flags_explain_a_miss_without_being_reported(cooked: Cooked, tmp_path: Path) -> None:
    shutil.copytree(cooked.store, tmp_path / "store")
    secret = "-C metadata=hunter2"
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"), env={"RUSTFLAGS": secret})
    place = workspace.checkout(cooked.source, "place")
    done = workspace.build(place)
    assert not done.restored.placed
    record = read_record(place / "target")
    assert record is not None
    roots = [unit for unit in record.units if unit.because]
    assert roots
    assert all(unit.because == ("RUSTFLAGS",) for unit in roots)
    index = DirectoryStore(tmp_path / "store").load()
    assert "hunter2" not in repr(index.entries)
    assert "hunter2" not in (place / "target" / ".cargoship-units.json").read_text()


@pytest.mark.parametrize("after", [0.02, 0.1, 0.2, 0.3, 0.45, 0.6])
def test_a_build_that_is_killed_leaves_what_the_next_one_uses(cooked: Cooked, tmp_path: Path, after: float) -> None:
    shutil.copytree(cooked.store, tmp_path / "store")
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"))
    place = workspace.checkout(cooked.source, "place", LIBRARY)
    program = (
        "from pathlib import Path; from support.cargo_units import CachedWorkspace;"
        "from cargoship.unitcache.stores.directory import DirectoryStore;"
        f"root = Path({str(tmp_path)!r});"
        "print('ready', flush=True);"
        "CachedWorkspace(root, DirectoryStore(root / 'store')).build(root / 'place')"
    )
    env = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'tests'}"}
    with subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # the whole takes about a second: the look-up, the restore, two crates, the save
        time.sleep(after * 2)
        process.kill()
    # cargo, which lives on for a moment, holds its lock on the build directory
    again = workspace.build(place)
    assert set(again.compiled) <= {"app bin", "helper lib"}
    assert run(again.programs["app"]).stdout == SAYS
    fresh = workspace.build(workspace.checkout(cooked.source, "fresh", LIBRARY))
    assert set(fresh.compiled) <= {"app bin", "helper lib"}
    assert run(fresh.programs["app"]).stdout == SAYS


def test_vendored_sources_are_not_taken_for_those_of_the_registry(cooked: Cooked, tmp_path: Path) -> None:
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"))
    source = workspace.checkout(cooked.source, "source")
    configuration = run(ENV.get("CARGO", "cargo"), "vendor", "vendor", cwd=source).stdout
    create(".cargo/config.toml", configuration)(source)
    # cargo's fingerprints hold the path of vendored sources: only a checkout at the same place has them
    place = workspace.checkout(source, "place")
    workspace.build(place)
    shutil.rmtree(place)
    assert workspace.build(workspace.checkout(source, "place")).compiled == ()
    shutil.rmtree(place)

    def patch(place: Path) -> None:
        edit("vendor/itoa/src/lib.rs", "#![no_std]", "#![no_std]\n// patched")(place)
        checksums = place / "vendor/itoa/.cargo-checksum.json"
        checksums.write_text(json.dumps({**json.loads(checksums.read_text()), "files": {}}))

    patched = workspace.build(workspace.checkout(source, "place", patch))
    assert patched.compiled == ("app bin", "helper lib", "itoa lib")


def test_a_variable_that_names_an_included_file_ties_a_unit_to_no_folder(cooked: Cooked, tmp_path: Path) -> None:
    """mime_guess, which web services have by way of others, reads what its build script has written in such a way."""
    workspace = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"))
    change = manifest("app", "[dependencies]", '[dependencies]\nmime_guess = "=2.0.5"')
    use = edit(
        "app/src/main.rs", "fn main() {", 'fn main() {\n    assert!(mime_guess::from_ext("png").first().is_some());'
    )
    first = workspace.build(workspace.checkout(cooked.source, "first", change, use))
    assert run(first.programs["app"]).stdout == SAYS
    again = workspace.build(workspace.checkout(cooked.source, "elsewhere", change, use))
    assert again.compiled == ()
    assert run(again.programs["app"]).stdout == SAYS
