"""Calls over gRPC: certificates, headers, deadlines, and which failures are tried again.

The only module that uses grpcio. Whatever it raises becomes RemoteFailed here, but for NotThere: what is asked for
may not be there any more, at any time.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cargoship.errors import InputsLost, RemoteFailed
from cargoship.http.budget import Budget
from cargoship.http.certificates import HostCertificates
from cargoship.http.retry import RetryPolicy, Transient, with_retries
from cargoship.printable import printable
from cargoship.reapi.credentials import HeaderSource
from cargoship.reapi.schema import METHODS, message_class, missing_extra

T = TypeVar("T")
_POLICY = RetryPolicy(tries=6, connection_tries=6, longest_s=10.0, asked_longest_s=60.0)
"""For a server that has answered before: one that is started anew is waited for."""
FIRST_CONTACT = RetryPolicy(tries=6, connection_tries=3, longest_s=10.0, asked_longest_s=60.0)
_UNARY_S = 60.0
_SLOW_BYTES_S = 32 << 10
"""What a link has to carry at least: 1 MB in half a minute."""
MESSAGE_BYTES_MAX = 16 << 20
"""What a server may send at once; what it is asked for in batches is less."""
_TRANSIENT = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "DEADLINE_EXCEEDED", "UNKNOWN"})
_RETRYABLE_NUMBERS = {4: "DEADLINE_EXCEEDED", 8: "RESOURCE_EXHAUSTED", 10: "ABORTED", 13: "INTERNAL", 14: "UNAVAILABLE"}
_NOT_FOUND = 5
_FAILED_PRECONDITION = 9
_METADATA = "build.bazel.remote.execution.v2.requestmetadata-bin"
_WORDS_MAX = 300
_ADDRESS = re.compile(r"^UNKNOWN: ipv[46]:\S+: ")


class NotThere(Exception):
    """The server has no such blob or result. Never seen outside `reapi`."""


@dataclass
class GrpcChannel:
    """Connections to one server. Safe to share between threads; `close` ends what is under way."""

    place: str
    """`host:port`."""
    name: str
    """For people."""
    credentials: HeaderSource
    budget: Budget
    secure: bool
    certificates: Callable[[], tuple[bytes, bytes | None, bytes | None]]
    """Authorities to trust, and the client's key and certificate; raises RemoteFailed."""
    tool: tuple[str, str] = ("cargoship", "")
    policy: RetryPolicy = _POLICY
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _open: Any = field(default=None, repr=False)

    def unary(
        self,
        method: str,
        request: object,
        *,
        size_bytes: int = 0,
        timeout_s: float = _UNARY_S,
        policy: RetryPolicy | None = None,
    ) -> Any:  # noqa: ANN401
        """The answer to one message; `size_bytes` is about what travels. Raises RemoteFailed, NotThere."""
        deadline_s = _deadline_s(size_bytes, timeout_s)
        return self._retried(lambda: self._call("unary_unary", method, request, deadline_s), policy)

    def sent(self, method: str, requests: Callable[[], Iterable[object]], *, size_bytes: int) -> Any:  # noqa: ANN401
        """The answer to a stream of messages, which begins anew where it broke off; raises as `unary` does."""
        return self._retried(lambda: self._call("stream_unary", method, iter(requests()), _deadline_s(size_bytes)))

    def received(
        self,
        method: str,
        request: object,
        take: Callable[[Iterator[Any]], T],
        *,
        size_bytes: int,
        timeout_s: float = _UNARY_S,
        policy: RetryPolicy | None = None,
    ) -> T:
        """What `take` makes of a stream of messages, anew where it broke off; raises as `unary` does."""

        def attempt() -> T:
            stream = self._call("unary_stream", method, request, _deadline_s(size_bytes, timeout_s))
            try:
                return take(stream)
            finally:
                stream.cancel()

        return self._retried(attempt, policy)

    def close(self) -> None:
        """Close all connections; what other threads wait for ends with Stopped."""
        self.budget.stop()
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None

    def _retried(self, attempt: Callable[[], T], policy: RetryPolicy | None = None) -> T:
        policy = policy or self.policy

        def mapped() -> T:
            with self._mapping():
                return attempt()

        try:
            return with_retries(mapped, budget=self.budget, retry_policy=policy)
        except _Refused as refused:
            if not self.credentials.headers(anew=True):
                raise refused.error from refused
        try:
            return with_retries(mapped, budget=self.budget, retry_policy=policy)
        except _Refused as refused:
            raise refused.error from refused

    def _call(self, kind: str, method: str, request: object, deadline_s: float) -> Any:  # noqa: ANN401
        service, _, gives = METHODS[method]
        call = getattr(self._channel(), kind)(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(deterministic=True),
            response_deserializer=message_class(gives).FromString,
        )
        about = message_class("RequestMetadata")()
        about.tool_details.tool_name, about.tool_details.tool_version = self.tool
        metadata = (*self.credentials.headers(), (_METADATA, about.SerializeToString()))
        return call(request, timeout=max(min(deadline_s, self.budget.remaining_s), 0.0), metadata=metadata)

    def _channel(self) -> Any:  # noqa: ANN401
        with self._lock:
            self.budget.check()
            if self._open is None:
                self._open = self._connected()
            return self._open

    def _connected(self) -> Any:  # noqa: ANN401
        grpc = _library()
        options = (
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
            # a connection that died behind a NAT is noticed
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # one policy decides what is tried again, and when
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.min_reconnect_backoff_ms", 10_000),
        )
        if not self.secure:
            return grpc.insecure_channel(self.place, options=options)
        authorities, key, chain = self.certificates()
        trusted = grpc.ssl_channel_credentials(root_certificates=authorities, private_key=key, certificate_chain=chain)
        return grpc.secure_channel(self.place, trusted, options=options)

    @contextlib.contextmanager
    def _mapping(self) -> Iterator[None]:
        grpc = _library()
        try:
            yield
        except grpc.RpcError as error:
            code, words = error.code().name, _one_line(error.details() or "")
            if code == "NOT_FOUND":
                raise NotThere from error
            if code == "FAILED_PRECONDITION":
                raise InputsLost(f"{self.name} failed: {words or code}") from error
            # closed by another thread
            self.budget.check()
            failed = self._failed(code, words)
            if code == "UNAUTHENTICATED":
                raise _Refused(failed) from error
            if code in _TRANSIENT:
                # no answer at all, as far as one can see
                connection = code == "DEADLINE_EXCEEDED" or (code == "UNAVAILABLE" and not error.initial_metadata())
                raise Transient(failed, wait_s=_wait_s(error), connection=connection) from error
            raise failed from error
        except ValueError as error:
            # what grpcio says of a channel that another thread has closed
            self.budget.check()
            raise RemoteFailed(f"{self.name}: {_one_line(str(error))}") from error

    def _failed(self, code: str, words: str) -> RemoteFailed:
        match code:
            case "UNAVAILABLE" | "DEADLINE_EXCEEDED":
                return RemoteFailed(f"{self.name} does not answer: {words or code}")
            case "UNAUTHENTICATED" | "PERMISSION_DENIED":
                hint = "headers come from CARGOSHIP_REMOTE_HEADERS or CARGOSHIP_REMOTE_CREDENTIAL_HELPER"
                return RemoteFailed(f"{self.name} refuses: {words or code}", hint=hint)
            case "UNIMPLEMENTED":
                return RemoteFailed(f"{self.name} is no server of the Remote Execution API: {words or code}")
            case _:
                return RemoteFailed(f"{self.name} failed: {words or code} ({code})")


