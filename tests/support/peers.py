"""Registries of every kind, each reached in every way: in memory and Debian's, plain, with a password, with tokens."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme

from cargoship.events import Emit, ignore
from cargoship.http.exchange import Request, read_all
from cargoship.http.transport import HttpTransport
from cargoship.process import SystemRunner
from cargoship.registry.client import RegistryClient
from cargoship.registry.connect import connect
from cargoship.registry.options import Access
from cargoship.testing import BasicAuth, InMemoryRegistry, TokenAuth
from cargoship.testing.auth import Auth
from support.registry import running_registry
from support.token_server import ISSUER, SERVICE, TokenServer, token_server

USER = "u"
PASSWORD = "word-of-the-test"
NOT_LOOPBACK = "0.0.0.0"  # noqa: S104 - connected to, not bound
_HTPASSWD = "u:$2b$04$Xx1rM5ghE5OWinb3iLFmruqjf5m5ZbLGVZ5YtPemQTBxP6YElh6tG\n"
_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

PLAIN, HTPASSWD, TOKEN = "plain", "htpasswd", "token"
WAYS = (PLAIN, HTPASSWD, TOKEN)
PEERS = [
    *(("memory", way) for way in WAYS),
    *(pytest.param(("debian", way), marks=pytest.mark.tools) for way in WAYS),
]
"""For a fixture that gives `peer_of`."""


@dataclass(frozen=True)
class Peer:
    """A registry, and what it takes to speak to it.

    `folder` has docker's config.json with its credentials, `authority` is the certificate that signed its own. `realm`
    is where its tokens come from; `tokens` is its token server, where that is one of the tests.
    """

    host: str
    folder: Path
    authority: Path | None = None
    realm: str | None = None
    tokens: TokenServer | None = None
    storage: Path | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        """Its address."""
        return f"{'http' if self.authority is None else 'https'}://{self.host}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of somebody who is logged in to it."""
        trusted = {} if self.authority is None else {"SSL_CERT_FILE": str(self.authority)}
        return {"DOCKER_CONFIG": str(self.folder), **trusted}

    def client(self, *, access: Access = Access.PUSH, emit: Emit = ignore) -> RegistryClient:
        """A client as the command line makes one."""
        return connect(self.host, env=self.env, runner=SystemRunner(), emit=emit, access=access)

    def skopeo(self, side: str = "") -> list[str]:
        """Options for skopeo; `side` is `src-` or `dest-` for its copy."""
        if self.authority is None:
            return [f"--{side}tls-verify=false"]
        return [f"--{side}cert-dir={self.authority.parent}", f"--{side}creds={USER}:{PASSWORD}"]

    def authorization(self, *repositories: str) -> Mapping[str, str]:
        """The header that lets somebody do everything in these repositories."""
        if self.realm is None:
            return {} if self.authority is None else {"Authorization": _BASIC}
        scopes = [("scope", f"repository:{name}:delete,pull,push") for name in repositories]
        url = f"{self.realm}?{urlencode([('service', SERVICE), *scopes])}"
        transport = HttpTransport(env=self.env)
        with transport.send(Request("GET", url, {"Authorization": _BASIC})) as response:
            token = json.loads(read_all(response, limit_bytes=1 << 20, what="token"))["token"]
        transport.close()
        return {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def peer_of(request: pytest.FixtureRequest, folder: Path) -> Iterator[Peer]:
    """The peer that one of `PEERS` names; Debian's are shared by all tests."""
    kind, way = request.param
    if kind == "memory":
        with memory_peer(way, folder) as found:
            yield found
    else:
        yield request.getfixturevalue("debian_peers")[way]


@contextlib.contextmanager
def memory_peer(way: str, folder: Path) -> Iterator[Peer]:
    """The in-memory registry on a port of its own."""
    auth: Auth | None = None
    if way == HTPASSWD:
        auth = BasicAuth(USER, PASSWORD)
    elif way == TOKEN:
        auth = TokenAuth(USER, PASSWORD)
    tls = None if way == PLAIN else _certified(folder)
    with InMemoryRegistry(auth=auth, tls=None if tls is None else tls.context) as registry:
        realm = f"{registry.url}/token" if way == TOKEN else None
        yield _peer(registry.host, folder, way, realm=realm)


@contextlib.contextmanager
def debian_peer(way: str, folder: Path) -> Iterator[Peer]:
    """Debian's docker-registry as a process of its own."""
    if way == PLAIN:
        with running_registry(folder) as running:
            yield _peer(running.host, folder, way, storage=running.storage)
        return
    tls = _certified(folder)
    settings = f"{{certificate: {tls.pem}, key: {tls.pem}}}"
    if way == HTPASSWD:
        (folder / "htpasswd").write_text(_HTPASSWD)
        auth = f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}"
        with running_registry(folder, auth=auth, tls=settings) as running:
            yield _peer(running.host, folder, way, storage=running.storage)
        return
    with token_server(folder, username=USER, password=PASSWORD, tls=tls.context) as server:
        auth = (
            f"auth: {{token: {{realm: '{server.url}', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {server.certificate}}}}}"
        )
        with running_registry(folder, auth=auth, tls=settings) as running:
            yield _peer(running.host, folder, way, realm=server.url, tokens=server, storage=running.storage)


@dataclass(frozen=True)
class _Certified:
    pem: Path
    context: ssl.SSLContext


def _certified(folder: Path) -> _Certified:
    """A server's certificate for this machine's names, and beside it, alone in a folder, who has signed it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1", NOT_LOOPBACK)
    trusted = _authority(folder)
    trusted.parent.mkdir()
    authority.cert_pem.write_to_path(trusted)
    pem = folder / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return _Certified(pem, context)


def _authority(folder: Path) -> Path:
    return folder / "trusted" / "ca.crt"


def _peer(
    host: str,
    folder: Path,
    way: str,
    *,
    realm: str | None = None,
    tokens: TokenServer | None = None,
    storage: Path | None = None,
) -> Peer:
    config = folder / "docker"
    config.mkdir()
    logins = {host: {"auth": _BASIC.partition(" ")[2]}} if way != PLAIN else {}
    (config / "config.json").write_text(json.dumps({"auths": logins}))
    return Peer(host, config, None if way == PLAIN else _authority(folder), realm, tokens, storage)
