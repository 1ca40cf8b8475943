"""What is kept of a build directory, and for which other places it is good, with a cargo that compiles nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from cargoship.cargo.messages import Artifact
from cargoship.unitcache.builddir.fingerprints import without_values
from cargoship.unitcache.builddir.layout import BuildDir
from cargoship.unitcache.builddir.outputs import obeyed
from cargoship.unitcache.builds import programs_below
from cargoship.unitcache.keys.file_digests import VARIABLE
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.session import RecalledPrograms
from cargoship.unitcache.stores.directory import DirectoryStore
from support.fake_cargo import Crate, FakeCargo, dep_info
from support.sessions import build, inputs_of, whole

BY_TIME = "prints no rerun-if-changed"
Pair = Callable[..., tuple[FakeCargo, FakeCargo]]


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """Makes two fresh checkouts of a workspace of these crates."""

    def make(*crates: Crate) -> tuple[FakeCargo, FakeCargo]:
        first, second = (
            FakeCargo(tmp_path / name / "work", tmp_path / "home", crates).write_sources()
            for name in ("first", "second")
        )
        return first, second

    return make


@pytest.mark.parametrize(
    ("crate", "elsewhere"),
    [
        (Crate("app", "bin"), ()),
        (Crate("app", "proc-macro"), ()),
        # the folder is in the program
        (Crate("app", "bin", embeds=("root",)), ("app target",)),
        (Crate("app", "bin", embeds=("build",)), ("app target",)),
        # in a library it is in none: the compiler would have been given a variable
        (Crate("app", "lib", embeds=("root",)), ()),
        (Crate("app", script="cargo:rerun-if-changed=build.rs\n"), ()),
        (Crate("app", script="cargo:rerun-if-changed=build.rs\n", includes=True), ()),
        # cargo itself puts another folder in the place of the script's own
        (Crate("app", script="cargo:rerun-if-changed=build.rs\ncargo:rustc-env=X=OUT_DIR\n", includes=True), ()),
        (
            Crate("app", script="cargo:rerun-if-changed=build.rs\ncargo:rustc-env=X=ROOT\n"),
            ("app run", "app target"),
        ),
    ],
)
def test_where_a_unit_is_good(store: DirectoryStore, pair: Pair, crate: Crate, elsewhere: tuple[str, ...]) -> None:
    first, second = pair(crate)
    for cargo in (first, second):
        if crate.script is not None:
            cargo.crates = (replace(crate, script=crate.script.replace("ROOT", str(cargo.root / "x"))),)
    build(first, store)
    assert build(second, store).compiled == elsewhere
    again = FakeCargo(first.root, first.home, first.crates)
    (first.root / "target").rename(first.root.parent / "aside")
    assert build(again, store).compiled == (), "and where it was compiled, in any case"


def test_a_variable_belongs_to_what_reads_it(store: DirectoryStore, pair: Pair) -> None:
    script = "cargo:rerun-if-changed=build.rs\ncargo:rerun-if-env-changed=LOOKED_AT\n"
    first, second = pair(Crate("app", "bin", script=script, variables=("READ",)))
    done = build(first, store, replace(inputs_of(first), env={**first.env, "READ": "1", "LOOKED_AT": "1"}))
    assert done.kept is not None
    named = {name for unit in done.kept.capture.units.values() for name in unit.inputs if name.startswith(VARIABLE)}
    assert named == {VARIABLE + "READ", VARIABLE + "LOOKED_AT"}
    other = build(second, store, replace(inputs_of(second), env={**second.env, "READ": "2", "LOOKED_AT": "1"}))
    assert other.compiled == ("app target",)


def test_a_script_that_names_nothing_is_kept_of_locked_packages_alone(store: DirectoryStore, pair: Pair) -> None:
    first, second = pair(
        Crate("sys", local=False, script="cargo:rustc-cfg=x\n"), Crate("app", "bin", ("sys",), script="hello\n")
    )
    done = build(first, store)
    assert BY_TIME in done.refused["app custom-build"]
    assert build(second, store).compiled == ("app run", "app target")


def test_a_library_of_the_system_belongs_to_what_links_it(store: DirectoryStore, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libz.a"
    library.write_bytes(b"1")
    script = (
        "cargo:rerun-if-changed=build.rs\ncargo:rustc-link-lib=static=z\n"
        f"cargo:rustc-link-search=native={tmp_path / 'lib'}\n"
    )
    first, second = pair(Crate("app", "bin", script=script))
    done = build(first, store)
    assert done.kept is not None
    assert str(library) in {name for unit in done.kept.capture.units.values() for name in unit.inputs}
    library.write_bytes(b"2")
    assert build(second, store).compiled == ("app run", "app target")


def test_what_a_script_links_of_its_own_is_no_input(store: DirectoryStore, pair: Pair) -> None:
    first, _ = pair(Crate("app", "bin", script="cargo:rerun-if-changed=build.rs\ncargo:rustc-link-lib=own\n"))
    own = first.crates[0].script or ""
    first.crates = (replace(first.crates[0], script=f"{own}cargo:rustc-link-search={first.build_dir}/own\n"),)
    done = build(first, store)
    assert done.kept is not None
    assert not any("libown" in name for unit in done.kept.capture.units.values() for name in unit.inputs)


def test_a_build_is_not_kept_where_nobody_watches_and_a_file_changes_meanwhile(
    store: DirectoryStore, pair: Pair
) -> None:
    first, second = pair(Crate("helper"), Crate("app", "bin", ("helper",)))

    def change(crate: Crate) -> None:
        if crate.name == "app":
            (first.package(crate) / "notes.sql").write_text("new")

    first.meanwhile = change
    unwatched = replace(inputs_of(first), watcher=None)
    done = build(first, store, unwatched, whole=True)
    assert done.refused == {}
    (plan,) = store.load().plans.values()
    assert not plan.outputs, "nobody knows whether it has a say in the build as a whole"
    assert build(second, store).compiled == ()


@pytest.mark.parametrize(
    ("name", "damage", "why"),
    [
        ("lib-helper.json", "{", "cannot tell"),
        ("lib-helper.json", '{"deps":[],"local":[{"NewKind":{}}]}', "cannot tell"),
        ("lib-helper.json", '{"deps":[],"local":[{"CheckDepInfo":{"dep_info":1}}]}', "cannot tell"),
        ("lib-helper", "not a number", "cannot tell"),
        ("dep-lib-helper", "\2", "not known"),
        ("another.json", "{}", "cannot tell"),
    ],
)
def test_what_cannot_be_read_is_not_kept(store: DirectoryStore, pair: Pair, name: str, damage: str, why: str) -> None:
    first, second = pair(Crate("helper"), Crate("app", "bin", ("helper",)))

    def spoil(crate: Crate) -> None:
        if crate.name == "app":
            (folder,) = first.build_dir.rglob("helper-*/lib-helper")
            (folder.parent / name).write_text(damage)

    first.meanwhile = spoil
    done = build(first, store, whole=True)
    refused = done.refused
    assert set(refused) == {"helper lib", "app bin"}
    assert why in refused["helper lib"] or refused["helper lib"] == "cargo did not tell its files"
    assert all(not plan.outputs for plan in store.load().plans.values())
    assert sorted(build(second, store).compiled) == ["app target", "helper target"]


def test_a_unit_that_reads_what_no_script_of_its_own_wrote_is_not_kept(store: DirectoryStore, pair: Pair) -> None:
    first, _ = pair(Crate("other"), Crate("app", "bin", ("other",)))

    def strange(crate: Crate) -> None:
        if crate.name == "app":
            (note,) = first.build_dir.rglob("dep-lib-other")
            note.write_bytes(dep_info(["src/lib.rs"], ["release/build/other-0123456789abcdef/out/x.rs"]))

    first.meanwhile = strange
    assert "no build script of its own" in build(first, store).refused["other lib"]


def test_a_unit_that_reads_the_build_directory_by_its_name_is_not_kept(store: DirectoryStore, pair: Pair) -> None:
    first, _ = pair(Crate("other"), Crate("app", "bin", ("other",)))

    def strange(crate: Crate) -> None:
        if crate.name == "app":
            (note,) = first.build_dir.rglob("dep-lib-other")
            note.write_bytes(dep_info([str(first.build_dir / "made.rs")], []))

    first.meanwhile = strange
    assert "in the build directory" in build(first, store).refused["other lib"]


def test_vendored_sources_count_by_their_bytes(store: DirectoryStore, pair: Pair) -> None:
    """They are locked, and people edit them all the same: what is not in cargo's own folders is read."""
    first, second = pair(Crate("vendored", local=False), Crate("app", "bin", ("vendored",)))
    env = {"CARGO_HOME": "/nowhere", "PATH": "/usr/bin"}
    build(first, store, replace(inputs_of(first), env=env))
    assert build(second, store, replace(inputs_of(second), env=env)).compiled == ()
    shutil.rmtree(second.build_dir)
    second.edit("vendored", "data", "data.txt")
    done = build(second, store, replace(inputs_of(second), env=env))
    assert done.compiled == ("vendored target", "app target")


