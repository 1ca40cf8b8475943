"""What a machine may lack: disk, rights, a home, streams, the right time, being alone. One clear error, nothing half.

All by the installed command, and judged by skopeo and umoci.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest

from cargoship.testing import InMemoryRegistry
from cargoship.unitcache.stores.directory import DirectoryStore
from support.elf_files import elf_file
from support.judges import unpack
from support.programs import CARGOSHIP, REPOSITORY, distribution_rust, run
from support.projects import project
from support.units import adding, packed, unit_files

pytestmark = pytest.mark.tools

DIGEST = "sha256:"
NOISE_BYTES = 3 << 20


class Machine:
    """A project with a program for one platform, and an environment that tests spoil."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = project(folder / "app", manifest='[package.metadata.cargoship]\ninclude = ["noise -> /noise"]\n')
        (self.app / "noise").write_bytes(random.Random(1).randbytes(NOISE_BYTES))  # noqa: S311 - not a secret
        self.program = folder / "program"
        self.program.write_bytes(elf_file("EM_X86_64"))
        self.home = folder / "home"
        self.home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
            **distribution_rust(),
        }

    def words(self, *more: str | Path) -> list[str]:
        """What makes the image."""
        return [str(CARGOSHIP), "pack", str(self.app), "-q", "--binary", f"linux/amd64={self.program}", *map(str, more)]

    def start(self, words: Sequence[str], env: Mapping[str, str | None] | None = None, **more: object) -> Done:
        """Run to the end; `env` is added, or taken away where it is None."""
        both = {**self.env, **(env or {})}
        given = {name: value for name, value in both.items() if value is not None}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.run(words, env=given, cwd=self.folder, check=False, text=True, **streams)  # type: ignore[call-overload,no-any-return]

    def pack(self, *more: str | Path, env: Mapping[str, str | None] | None = None) -> str:
        """Make the image; the digest that was printed."""
        done = self.start(self.words(*more), env)
        assert (done.returncode, done.stderr) == (0, "")
        return digest_of(done.stdout)


Done = subprocess.CompletedProcess[str]


def digest_of(said: str) -> str:
    return said.strip().rpartition("@")[2]


def assert_clear(done: Done, code: int, *words: str) -> None:
    """One error of a few lines, with what it is about, and nothing like a fault of the program."""
    assert done.returncode == code, done.stderr
    assert done.stderr.count("error: ") == 1, done.stderr
    assert "unexpected" not in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def assert_image(layout: Path, digest: str, folder: Path) -> None:
    """skopeo, which checks every digest, can copy what the layout names."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert entry["digest"] == digest
    place = folder / f"copied-{layout.name}"
    run("skopeo", "copy", "--all", "--insecure-policy", "-q", f"oci:{layout}", f"dir:{place}")


def assert_unpacks(layout: Path, digest: str, folder: Path) -> None:
    """The same, and umoci makes a root file system of it, the program at its place."""
    assert_image(layout, digest, folder)
    root = unpack(layout, folder / f"unpacked-{layout.name}", tag="latest")
    assert (root / "app" / "app").stat().st_mode & 0o111


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that takes two megabytes, where the image has three."""
    folder = tmp_path / "small"
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)
    try:
        yield folder
    finally:
        run("umount", "-l", folder)


def enlarge(disk: Path) -> None:
    run("mount", "-o", "remount,rw,size=200m", disk)


def test_a_full_disk_for_a_layout(machine: Machine, small_disk: Path) -> None:
    """What was there before is whole; with room, the next run makes what it should."""
    layout = small_disk / "layout"
    small = machine.words("-o", f"oci:{layout}", "--set", "include=[]", "--base", "scratch")
    before = digest_of(machine.start(small).stdout)
    assert_clear(machine.start(machine.words("-o", f"oci:{layout}")), 60, "No space left", str(small_disk))
    assert_unpacks(layout, before, machine.folder)
    assert not [path for path in small_disk.rglob("*") if path.name.endswith(".tmp")]
    enlarge(small_disk)
    digest = machine.pack("-o", f"oci:{small_disk}/new")
    assert_unpacks(small_disk / "new", digest, machine.folder)
    assert digest == machine.pack("-o", f"oci:{machine.folder}/elsewhere")


