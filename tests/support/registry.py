"""Debian's docker-registry as a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.programs import program

_START_S = 30.0


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class RunningRegistry:
    """A registry that answers plain HTTP on the loopback."""

    host: str
    storage: Path
    pid: int = 0

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used so far (proc(5), `stat`)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def reference(self, repository: str, tag: str = "1") -> str:
        """`host/repository:tag`."""
        return f"{self.host}/{repository}:{tag}"


@contextlib.contextmanager
def running_registry(folder: Path, *, auth: str = "", tls: str = "") -> Iterator[RunningRegistry]:
    """Start a registry that stores in `folder`, wait until it answers, end it afterwards.

    `auth` is a line for its configuration, `tls` the value of `http.tls` there.
    """
    port = free_port()
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'{f', tls: {tls}' if tls else ''}}}\n"
        f"{auth}\n",
    )
    log = folder / "log"
    with (
        log.open("wb") as sink,
        subprocess.Popen(
            [program("docker-registry"), "serve", str(config)], stdout=sink, stderr=sink, cwd=folder
        ) as process,
    ):
        try:
            _wait(port, process, log)
            yield RunningRegistry(f"localhost:{port}", folder / "storage", process.pid)
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    pytest.fail(f"docker-registry does not answer on port {port}:\n{log.read_text(errors='replace')}")
