"""The library that notes what is read, on each kind of machine that it is made for; the other one is emulated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.process import SystemRunner
from cargoship.toolchain.zig import find_zig
from cargoship.unitcache.watching.library import MACHINES, library_for
from support.programs import run

pytestmark = pytest.mark.tools

PROGRAM = r"""
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
static void *reads(void *path) { close(open(path, O_RDONLY)); return NULL; }
static int deep(int n) { volatile char a[4096]; a[0] = (char)n; return n < 0 ? 0 : deep(n + 1) + a[0]; }
static void overflowed(int signal) { (void)signal; write(1, "overflowed\n", 11); _exit(9); }
static int all(void) {
  int n = 0;
  for (char **each = environ; *each; each++) n += !strncmp(*each, "LD_PRELOAD", 10);
  return n;
}
int main(int count, char **words) {
  (void)count;
  if (!strcmp(words[1], "reads")) {
    struct stat status;
    pthread_t other;
    stat("absent", &status);
    stat("sized", &status);
    closedir(opendir("folder"));
    char to[64];
    readlink("link", to, sizeof to);
    pthread_create(&other, NULL, reads, "thread");
    pthread_join(other, NULL);
    printf("%s\n", getenv("GIVEN"));
  } else if (!strcmp(words[1], "all")) {
    printf("%d\n", all());
  } else if (!strcmp(words[1], "masked")) {
    /* a fault that is held back would end it */
    sigset_t most;
    sigfillset(&most);
    pthread_sigmask(SIG_SETMASK, &most, NULL);
    printf("%d\n", all());
  } else if (!strcmp(words[1], "deep")) {
    stack_t small = {.ss_sp = malloc(64 << 10), .ss_size = 64 << 10};
    struct sigaction action = {.sa_handler = overflowed, .sa_flags = SA_ONSTACK};
    sigaltstack(&small, NULL);
    sigaction(SIGSEGV, &action, NULL);
    return deep(1);
  } else if (!strcmp(words[1], "full")) {
    /* no descriptor is left, and what is asked for is noted nowhere */
    struct rlimit none = {3, 3};
    setrlimit(RLIMIT_NOFILE, &none);
    printf("%s\n", getenv("GIVEN"));
  } else if (!strcmp(words[1], "limited")) {
    struct rlimit none = {1, 1};
    setrlimit(RLIMIT_FSIZE, &none);
    getenv("GIVEN");
    printf("alive\n");
  } else if (!strcmp(words[1], "clock")) {
    printf("%d\n", time(NULL) > 0);
  }
  fflush(stdout);
  return 7;
}
"""


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, machine: str) -> Path:
    place = tmp_path_factory.mktemp(machine)
    runner, env = SystemRunner(), dict(os.environ)
    zig = find_zig(runner, env)
    (place / "program.c").write_text(PROGRAM)
    target = f"{machine}-linux-gnu.2.17"
    run(zig.path, "cc", "-target", target, "-O1", "-w", "-pthread", "-o", "program", "program.c", cwd=place)
    made = library_for(machine, zig, runner=runner, env=env, cache_dir=Path(env["CARGOSHIP_CACHE_DIR"]))
    (place / "watch.so").write_bytes(made.read_bytes())
    (place / "folder").mkdir()
    (place / "link").symlink_to("sized")
    for name in ("sized", "thread"):
        (place / name).write_text(name)
    return place


def start(machine: str, folder: Path, what: str, code: int = 7, env: Mapping[str, str] | None = None) -> str:
    own = os.uname().machine == machine
    words = (folder / "program",) if own else (f"qemu-{machine}-static", folder / "program")
    done = run(*words, what, cwd=folder, env={"GIVEN": "given", **(env or {})}, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def watched(machine: str, folder: Path, notes: Path, what: str, code: int = 7) -> tuple[str, list[str]]:
    """What the program prints, and what was noted of it as of a build script."""
    script = {
        "CARGOSHIP_WATCH": str(notes), "LD_PRELOAD": str(folder / "watch.so"),
        "OUT_DIR": str(folder / "out"), "NUM_JOBS": "1", "HOST": machine, "CARGO_MANIFEST_DIR": str(folder),
    }  # fmt: skip
    if os.uname().machine != machine:
        # the emulator is of another kind than what it runs
        script = {"QEMU_SET_ENV": ",".join(f"{name}={value}" for name, value in script.items())}
    said = start(machine, folder, what, code, script)
    (record,) = (each for each in notes.iterdir() if each.is_file())
    return said, record.read_bytes().decode().replace(f"{folder}/", "").split("\0")[:-1]


def test_what_is_read_is_noted(machine: str, folder: Path, tmp_path: Path) -> None:
    said, noted = watched(machine, folder, tmp_path, "reads")
    assert said == "given\n"
    assert noted == ["Bout", "Aabsent", "Ssized", "Dfolder", "Llink", "Othread", "VGIVEN"]


@pytest.mark.parametrize("what", ["all", "masked"])
def test_all_variables_are_noted_without_a_sign_of_it(machine: str, folder: Path, tmp_path: Path, what: str) -> None:
    said, noted = watched(machine, folder, tmp_path, what)
    assert said == "0\n"
    assert {each[0] for each in noted} in ({"B", "E"}, {"B", "I"})


def test_the_clock_is_noted(machine: str, folder: Path, tmp_path: Path) -> None:
    assert watched(machine, folder, tmp_path, "clock") == ("1\n", ["Bout", "tprogram"])


def test_a_stack_that_overflows_is_reported_as_without_it(machine: str, folder: Path, tmp_path: Path) -> None:
    assert start(machine, folder, "deep", 9) == "overflowed\n"
    assert watched(machine, folder, tmp_path, "deep", 9)[0] == "overflowed\n"


def test_what_cannot_be_noted_leaves_a_mark(machine: str, folder: Path, tmp_path: Path) -> None:
    said, noted = watched(machine, folder, tmp_path, "full")
    assert (said, noted) == ("given\n", ["Bout"])
    (mark,) = (each for each in tmp_path.iterdir() if each.is_dir())
    assert mark.suffix == ".lost"


def test_a_limit_of_files_is_no_end_of_the_program(machine: str, folder: Path, tmp_path: Path) -> None:
    said, _ = watched(machine, folder, tmp_path, "limited")
    assert said == "alive\n"
    assert any(each.suffix == ".lost" for each in tmp_path.iterdir())