class _Refused(Exception):
    """The headers do not do; new ones may."""

    def __init__(self, error: RemoteFailed) -> None:
        super().__init__(error.message)
        self.error = error


def _library() -> Any:  # noqa: ANN401 - it has no types
    """Import grpcio; raises ToolMissing without the extra."""
    try:
        import grpc  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise missing_extra() from error
    return grpc


def check_status(status: Any, name: str) -> None:  # noqa: ANN401
    """Raise for a google.rpc.Status, as of one blob of several: NotThere, InputsLost, Transient, RemoteFailed."""
    if not status.code:
        return
    if status.code == _NOT_FOUND:
        raise NotThere
    if status.code == _FAILED_PRECONDITION:
        raise InputsLost(f"{name} failed: {_one_line(status.message)}")
    error = RemoteFailed(f"{name} failed: {_one_line(status.message) or f'status {status.code}'}")
    if status.code in _RETRYABLE_NUMBERS:
        raise Transient(error)
    raise error


def certificates_for(own: HostCertificates | None, env: Mapping[str, str]) -> tuple[bytes, bytes | None, bytes | None]:
    """Who is trusted (SSL_CERT_FILE, SSL_CERT_DIR or the usual authorities, and those of certs.d), and client's key.

    Raises RemoteFailed.
    """
    import certifi  # noqa: PLC0415 - seldom needed

    file, folders = env.get("SSL_CERT_FILE"), env.get("SSL_CERT_DIR")
    paths = [Path(file)] if file else [] if folders else [Path(certifi.where())]
    try:
        for folder in (folders or "").split(os.pathsep) if folders else ():
            paths += sorted(path for path in Path(folder).iterdir() if path.suffix in {".pem", ".crt"})
        paths += own.authorities if own is not None else ()
        trusted = b"\n".join(path.read_bytes() for path in paths)
        if own is None or own.client is None:
            return trusted, None, None
        certificate, key = own.client
        return trusted, key.read_bytes(), certificate.read_bytes()
    except OSError as error:
        raise RemoteFailed(f"cannot read certificates: {error}") from error


def _deadline_s(size_bytes: int, timeout_s: float = _UNARY_S) -> float:
    return timeout_s + size_bytes / _SLOW_BYTES_S


def _wait_s(error: Any) -> float | None:  # noqa: ANN401
    """Seconds that a server asks for: google.rpc.RetryInfo in the details of its status."""
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        with contextlib.suppress(Exception):
            for detail in message_class("Status").FromString(value).details:
                if detail.type_url.endswith("/google.rpc.RetryInfo"):
                    delay = message_class("RetryInfo").FromString(detail.value).retry_delay
                    return float(delay.seconds + delay.nanos / 1e9)
    return None


def _one_line(words: str) -> str:
    # of all that was tried, as grpcio tells it, the last is enough
    return printable(_ADDRESS.sub("", " ".join(words.split()).rpartition("last error: ")[2]))[:_WORDS_MAX]
