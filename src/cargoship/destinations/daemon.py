"""The image store of a container engine, through `docker load` or `podman load`.

The engine's own client is what connects: its contexts, ssh hosts and rootless sockets work as the user has them.
"""

from __future__ import annotations

import contextlib
import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.errors import DaemonError, PlatformUnknown, ToolMissing
from cargoship.events import Emit, Level, Note, Written
from cargoship.oci.archive import write_archive
from cargoship.oci.descriptor import MediaType
from cargoship.oci.files import writing
from cargoship.oci.image import Image
from cargoship.oci.index import Index, choose, index_of
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.process import Command, Runner
from cargoship.scratch import scratch

_ASK_TIMEOUT_S = 30.0
_DOCKER_READS_LAYOUTS = 25
"""The first Docker whose `load` takes an archive without its own manifest.json, which cannot hold zstd layers."""


class Engine(enum.Enum):
    """A container engine, by the name of its program."""

    DOCKER = "docker"
    PODMAN = "podman"


_ASK: Mapping[Engine, tuple[str, ...]] = {
    Engine.DOCKER: ("version", "--format", "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}"),
    Engine.PODMAN: ("info", "--format", "{{.Version.Version}} {{.Host.OS}}/{{.Host.Arch}}"),
}


class _Running(Struct, frozen=True):
    """An engine that has answered: its version and what it runs."""

    engine: Engine
    version: str
    platform: Platform

    @property
    def major(self) -> int:
        match = re.match(r"\d+", self.version)
        return int(match[0]) if match else 0


@dataclass(frozen=True)
class DaemonDestination(Destination):
    """The local engine: `engine`, or Docker if it answers, else podman.

    It gets the image for the platform that it runs, or the only one that there is, under `names` (each with its tag,
    or `latest`). The archive on its way there is a file in `scratch`. `env` is the environment of the engine's client.
    """

    names: tuple[Reference, ...]
    runner: Runner
    env: Mapping[str, str] = field(repr=False)
    emit: Emit
    scratch: Path
    engine: Engine | None = None

    def check(self) -> None:
        """See `Destination.check`: an engine answers."""
        self._find()

    def find(self) -> tuple[Engine, Platform]:
        """The engine that answers, and what it runs; raises DaemonError."""
        running = self._find()
        return running.engine, running.platform

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:  # noqa: ARG002 - no place for it
        """See `Destination.publish`; raises DaemonError, OutputError."""
        running = self._find()
        image = self._choose(index, running)
        layout_only = self._needs_layout(image, running)
        names = [name.with_tag(name.tag or "latest") for name in dict.fromkeys(self.names)]
        # podman refuses a layout with several names, where Docker's own format may have any number
        loaded, added = (names[:1], names[1:]) if layout_only else (names, [])
        with contextlib.ExitStack() as held:
            with writing(self.scratch):
                folder = held.enter_context(scratch(".load-", self.scratch))
            path = folder / "image.tar"
            alone = index_of([image], annotations={})
            write_archive(path, alone, names=loaded, native=image.platform, docker=not layout_only)
            self._load(running, path)
        for name in added:
            self._tag(running, loaded[0], name)
        for name in names:
            self.emit(Written(f"{running.engine.value} image for {image.platform}", name.familiar))

    def _find(self) -> _Running:
        """The engine to use; raises DaemonError with what each engine said."""
        words = []
        for engine in (self.engine,) if self.engine else (Engine.DOCKER, Engine.PODMAN):
            answer = self._ask(engine)
            if isinstance(answer, _Running):
                self.emit(Note(f"using {engine.value} {answer.version} ({answer.platform})", Level.VERBOSE))
                return answer
            words.append(answer)
        raise DaemonError(
            "no container engine to load the image into: " + "; ".join(words),
            hint="start Docker or podman, or write an archive with -o docker-archive:FILE",
        )

    def _ask(self, engine: Engine) -> _Running | str:
        """The engine, or why it cannot be used."""
        command = Command((engine.value, *_ASK[engine]), env=self.env)
        try:
            done = self.runner.run(command, timeout_s=_ASK_TIMEOUT_S)
        except ToolMissing as missing:
            return missing.message
        match = re.fullmatch(r"(\S+) ([a-z]+)/([a-z0-9]+)", done.text.strip())
        if done.code != 0 or match is None:
            said = done.error_text.strip().splitlines()
            ended = f"{engine.value} did not answer" if done.code < 0 else f"{engine.value} ended with {done.code}"
            return f"{engine.value}: {said[-1]}" if said else ended
        return _Running(engine, match[1], Platform(match[2], match[3]))

    def _choose(self, index: Index, running: _Running) -> Image:
        try:
            return choose(index, running.platform)
        except PlatformUnknown as error:
            if len(index.runnable) == 1:
                alone = index.runnable[0]
                name = running.engine.value
                self.emit(Note(f"{name} runs {running.platform}; {alone.platform} runs there if QEMU is set up"))
                return alone
            raise DaemonError(
                f"{running.engine.value} runs {running.platform}, and the image is not built for that",
                hint=f"add --platform {running.platform}",
            ) from error

    def _needs_layout(self, image: Image, running: _Running) -> bool:
        """Whether the image has to go as a layout alone: Docker's own format has no zstd."""
        if all(layer.descriptor.media_type != MediaType.OCI_LAYER_ZSTD for layer in image.layers):
            return False
        if running.engine is Engine.DOCKER and running.major < _DOCKER_READS_LAYOUTS:
            raise DaemonError(
                f"Docker {running.version} cannot load layers that are compressed with zstd",
                hint="use --compression gzip for images that are loaded into it",
            )
        return True

    def _load(self, running: _Running, path: Path) -> None:
        said: list[bytes] = []
        errors: list[bytes] = []
        command = Command((running.engine.value, "load"), env=self.env)
        with path.open("rb") as archive:
            code = self.runner.stream(command, on_stdout=said.append, on_stderr=errors.append, stdin=archive)
        if code != 0:
            details = b"".join(errors).decode("utf-8", "replace").strip()
            raise DaemonError(
                f"{running.engine.value} load refused the image" if details else f"{running.engine.value} load failed",
                details=details or b"".join(said).decode("utf-8", "replace").strip() or f"exit code {code}",
            )

    def _tag(self, running: _Running, name: Reference, other: Reference) -> None:
        command = Command((running.engine.value, "tag", name.familiar, other.familiar), env=self.env)
        done = self.runner.run(command, timeout_s=_ASK_TIMEOUT_S)
        if done.code != 0:
            raise DaemonError(
                f"{running.engine.value} cannot name the image {other.familiar}", details=done.error_text.strip()
            )
