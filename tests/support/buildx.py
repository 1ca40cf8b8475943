"""Engines that build Dockerfiles: a multi-platform Buildx in a container, and the machine's own engine.

What is built stands on an image with Rust and Python that scripts/buildx-engine makes of Debian's packages. The
standard libraries for musl come from this machine's cache: they are the same, and take minutes to build.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from support.programs import REPOSITORY, program, run

RUST = "cargoship-test/rust:1"
BUILDER = "cargoship-test/builder:latest"
_SCRIPT = REPOSITORY / "scripts" / "buildx-engine"
_CLIENT = REPOSITORY / ".tools" / "buildx"
_STEP = re.compile(r"#(\d+) \[(?:\S+ )?(\w+) \d+/\d+\] (.*)")
_CA = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Log:
    """What BuildKit printed (--progress plain)."""

    text: str

    def steps(self, stage: str) -> dict[str, bool]:
        """The instructions of a stage, and whether each was taken from the cache."""
        cached = set(re.findall(r"^#(\d+) CACHED$", self.text, re.MULTILINE))
        return {
            words: number in cached
            for line in self.text.splitlines()
            if (found := _STEP.fullmatch(line)) is not None
            for number, name, words in [found.groups()]
            # an image that is there is neither built nor cached
            if name == stage and not words.startswith("FROM ")
        }

    def was_kept(self, stage: str) -> bool:
        """Whether all of a stage was taken from the cache."""
        steps = self.steps(stage)
        assert steps, f"no stage {stage} in\n{self.text}"
        return all(steps.values())


class Buildx(ABC):
    """An engine with Buildx."""

    @abstractmethod
    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run its client."""

    @abstractmethod
    def context(self, folder: Path) -> str:
        """The folder as the client sees it."""

    @abstractmethod
    def file(self, path: Path) -> str:
        """A file that is in no context, as the client sees it."""

    def build(self, folder: Path, *arguments: str) -> Log:
        """`docker buildx build` on the host's network."""
        words = ("buildx", "build", "--network=host", "--progress=plain", *arguments, self.context(folder))
        return Log(self.docker(*words).stderr)

    def output(self, image: str, platform: str, *arguments: str) -> str:
        """Run an image to its end, which has to be a good one; what it wrote to stdout.

        It is read from the engine's log: what listens to a container misses the words of a short one on a busy machine.
        """
        container = self.docker("run", "--detach", "--network=host", f"--platform={platform}", image, *arguments).stdout
        container = container.strip()
        try:
            ended = self.docker("wait", container).stdout.strip()
            logs = self.docker("logs", container)
        finally:
            self.docker("rm", "--force", container)
        assert ended == "0", f"{image} on {platform} ended with {ended}: {logs.stderr}"
        return logs.stdout

    def config(self, image: str) -> dict[str, Any]:
        """How the engine would run an image."""
        found: dict[str, Any] = json.loads(self.docker("image", "inspect", image).stdout)[0]["Config"]
        return found


def newer_client() -> dict[str, str]:
    """The environment in which `docker` is the newer client, with its plugins: Buildx and Compose."""
    return {"PATH": f"{_CLIENT}:{os.environ['PATH']}", "DOCKER_CONFIG": str(_CLIENT / "config")}


@dataclass(frozen=True)
class OwnEngine(Buildx):
    """The machine's engine: one platform at a time. It outlives the tests: what takes a name removes what had it."""

    def build(self, folder: Path, *arguments: str) -> Log:
        tag = arguments[arguments.index("-t") + 1]
        before, log, after = self._id(tag), super().build(folder, *arguments), self._id(tag)
        if before and before != after:
            self.docker("rmi", before, check=False)
        return log

    def _id(self, tag: str) -> str:
        return self.docker("images", "-q", "--no-trunc", tag).stdout.strip()

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run(_CLIENT / "docker", *arguments, env={"DOCKER_CONFIG": str(_CLIENT / "config")}, check=check)

    def context(self, folder: Path) -> str:
        return str(folder)

    def file(self, path: Path) -> str:
        return str(path)


@dataclass(frozen=True)
class EngineInContainer(Buildx):
    """A newer engine in a container of the machine's, with its own client in there."""

    name: str

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return run("docker", "exec", self.name, "docker", *arguments, check=check)

    def context(self, folder: Path) -> str:
        place = PurePosixPath("/contexts") / folder.name
        # what was removed from the folder must not be there any more
        run("docker", "exec", self.name, "sh", "-c", f"rm -rf '{place}' && mkdir -p /contexts")
        run("docker", "cp", folder, f"{self.name}:{place}")
        return str(place)

    def file(self, path: Path) -> str:
        run("docker", "cp", path, f"{self.name}:/{path.name}")
        return f"/{path.name}"

    def load(self, *images: str) -> None:
        """Take images over from the machine's engine."""
        loading = [program("docker"), "exec", "-i", self.name, "docker", "load", "-q"]
        with subprocess.Popen([program("docker"), "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(loading, stdin=saving.stdout, check=True, capture_output=True)
        assert saving.returncode == 0


@contextlib.contextmanager
def engine_in_container(kept: str | None = None) -> Iterator[EngineInContainer]:
    """Start one, and remove it with all that it has built; one with a name of its own is used again, and kept."""
    name = kept or f"cargoship-buildx-{os.getpid()}"
    env = {"BUILDX_ENGINE_NAME": name}
    engine = EngineInContainer(name)
    if kept is None or engine.docker("version", check=False).returncode:
        run(_SCRIPT, "prepare")
        run(_SCRIPT, "start", env=env)
    try:
        yield engine
    finally:
        if kept is None:
            run(_SCRIPT, "stop", env=env)


def builder_context(folder: Path) -> Path:
    """What the builder's image is made of: Rust, this machine's standard libraries and its network's settings."""
    std = Path(os.environ["CARGOSHIP_CACHE_DIR"]) / "std"
    folder.mkdir(parents=True)
    (folder / "std").mkdir()
    for library in std.glob("[0-9]*-linux-musl-*"):
        shutil.copytree(library, folder / "std" / library.name)
    (folder / "pip.conf").write_text("")
    if (settings := Path("/etc/pip.conf")).exists():
        shutil.copy(settings, folder / "pip.conf")
    (folder / "Dockerfile").write_text(
        f"FROM {RUST}\n"
        # no script of its packages has run
        "RUN ldconfig\n"
        f"ENV PIP_CERT={_CA} CARGO_HTTP_CAINFO={_CA}\n"
        "COPY pip.conf /etc/pip.conf\n"
        "COPY std /root/.cache/cargoship/std\n"
    )
    return folder