def test_a_full_disk_for_the_target_folder(machine: Machine, small_disk: Path) -> None:
    env = {"CARGO_TARGET_DIR": str(small_disk / "target")}
    assert_clear(machine.start(machine.words(), env), 60, "No space left", str(small_disk))
    assert not (small_disk / "target" / "cargoship" / "app" / "index.json").exists()
    enlarge(small_disk)
    digest = machine.pack(env=env)
    assert_unpacks(small_disk / "target" / "cargoship" / "app", digest, machine.folder)


def test_a_full_disk_while_a_program_is_compiled(machine: Machine, small_disk: Path) -> None:
    """The first one to meet it says so: cargoship, the compiler, or the linker, which a signal ends."""
    target, layout = small_disk / "target", machine.folder / "layout"
    words = [str(CARGOSHIP), "build", str(machine.app), "-q", "--no-cache", "--platform", "linux/amd64"]
    words += ["-o", f"oci:{layout}"]
    env = {"CARGO_TARGET_DIR": str(target), "CARGOSHIP_CACHE_DIR": os.environ["CARGOSHIP_CACHE_DIR"]}
    for free_kib in (0, 300, 600):
        (small_disk / "filler").write_bytes(bytes((2048 - free_kib) << 10))
        done = machine.start([*words, "--set", "include=[]"], env)
        assert done.returncode in {60, 101}, done.stderr
        assert "Traceback" not in done.stderr
        error, hint = done.stderr.splitlines()[-2:]
        assert error == "error: cargo ended with exit code 101" or (str(target) in error and "No space left" in error)
        assert "free some space" in hint
        assert not (layout / "index.json").exists()
        shutil.rmtree(target)
    enlarge(small_disk)
    done = machine.start(words, env)
    assert (done.returncode, done.stderr) == (0, "")
    assert_unpacks(layout, digest_of(done.stdout), machine.folder)


def test_a_full_disk_for_a_cache(machine: Machine, small_disk: Path) -> None:
    names = ["one", "two"]
    packs = packed(machine.folder / "scratch", {name: unit_files(name, 1_500_000) for name in names}, pack_bytes=1)
    kept = machine.folder / "kept"
    DirectoryStore(kept).save(packs, adding(packs, names))
    cargoship = str(CARGOSHIP)
    machine.start([cargoship, "cache", "export", "-q", "units.tar", f"dir:{kept}"])
    words = [cargoship, "cache", "import", "-q", "units.tar", f"dir:{small_disk}/store"]
    assert_clear(machine.start(words), 65, "No space left", str(small_disk))
    assert not list(small_disk.rglob("*.pack"))
    enlarge(small_disk)
    assert machine.start(words).returncode == 0
    reported = json.loads(machine.start([cargoship, "cache", "verify", "--json", f"dir:{small_disk}/store"]).stdout)
    assert (reported["units"], reported["damaged"]) == (2, [])


def test_a_full_disk_for_a_login(machine: Machine, small_disk: Path) -> None:
    """The logins that are there stay, and stay readable."""
    config = small_disk / "config.json"
    before = json.dumps({"auths": {"other.example": {"auth": "bWU6c2VjcmV0"}}})
    config.write_text(before)
    (small_disk / "filler").write_bytes(bytes((2 << 20) - 8192))
    (small_disk / "rest").write_bytes(b"")
    while free := os.statvfs(small_disk).f_bavail:
        with (small_disk / "rest").open("ab") as rest:
            rest.write(bytes(free * 4096))
    with InMemoryRegistry() as registry:
        words = [str(CARGOSHIP), "login", "-q", "-u", "me", "--password-stdin", registry.host]
        env = {"DOCKER_CONFIG": str(small_disk)}
        done = machine.start(words, env, stdin=None, input="password\n")
        assert_clear(done, 60, "No space left")
        assert config.read_text() == before
        assert {path.name for path in small_disk.iterdir()} == {"config.json", "filler", "rest"}
        (small_disk / "filler").unlink()
        assert machine.start(words, env, stdin=None, input="password\n").returncode == 0
        assert set(json.loads(config.read_text())["auths"]) == {"other.example", registry.host}


