"""A server for HTTPS requests with a certificate authority of its own."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

from support.serving import serving

BODY = b"hello over TLS\n"


@dataclass(frozen=True)
class HttpsServer:
    """Where it listens, and the certificate (PEM) of the authority that vouches for it."""

    url: str
    authority: bytes


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Keep the tests' output clean."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that distrusts the certificate hangs up: that is what is tested."""


@contextlib.contextmanager
def https_server() -> Iterator[HttpsServer]:
    """Serve `BODY` on the loopback until the end of the block."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield HttpsServer(f"https://localhost:{server.server_port}/", authority.cert_pem.bytes())
