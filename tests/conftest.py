"""Fixtures for tests that run the installed program on real projects."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test, settings

from cargoship.bases import static
from support.engine import Engine
from support.kept import cache_folder
from support.peers import WAYS, Peer, debian_peer
from support.programs import CARGOSHIP, REPOSITORY, RunCargoship, distribution_rust, run
from support.registry import RunningRegistry, running_registry

if TYPE_CHECKING:
    from support.reapi import RunningServer

# How long an example takes is the machine's affair: a busy one must not fail a test.
settings.register_profile("cargoship", deadline=None)
settings.load_profile("cargoship")

# A shell starts what it puts into the background with Ctrl-C ignored, nohup ignores the end of a terminal, and children
# inherit both: tests that send these signals would wait for ever.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


# Once compiled is enough: what tests start shares a cache, unless a test is about an empty one and names its own.
os.environ["CARGOSHIP_CACHE_DIR"] = str(cache_folder())

# Minutes each on a machine that has compiled nothing: what takes longest starts first, and no processor waits for it.
LONGEST = (
    "c_crates", "platforms", "dockerfile", "wasm", "web_service", "unit_cache", "published", "build_tools", "recipe",
    "ci", "deploy", "debian",
)  # fmt: skip


# Seconds for one end-to-end test, with what it makes first for those after it, on a machine that has compiled nothing.
E2E_SECONDS = 1800


class FailuresAtOnce:
    """Names each failed test when it fails, for a run that is stopped before its end prints no summary."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        screen = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and screen is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = str(crash.message).splitlines()[0] if crash is not None and crash.message else ""
            screen.ensure_newline()
            screen.write_line(f"failed: {report.nodeid} ({report.when}) {why}"[:300])


def pytest_configure(config: pytest.Config) -> None:
    """Failures are named at once where the results come together: in pytest-xdist's controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailuresAtOnce(config))


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """What is made while tests are collected stays: looking for garbage among it takes a third of the time."""
    gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fast tests first: what is broken is known in seconds.

    Those that share what is expensive to make, an image or a running registry, are a group: one process (pytest-xdist's
    `--dist loadgroup`) runs all of it, and makes it once.
    """
    for item in items:
        if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
            item.add_marker("thorough")
        if _cost(item) > 1 and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(E2E_SECONDS))
        if _cost(item) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: (_cost(item), _rank(item) if _cost(item) > 1 else 0))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups that nobody keeps together would make what is expensive once for each process, and podman meet itself."""
    if hasattr(session.config, "workerinput") and session.config.option.loadgroup:
        apart = [item.nodeid for item in session.items if _cost(item) and "@" not in item.nodeid.rpartition("]")[2]]
        if apart:
            raise pytest.UsageError(f"pytest-xdist has put {apart[0]} into no group: does it serve this pytest?")
    # thousands of tests that live until the end: no collection of garbage has to walk them again
    gc.collect()
    gc.freeze()
    gc.enable()


def _cost(item: pytest.Item) -> int:
    return 2 if item.get_closest_marker("e2e") else 1 if item.get_closest_marker("tools") else 0


def _rank(item: pytest.Item) -> int:
    group = next(item.iter_markers("xdist_group")).args[0].removeprefix("test_")
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


@pytest.fixture(scope="session")
def run_cargoship(tmp_path_factory: pytest.TempPathFactory) -> RunCargoship:
    """The `cargoship` of this virtual environment, with no credentials of the person who runs the tests."""
    empty = tmp_path_factory.mktemp("docker-config")
    clean = {"DOCKER_CONFIG": str(empty), "REGISTRY_AUTH_FILE": str(empty / "auth.json"), **distribution_rust()}
    clean["CARGOSHIP_REGISTRY_MIRRORS"] = ""

    def run_it(
        *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return run(CARGOSHIP, *arguments, cwd=cwd, env={**clean, **(env or {})}, check=check)

    return run_it


@pytest.fixture
def example_project(tmp_path: Path) -> Callable[[str], Path]:
    """A fresh copy of one of examples/, by name."""

    def copy(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(REPOSITORY / "examples" / name, target, ignore=shutil.ignore_patterns("target"))
        return target

    return copy


@pytest.fixture
def few_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The static base without most of its 600 files, for tests that are about something else and build many images."""
    every = static._zones
    monkeypatch.setattr(static, "_zones", lambda: itertools.islice(every(), 3))


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """Debian's docker-registry on a free port of the loopback, empty at first."""
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def executing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A buildbox-casd with workers, which knows nothing at first."""
    from support.reapi import executing, running_server  # noqa: PLC0415 - loads grpc, which few tests need

    with running_server(tmp_path_factory.mktemp("casd") / "server", *executing()) as running:
        yield running


class DebianPeers(Mapping[str, Peer]):
    """Debian's docker-registry by the way in which it is met, each started when it is asked for."""

    def __init__(self, folder: Path, running: contextlib.ExitStack) -> None:
        self._folder = folder
        self._running = running
        self._peers: dict[str, Peer] = {}

    def __getitem__(self, way: str) -> Peer:
        if way not in self._peers:
            folder = self._folder / way
            folder.mkdir()
            self._peers[way] = self._running.enter_context(debian_peer(way, folder))
        return self._peers[way]

    def __iter__(self) -> Iterator[str]:
        return iter(WAYS)

    def __len__(self) -> int:
        return len(WAYS)


@pytest.fixture(scope="session")
def debian_peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Peer]]:
    """Debian's docker-registry: plain, in TLS with a password, in TLS with tokens."""
    with contextlib.ExitStack() as running:
        yield DebianPeers(tmp_path_factory.mktemp("peers"), running)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The Docker engine, without what was pulled in the end."""
    found = Engine.find()
    yield found
    found.forget()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's wheel."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, REPOSITORY)
    (built,) = out.glob("*.whl")
    return built