def test_a_full_disk_for_temporary_files(machine: Machine, small_disk: Path) -> None:
    """What goes there is small, or fails clearly."""
    (small_disk / "filler").write_bytes(bytes((2 << 20) - 4096))
    done = machine.start(machine.words(), {"TMPDIR": str(small_disk)})
    if done.returncode:
        assert_clear(done, 60, "No space left")
    else:
        assert_image(machine.app / "target" / "cargoship" / "app", digest_of(done.stdout), machine.folder)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_places_that_are_read_only(machine: Machine, small_disk: Path) -> None:
    run("mount", "-o", "remount,ro", small_disk)
    there = str(small_disk)
    assert_clear(machine.start(machine.words("-o", f"oci:{there}/layout")), 60, "read-only", there)
    assert_clear(machine.start(machine.words("-o", f"oci-archive:{there}/app.tar")), 60, "read-only", there)
    assert_clear(machine.start(machine.words(), {"CARGO_TARGET_DIR": f"{there}/target"}), 60, there)
    digest = machine.pack(env={"HOME": there, "CARGOSHIP_CACHE_DIR": there})
    assert digest == machine.pack(env={"TMPDIR": there})
    assert_clear(machine.start([str(CARGOSHIP), "cache", "gc", f"dir:{there}"]), 65, there)


@pytest.mark.parametrize("home", [None, "", "/nowhere/at/all", "/proc/self"], ids=["unset", "empty", "gone", "closed"])
def test_no_home_is_needed(machine: Machine, home: str | None) -> None:
    digest = machine.pack(env={"HOME": home})
    assert_image(machine.app / "target" / "cargoship" / "app", digest, machine.folder)


