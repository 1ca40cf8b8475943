"""The Docker engine, driven by its own client.

The engine may be another machine's (DOCKER_HOST) or the host's of this container: files go in and out through
`docker cp`, never through a mounted folder; ports are the host's, through `--network host`.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.programs import program, run

_STOP_S = 300
"""How long a container may take to stop: what hangs is ended, and a busy machine is not."""


@dataclass(frozen=True)
class Container:
    """A container that was created, and may be running."""

    id: str

    def start(self) -> None:
        """Start it in the background."""
        run("docker", "start", self.id)

    def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        return int(run("docker", "wait", self.id, timeout_s=120).stdout)

    def put(self, path: str, content: bytes) -> None:
        """Write one world-readable file into it."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
        subprocess.run([program("docker"), "cp", "-", f"{self.id}:/"], input=buffer.getvalue(), check=True)

    def member(self, path: str) -> tuple[tarfile.TarInfo, bytes]:
        """One file of it: owner, mode and so on, and its content."""
        done = subprocess.run([program("docker"), "cp", f"{self.id}:{path}", "-"], capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
            member = tar.getmembers()[0]
            stream = tar.extractfile(member)
            return member, b"" if stream is None else stream.read()

    def logs(self) -> str:
        """What it wrote to stdout and stderr."""
        done = run("docker", "logs", self.id)
        return done.stdout + done.stderr

    def stop(self) -> int:
        """Ask it to stop; its exit code: 137 for one that did not, and was killed at last."""
        run("docker", "stop", "-t", str(_STOP_S), self.id)
        return int(self.inspect()["State"]["ExitCode"])

    def inspect(self) -> dict[str, Any]:
        """What the engine knows of it."""
        found: list[dict[str, Any]] = json.loads(run("docker", "inspect", self.id).stdout)
        return found[0]


@dataclass(frozen=True)
class Engine:
    """The engine that `docker` reaches."""

    version: str
    pulled: set[str] = field(default_factory=set, compare=False, repr=False)
    """What it was asked for, which it would keep for ever."""

    @classmethod
    def find(cls) -> Engine:
        """The engine, or a failure."""
        done = run("docker", "version", "--format", "{{.Server.Version}}", check=False)
        if done.returncode:
            pytest.fail(f"the Docker engine does not answer: {done.stderr}")
        return cls(done.stdout.strip())

    def pull(self, reference: str, platform: str) -> str:
        """Pull one platform of an image; its id."""
        self.pulled.add(reference)
        run("docker", "pull", "-q", "--platform", platform, reference)
        return self.image(reference)["Id"]  # type: ignore[no-any-return]

    def remove(self, reference: str) -> None:
        """Take a name away, and the image with its last one."""
        run("docker", "rmi", reference)

    def forget(self) -> None:
        """Take the names of all that was pulled away, as far as they are there."""
        for reference in self.pulled:
            run("docker", "rmi", reference, check=False)

    def remove_names(self, repository: str) -> None:
        """Take all tags and digests of a repository away: another test may have the image by another name."""
        listed = run("docker", "images", "--digests", "--format", "{{.Tag}} {{.Digest}}", repository).stdout
        none = "<none>"
        for tag, digest in (line.split() for line in listed.splitlines()):
            name = f"{repository}:{tag}" if tag != none else f"{repository}@{digest}"
            run("docker", "rmi", "-f", name, check=False)

    def load(self, archive: Path) -> None:
        """`docker load`."""
        run("docker", "load", "-q", "-i", archive)

    def image(self, reference: str) -> dict[str, Any]:
        """What the engine knows of an image."""
        found: list[dict[str, Any]] = json.loads(run("docker", "image", "inspect", reference).stdout)
        return found[0]

    def output(self, image: str, platform: str, *arguments: str) -> str:
        """Run an image to its end; what it wrote to stdout."""
        return run("docker", "run", "--rm", "--network=host", "--platform", platform, image, *arguments).stdout

    @contextlib.contextmanager
    def container(
        self,
        image: str,
        platform: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> Iterator[Container]:
        """Create a container on the host's network, not started yet; it is removed afterwards.

        `options` are those of `docker create` besides.
        """
        variables = [f"--env={name}={value}" for name, value in (env or {}).items()]
        done = run(
            "docker", "create", "--network=host", f"--platform={platform}", *variables, *options, image, *arguments
        )
        container = Container(done.stdout.strip())
        try:
            yield container
        finally:
            run("docker", "rm", "-f", "-v", container.id)
