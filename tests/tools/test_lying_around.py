"""What lay in a build directory before a run is not kept as if it was made of what is there now."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from cargoship.events import Event, Note, UnitFinished
from cargoship.unitcache.stores.directory import DirectoryStore
from support.cargo_units import CachedWorkspace, Done
from support.programs import distribution_rust, run

pytestmark = pytest.mark.tools

MAIN = 'fn main() {{ println!("{}"); }}\n'
FLAGS = """fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=FLAGS={}", std::env::var("CFLAGS").unwrap_or_default());
}
"""


def write(folder: Path, main: str, script: str = "") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n')
    (folder / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n')
    (folder / "src/main.rs").write_text(main)
    if script:
        (folder / "build.rs").write_text(script)
    return folder


def cargo_alone(place: Path) -> None:
    env = distribution_rust()
    run(env.get("CARGO", "cargo"), "build", "--release", "--offline", "--quiet", cwd=place, env={**os.environ, **env})


def said(done: Done) -> str:
    return "\n".join(event.text for event in done.events if isinstance(event, Note))


def with_an_old_time(path: Path, text: str) -> None:
    """As tar, rsync, cp -p and git-restore-mtime leave it."""
    path.write_text(text)
    os.utime(path, (1_500_000_000, 1_500_000_000))


@pytest.fixture
def workspace(tmp_path: Path) -> CachedWorkspace:
    return CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"))


@pytest.mark.parametrize("earlier", ["cargoship", "cargo"])
def test_an_edit_with_an_old_time_is_shipped(workspace: CachedWorkspace, tmp_path: Path, earlier: str) -> None:
    """Of what it has made cargoship knows better than times, and what cargo has made alone is made again."""
    place = write(tmp_path / "place", MAIN.format("old"))
    if earlier == "cargoship":
        workspace.build(place)
    else:
        cargo_alone(place)
    with_an_old_time(place / "src/main.rs", MAIN.format("new"))
    again = workspace.build(place)
    assert run(again.programs["app"]).stdout == "new\n"
    assert again.kept.units == 1
    clean = workspace.build(workspace.checkout(place, "clean"))
    assert run(clean.programs["app"]).stdout == "new\n"


def test_what_cargo_has_made_is_made_anew_once_and_then_known(workspace: CachedWorkspace, tmp_path: Path) -> None:
    place = write(tmp_path / "place", 'fn main() { println!("{}", env!("FLAGS")); }\n', FLAGS)
    with_flags = replace(workspace, env={"CFLAGS": "-O2"})
    cargo_alone(place)
    done = with_flags.build(place)
    assert run(done.programs["app"]).stdout == "-O2\n", "cargo did not know that the script reads a variable"
    assert sorted(done.compiled) == ["app bin", "app custom-build"]
    assert "that cargoship has not made" in said(done)
    assert with_flags.build(place).compiled == ()


def test_a_program_that_was_changed_in_its_place_is_linked_anew(workspace: CachedWorkspace, tmp_path: Path) -> None:
    place = write(tmp_path / "place", MAIN.format("one"))
    program = workspace.build(place).programs["app"]
    times = program.stat()
    with program.open("ab") as stream:
        stream.write(b"stripped, or compressed")
    os.utime(program, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not workspace.build(place).programs["app"].read_bytes().endswith(b"compressed")


def test_an_interrupted_build_goes_on_where_it_was(workspace: CachedWorkspace, tmp_path: Path) -> None:
    place = write(tmp_path / "place", 'fn main() { println!("{}", env!("FLAGS")); }\n', FLAGS)

    sent: list[signal.Signals] = []

    def interrupt(event: Event) -> None:
        # once alone: a second signal may come when `raises` has ended, and would end the tests
        if isinstance(event, UnitFinished) and not sent:
            sent.append(signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        workspace.build(place, emit=interrupt)
    assert workspace.build(place).compiled == ("app bin",)


def changing(tmp_path: Path, change: str) -> CachedWorkspace:
    """Makes a change, said to a shell, when rustc has compiled src/main.rs and units are not kept yet."""
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n"$@" || exit\ncase "$*" in *src/main.rs*)\n{change}\n;;\nesac\n')
    wrapper.chmod(0o755)
    return CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "store"), env={"RUSTC_WRAPPER": str(wrapper)})


def compiled_as_it_was(workspace: CachedWorkspace, place: Path) -> None:
    """What was compiled is what was there before the change, and is not kept."""
    done = workspace.build(place)
    assert run(done.programs["app"]).stdout == "old\n"
    assert "new" in (place / "src/main.rs").read_text()
    assert list(done.kept.capture.refused.values()) == ["src/main.rs was changed while it was compiled"]


def test_an_edit_of_the_same_size_and_time_while_it_compiles_is_not_kept(tmp_path: Path) -> None:
    edit = 'touch -r src/main.rs "$0.time"; sed -i s/old/new/ src/main.rs; touch -r "$0.time" src/main.rs'
    workspace = changing(tmp_path, edit)
    place = write(tmp_path / "place", MAIN.format("old"))
    compiled_as_it_was(workspace, place)
    clean = workspace.build(workspace.checkout(place, "clean"))
    assert run(clean.programs["app"]).stdout == "new\n"


def test_a_folder_that_is_put_in_the_place_of_sources_while_they_compile_is_compiled(tmp_path: Path) -> None:
    workspace = changing(tmp_path, "[ ! -e other ] || { mv src was; mv other src; }")
    place = write(tmp_path / "place", MAIN.format("old"))
    (place / "other").mkdir()
    with_an_old_time(place / "other/main.rs", MAIN.format("new"))
    compiled_as_it_was(workspace, place)
    assert run(workspace.build(place).programs["app"]).stdout == "new\n"
    clean = workspace.build(workspace.checkout(place, "clean"))
    assert run(clean.programs["app"]).stdout == "new\n"


def test_a_wrapper_that_is_set_later_poisons_no_clean_checkout(tmp_path: Path) -> None:
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$@" --cfg wrapped\n')
    wrapper.chmod(0o755)
    source = write(tmp_path / "source", '#![allow(unexpected_cfgs)]\nfn main() { println!("{}", cfg!(wrapped)); }\n')
    store = DirectoryStore(tmp_path / "store")
    place = CachedWorkspace(tmp_path, store).checkout(source, "place")
    assert run(CachedWorkspace(tmp_path, store).build(place).programs["app"]).stdout == "false\n"
    wrapped = CachedWorkspace(tmp_path, store, env={"RUSTC_WRAPPER": str(wrapper)})
    assert run(wrapped.build(place).programs["app"]).stdout == "true\n"
    clean = wrapped.build(wrapped.checkout(source, "clean"))
    assert run(clean.programs["app"]).stdout == "true\n"


def test_a_variable_that_a_script_reads_without_saying_so_poisons_no_clean_checkout(tmp_path: Path) -> None:
    source = write(tmp_path / "source", 'fn main() { println!("{}", env!("FLAGS")); }\n', FLAGS)
    store = DirectoryStore(tmp_path / "store")
    first, then = (CachedWorkspace(tmp_path, store, env={"CFLAGS": flags}) for flags in ("-O1", "-O2"))
    place = first.checkout(source, "place")
    assert run(first.build(place).programs["app"]).stdout == "-O1\n"
    assert run(then.build(place).programs["app"]).stdout == "-O2\n"
    assert run(then.build(then.checkout(source, "clean")).programs["app"]).stdout == "-O2\n"


def test_what_an_earlier_run_has_made_is_kept_in_a_store_that_came_later(
    workspace: CachedWorkspace, tmp_path: Path
) -> None:
    place = write(tmp_path / "place", MAIN.format("one"), FLAGS)
    made = workspace.build(place).kept.units
    later = CachedWorkspace(tmp_path, DirectoryStore(tmp_path / "later"))
    again = later.build(place)
    assert again.compiled == ()
    assert again.kept.units == made
    clean = later.build(later.checkout(place, "clean"))
    assert clean.compiled == ()
    assert len(clean.restored.placed) == made


def test_what_cargo_alone_has_compiled_since_is_compiled_anew(workspace: CachedWorkspace, tmp_path: Path) -> None:
    place = write(tmp_path / "place", MAIN.format("one"))
    workspace.build(place)
    (place / "src/main.rs").write_text(MAIN.format("two"))
    cargo_alone(place)
    shutil.rmtree(tmp_path / "store")
    with_an_old_time(place / "src/main.rs", MAIN.format("three"))
    again = workspace.build(place)
    assert run(again.programs["app"]).stdout == "three\n"
    assert again.kept.units == 1
