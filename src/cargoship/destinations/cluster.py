"""The nodes of a local cluster: kind, minikube or k3d, each by its own tool."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.destinations.destination import NOTHING_SAID, About, Destination
from cargoship.errors import DaemonError
from cargoship.events import Emit, Written
from cargoship.oci.archive import write_archive
from cargoship.oci.files import writing
from cargoship.oci.index import Index, choose, index_of
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import Cluster, ClusterTool
from cargoship.process import Command, Completed, Runner
from cargoship.scratch import scratch

_ASK_TIMEOUT_S = 60.0
_LIST: Mapping[ClusterTool, tuple[str, ...]] = {
    ClusterTool.KIND: ("get", "clusters"),
    ClusterTool.MINIKUBE: ("profile", "list", "--light"),
    ClusterTool.K3D: ("cluster", "list", "--no-headers"),
}
_START: Mapping[ClusterTool, str] = {
    ClusterTool.KIND: "kind create cluster --name {}",
    ClusterTool.MINIKUBE: "minikube start -p {}",
    ClusterTool.K3D: "k3d cluster create {}",
}


@dataclass(frozen=True)
class ClusterDestination(Destination):
    """A cluster whose nodes get the image for this machine's processor, under `names` (each with its tag).

    The archive on its way there is a file in `scratch`. `env` is the environment of the cluster's tool.
    """

    cluster: Cluster
    names: tuple[Reference, ...]
    native: Platform
    runner: Runner
    env: Mapping[str, str] = field(repr=False)
    emit: Emit
    scratch: Path

    def check(self) -> None:
        """See `Destination.check`: the tool is there and knows the cluster; raises ToolMissing, DaemonError."""
        tool, name = self.cluster.tool, self.cluster.name
        done = self._run(*_LIST[tool])
        if done.code != 0:
            raise DaemonError(f"{tool.value} does not answer", details=done.error_text.strip())
        words = done.text.replace("|", " ").split()
        if name not in words:
            raise DaemonError(f"{tool.value} has no cluster {name!r}", hint=f"start it: {_START[tool].format(name)}")

    def publish(self, index: Index, about: About = NOTHING_SAID) -> None:  # noqa: ARG002 - no place for it
        """See `Destination.publish`; raises DaemonError, OutputError, PlatformUnknown."""
        image = index.runnable[0] if len(index.runnable) == 1 else choose(index, self.native)
        with contextlib.ExitStack() as held:
            with writing(self.scratch):
                folder = held.enter_context(scratch(".load-", self.scratch))
            path = folder / "image.tar"
            # what is rolled out needs another name where there is another image
            names = (*self.names, *dict.fromkeys(name.tagged_by(index.digest) for name in self.names))
            write_archive(path, index_of([image], annotations={}), names=names, native=image.platform)
            done = self._run(*self._words(path), timeout_s=None)
        if done.code != 0:
            details = done.error_text.strip() or done.text.strip()
            raise DaemonError(f"{self.cluster} did not take the image", details=details)
        for name in self.names:
            self.emit(Written(f"image in {self.cluster} for {image.platform}", name.familiar))

    def _words(self, path: Path) -> tuple[str, ...]:
        match self.cluster.tool:
            case ClusterTool.KIND:
                return ("load", "image-archive", str(path), "--name", self.cluster.name)
            case ClusterTool.MINIKUBE:
                return ("image", "load", str(path), "-p", self.cluster.name)
            case ClusterTool.K3D:
                return ("image", "import", str(path), "-c", self.cluster.name)

    def _run(self, *words: str, timeout_s: float | None = _ASK_TIMEOUT_S) -> Completed:
        return self.runner.run(Command((self.cluster.tool.value, *words), env=self.env), timeout_s=timeout_s)
