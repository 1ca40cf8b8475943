"""THE http seam: the only module of cargoship that opens sockets, on httpx2.

Importing httpx2 costs about 0.1 s, so that only `connect.py` imports this module, when somebody connects;
`connect.warm` does it ahead of time.
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

import httpx2
from msgspec import Struct

from cargoship.http.certificates import HostCertificates, certificates_of
from cargoship.http.exchange import ConnectionBroken, Evidence, Request, Response
from cargoship.http.proxies import PROXY_KINDS, proxy_for, proxy_shown

_KEEPALIVE_S = 30.0
_CONNECTIONS = 16
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
        self._pools: dict[tuple[bool, str | None, HostCertificates | None], httpx2.HTTPTransport] = {}
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        headers = {"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        headers.update(request.headers)
        if request.body is not None or request.method in {"POST", "PUT", "PATCH"}:
            # with a length httpx2 does not chunk, which some registries refuse for uploads
            headers["Content-Length"] = str(request.body_bytes)
        waits = self._timeouts
        if request.timeout_s is not None:
            waits = Timeouts(request.timeout_s, request.timeout_s)
        timeout = {"connect": waits.connect_s, "read": waits.idle_s, "write": waits.idle_s, "pool": None}
        try:
            outgoing = httpx2.Request(
                request.method,
                request.url,
                headers=headers,
                content=None if request.body is None else _Body(request.body),
                extensions={"timeout": timeout},
            )
        except httpx2.InvalidURL as error:
            raise ConnectionBroken(f"not a usable address: {error}", permanent=True) from error
        proxy = proxy_for(outgoing.url.scheme, outgoing.url.host, outgoing.url.port, self._env)
        try:
            return _HttpResponse(self._pool(outgoing.url, proxy).handle_request(outgoing))
        except httpx2.TransportError as error:
            raise _broken(error, proxy) from error

    def close(self) -> None:
        """See `Transport.close`."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            pool.close()

    def _pool(self, url: httpx2.URL, proxy: str | None) -> httpx2.HTTPTransport:
        """The connections for this kind of address: plain ones never pay for loading certificates."""
        secure = url.scheme == "https"
        own = certificates_of(url.netloc.decode("ascii", "replace"), self._env) if secure else None
        with self._lock:
            if (secure, proxy, own) not in self._pools:
                self._pools[secure, proxy, own] = httpx2.HTTPTransport(
                    verify=self._certificates(own) if secure or proxy else False,
                    trust_env=False,
                    proxy=None if proxy is None else _usable(proxy),
                    limits=httpx2.Limits(
                        max_connections=None, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEEPALIVE_S
                    ),
                )
            return self._pools[secure, proxy, own]

    def _certificates(self, own: HostCertificates | None) -> ssl.SSLContext | bool:
        """What is trusted: SSL_CERT_FILE and SSL_CERT_DIR or the usual authorities, and what there is for one host."""
        file, folder = self._env.get("SSL_CERT_FILE"), self._env.get("SSL_CERT_DIR")
        if not file and not folder and own is None:
            return True
        # OpenSSL does not say which file it could not read
        reading = ""
        try:
            if file or folder:
                reading = f"SSL_CERT_DIR {folder}"
                _check_folder(folder)
                reading = f"SSL_CERT_FILE {file}" if file else reading
                context = ssl.create_default_context(cafile=file or None, capath=folder or None)
            else:
                context = httpx2.create_ssl_context(trust_env=False)
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


def _usable(proxy: str) -> httpx2.Proxy:
    """A proxy as httpx2 knows it; raises ConnectionBroken for one that it does not."""
    kind = proxy.partition("://")[0].lower()
    if kind not in PROXY_KINDS:
        words = f"the proxy {proxy_shown(proxy)} is of a kind that is not known: {', '.join(PROXY_KINDS)} are"
        raise ConnectionBroken(words, permanent=True, evidence=Evidence.PROXY)
    try:
        return httpx2.Proxy(url=kind + proxy[len(kind) :])
    except (httpx2.InvalidURL, ValueError) as error:
        words = f"the proxy {proxy_shown(proxy)} has no usable address"
        raise ConnectionBroken(words, permanent=True, evidence=Evidence.PROXY) from error


class _Body:
    """An iterable of byte pieces; httpx2 asks for a new iterator each time it sends."""

    def __init__(self, start: Callable[[], Iterable[bytes]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._start())


class _HttpResponse:
    """`Response` over httpx2's."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        # repeated headers are joined with a comma, as RFC 9110 allows for all that are read here
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_raw()
        except httpx2.TransportError as error:
            raise _broken(error, None) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._response.close()


def _broken(error: Exception, proxy: str | None) -> ConnectionBroken:
    """Map an error of httpx2: its cause chain says what the system or TLS found.

    Where there is a proxy, it is the one that was connected to: a name that does not resolve is its.
    """
    found = _reason(error)
    connecting = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError))
    if proxy is None or not connecting or found.evidence is not None:
        return found
    words = f"the proxy {proxy_shown(proxy)}: {found.reason}"
    return ConnectionBroken(words, permanent=found.permanent, evidence=Evidence.PROXY)


def _reason(error: Exception) -> ConnectionBroken:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and (found := _tls_trouble(cause)) is not None:
            return found
        if isinstance(cause, socket.gaierror):
            passing = cause.errno == socket.EAI_AGAIN
            return ConnectionBroken(f"its name does not resolve: {cause.strerror}", permanent=not passing)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectTimeout):
        return ConnectionBroken("connecting took too long")
    if isinstance(error, httpx2.TimeoutException):
        return ConnectionBroken("it stopped answering")
    permanent = isinstance(error, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError))
    silent = isinstance(error, (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError))
    evidence = Evidence.NO_HTTP if silent else None
    return ConnectionBroken(str(error) or type(error).__name__, permanent=permanent, evidence=evidence)


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
