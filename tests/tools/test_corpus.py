"""verify says what engines do: a corpus of images is run by Docker and by podman, and verified."""

from __future__ import annotations

import io
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from support.buildx import engine_in_container
from support.emulated_images import emulated
from support.image_corpus import CORPUS as PLAIN
from support.image_corpus import ENDS_WITH, Case, write_images
from support.observed import Observed
from support.programs import program
from support.stranger_configs import CONFIGS
from support.stranger_images import MORE

pytestmark = pytest.mark.tools

# what this machine may give a container, which podman would ask for more of than there is
_RUN: Mapping[str, Sequence[str]] = {
    "docker": ("--network=none",),
    "podman": ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
}
# what tells an engine apart from another one, or from itself in another version
_WHO: Mapping[str, Sequence[Sequence[str]]] = {
    "docker": (
        ("version",),
        ("info", "--format", "{{.Driver}} {{.CgroupDriver}} {{.CgroupVersion}} {{.SecurityOptions}}"),
    ),
    "podman": (("version",), ("info", "--format", "{{.Host.OCIRuntime.Version}} {{.Store.GraphDriverName}}")),
}
# NUMBER OPTION...: loads the image's own archive, if it has one, starts it, and prints how that ended
_START = """
number=$1; shift
[ ! -e "$number.tar" ] || "$0" load -q -i "$number.tar" >/dev/null 2>&1 || exit 0
"$0" run --rm "$@" >/dev/null 2>&1 </dev/null
echo "$number $?"
"""
_JOBS = 4
CORPUS = (*PLAIN, *MORE, *CONFIGS)


def test_a_newer_engine_starts_what_the_corpus_says(tmp_path: Path) -> None:
    """Docker 26 with containerd's image store, which unpacks layers by rules of its own."""
    with engine_in_container() as newer:
        check(Asked("docker", ("docker", "exec", "-i", newer.name), newer.context), "docker 26", tmp_path)


@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.xdist_group("podman"))])
def test_engines_start_what_the_corpus_says(engine: str, tmp_path: Path) -> None:
    check(Asked(engine), engine, tmp_path)


def test_an_engine_starts_under_qemu_what_the_corpus_says(tmp_path: Path) -> None:
    """The kernel has QEMU run programs for arm64 (binfmt_misc)."""
    cases = _named("dockerqemu", emulated())
    assert _wrong(cases, Asked("docker").started(cases, "dockerqemu", tmp_path / "images"), "dockerqemu") == []


@dataclass(frozen=True)
class Asked:
    """An engine: its client, what comes before it, and a folder as the client sees it."""

    client: str
    before: Sequence[str] = ()
    place: Callable[[Path], str] = str

    def done(self, *words: str, entered: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program where the client is."""
        argv = [*self.before, *words]
        argv[0] = program(argv[0])
        return subprocess.run(argv, input=entered, capture_output=True, text=True, errors="replace", check=False)

    def who(self) -> list[str]:
        """Its version and what it stands on."""
        found = [self.done(self.client, *words) for words in _WHO[self.client]]
        assert all(each.returncode == 0 for each in found), found
        return [*_RUN[self.client], *(each.stdout for each in found)]

    def started(self, cases: Mapping[str, Case], engine: str, folder: Path) -> dict[str, bool]:
        """Load and run images, by their names: which ended as their program does."""
        folder.mkdir()
        loaded = {name: case for name, case in cases.items() if case.starts and _expected(case, engine)}
        write_images(folder / "all.tar", loaded)
        lines = []
        for name, case in cases.items():
            number = name.rpartition(":")[2]
            if name not in loaded:
                write_images(folder / f"{number}.tar", {name: case})
            platform = (f"--platform=linux/{case.architecture}",) if case.architecture != "amd64" else ()
            lines.append(" ".join((number, *_RUN[self.client], *platform, name)))
        try:
            there = self.place(folder)
            done = self.done("sh", "-c", f"{self.client} load -q -i {there}/all.tar") if loaded else None
            assert done is None or done.returncode == 0, done
            # all by one shell where the engine is: to enter its container costs as much as to start an image
            each = f"cd {there} && xargs -r -P {_JOBS} -L 1 sh -c {shlex.quote(_START)} {self.client}"
            done = self.done("sh", "-c", each, entered="\n".join(lines) + "\n")
            assert done.returncode == 0, done
        finally:
            self.done(self.client, "rmi", "-f", *cases)
        ended = dict(line.split() for line in done.stdout.splitlines())
        return {name: ended.get(name.rpartition(":")[2]) == str(ENDS_WITH) for name in cases}


def check(asked: Asked, engine: str, tmp_path: Path) -> None:
    """Load and run the corpus, but for images of which it is known what this very engine does."""
    cases = _named(engine, CORPUS)
    observed = Observed(engine, asked.who())
    known = observed.answers(cases)
    found = {**known, **asked.started({k: v for k, v in cases.items() if k not in known}, engine, tmp_path / "images")}
    # what an engine has done by chance, on a busy machine say, is asked again
    observed.remember(cases, {k: v for k, v in found.items() if v is _expected(cases[k], engine)})
    assert _wrong(cases, found, engine) == []


def _named(engine: str, cases: Sequence[Case]) -> dict[str, Case]:
    return {f"localhost/cargoship-corpus-{engine.replace(' ', '')}:{at}": case for at, case in enumerate(cases)}


def _wrong(cases: Mapping[str, Case], started: Mapping[str, bool], engine: str) -> list[str]:
    return [case.name for name, case in cases.items() if started[name] is not _expected(case, engine)]


def test_verify_says_what_engines_do(tmp_path: Path) -> None:
    wrong = {}
    for number, case in enumerate((*CORPUS, *emulated())):
        write_images(tmp_path / f"{number}.tar", {"localhost/app:1": case})
        code, said = _verify(tmp_path, f"{number}.tar")
        assert code in {0, 40, 55}, said
        if (code == 0) is not _expected(case, "verify"):
            wrong[case.name] = said
    assert wrong == {}


def test_the_corpus_is_large_and_its_exceptions_have_reasons() -> None:
    assert len(CORPUS) >= 200
    assert len({case.name for case in CORPUS}) == len(CORPUS)
    assert all(each.partition(": ")[2] for case in CORPUS for each in case.unlike)


def _expected(case: Case, whose: str) -> bool:
    return case.starts is not any(each.partition(":")[0] == whose for each in case.unlike)


def _verify(folder: Path, target: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    code = main(("verify", target), World(env, folder, out, err))
    return code, out.getvalue() + err.getvalue()
