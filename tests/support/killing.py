"""cargoship killed with SIGKILL at points of its work that a seed chooses, and what is there afterwards, judged.

After each kill what is there has to be whole: by cargoship's own reading, by digests that are computed here, and by
skopeo. Then the same command is run again, and has to come to what it comes to where nobody is killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.testing import InMemoryRegistry
from cargoship.unitcache.stores.directory import DirectoryStore
from support.bare_programs import EXIT, compiled
from support.programs import CARGOSHIP, distribution_rust
from support.projects import project
from support.units import adding, packed, unit_files

# Python tells of each step before it happens.
_HOOK = """
import os, signal, sys
at, counted, seen = int(sys.argv[1]), sys.argv[2], [0]
STEPS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.utime", "os.link", "os.chmod", "os.truncate",
         "subprocess.Popen", "socket.connect", "fcntl.flock"}
WRITES = os.O_CREAT | os.O_WRONLY | os.O_RDWR
def watch(event, args):
    if event in STEPS or (event == "open" and (args[2] or 0) & WRITES):
        seen[0] += 1
        if seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from cargoship.cli.main import main
sys.argv = ["cargoship", *sys.argv[3:]]
try:
    code = main()
except SystemExit as ended:
    code = ended.code
if not at:
    with open(counted, "w") as file:
        file.write(str(seen[0]))