CLOSED = """
import os, sys
for number in map(int, sys.argv[1]):
    os.close(number)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize(("closed", "code"), [("0", 0), ("1", 60), ("2", 0), ("12", 60), ("012", 60)])
def test_streams_that_are_closed_at_the_start(machine: Machine, closed: str, code: int) -> None:
    """A traceback, where stdout was; and files that were opened got the numbers of streams."""
    done = machine.start([sys.executable, "-c", CLOSED, closed, *machine.words()])
    assert done.returncode == code, done.stderr
    if code and "2" not in closed:
        assert_clear(done, code, "cannot write")
    layout = machine.app / "target" / "cargoship" / "app"
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    assert digest_of(done.stdout) == ("" if "1" in closed else digest)
    assert_image(layout, digest, machine.folder)
    assert done.stderr == "" or "2" not in closed


def test_streams_that_take_nothing(machine: Machine) -> None:
    with Path("/dev/full").open("w") as full:
        assert_clear(machine.start(machine.words(), stdout=full), 60, "No space left")
        assert_clear(machine.start([str(CARGOSHIP), "--help"], stdout=full), 60, "No space left")
        assert machine.start([word for word in machine.words() if word != "-q"], stderr=full).returncode == 60
    reading, writing = os.pipe()
    os.close(reading)
    done = machine.start(machine.words(), stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
    machine.pack()


def test_umasks_change_no_digest_and_open_no_secret(machine: Machine) -> None:
    digests = set()
    for umask in (0o000, 0o022, 0o077):
        where = machine.folder / f"umask-{umask:o}"
        done = machine.start(machine.words("-o", f"oci:{where}"), {"CARGO_TARGET_DIR": f"{where}-target"}, umask=umask)
        digests.add(digest_of(done.stdout))
        assert_image(where, digest_of(done.stdout), machine.folder)
        with InMemoryRegistry() as registry:
            config = machine.folder / f"docker-{umask:o}"
            words = [str(CARGOSHIP), "login", "-q", "-u", "me", "--password-stdin", registry.host]
            done = machine.start(words, {"DOCKER_CONFIG": str(config)}, stdin=None, input="a-secret\n", umask=umask)
            assert done.returncode == 0, done.stderr
        assert stat.S_IMODE((config / "config.json").stat().st_mode) == 0o600
        assert stat.S_IMODE(config.stat().st_mode) == 0o700
    assert len(digests) == 1


@pytest.fixture(scope="module")
def other_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that moves the clock of what it is loaded into."""
    built = tmp_path_factory.mktemp("clock") / "other_clock.so"
    source = REPOSITORY / "tests" / "support" / "other_clock.c"
    run(sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", source, "-o", built)
    return built


@pytest.mark.parametrize("moment", ["1970-01-01T00:00:10+00:00", "2099-12-31T23:59:50+00:00"])
def test_clocks_of_other_times(machine: Machine, other_clock: Path, moment: str) -> None:
    """The same image, and what is kept then is of use now, and the other way round."""
    offset_s = datetime.fromisoformat(moment).timestamp() - time.time()
    env = {"LD_PRELOAD": str(other_clock), "OTHER_CLOCK_S": str(int(offset_s))}
    year = machine.start([sys.executable, "-c", "import datetime; print(datetime.date.today().year)"], env)
    assert year.stdout.strip() in {moment[:4], str(int(moment[:4]) + 1)}
    done = machine.start(machine.words(), env)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.pack() == digest_of(done.stdout)
    again = machine.start(machine.words(), env)
    assert digest_of(again.stdout) == digest_of(done.stdout)
    assert_image(machine.app / "target" / "cargoship" / "app", digest_of(done.stdout), machine.folder)
    pruned = machine.start([str(CARGOSHIP), "prune", str(machine.app)], env)
    assert (pruned.returncode, pruned.stderr) == (0, "")
    assert machine.pack() == digest_of(done.stdout)


def at_once(count: int, start: Callable[[int], Done]) -> list[Done]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


def test_twelve_at_once_on_one_layout_and_one_tag(machine: Machine) -> None:
    """Three images, each from four runs: every run ends well, and one of the images has the names."""
    layout = machine.folder / "layout"
    with InMemoryRegistry() as registry:
        tag = f"{registry.host}/app:1"

        def words(number: int) -> list[str]:
            return machine.words("-t", tag, "--push", "-o", f"oci:{layout}", "--label", f"number={number % 3}")

        done = at_once(12, lambda number: machine.start(words(number)))
        for each in done:
            assert (each.returncode, each.stderr) == (0, "")
        digests = {digest_of(each.stdout) for each in done}
        assert len(digests) == 3
        found = json.loads((layout / "index.json").read_text())["manifests"]
        assert len(found) == 1
        assert_image(layout, found[0]["digest"], machine.folder)
        assert found[0]["digest"] in digests
        raw = run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{tag}").stdout
        assert DIGEST + hashlib.sha256(raw.encode()).hexdigest() in digests
        last = machine.start(words(0))
        assert digest_of(last.stdout) == digest_of(done[0].stdout)
        assert_image(layout, digest_of(last.stdout), machine.folder / "app")


def test_twelve_at_once_on_one_cache(machine: Machine) -> None:
    """Each adds a unit of its own, and one that all have."""
    store = machine.folder / "store"
    for number in range(12):
        names = ["shared", f"unit{number}"]
        packs = packed(machine.folder / f"scratch{number}", {name: unit_files(name) for name in names})
        DirectoryStore(machine.folder / f"kept{number}").save(packs, adding(packs, names))
        run(CARGOSHIP, "cache", "export", "-q", machine.folder / f"{number}.tar", f"dir:{machine.folder}/kept{number}")
    words = [str(CARGOSHIP), "cache", "import", "-q"]
    for each in at_once(12, lambda number: machine.start([*words, f"{number}.tar", f"dir:{store}"])):
        assert (each.returncode, each.stderr) == (0, "")
    reported = json.loads(machine.start([str(CARGOSHIP), "cache", "verify", "--json", f"dir:{store}"]).stdout)
    assert (reported["units"], reported["damaged"]) == (13, [])
