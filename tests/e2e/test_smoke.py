"""Smoke runs: what a program sees of the world, how it ends, and what becomes of an image whose program fails."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.broken import TRIPLES
from support.gnu_base import write_gnu_base
from support.programs import CARGOSHIP, WITHOUT_NAMESPACES, RunCargoship, run, run_as_nobody
from support.projects import project

pytestmark = pytest.mark.e2e

_PROBE = r"""
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  char folder[256];
  if (!strcmp(what, "who")) {
    printf("%d:%d %s %s %s\n", getuid(), getgid(), getcwd(folder, sizeof folder), getenv("COLOUR"), argv[2]);
    return access("/dev/null", W_OK) || access("/app/app", X_OK);
  }
  if (!strcmp(what, "net")) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    return connect(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&to, sizeof to) == 0 ? 7 : 0;
  }
  if (!strcmp(what, "outside"))
    return access(argv[2], F_OK) == 0 ? 7 : 0;
  if (!strcmp(what, "memory")) {
    for (int i = 0; i < 64; i++) {
      char *piece = malloc(64 << 20);
      if (!piece) { fputs("no memory\n", stderr); return 3; }
      memset(piece, 1, 64 << 20);
    }
    return 0;
  }
  if (!strcmp(what, "sleep")) for (;;) sleep(60);
  if (!strcmp(what, "talk")) for (int i = 0; i < 1 << 20; i++) puts("a line that is written a million times, and kept nowhere");
  if (!strcmp(what, "crash")) abort();
  if (!strcmp(what, "fail")) { fputs("cannot find my settings\n", stderr); return 4; }
  puts("probe 1.0");
  return 0;
}
"""  # noqa: E501 - C


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that everybody may read, with the probe for two architectures and a base with glibc."""
    folder = Path(tempfile.mkdtemp(prefix="smoke-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "probe.c").write_text(_PROBE)
    for platform, triple in TRIPLES.items():
        run(
            sys.executable, "-m", "ziglang", "cc", "-target", f"{triple}.2.17", "-O1", "-fno-builtin", "-s", "probe.c",
            "-o", f"probe-{platform[6:]}", cwd=folder,
        )  # fmt: skip
    write_gnu_base(folder / "base")
    yield folder
    shutil.rmtree(folder)


def packing(place: Path, app: Path, smoke: str, platform: str = "linux/amd64", settings: str = "") -> list[str]:
    manifest = f"""[package.metadata.cargoship]
libc = "gnu"
base = "oci:{place}/base"
env = {{ COLOUR = "blue" }}
{settings}
"""
    made = project(app, manifest=manifest)
    binary = place / f"probe-{platform[6:]}"
    return ["pack", str(made), "--binary", f"{platform}={binary}", "--smoke", smoke, "-o", f"oci:{app}/out"]


@pytest.mark.parametrize(
    ("smoke", "platform", "words"),
    [
        ("--version", "linux/amd64", "ran in"),
        ("--version", "linux/arm64", "ran under QEMU in"),
        ("who 'two words'", "linux/amd64", "65532:65532 /app blue two words"),
        ("who x", "linux/arm64", "65532:65532 /app blue x"),
        ("net 1.1.1.1", "linux/amd64", "ran in"),
        ("net 1.1.1.1", "linux/arm64", "ran under QEMU in"),
        ("outside /etc/hostname", "linux/amd64", "ran in"),
        ("talk", "linux/amd64", "ran in"),
    ],
)
def test_what_a_program_sees(
    run_cargoship: RunCargoship, place: Path, tmp_path: Path, smoke: str, platform: str, words: str
) -> None:
    done = run_cargoship(*packing(place, tmp_path / "app", smoke, platform))
    assert words in done.stderr
    assert "Started its programs" in done.stderr
    assert {path.name for path in (tmp_path / "app" / "target" / "cargoship").iterdir()} == {".blobs", ".lock"}


@pytest.mark.parametrize(
    ("smoke", "platform", "words"),
    [
        ("fail", "linux/amd64", "/app/app fail of app (linux/amd64) ended with 4:\n  cannot find my settings"),
        ("fail", "linux/arm64", "of app (linux/arm64) ended with 4"),
        ("memory", "linux/amd64", "no memory"),
        ("memory", "linux/arm64", "no memory"),
        ("crash", "linux/amd64", "of app (linux/amd64) was ended by signal"),
    ],
)  # fmt: skip
def test_a_program_that_fails_is_not_published(
    run_cargoship: RunCargoship, place: Path, tmp_path: Path, smoke: str, platform: str, words: str
) -> None:
    done = run_cargoship(*packing(place, tmp_path / "app", smoke, platform), check=False)
    assert (done.returncode, done.stdout) == (40, "")
    assert words in done.stderr
    assert "hint:" in done.stderr
    assert not (tmp_path / "app" / "out").exists()
    assert not list((tmp_path / "app" / "target" / "cargoship").glob("smoke*"))


def test_a_program_that_never_ends_is_ended(run_cargoship: RunCargoship, place: Path, tmp_path: Path) -> None:
    done = run_cargoship(*packing(place, tmp_path / "app", "sleep"), check=False)
    assert done.returncode == 40
    assert "was ended after 30 s" in done.stderr


def test_anybody_can_run_it(place: Path) -> None:
    """Without a right on this machine: the program is the image's user in a namespace of its own."""
    folder = Path(tempfile.mkdtemp(prefix="smoke-", dir="/var/tmp"))
    try:
        command = packing(place, folder / "app", "who x")
        done = run_as_nobody(folder, *command)
        assert "65532:65532 /app blue x" in done.stderr
    finally:
        shutil.rmtree(folder)


def test_what_cannot_be_run_is_said(place: Path, tmp_path: Path) -> None:
    """Where no namespaces may be made the image is made, and a warning says what was not tried."""
    done = run(*WITHOUT_NAMESPACES, CARGOSHIP, *packing(place, tmp_path / "app", "--version"))
    assert "warning: no smoke run of app (linux/amd64): the sandbox cannot be made: unshare: No space" in done.stderr
    assert (tmp_path / "app" / "out" / "index.json").exists()