def test_a_library_without_a_hash_in_its_name_belongs_to_its_unit(tmp_path: Path) -> None:
    for name in (".fingerprint/app-0123456789abcdef/lib-app", "deps/libapp.so", "deps/libapp-0123456789abcdef.rlib"):
        (tmp_path / "release" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "release" / name).write_text("")
    build_dir = BuildDir.scan(tmp_path)
    (folder,) = build_dir.folders.values()
    named = [path.rpartition("/")[2] for path in build_dir.files_of(folder, ("lib", "cdylib"), "app")]
    assert named == ["libapp-0123456789abcdef.rlib", "libapp.so", "lib-app"]


def test_a_build_directory_is_read_where_there_is_nothing(tmp_path: Path) -> None:
    assert not BuildDir.scan(tmp_path / "none").folders
    (tmp_path / "file").write_text("")
    assert not BuildDir.scan(tmp_path / "file").folders
    (tmp_path / "dir" / "release" / ".fingerprint" / "strange").mkdir(parents=True)
    (tmp_path / "dir" / "CACHEDIR.TAG").write_text("")
    (tmp_path / "dir" / "x" / "y").mkdir(parents=True)
    (tmp_path / "dir" / "release" / "deps").mkdir()
    (tmp_path / "dir" / "release" / "deps" / "nohash.rlib").write_text("")
    found = BuildDir.scan(tmp_path / "dir")
    assert (found.folders, found.loose) == ({}, {})


