"""What was noted of a unit, and what files of the kernel mean."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from cargoship.process import Command, Completed
from cargoship.toolchain.zig import Zig
from cargoship.unitcache.keys.probes import ENVIRONMENT, PROCESSOR
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.libraries import libraries_at
from cargoship.unitcache.watching.library import library_for
from cargoship.unitcache.watching.pseudo_files import read_from
from cargoship.unitcache.watching.records import read_records, written_sources
from support.scripted import ScriptedRunner, said

ZIG = Zig(Path("/zig/zig"), Path("/zig/lib"), "0.17.1")
SLEEPS = "import sys, time; print('there', flush=True); time.sleep(600)"


@pytest.mark.parametrize(
    "path", ["/dev/null", "/proc/self/maps", "/proc/self/fd/3", "/proc/meminfo", "/sys/fs/cgroup/cpu.max"]
)
def test_what_says_how_much_there_is_says_nothing(path: str) -> None:
    assert read_from(path) is None


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/12/environ", "/proc/self/task/12/environ"])
def test_all_variables_are_read_by_any_name(path: str) -> None:
    assert read_from(path) == ENVIRONMENT


@pytest.mark.parametrize(
    "path",
    ["/dev/sda", "/proc/12/cmdline", "/proc/self/fd/3/file", "/proc/self/cwd/file", "/proc/uptime", "/proc/1/comm"],
)
def test_what_is_otherwise_each_time_is_not_kept(path: str) -> None:
    with pytest.raises(NotKept):
        read_from(path)


def test_files_are_found_behind_the_root_of_a_process() -> None:
    assert read_from("/proc/self/root/etc/hostname") == "/etc/hostname"
    assert read_from("/etc/hostname") == "/etc/hostname"
    # a checkout in memory is one as any
    assert read_from("/dev/shm/app/src/main.rs") == "/dev/shm/app/src/main.rs"
    assert read_from("/proc/self/root/dev/shm/file") == "/dev/shm/file"
    assert read_from("/proc/cpuinfo") == PROCESSOR


@pytest.mark.parametrize("first", ["B/out", "Kcrate\t-1\t/out"])
@pytest.mark.parametrize("is_own", [False, True], ids=["started", "forked"])
def test_what_lives_on_is_known(tmp_path: Path, first: str, *, is_own: bool) -> None:
    """It may have cleared its environment of all but what the watching library gives to each program again."""
    record, other = tmp_path / "1-1", tmp_path / "1-2"
    record.write_text(f"{first}\0")
    other.write_text("B/other\0")
    env = {"CARGOSHIP_WATCH": str(tmp_path)}
    if not is_own:
        env["CARGOSHIP_WATCH_UNIT"] = str(record)
    elif first[0] == "B":
        env["OUT_DIR"] = "/out"
    else:
        env |= {"CARGO_CRATE_NAME": "crate", "OUT_DIR": "/other"}
    argv = (sys.executable, "-c", SLEEPS)
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as living:
        try:
            assert living.stdout is not None
            living.stdout.readline()
            found = read_records(tmp_path)
        finally:
            living.kill()
    units = [*(found.scripts.get("/out") or found.compilers["/out", "crate", "-1"])]
    assert [each.lives_on for each in units] == [True]
    assert not found.scripts["/other"][0].lives_on
    after = read_records(tmp_path)
    assert not any(each.lives_on for all_of in (*after.scripts.values(), *after.compilers.values()) for each in all_of)


WIPES = """import ctypes, mmap
record = open(sys.argv[1])
it = mmap.mmap(record.fileno(), 0, access=mmap.ACCESS_READ)
first = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")[0]
if sys.argv[2:]:
    ctypes.memset(first, 0, len(ctypes.string_at(first)))
"""


@pytest.mark.parametrize("wiped", [True, False])
def test_what_lives_on_is_known_by_its_record_where_nothing_is_left_of_our_variables(
    tmp_path: Path, *, wiped: bool
) -> None:
    """The library that is in a watched program takes them out of its environment, and maps the record."""
    (tmp_path / "real").mkdir()
    for name, first in (("1-1", "B/out"), ("1-2", "B/other")):
        (tmp_path / "real" / name).write_text(f"{first}\0")
    (tmp_path / "link").symlink_to("real")
    script = "import sys\n" + WIPES + SLEEPS
    argv = (sys.executable, "-c", script, str(tmp_path / "real" / "1-1"), *(["wipes"] if wiped else []))
    env = {"CARGOSHIP_SOMETHING": "long enough"}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as living:
        try:
            assert living.stdout is not None
            living.stdout.readline()
            found = read_records(tmp_path / "link").scripts
        finally:
            living.kill()
    assert [each.lives_on for each in found["/out"]] == [wiped]
    assert [each.lives_on for each in found["/other"]] == [False]


def test_what_units_write_into_a_workspace_is_reported(tmp_path: Path) -> None:
    """Not what they read there, and not what they write into cargo's folders or beside the workspace."""
    notes, root = tmp_path / "notes", tmp_path / "app"
    notes.mkdir()
    (notes / "1-1").write_text(
        f"B/out\0W{root}/src/a.rs\0W{root}/src/../b.rs\0O{root}/c.rs\0W{root}/target/d\0W{root}-e\0T{root}/f\0W/g\0"
    )
    (notes / "2-1").write_text(f"Kapp\t-1\t/out\0W{root}/src/a.rs\0W{root}/../h\0W{root}/cut")
    reported = written_sources(notes, root, but=[root / "target"])
    assert reported == tuple(str(root / name) for name in ("b.rs", "cut", "src/a.rs"))


def test_a_library_that_a_cache_has_is_not_made_again(tmp_path: Path) -> None:
    """On each empty machine Zig compiled it, for longer than all else took where nothing had changed."""
    zig = ScriptedRunner({})

    def bring(folders: Iterable[Path]) -> None:
        for folder in folders:
            folder.mkdir(parents=True)
            (folder / "watch.so").write_bytes(b"from a cache")

    for machine in ("x86_64", "aarch64"):
        place = library_for(machine, ZIG, runner=zig, env={}, cache_dir=tmp_path, bring=bring)
        assert place.read_bytes() == b"from a cache"
        assert list(libraries_at([place.parent]).values()) == [place.parent]
    assert len(list((tmp_path / "watching").iterdir())) == 2
    with pytest.raises(OSError, match="Zig does not make"):
        library_for(
            "x86_64",
            replace(ZIG, version="0.18.0"),
            runner=ScriptedRunner({("cc",): said(code=1)}),
            env={},
            cache_dir=tmp_path,
        )
    assert len(list((tmp_path / "watching").iterdir())) == 2, "nothing is left of an attempt"


def test_a_folder_that_came_without_the_library_is_made_again(tmp_path: Path) -> None:
    """It stayed, and programs were started with a library that was not there: nothing was seen of what they read."""

    def linked(command: Command) -> Completed:
        Path(command.argv[command.argv.index("-o") + 1]).write_bytes(b"made here")
        return said()

    def bring(folders: Iterable[Path]) -> None:
        for folder in folders:
            folder.mkdir(parents=True)
            (folder / "other").write_bytes(b"from a cache")

    zig = ScriptedRunner({("cc",): said(), ("ld.lld",): linked})
    place = library_for("x86_64", ZIG, runner=zig, env={}, cache_dir=tmp_path, bring=bring)
    assert place.read_bytes() == b"made here"
    assert [path.name for path in place.parent.iterdir()] == ["watch.so"]
