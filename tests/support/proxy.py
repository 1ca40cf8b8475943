"""An HTTP proxy: it tunnels (CONNECT) and forwards, and sends everything to one place, whatever host is named."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support.serving import serving


@dataclass
class Proxy:
    """Where it is; what it was asked for (method and target), and what clients showed it."""

    host: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    shown: set[str | None] = field(default_factory=set)


@contextlib.contextmanager
def http_proxy(target: str) -> Iterator[Proxy]:
    """Until the end of the block; `target` (host:port) answers for all hosts."""
    place, _, port = target.rpartition(":")

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self._note()
            with socket.create_connection((place, int(port))) as behind:
                self.send_response(200)
                self.end_headers()
                back = threading.Thread(target=_pump, args=(behind, self.connection), daemon=True)
                back.start()
                _pump(self.connection, behind)
                back.join()
            self.close_connection = True

        def _forward(self) -> None:
            self._note()
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            path = "/" + self.path.partition("://")[2].partition("/")[2]
            headers = "".join(f"{name}: {text}\r\n" for name, text in self.headers.items() if name != "Connection")
            request = f"{self.command} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n".encode() + body
            with socket.create_connection((place, int(port))) as behind:
                behind.sendall(request)
                _pump(behind, self.connection)
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - the base class's names

        def _note(self) -> None:
            proxy.asked.append((self.command, self.path))
            proxy.shown.add(self.headers.get("Proxy-Authorization"))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Proxy(f"127.0.0.1:{server.server_port}")
    with serving(server):
        yield proxy


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def socks_proxy(target: str, *, login: tuple[str, str] | None = None) -> Iterator[Proxy]:
    """A SOCKS 5 proxy (RFC 1928) that connects everybody to `target`, and wants `login` where there is one.

    See `http_proxy`.
    """
    place, _, port = target.rpartition(":")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            methods = self._read(self._read(2)[1])
            wanted = 2 if login else 0
            self.wfile.write(bytes([5, wanted if wanted in methods else 0xFF]))
            if login and not self._convinced(login):
                return
            _, _, _, kind = self._read(4)
            sizes = {1: 4, 4: 16}
            name = self._read(sizes[kind]) if kind in sizes else self._read(self._read(1)[0])
            proxy.asked.append(("SOCKS", f"{name.decode(errors='replace')}:{int.from_bytes(self._read(2))}"))
            with socket.create_connection((place, int(port))) as behind:
                self.wfile.write(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
                back = threading.Thread(target=_pump, args=(behind, self.connection), daemon=True)
                back.start()
                _pump(self.connection, behind)
                back.join()

        def _convinced(self, login: tuple[str, str]) -> bool:
            given = [self._read(self._read(2 if number == 0 else 1)[-1]).decode() for number in range(2)]
            proxy.shown.add(":".join(given))
            self.wfile.write(bytes([1, 0 if tuple(given) == login else 1]))
            return tuple(given) == login

        def _read(self, count: int) -> bytes:
            return self.rfile.read(count)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Proxy(f"127.0.0.1:{server.server_address[1]}")
    with serving(server):
        yield proxy
