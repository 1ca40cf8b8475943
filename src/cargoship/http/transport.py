"""THE http seam: the only module of cargoship that opens sockets, on httpcore2.

That is the part of httpx2 that connects. The other one, which knows cookies, forms and sessions, would be most of what
is loaded, and a copy of what is there already is mostly loading. Only `registry/connect.py` imports this module, when
somebody connects; its `warm` does it ahead of time.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self
from urllib.parse import SplitResult, quote, unquote

import httpcore2
from msgspec import Struct

from cargoship.http.certificates import HostCertificates, certificates_of
from cargoship.http.endpoint import parsed
from cargoship.http.exchange import ConnectionBroken, Evidence, Request, Response
from cargoship.http.proxies import PROXY_KINDS, proxy_for, proxy_shown

_KEEPALIVE_S = 30.0
_CONNECTIONS = 16
_PATH = "/%:@!$&'()*+,;=[]|\\^"
_QUERY = f"{_PATH}?`{{}}"
"""What may stand in an address as it is, beside letters and digits: a server's own signatures depend on it."""
_PORTS = {"http": 80, "https": 443}
_FAILURES = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


class Timeouts(Struct, frozen=True):
    """Seconds to wait for a connection, and for the next piece of a transfer in either direction."""

    connect_s: float = 10.0
    idle_s: float = 60.0


