"""Clusters of this machine: each gets its image by its own tool, which is scripted here."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from cargoship.destinations.cluster import ClusterDestination
from cargoship.errors import DaemonError, ToolMissing
from cargoship.events import Written
from cargoship.oci.reference import Reference
from cargoship.plan import Cluster
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder
from support.images import AMD64, small_index
from support.pushing import Emitted

NAMES = (Reference.parse("ghcr.io/me/web:1"),)
LISTS = {
    "kind": b"kind\ndev\n",
    "minikube": b"| Profile  | VM Driver |\n| minikube | docker    |\n| dev      | docker    |\n",
    "k3d": b"k3s-default   1/1\ndev   1/1   true\n",
}


@dataclass
class Tools:
    """kind, minikube and k3d, as far as they are asked."""

    present: tuple[str, ...] = ("kind", "minikube", "k3d")
    takes: bool = True
    programs: ProgramFinder = field(default_factory=ProgramFinder)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del stdin, timeout_s
        name, *words = command.argv
        if name not in self.present:
            raise ToolMissing(f"{name} is not on PATH")
        archive = next((word for word in words if word.endswith(".tar")), None)
        if archive is None:
            return Completed(0, LISTS[name], b"")
        self.calls.append(tuple("FILE" if word == archive else word for word in command.argv))
        with tarfile.open(archive) as tar:
            stream = tar.extractfile("manifest.json")
            assert stream is not None
            self.tags += [each["RepoTags"] for each in json.load(stream)]
        return Completed(0 if self.takes else 1, b"", b"" if self.takes else b"node is full\n")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        raise AssertionError(command, on_stdout, on_stderr, stdin)


def destination(tools: Tools, name: str, scratch: Path, reported: Emitted | None = None) -> ClusterDestination:
    return ClusterDestination(Cluster.parse(name), NAMES, AMD64, tools, {}, reported or Emitted(), scratch)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("kind", "kind load image-archive FILE --name kind"),
        ("kind:dev", "kind load image-archive FILE --name dev"),
        ("minikube", "minikube image load FILE -p minikube"),
        ("k3d:dev", "k3d image import FILE -c dev"),
    ],
)
def test_a_cluster_gets_the_image_by_its_own_tool(name: str, call: str, tmp_path: Path) -> None:
    tools, reported = Tools(), Emitted()
    place = destination(tools, name, tmp_path / "scratch", reported)
    place.check()
    index = small_index(tmp_path / "blobs")
    place.publish(index)
    assert tools.calls == [tuple(call.split())]
    (tags,) = tools.tags
    # the second says what it is: who rolls out a new image needs a new name
    assert tags == ["ghcr.io/me/web:1", f"ghcr.io/me/web:cargoship-{index.digest.hex[:12]}"]
    assert list((tmp_path / "scratch").iterdir()) == []
    assert any(isinstance(each, Written) for each in reported.events)


@pytest.mark.parametrize("name", ["kind:prod", "minikube:prod", "k3d:prod"])
def test_a_cluster_that_is_not_there_is_reported_before_anything_is_built(name: str, tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="has no cluster 'prod'") as refused:
        destination(Tools(), name, tmp_path).check()
    assert "prod" in (refused.value.hint or "")


def test_a_tool_that_is_missing_or_refuses(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        destination(Tools(present=()), "kind", tmp_path).check()
    with pytest.raises(DaemonError, match="did not take the image") as refused:
        destination(Tools(takes=False), "kind", tmp_path / "scratch").publish(small_index(tmp_path / "blobs"))
    assert refused.value.details == "node is full"
