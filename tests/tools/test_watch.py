"""What the library that watches reads notes of a hostile program: each way of reading is reported, or called unknown.

One program in C, with a way of reading for each argument, is started as a build script's child is.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cargoship.process import SystemRunner
from cargoship.toolchain.zig import find_zig
from cargoship.unitcache.watching.library import library
from support.programs import REPOSITORY, program, run

pytestmark = pytest.mark.tools

FILE, DATA = "O{}/data/file", "O{}/data"
UNKNOWN = "U"
ANY = {
    FILE: (
        "open,thread,fork,closed,close_range,forgotten,cleared,empty,vfork,spawn,spawn into,system,popen,mapped,openat"
        ",open by syscall,openat by syscall,fopen,freopen,hard link"
    ),
    UNKNOWN: (
        "spawn elsewhere,fexecve,execveat,openat2,io_uring,unknown,glob,wordexp,nftw,attribute,handle,dlmopen,ptrace"
        ",shared memory,chroot,unshare,many"
    ),
    "E": (
        "environ,main's environment,environ after a locale,environ after libc,environ in a thread,environ in a fork"
        ",environ with all signals blocked,environ with a handler,environ after setenv"
    ),
}
EXPECTED = {
    **{way: wanted for wanted, ways in ANY.items() for way in ways.split(",")},
    **dict.fromkeys(("stat", "lstat", "statx", "statx by syscall", "access", "inotify"), "S{}/data/file"),
    **dict.fromkeys(("fdopendir", "getdents64"), DATA),
    **dict.fromkeys(("opendir", "scandir", "scandirat"), "D{}/data"),
    **dict.fromkeys(("getenv", "secure_getenv"), "VWANTED"),
    **dict.fromkeys(("clock_gettime", "clock by syscall", "gettimeofday", "sysinfo"), "Cattack"),
    "time": "tattack",
    **dict.fromkeys(("getrandom", "random by syscall", "urandom"), "Rattack"),
    **dict.fromkeys(("connect", "socket"), "Nattack"),
    "absent": "A{}/data/none",
    "through a link": "O{}/link",
    "readlink": "L{}/link",
    "realpath": "Q{}/link",
    "loader": "Z/",
    "static": "Z{}/static",
    "static with many words": "Z{}/static",
    "library": "O{}/libtold.so",
    "dlopen": "O{}/libtold.so",
    "environ of the process": "O/proc/self/environ",
    "environ of the thread": "O/proc/self/task/",
    "root of the process": "O/proc/self/root{}/data/file",
    "locale": "VLC_ALL",
    "zone": "VTZ",
    "hostname": "Hattack",
    "user": "Pattack",
    "group": "O/etc/group",
}
"""The beginning of a record that is there after each way of reading; {} is the folder."""


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program, and all that it reads."""
    folder = tmp_path_factory.mktemp("attack")
    for name, text in {
        "attack.c": (REPOSITORY / "tests/support/attack.c").read_text(),
        "told.c": "int told(void) { return 1; }\n",
        "uses.c": "int told(void); int main(void) { return !told(); }\n",
        "static.c": "int main(void) { return 0; }\n",
        "data/file": "text\n",
        "out/made": "",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "link").symlink_to("data/file")
    for words in (
        ("-w", "-o", "attack", "attack.c", "-ldl", "-pthread"),
        ("-shared", "-fPIC", "-o", "libtold.so", "told.c"),
        ("-o", "uses", "uses.c", "libtold.so", "-Wl,-rpath,$ORIGIN"),
        ("-static", "-o", "static", "static.c"),
    ):
        run("cc", *words, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runner = SystemRunner()
    env = dict(os.environ)
    made = library(find_zig(runner, env), runner=runner, env=env, cache_dir=tmp_path_factory.mktemp("watch"))
    assert made is not None
    return made


def watched(library: Path, folder: Path, record: Path, *words: str) -> list[str]:
    """What is noted of a program."""
    record.write_text("")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CARGOSHIP", "LD_"))},
        "WANTED": "value",
        "LD_PRELOAD": str(library),
        "CARGOSHIP_WATCH": str(record.parent),
        "CARGOSHIP_WATCH_UNIT": str(record),
    }
    done = subprocess.run(words, cwd=folder, env=env, check=False, capture_output=True)
    assert done.returncode == 0, done
    return os.fsdecode(record.read_bytes()).split("\0")


@pytest.mark.parametrize("way", EXPECTED)
def test_what_a_hostile_program_reads_is_noted(way: str, attack: Path, watch: Path, tmp_path: Path) -> None:
    (attack / "out/linked").unlink(missing_ok=True)
    # of the variables, either all of them, or the places in the program from which they were read
    starts = ("E", "I") if EXPECTED[way] == "E" else EXPECTED[way].format(attack)
    noted = watched(watch, attack, tmp_path / "record", "./attack", way)
    assert [each for each in noted if each.startswith(starts)], noted


def test_what_measures_time_alone_does_not_look_at_the_clock(attack: Path, watch: Path, tmp_path: Path) -> None:
    assert not {"Cattack", "tattack"} & {*watched(watch, attack, tmp_path / "record", "./attack", "monotonic")}


@pytest.mark.parametrize("words", [("printenv", "WANTED"), ("env",), ("sh", "-c", "echo $WANTED")], ids=" ".join)
def test_programs_that_look_at_all_variables_are_noted(
    words: tuple[str, ...], attack: Path, watch: Path, tmp_path: Path
) -> None:
    """printenv has libc look for languages first: the page with the variables stayed open from then on."""
    noted = watched(watch, attack, tmp_path / "record", program(words[0]), *words[1:])
    assert [each for each in noted if each.startswith("E")], noted