class HttpTransport:
    """Real connections. `env` gives proxies (HTTPS_PROXY, NO_PROXY and so on), SSL_CERT_FILE, SSL_CERT_DIR, certs.d."""

    def __init__(self, *, env: Mapping[str, str], timeouts: Timeouts | None = None, agent: str = "cargoship") -> None:
        self._env = env
        self._timeouts = timeouts or Timeouts()
        self._agent = agent
        self._pools: dict[tuple[bool, str | None, HostCertificates | None], httpcore2.ConnectionPool] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        address = parsed(request.url)
        if address is None:
            raise ConnectionBroken("not a usable address", permanent=True)
        headers = {"Host": _host(address), "User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        headers.update(request.headers)
        if request.body is not None or request.method in {"POST", "PUT", "PATCH"}:
            # without a length the content would be sent in chunks, which some registries refuse for uploads
            headers["Content-Length"] = str(request.body_bytes)
        waits = self._timeouts
        if request.timeout_s is not None:
            waits = Timeouts(request.timeout_s, request.timeout_s)
        timeout = {"connect": waits.connect_s, "read": waits.idle_s, "write": waits.idle_s, "pool": None}
        outgoing = httpcore2.Request(
            request.method,
            _url(address),
            headers=list(headers.items()),
            content=None if request.body is None else _Body(request.body),
            extensions={"timeout": timeout},
        )
        proxy = proxy_for(address.scheme, address.hostname or "", address.port, self._env)
        try:
            return _HttpResponse(self._pool(address, proxy).handle_request(outgoing))
        except _FAILURES as error:
            raise _broken(error, proxy) from error

    def close(self) -> None:
        """See `Transport.close`."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()

    def _pool(self, address: SplitResult, proxy: str | None) -> httpcore2.ConnectionPool:
        """The connections for this kind of address: plain ones never pay for loading certificates."""
        secure = address.scheme == "https"
        own = certificates_of(address.netloc.rpartition("@")[2], self._env) if secure else None
        with self._lock:
            if (secure, proxy, own) not in self._pools:
                # what is never used for a plain address trusts nobody
                trusted = self._certificates(own) if secure or proxy else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                self._pools[secure, proxy, own] = _connections(proxy, trusted)
            return self._pools[secure, proxy, own]

    def _certificates(self, own: HostCertificates | None) -> ssl.SSLContext:
        """What is trusted: SSL_CERT_FILE and SSL_CERT_DIR or the usual authorities, and what there is for one host."""
        file, folder = self._env.get("SSL_CERT_FILE"), self._env.get("SSL_CERT_DIR")
        if not file and not folder and own is None:
            return httpcore2.default_ssl_context()
        # OpenSSL does not say which file it could not read
        reading = ""
        try:
            if file or folder:
                reading = f"SSL_CERT_DIR {folder}"
                _check_folder(folder)
                reading = f"SSL_CERT_FILE {file}" if file else reading
                context = ssl.create_default_context(cafile=file or None, capath=folder or None)
            else:
                context = httpcore2.default_ssl_context()
            for authority in () if own is None else own.authorities:
                reading = str(authority)
                context.load_verify_locations(authority)
            if own is not None and own.client is not None:
                reading = " or ".join(map(str, own.client))
                # a key that is locked has nobody to ask for its password
                context.load_cert_chain(*own.client, password="")
        except OSError as error:
            words = f"cannot read {reading}: {error}"
            raise ConnectionBroken(words, permanent=True, evidence=Evidence.TRUST) from error
        return context


def _check_folder(paths: str | None) -> None:
    """Raise OSError where no folder of a list is there: OpenSSL trusts nobody then, without a word."""
    folders = [path for path in (paths or "").split(os.pathsep) if path]
    if folders and not any(map(os.path.isdir, folders)):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), paths)


def _connections(proxy: str | None, trusted: ssl.SSLContext) -> httpcore2.ConnectionPool:
    """Connections that stay for the next request; raises ConnectionBroken for a proxy that cannot be used."""
    if proxy is None:
        return httpcore2.ConnectionPool(
            ssl_context=trusted, max_connections=None,
            max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S,
        )  # fmt: skip
    kind = proxy.partition("://")[0].lower()
    if kind not in PROXY_KINDS:
        words = f"the proxy {proxy_shown(proxy)} is of a kind that is not known: {', '.join(PROXY_KINDS)} are"
        raise ConnectionBroken(words, permanent=True, evidence=Evidence.PROXY)
    address = parsed(("https" if kind == "https" else "http") + proxy[len(kind) :])
    if address is None or not address.hostname:
        words = f"the proxy {proxy_shown(proxy)} has no usable address"
        raise ConnectionBroken(words, permanent=True, evidence=Evidence.PROXY)
    user = None
    if address.username or address.password:
        user = (unquote(address.username or "").encode(), unquote(address.password or "").encode())
    make = httpcore2.SOCKSProxy if kind.startswith("socks") else httpcore2.HTTPProxy
    return make(
        httpcore2.URL(scheme=kind, host=address.hostname, port=address.port, target="/"), proxy_auth=user,
        ssl_context=trusted, max_connections=None,
        max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S,
    )  # fmt: skip


def _url(address: SplitResult) -> httpcore2.URL:
    """Where to connect, and what is asked for there; what may not be in a request is written with percent signs."""
    target = quote(address.path or "/", safe=_PATH)
    if address.query:
        target += f"?{quote(address.query, safe=_QUERY)}"
    return httpcore2.URL(scheme=address.scheme, host=address.hostname or "", port=address.port, target=target)


def _host(address: SplitResult) -> str:
    """The header `Host` (RFC 9110 section 7.2)."""
    name = address.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if address.port in {None, _PORTS[address.scheme]} else f"{name}:{address.port}"


class _Body:
    """An iterable of byte pieces, which gives a new iterator each time it is sent."""

    def __init__(self, start: Callable[[], Iterable[bytes]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._start())


class _HttpResponse:
    """`Response` over httpcore2's."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response
        self.status = response.status
        headers: dict[str, str] = {}
        for name, value in response.headers:
            key, text = name.decode("ascii").lower(), _text(value)
            # repeated headers are joined with a comma, as RFC 9110 allows for all that are read here
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        self.headers: Mapping[str, str] = headers

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_stream()
        except _FAILURES as error:
            raise _broken(error, None) from error
        # who has read to the end lets the next request have the connection
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._response.close()


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _broken(error: Exception, proxy: str | None) -> ConnectionBroken:
    """Map an error of httpcore2: its cause chain says what the system or TLS found.

    Where there is a proxy, it is the one that was connected to: a name that does not resolve is its.
    """
    found = _reason(error)
    connecting = isinstance(error, (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.ProxyError))
    if proxy is None or not connecting or found.evidence is not None:
        return found
    words = f"the proxy {proxy_shown(proxy)}: {found.reason}"
    return ConnectionBroken(words, permanent=found.permanent, evidence=Evidence.PROXY)


def _reason(error: Exception) -> ConnectionBroken:
    cause: BaseException | None = error
    words = str(error)
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and (found := _tls_trouble(cause)) is not None:
            return found
        if isinstance(cause, socket.gaierror):
            passing = cause.errno == socket.EAI_AGAIN
            return ConnectionBroken(f"its name does not resolve: {cause.strerror}", permanent=not passing)
        if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.strerror:
            # without the system's number for it
            words = cause.strerror
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore2.ConnectTimeout):
        return ConnectionBroken("connecting took too long")
    if isinstance(error, httpcore2.TimeoutException):
        return ConnectionBroken("it stopped answering")
    permanent = isinstance(error, (httpcore2.UnsupportedProtocol, httpcore2.LocalProtocolError))
    silent = isinstance(error, (httpcore2.RemoteProtocolError, httpcore2.ReadError, httpcore2.WriteError))
    evidence = Evidence.NO_HTTP if silent else None
    return ConnectionBroken(words or type(error).__name__, permanent=permanent, evidence=evidence)


def _tls_trouble(cause: ssl.SSLError) -> ConnectionBroken | None:
    """What a TLS error means; None for one that may pass."""
    name = cause.reason or ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted: {cause.verify_message}"
    elif name in _NOT_TLS:
        return ConnectionBroken("it does not speak TLS", permanent=True, evidence=Evidence.NO_TLS)
    elif "ALERT" in name:
        words = re.sub("^(TLSV[0-9]+|SSLV[0-9]+)?_?ALERT_", "", name).replace("_", " ").lower()
        reason = f"it refused the TLS connection: {words}"
    else:
        return None
    return ConnectionBroken(reason, permanent=True, evidence=Evidence.TLS)
