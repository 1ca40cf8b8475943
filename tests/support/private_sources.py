"""A server on loopback that gives crates to those with a token only: repositories by git's own program, a sparse index.

Protocols: https://git-scm.com/docs/git-http-backend, https://doc.rust-lang.org/cargo/reference/registry-index.html.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.programs import run
from support.serving import serving

TOKEN = "t0ken-that-nobody-may-see"
USER = "somebody"


@dataclass
class PrivateSources:
    """Where it listens, and which requests it has refused or served."""

    url: str
    refused: list[str] = field(default_factory=list)
    served: list[str] = field(default_factory=list)

    @property
    def repository(self) -> str:
        """The URL of the repository with the crate `hidden`."""
        return f"{self.url}/git/hidden.git"

    @property
    def index(self) -> str:
        """The sparse index, with the crate `guarded`."""
        return f"sparse+{self.url}/index/"


class _Handler(BaseHTTPRequestHandler):
    state: PrivateSources
    folder: Path
    packed: bytes

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the tests' output clean."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/git/"):
            right = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        else:
            right = TOKEN
        if self.headers.get("Authorization") != right:
            self.state.refused.append(self.path)
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="private"' if right != TOKEN else "Cargo"})
            return
        self.state.served.append(self.path)
        if self.path.startswith("/git/"):
            self._by_git(body)
        elif self.path == "/index/config.json":
            config = {"dl": f"{self.state.url}/crates/{{crate}}", "auth-required": True}
            self._send(200, json.dumps(config).encode())
        elif self.path == "/index/gu/ar/guarded":
            line = {"name": "guarded", "vers": "0.1.0", "deps": [], "features": {}, "yanked": False}
            self._send(200, json.dumps({**line, "cksum": hashlib.sha256(self.packed).hexdigest()}).encode())
        elif self.path == "/crates/guarded":
            self._send(200, self.packed)
        else:
            self._send(404, b"")

    def _by_git(self, body: bytes) -> None:
        path, _, query = self.path.removeprefix("/git").partition("?")
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = int(headers.pop("Status", "200").split(" ")[0])
        self._send(status, content, headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def private_server(folder: Path) -> Iterator[PrivateSources]:
    """Serve a repository with the crate `hidden`, and an index with the crate `guarded`."""
    _repository(folder)
    packed = _packed("guarded", 'pub fn word() -> &\'static str { "guarded" }\n')
    state = PrivateSources("")

    handler = type("Handler", (_Handler,), {"state": state, "folder": folder, "packed": packed})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield state


def _repository(folder: Path) -> None:
    work = folder / "work"
    (work / "src").mkdir(parents=True)
    (work / "Cargo.toml").write_text('[package]\nname = "hidden"\nversion = "0.1.0"\nedition = "2021"\n')
    (work / "src" / "lib.rs").write_text('pub fn word() -> &\'static str { "hidden" }\n')
    own = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    run("git", "init", "-q", "-b", "main", work)
    run("git", "-C", work, "add", ".")
    run("git", "-C", work, *own, "commit", "-qm", "first")
    run("git", "clone", "-q", "--bare", work, folder / "hidden.git")


def _packed(name: str, code: str) -> bytes:
    files = {
        "Cargo.toml": f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n',
        "src/lib.rs": code,
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-0.1.0/{path}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()