def test_programs_are_put_where_cargo_puts_them(pair: Pair, store: DirectoryStore, tmp_path: Path) -> None:
    first, second = pair(Crate("helper"), Crate("app", "bin", ("helper",)))
    inputs = replace(inputs_of(first), programs=lambda made: programs_below(first.build_dir, made))
    build(first, store, inputs, whole=True)
    found, _ = whole(second, store, tmp_path / "programs")
    assert isinstance(found, RecalledPrograms)
    assert list(found.paths) == ["release/app"]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["release/libapp.so"], []),
        (["release/deps/libapp-0123456789abcdef.so"], ["release/app"]),
        (["release/libapp.rlib"], ["release/app"]),
    ],
)
def test_a_build_of_more_than_programs_is_none_of_programs(tmp_path: Path, files: list[str], found: list[str]) -> None:
    app = Artifact(
        "path+file:///app#app@1.0.0", "app", ("bin",), fresh=False,
        executable=tmp_path / "release/app", filenames=(tmp_path / "release/app",),
    )  # fmt: skip
    other = structs.replace(app, kinds=("cdylib",), executable=None, filenames=tuple(tmp_path / name for name in files))
    assert list(programs_below(tmp_path, [app, other])) == found


def test_a_lock_file_that_cargo_changes_makes_no_build_of_the_old_one(store: DirectoryStore, pair: Pair) -> None:
    first, _ = pair(Crate("app", "bin"))

    def change(_: Crate) -> None:
        (first.root / "Cargo.lock").write_text("version = 4\n")

    first.meanwhile = change
    build(first, store, whole=True)
    assert all(not plan.outputs for plan in store.load().plans.values())


def test_what_is_left_of_the_times_says_how_long_it_took(store: DirectoryStore, pair: Pair) -> None:
    first, second = pair(Crate("app", "bin"))
    first.meanwhile = lambda _: os.utime(next(first.build_dir.rglob("invoked.timestamp")), (0, 0))
    build(first, store)
    (entry,) = store.load().entries.values()
    assert entry.seconds > 1_000_000_000
    assert build(second, store).compiled == ()


def test_what_a_build_script_says_beside_its_instructions_is_not_kept() -> None:
    """cargo notes all that it says, and the values of variables that it names: tokens are among both."""
    said = b"cargo::rerun-if-env-changed=TOKEN\nconnected with s3cr3t-word\n\xff\n cargo:rustc-cfg=x\r\ncargo:warning=y"
    assert obeyed(said) == b"cargo::rerun-if-env-changed=TOKEN\n cargo:rustc-cfg=x\r\ncargo:warning=y\n"
    assert obeyed(obeyed(said)) == obeyed(said)
    reported = {
        "rustc": 2**64 - 1,
        "local": [{"RerunIfEnvChanged": {"var": "TOKEN", "val": "s3cr3t-word"}}, {"Precalculated": "1"}],
    }
    left = json.loads(without_values(json.dumps(reported).encode()))
    assert left == {**reported, "local": [{"RerunIfEnvChanged": {"var": "TOKEN", "val": None}}, {"Precalculated": "1"}]}
    other = b'{"local": [{"CheckDepInfo": {"dep_info": "x"}}]}'
    assert without_values(other) == other
    with pytest.raises(NotKept):
        without_values(b"{")
