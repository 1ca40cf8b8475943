from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest

from cargoship.destinations import DaemonDestination, Engine
from cargoship.errors import DaemonError, OutputError, ToolMissing
from cargoship.events import Note, Written
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder
from support.images import AMD64, ARM64, GZIP, small_index
from support.pushing import Emitted

_NAMES = (Reference.parse("example.com/me/app:1"), Reference.parse("me/app"))
_DOCKER = Completed(0, b"20.10.24+dfsg1 linux/amd64\n", b"")
_DOCKER_26 = Completed(0, b"26.1.5 linux/amd64\n", b"")
_PODMAN = Completed(0, b"4.3.1 linux/arm64\n", b"")
_DOWN = Completed(1, b"\n", b"Cannot connect to the Docker daemon at unix:///x. Is it running?\n")


class ScriptedEngine:
    """Engines by name: what each says of itself, and what `load` answers. It keeps what was loaded."""

    def __init__(self, engines: Mapping[str, Completed], load: Completed | None = None) -> None:
        self.engines = engines
        self.programs = ProgramFinder()
        self.load = load or Completed(0, b"Loaded", b"")
        self.loaded: list[tuple[str, dict[str, bytes]]] = []
        self.tagged: list[tuple[str, ...]] = []

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        assert stdin is None
        assert timeout_s is not None
        if command.argv[1] == "tag":
            self.tagged.append(command.argv[2:])
            return self.load
        if command.argv[0] not in self.engines:
            raise ToolMissing(f"{command.argv[0]} is not on PATH")
        return self.engines[command.argv[0]]

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        assert stdin is not None
        assert command.argv[1:] == ("load",)
        with tarfile.open(fileobj=io.BytesIO(stdin.read())) as tar:
            members = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
            files = {name: stream.read() for name, stream in members.items() if stream is not None}
        self.loaded.append((command.argv[0], files))
        on_stdout(self.load.stdout)
        on_stderr(self.load.stderr)
        return self.load.code


def _publish(
    index: Index, runner: ScriptedEngine, scratch: Path, engine: Engine | None = None, reported: Emitted | None = None
) -> None:
    DaemonDestination(_NAMES, runner, {}, reported or Emitted(), scratch, engine).publish(index)
    assert list(scratch.iterdir()) == []


def _index(folder: Path, compression: Compression = GZIP) -> Index:
    return small_index(folder / "blobs", (AMD64, ARM64), compression=compression)


@pytest.mark.parametrize(
    ("engines", "engine", "used"),
    [
        ({"docker": _DOCKER, "podman": _PODMAN}, None, "docker"),
        ({"docker": _DOCKER, "podman": _PODMAN}, Engine.PODMAN, "podman"),
        ({"podman": _PODMAN}, None, "podman"),
        ({"docker": _DOWN, "podman": _PODMAN}, None, "podman"),
    ],
)
def test_the_engine_that_answers_is_used(
    tmp_path: Path, engines: Mapping[str, Completed], engine: Engine | None, used: str
) -> None:
    runner, reported = ScriptedEngine(engines), Emitted()
    index = _index(tmp_path)
    _publish(index, runner, tmp_path / "scratch", engine, reported)
    ((name, files),) = runner.loaded
    assert name == used
    (document,) = json.loads(files["manifest.json"])
    assert document["RepoTags"] == ["example.com/me/app:1", "me/app:latest"]
    image = index.children[0 if used == "docker" else 1]
    assert document["Config"] == f"blobs/sha256/{image.config_blob.descriptor.digest.hex}"
    # the other platform's blobs stay at home
    assert f"blobs/sha256/{index.children[1 if used == 'docker' else 0].digest.hex}" not in files
    assert reported.events[-2:] == [
        Written(f"{used} image for {image.platform}", "example.com/me/app:1"),
        Written(f"{used} image for {image.platform}", "me/app:latest"),
    ]


@pytest.mark.parametrize(
    ("engines", "engine", "words"),
    [
        ({}, None, ["docker is not on PATH", "podman is not on PATH"]),
        ({"docker": _DOWN}, None, ["Cannot connect to the Docker daemon", "podman is not on PATH"]),
        ({"podman": _PODMAN}, Engine.DOCKER, ["docker is not on PATH"]),
        ({"docker": Completed(-9, b"", b"")}, Engine.DOCKER, ["docker did not answer"]),
        ({"docker": Completed(0, b"nonsense", b"")}, Engine.DOCKER, ["docker ended with 0"]),
    ],
)
def test_no_engine_is_reported(
    tmp_path: Path, engines: Mapping[str, Completed], engine: Engine | None, words: list[str]
) -> None:
    with pytest.raises(DaemonError) as raised:
        _publish(_index(tmp_path), ScriptedEngine(engines), tmp_path / "scratch", engine)
    assert all(word in raised.value.message for word in words)
    assert "docker-archive" in (raised.value.hint or "")


def test_an_engines_refusal_is_reported_in_its_words(tmp_path: Path) -> None:
    runner = ScriptedEngine({"docker": _DOCKER}, Completed(1, b"", b"no space left on device\n"))
    reported = Emitted()
    with pytest.raises(DaemonError, match="docker load refused") as raised:
        _publish(_index(tmp_path), runner, tmp_path / "scratch", reported=reported)
    assert raised.value.details == "no space left on device"
    assert list((tmp_path / "scratch").iterdir()) == []
    assert not [event for event in reported.events if isinstance(event, Written)]


def test_a_platform_that_is_not_built_is_reported(tmp_path: Path) -> None:
    index = small_index(tmp_path / "blobs", (ARM64, Platform("linux", "s390x")))
    with pytest.raises(DaemonError, match="docker runs linux/amd64") as raised:
        _publish(index, ScriptedEngine({"docker": _DOCKER}), tmp_path / "scratch")
    assert "--platform linux/amd64" in (raised.value.hint or "")


def test_the_only_platform_is_loaded_whatever_the_engine_runs(tmp_path: Path) -> None:
    runner, reported = ScriptedEngine({"docker": _DOCKER}), Emitted()
    _publish(small_index(tmp_path / "blobs", (ARM64,)), runner, tmp_path / "scratch", reported=reported)
    assert len(runner.loaded) == 1
    assert any(isinstance(each, Note) and "linux/arm64 runs there if QEMU" in each.text for each in reported.events)


def test_zstd_goes_only_where_it_is_read(tmp_path: Path) -> None:
    index = _index(tmp_path, Compression.of(Codec.ZSTD))
    with pytest.raises(DaemonError, match=r"Docker 20\.10.* zstd"):
        _publish(index, ScriptedEngine({"docker": _DOCKER}), tmp_path / "scratch")
    for name, engine in (("docker", _DOCKER_26), ("podman", _PODMAN)):
        runner = ScriptedEngine({name: engine})
        _publish(index, runner, tmp_path / "scratch")
        assert "manifest.json" not in runner.loaded[0][1]
        assert b"me/app" in runner.loaded[0][1]["index.json"]
        # a layout has one name on its way; the others follow
        assert runner.tagged == [("example.com/me/app:1", "me/app:latest")]


def test_a_place_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        _publish(_index(tmp_path), ScriptedEngine({"docker": _DOCKER}), tmp_path / "file" / "scratch")
