"""A token server for Debian's docker-registry: JWTs signed by a key that the registry knows by its certificate.

Specification: distribution's token authentication ("Token Authentication Specification", "JWT").
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from support.serving import serving

SERVICE = "registry.test"
ISSUER = "tokens.test"
_MARGIN_S = 30


@dataclass
class TokenServer:
    """Where it is, the certificate of its key, and how long its tokens serve."""

    url: str
    certificate: Path
    lifetime_s: int = 300
    given: list[list[dict[str, object]]] = field(default_factory=list)
    """What was allowed with each token so far."""


class _Signer:
    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = dt.datetime.now(dt.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def sign(self, claims: dict[str, object]) -> str:
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@contextlib.contextmanager
def token_server(
    folder: Path, *, username: str, password: str, tls: ssl.SSLContext | None = None
) -> Iterator[TokenServer]:
    """Give tokens for everything to `username`, and none to others, until the end of the block."""
    signer = _Signer()
    certificate = folder / "tokens.pem"
    certificate.write_bytes(signer.certificate.public_bytes(serialization.Encoding.PEM))
    expected = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self._answer(401, {"details": "incorrect username or password"})
                return
            query = parse_qs(urlsplit(self.path).query)
            access = [_access(scope) for scope in query.get("scope", [])]
            now = int(time.time())
            token = signer.sign(
                {
                    "iss": ISSUER,
                    "aud": SERVICE,
                    "sub": username,
                    "iat": now,
                    "nbf": now - _MARGIN_S,
                    "exp": now + server.lifetime_s,
                    "jti": uuid.uuid4().hex,
                    "access": access,
                }
            )
            server.given.append(access)
            self._answer(200, {"token": token, "expires_in": server.lifetime_s})

        def _answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Keep the tests' output clean."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if tls is None else "https"
    server = TokenServer(f"{scheme}://localhost:{http.server_port}/token", certificate)
    with serving(http):
        yield server


def _access(scope: str) -> dict[str, object]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}