sys.exit(code)
"""


class Wrong(Exception):
    """What is there after a kill is not whole, or the next run is not right."""


@dataclass
class Site:
    """A folder to work in, a registry, and programs that are ready."""

    folder: Path
    registry: InMemoryRegistry
    env: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        home = self.folder / "home"
        home.mkdir(parents=True)
        own = {"HOME": str(home), "DOCKER_CONFIG": str(home / "docker")}
        kept = {
            name: os.environ[name]
            for name in ("CARGO_HOME", "RUSTUP_HOME", "TMPDIR", "XDG_CACHE_HOME")
            if name in os.environ
        }
        # rustup finds its toolchains below the home that is left
        kept.setdefault("RUSTUP_HOME", str(Path.home() / ".rustup"))
        # standard libraries and Zig's are those that this machine has made
        kept.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        self.env = {"PATH": os.environ["PATH"], **kept, **own, **distribution_rust()}
        self.programs = {}
        source = self.folder / "program.c"
        source.write_text(f"{EXIT}\nvoid _start(void) {{ leave(0); }}\n")
        for architecture, triple in (("amd64", "x86_64-linux-musl"), ("arm64", "aarch64-linux-musl")):
            program = self.folder / f"program-{architecture}"
            self.programs[architecture] = compiled(source, triple, program, "-s")
        self.packed = project(
            self.folder / "packed", manifest='[package.metadata.cargoship]\ninclude = ["noise -> /noise"]\n'
        )
        (self.packed / "noise").write_bytes(random.Random(1).randbytes(4 << 20))  # noqa: S311 - not a secret

    def pack(self, *words: str, platforms: Sequence[str] = ("amd64", "arm64")) -> list[str]:
        """The words that make the image of the programs."""
        binaries = [word for each in platforms for word in ("--binary", f"linux/{each}={self.programs[each]}")]
        return ["pack", str(self.packed), *binaries, *words]

    def run(self, words: Sequence[str], cwd: Path | None = None, stdin: str = "") -> str:
        """Run cargoship to its end; what it says."""
        return call([str(CARGOSHIP), *words], cwd or self.folder, self.env, stdin)


def call(argv: Sequence[str], cwd: Path, env: dict[str, str], stdin: str = "") -> str:
    """Run a program that has to succeed; its standard output."""
    done = subprocess.run(
        argv, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, errors="replace", check=False, timeout=600
    )
    if done.returncode:
        raise Wrong(f"{' '.join(argv[:4])} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


class Work:
    """One verb: how it begins, what it is, and how what it leaves is judged."""

    name = ""
    stdin = ""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.turn = 0
        self.place = site.folder / self.name
        self.place.mkdir()

    def prepare(self) -> None:
        """Make what the command needs, once."""

    def begin(self) -> None:
        """Make the place as it is before the command; `turn` tells one time from another."""

    def words(self) -> list[str]:
        """The command."""
        raise NotImplementedError

    def whole(self) -> None:
        """Raise Wrong where what is there is damaged; there may be nothing."""

    def right(self, said: str) -> None:
        """Raise Wrong where a command that has ended well has left something else than it should."""


class _Pushed(Work):
    """A verb that ends with a tag in a registry."""

    expected = ""

    @property
    def tag(self) -> str:
        return f"{self.site.registry.host}/{self.name}/{self.turn}:1"

    def whole(self) -> None:
        repository, _, tag = self.tag.partition("/")[2].rpartition(":")
        if tag in self.site.registry.tags(repository):
            check_registry(self.site, self.tag, self.place)

    def right(self, said: str) -> None:
        digest = said.strip().rpartition("@")[2]
        self.expected = self.expected or digest
        if digest != self.expected:
            raise Wrong(f"{digest} is not {self.expected}")
        check_registry(self.site, self.tag, self.place)


class Push(_Pushed):
    name = "push"

    def begin(self) -> None:
        shutil.rmtree(self.site.packed / "target", ignore_errors=True)

    def words(self) -> list[str]:
        return self.site.pack("-t", self.tag, "--push", "-q")


class Copy(_Pushed):
    """To a registry and to a layout, in turn."""

    name = "copy"

    def prepare(self) -> None:
        self.site.run(self.site.pack("-q", "-t", "kept:1", "-o", f"oci:{self.place}/kept"))
        self.site.run(["copy", "-q", f"oci:{self.place}/kept:1", f"{self.site.registry.host}/copy/kept:1"])

    @property
    def _layout(self) -> Path:
        return self.place / "layout"

    def begin(self) -> None:
        shutil.rmtree(self._layout, ignore_errors=True)

    def words(self) -> list[str]:
        if self.turn % 2:
            return ["copy", "-q", f"{self.site.registry.host}/copy/kept:1", f"oci:{self._layout}:1"]
        return ["copy", "-q", f"oci:{self.place}/kept:1", self.tag]

    def whole(self) -> None:
        if not self.turn % 2:
            super().whole()
        elif (self._layout / "index.json").exists():
            check_layout(self.site, self._layout, self.place)

    def right(self, said: str) -> None:
        if not self.turn % 2:
            super().right(said)
        else:
            check_layout(self.site, self._layout, self.place)
            kept, got = (json.loads((each / "index.json").read_text()) for each in (self.place / "kept", self._layout))
            if kept["manifests"][0]["digest"] != got["manifests"][0]["digest"]:
                raise Wrong("the layout has another image")


class Merge(_Pushed):
    name = "merge"

    def prepare(self) -> None:
        for each in ("amd64", "arm64"):
            words = ("-q", "-t", f"{self.site.registry.host}/parts/{each}:1", "--push")
            self.site.run(self.site.pack(*words, platforms=(each,)))

    def words(self) -> list[str]:
        parts = [f"{self.site.registry.host}/parts/{each}:1" for each in ("amd64", "arm64")]
        return ["merge", "-q", *parts, "-t", self.tag]


class Build(Work):
    """A program of two versions in turn, compiled, into one layout that is written again and again."""

    name = "build"

    def prepare(self) -> None:
        self.project = project(self.place / "app")
        self.layout = self.place / "layout"
        self.expected: dict[int, str] = {}

    def begin(self) -> None:
        version = self.turn % 2
        (self.project / "src" / "main.rs").write_text(f'fn main() {{ println!("version {version}"); }}\n')

    def words(self) -> list[str]:
        return [
            "build", str(self.project), "-q", "--platform", "linux/amd64", "-t", "app:1", "-o", f"oci:{self.layout}",
            *self._more(),
        ]  # fmt: skip

    def _more(self) -> Sequence[str]:
        return ("--no-cache",)

    def whole(self) -> None:
        if (self.layout / "index.json").exists():
            check_layout(self.site, self.layout, self.place)

    def right(self, said: str) -> None:
        digest = said.strip().rpartition("@")[2]
        if self.expected.setdefault(self.turn % 2, digest) != digest:
            raise Wrong(f"version {self.turn % 2} is {digest}, and was {self.expected[self.turn % 2]}")
        check_layout(self.site, self.layout, self.place)


class Save(Build):
    """The same with three crates beside it, compiled from nothing, and kept."""

    name = "save"

    def prepare(self) -> None:
        super().prepare()
        table = "\n[dependencies]\n"
        for number in range(3):
            table += f'dep{number} = {{ path = "../dep{number}" }}\n'
            folder = self.place / f"dep{number}"
            (folder / "src").mkdir(parents=True)
            (folder / "src" / "lib.rs").write_text(f"pub fn number() -> u32 {{ {number} }}\n")
            (folder / "Cargo.toml").write_text(f'[package]\nname = "dep{number}"\nversion = "1.0.0"\n')
        with (self.project / "Cargo.toml").open("a") as manifest:
            manifest.write(table)
        self.store = self.place / "store"

    def begin(self) -> None:
        super().begin()
        shutil.rmtree(self.project / "target", ignore_errors=True)
        if self.turn % 4 == 0:
            shutil.rmtree(self.store, ignore_errors=True)

    def _more(self) -> Sequence[str]:
        return ("--cache-to", f"dir:{self.store}")

    def whole(self) -> None:
        super().whole()
        check_cache(self.site, self.store)

    def right(self, said: str) -> None:
        super().right(said)
        check_cache(self.site, self.store)
        reported = json.loads(self.site.run(["cache", "stats", "--json", f"dir:{self.store}"]))
        if not reported["units"]:
            raise Wrong("nothing was kept")


class _Cached(Work):
    """A verb of a cache that is full of made-up units."""

    names = tuple(f"unit{number}" for number in range(40))

    def prepare(self) -> None:
        kept = DirectoryStore(self.place / "kept")
        for begin in range(0, len(self.names), 10):
            names = self.names[begin : begin + 10]
            packs = packed(self.place / "scratch", {each: unit_files(each, 20_000) for each in names}, pack_bytes=1)
            kept.save(packs, adding(packs, names))
        self.site.run(["cache", "export", "-q", str(self.place / "exported"), f"dir:{self.place}/kept"])
        self.store = self.place / "store"

    def whole(self) -> None:
        check_cache(self.site, self.store)

    def right(self, said: str) -> None:  # noqa: ARG002 - its files tell
        check_cache(self.site, self.store)
        reported = json.loads(self.site.run(["cache", "stats", "--json", f"dir:{self.store}"]))["units"]
        self.units = self.units or reported
        if reported != self.units:
            raise Wrong(f"{reported} units are left, where there should be {self.units}")

    units = 0
    """How many are left where nobody is killed."""


class Import(_Cached):
    name = "import"

    def begin(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)

    def words(self) -> list[str]:
        return ["cache", "import", "-q", str(self.place / "exported"), f"dir:{self.store}"]


class Gc(_Cached):
    name = "gc"

    def begin(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.place / "kept", self.store)

    def words(self) -> list[str]:
        return ["cache", "gc", "-q", "--max-size", str(20 * 30_300), f"dir:{self.store}"]


class _Edited(Work):
    """A verb that changes files: each is as before, or as it shall be."""

    def prepare(self) -> None:
        self.app = self.place / "app"
        self.before: dict[str, bytes] = {}
        self.after: dict[str, bytes] = {}

    def begin(self) -> None:
        shutil.rmtree(self.app, ignore_errors=True)
        self.fresh()
        self.before = files_of(self.app)

    def fresh(self) -> None:
        project(self.app)

    def whole(self) -> None:
        found = files_of(self.app)
        for name, content in found.items():
            if not leftover(name) and content not in {self.before.get(name), self.after.get(name)}:
                raise Wrong(f"{name} is neither as before nor as it shall be: {content[-200:]!r}")
        if gone := self.before.keys() - found.keys():
            raise Wrong(f"{sorted(gone)} are gone")

    def right(self, said: str) -> None:  # noqa: ARG002 - its files tell
        found = {name: content for name, content in files_of(self.app).items() if not leftover(name)}
        self.after = self.after or found
        if found != self.after or found == self.before:
            raise Wrong(f"the files are not as they shall be: {sorted(found)}")


class Init(_Edited):
    name = "init"

    def words(self) -> list[str]:
        return ["init", str(self.app), "-q", *(("--ci", "github") if self.turn % 2 else ())]

    def prepare(self) -> None:
        super().prepare()
        self._afters: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})

    def whole(self) -> None:
        self.after = self._afters[self.turn % 2]
        super().whole()

    def right(self, said: str) -> None:
        self.after = self._afters[self.turn % 2]
        super().right(said)
        self._afters[self.turn % 2].update(self.after)


class Pin(_Edited):
    name = "pin"

    def prepare(self) -> None:
        super().prepare()
        self.site.run(self.site.pack("-q", "-t", f"{self.site.registry.host}/base:1", "--push"))

    def fresh(self) -> None:
        project(self.app, manifest=f'[package.metadata.cargoship]\nbase = "{self.site.registry.host}/base:1"\n')

    def words(self) -> list[str]:
        return ["base", "pin", "-q", str(self.app)]


class Login(_Edited):
    name = "login"
    stdin = "a password\n"

    def prepare(self) -> None:
        super().prepare()
        self.app = Path(self.site.env["DOCKER_CONFIG"])

    def fresh(self) -> None:
        self.app.mkdir(parents=True, exist_ok=True)
        others = {f"registry{number}.example": {"auth": "bWU6c2VjcmV0"} for number in range(20)}
        (self.app / "config.json").write_text(json.dumps({"auths": others, "detachKeys": "ctrl-q"}))

    def words(self) -> list[str]:
        return ["login", "-q", "-u", "me", "--password-stdin", self.site.registry.host]


WORKS: tuple[type[Work], ...] = (Build, Push, Save, Gc, Import, Pin, Login, Init, Merge, Copy)


def check_layout(site: Site, layout: Path, scratch: Path) -> None:
    """What an index names is there, with its digest, and skopeo can copy it."""
    pending = json.loads((layout / "index.json").read_text())["manifests"]
    while pending:
        descriptor = pending.pop()
        algorithm, _, digest = descriptor["digest"].partition(":")
        data = (layout / "blobs" / algorithm / digest).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest or len(data) != descriptor["size"]:
            raise Wrong(f"{descriptor['digest']} in {layout} is damaged")
        if descriptor["mediaType"].endswith(("index.v1+json", "manifest.v1+json")):
            said = json.loads(data)
            pending += [*said.get("manifests", ()), *said.get("layers", ())]
            pending += [said["config"]] if "config" in said else []
    _skopeo(site, f"oci:{layout}:1", scratch)


def check_registry(site: Site, tag: str, scratch: Path) -> None:
    """skopeo can copy what a tag names, which checks every digest."""
    _skopeo(site, f"docker://{tag}", scratch)
    site.run(["verify", "-q", tag])


def _skopeo(site: Site, source: str, scratch: Path) -> None:
    into = scratch / "copied"
    shutil.rmtree(into, ignore_errors=True)
    words = ("copy", "--all", "--insecure-policy", "--src-tls-verify=false", "-q", source, f"dir:{into}")
    call(["skopeo", *words], scratch, site.env)
    shutil.rmtree(into)


def check_cache(site: Site, store: Path) -> None:
    """Every unit that the index of a cache names can be unpacked."""
    if store.exists():
        reported = json.loads(site.run(["cache", "verify", "--json", f"dir:{store}"]))
        if reported["damaged"]:
            raise Wrong(f"{reported['damaged']} are damaged")


def leftover(name: str) -> bool:
    """Whether a file is one that was not finished: hidden, and of a name that nobody reads."""
    return name.endswith(".tmp")


def files_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@dataclass(frozen=True)
class Killed:
    """One kill and its judgement."""

    verb: str
    number: int
    point: str
    wrong: str
    """Nothing where all is right."""


class Killer:
    """Kills one verb again and again: in turn at a moment, and before a step that changes files or starts something."""

    def __init__(self, work: Work, seed: int) -> None:
        self._work = work
        self._seed = seed
        self._counted = work.place / "steps"
        work.prepare()
        self._steps, self._took_s = 0, 0.0
        for turn in (0, 1):
            work.turn = turn
            work.begin()
            before = time.monotonic()
            done = self._start(0)
            said, _ = done.communicate(work.stdin)
            if done.returncode:
                raise Wrong(f"{work.name} ended with {done.returncode} where nobody was killed")
            self._took_s = time.monotonic() - before
            self._steps = int(self._counted.read_text())
            work.right(said)

    def kills(self, count: int) -> Iterator[Killed]:
        """Kill it so many times; runs that were over before do not count."""
        number = attempt = 0
        while number < count:
            chance = random.Random(f"{self._seed} {self._work.name} {attempt}")  # noqa: S311 - not a secret
            attempt += 1
            if attempt > 10 * count + 20:
                raise Wrong(f"{self._work.name} is always over before")
            self._work.turn = 2 + number
            self._work.begin()
            at_step = chance.randint(1, self._steps) if number % 2 else 0
            at_s = 0.0 if at_step else chance.uniform(0.2, 1.0) * self._took_s
            started = self._start(at_step or -1)
            if started.stdin is not None:
                started.stdin.write(self._work.stdin)
                started.stdin.close()
            if not at_step:
                time.sleep(at_s)
                started.kill()
            started.wait()
            for stream in (started.stdout, started.stderr):
                if stream is not None:
                    stream.close()
            if started.returncode != -signal.SIGKILL:
                # it takes less than it took when the machine had more to do
                self._took_s = at_s or self._took_s
                continue
            number += 1
            point = f"step {at_step} of {self._steps}" if at_step else f"{at_s:.3f} s"
            yield Killed(self._work.name, number, point, self._judged())

    def _judged(self) -> str:
        try:
            self._work.whole()
            said = self._work.site.run(self._work.words(), stdin=self._work.stdin)
            self._work.right(said)
        except (Wrong, OSError, ValueError, KeyError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _start(self, at: int) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", _HOOK, str(at), str(self._counted), *self._work.words()]
        return subprocess.Popen(
            words, cwd=self._work.site.folder, env=self._work.site.env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
