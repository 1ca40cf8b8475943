"""verify says what engines do: a corpus of images is run by Docker and by podman, and verified."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cargoship.cli.main import main
from cargoship.cli.session import World
from support.buildx import engine_in_container
from support.emulated_images import emulated
from support.image_corpus import CORPUS as PLAIN
from support.image_corpus import ENDS_WITH, Case, write_images
from support.programs import program
from support.stranger_configs import CONFIGS
from support.stranger_images import MORE

pytestmark = pytest.mark.tools

# what this machine may give a container, which podman would ask for more of than there is
_RUN: Mapping[str, Sequence[str]] = {
    "docker": ("--network=none",),
    "podman": ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
}
_JOBS = 4
CORPUS = (*PLAIN, *MORE, *CONFIGS)


def test_a_newer_engine_starts_what_the_corpus_says(tmp_path: Path) -> None:
    """Docker 26 with containerd's image store, which unpacks layers by rules of its own."""
    with engine_in_container() as newer:
        check(("docker", "exec", "-i", newer.name, "docker"), "docker 26", tmp_path)


@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.xdist_group("podman"))])
def test_engines_start_what_the_corpus_says(engine: str, tmp_path: Path) -> None:
    check((engine,), engine, tmp_path)


def test_an_engine_starts_under_qemu_what_the_corpus_says(tmp_path: Path) -> None:
    """The kernel has QEMU run programs for arm64 (binfmt_misc)."""
    check(("docker",), "dockerqemu", tmp_path, emulated())


def check(words: Sequence[str], engine: str, tmp_path: Path, cases: Sequence[Case] = CORPUS) -> None:
    """Load and run images with an engine, whose client is started by these words."""
    names = {
        f"localhost/cargoship-corpus-{engine.replace(' ', '')}:{number}": case for number, case in enumerate(cases)
    }
    starting = {name: case for name, case in names.items() if case.starts and _expected(case, engine)}
    try:
        write_images(tmp_path / "starting.tar", starting)
        done = _engine(words, "load", "-q", archive=tmp_path / "starting.tar")
        assert done.returncode == 0, done.stderr

        def starts(name: str) -> bool:
            if name not in starting:
                path = tmp_path / f"{name.rpartition(':')[2]}.tar"
                write_images(path, {name: names[name]})
                if _engine(words, "load", "-q", archive=path).returncode:
                    return False
            other = names[name].architecture != "amd64"
            platform = (f"--platform=linux/{names[name].architecture}",) if other else ()
            return _engine(words, "run", "--rm", *_RUN[words[0]], *platform, name).returncode == ENDS_WITH

        with ThreadPoolExecutor(_JOBS) as workers:
            found = list(zip(names.values(), workers.map(starts, names), strict=True))
    finally:
        _engine(words, "rmi", "-f", *names)
    wrong = [case.name for case, started in found if started is not _expected(case, engine)]
    assert wrong == []


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


def _engine(words: Sequence[str], *more: str, archive: Path | None = None) -> subprocess.CompletedProcess[str]:
    with (archive or Path("/dev/null")).open("rb") as stream:
        argv = [program(words[0]), *words[1:], *more]
        return subprocess.run(argv, stdin=stream, capture_output=True, text=True, errors="replace", check=False)


def _verify(folder: Path, target: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    env = {"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    code = main(("verify", target), World(env, folder, out, err))
    return code, out.getvalue() + err.getvalue()
