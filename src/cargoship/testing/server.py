"""A small HTTP/1.1 server on a thread: reads a `Call`, writes a `Reply`, cuts where a fault says so."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

from cargoship.testing.exchange import Call, Fault, Reply

_HANDSHAKE = b"\x16"
"""How a TLS connection begins (RFC 8446 section 5.1)."""


class Service(Protocol):
    """What a server serves."""

    def begin(self, call: Call) -> Fault | None:
        """Called for a request before its body is read: the fault that hits it."""
        ...

    def finish(self, call: Call, fault: Fault | None) -> Reply:
        """The answer to a request."""
        ...

    def cut(self, call: Call) -> None:
        """Called for a request whose connection was cut in the middle of its body."""
        ...


class Server:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self, name: str, service: Service, tls: ssl.SSLContext | None) -> None:
        self._name = name
        self._service = service
        self._tls = tls
        self._http: _Http | None = None

    @property
    def host(self) -> str:
        """127.0.0.1:port; raises RuntimeError before the start."""
        if self._http is None:
            raise RuntimeError("the server has not been started")
        return f"127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        """Begin to listen."""
        http = _Http(self._name, self._service)
        if self._tls is not None:
            # the handshake is left to the connection's own thread: a client that never begins it blocks nobody else
            http.socket = self._tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
        self._http = http
        threading.Thread(target=http.serve_forever, args=(0.02,), name=f"test-{self._name}", daemon=True).start()

    def stop(self) -> None:
        """End: connections that are open are closed."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, name: str, service: Service) -> None:
        self.name = name
        self.service = service
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are part of the tests, not news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # head and body are two writes: without this the second waits for the client's delayed acknowledgement
    disable_nagle_algorithm = True
    server: _Http

    def handle_one_request(self) -> None:
        """Serve a request; a TLS handshake is refused at once, for it has no line's end to wait for."""
        if isinstance(self.rfile, io.BufferedReader) and self.rfile.peek(1)[:1] == _HANDSHAKE:
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self._cut()
            return
        super().handle_one_request()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing is logged; `InMemoryRegistry.calls` has it all."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = Call.parse_query(parts.query)
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(self.command, parts.path, query, headers, server=self.server.name)
        service = self.server.service
        fault = service.begin(call)
        if fault is not None and fault.cut_request is not None:
            body = self.rfile.read(min(fault.cut_request, self._length()))
            service.cut(replace(call, body=body))
            self._cut()
            return
        call = replace(call, body=self._body())
        reply = service.finish(call, fault)
        limit = None if fault is None else fault.cut_response
        if limit == 0:
            self._cut()
            return
        # what a corrupted or cut body was to be long is what is announced
        body = reply.body if fault is None else fault.spoiled(reply.body)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            for line in value.split("\n"):
                self.send_header(name, line)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self._write(body, 0.0 if fault is None else fault.drip_s)
        if limit is not None:
            self._cut()

    def _write(self, body: bytes, drip_s: float) -> None:
        if not drip_s:
            self.wfile.write(body)
            return
        step = max(len(body) // 4, 1)
        for start in range(0, len(body), step):
            time.sleep(drip_s)
            self.wfile.write(body[start : start + step])

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

    def _length(self) -> int:
        return int(self.headers.get("Content-Length", "0"))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(self._length())
        pieces = []
        while size_bytes := int(self.rfile.readline().partition(b";")[0], 16):
            pieces.append(self.rfile.read(size_bytes))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(pieces)

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
