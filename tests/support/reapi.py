"""Servers of the Remote Execution API: a real one, buildbox-casd, and one in this process that fails on demand."""

# ruff: noqa: ANN401 - messages have classes that are made at run time

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import socket
import socketserver
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from cargoship.process.system import SystemRunner
from cargoship.reapi.address import ReapiAddress
from cargoship.reapi.client import ReapiClient
from cargoship.reapi.connect import open_reapi
from cargoship.reapi.schema import METHODS, message_class
from cargoship.unitcache.stores.reapi import ReapiStore
from support.programs import REPOSITORY
from support.registry import free_port
from support.serving import serving

_START_S = 30.0
_TEXT_MAX = 1 << 20
_CUT_AFTER_BYTES = 1 << 20
_LOST_S = 0.25
"""After about as long Linux sends again what nobody has confirmed."""
_STREAMS = {"Read": "unary_stream", "Write": "stream_unary", "Execute": "unary_stream"}


@dataclass
class RunningServer:
    """A real server on the loopback."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"reapi://127.0.0.1:{self.port}"

    def holds(self, text: bytes) -> bool:
        """Whether any blob of it has this text."""
        files = (path for path in (self.folder / "cas" / "objects").rglob("*") if path.is_file())
        return any(text in path.read_bytes() for path in files if path.stat().st_size < _TEXT_MAX)

    def forget(self) -> int:
        """Everything that it has stored, as a server that was given a new disk; how many blobs these were."""
        number = 0
        # a folder that the server has removed meanwhile is passed over by a walk, and not by a glob
        for folder, _, names in os.walk(self.folder / "cas"):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    Path(folder, name).unlink()
                    number += 1
        return number


def executing(*more: str, jobs: int = 2) -> tuple[str, ...]:
    """What has buildbox-casd run actions, so many at a time, each in a sandbox that has this machine's /usr."""
    runner = REPOSITORY / ".tools" / "bin" / "buildbox-run"
    mounts = {"/usr": "/usr", "/usr/lib": "/lib", "/usr/lib64": "/lib64", "/usr/bin": "/bin"}
    mounted = (f"--runner-arg=--ro-bind-mount={place}:{name}" for place, name in mounts.items())
    return ("--quota-high=4G", f"--buildbox-run={runner}", f"--jobs={jobs}", *mounted, *more)


@contextlib.contextmanager
def running_server(folder: Path, *arguments: str, port: int | None = None) -> Iterator[RunningServer]:
    """buildbox-casd, which keeps what it gets in `folder`."""
    port = port or free_port()
    log = folder.with_suffix(".log")
    casd = REPOSITORY / ".tools" / "bin" / "buildbox-casd"
    if not casd.exists():
        pytest.fail("buildbox-casd is not there; scripts/setup --test fetches it")
    command = [str(casd), f"--bind=127.0.0.1:{port}", *(arguments or ("--quota-high=1G",)), str(folder)]
    with log.open("ab") as sink, subprocess.Popen(command, stdout=sink, stderr=sink) as process:
        try:
            _wait(port, process, log)
            yield RunningServer(port, folder, process)
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers; what is asked for a channel's state would leave a thread that may outlive the channel."""
    deadline = time.monotonic() + _START_S
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ask = channel.unary_unary("/build.bazel.remote.execution.v2.Capabilities/GetCapabilities")
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                ask(b"", timeout=1, wait_for_ready=True)
                return
    raise AssertionError(f"buildbox-casd does not answer: {log.read_text()}")


@contextlib.contextmanager
def failing_proxy(to: int, fault: Fault) -> Iterator[str]:
    """The address of a server before another one: all calls go on to that one, but for those that `fault` fails."""
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    class Passing(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:
            method = details.method.rpartition("/")[2]
            kind = _STREAMS.get(method, "unary_unary")
            call = getattr(behind, kind)(details.method)

            def answer(request: Any, context: Any) -> Any:
                with lock:
                    asked[method] += 1
                    times = asked[method]
                try:
                    fault(method, times)
                except Failing as error:
                    context.abort(error.code, error.details)
                try:
                    return call(request)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())

            def stream(request: Any, context: Any) -> Iterator[Any]:
                try:
                    yield from answer(request, context)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())

            return getattr(grpc, f"{kind}_rpc_method_handler")(stream if kind == "unary_stream" else answer)

    limits = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
    with grpc.insecure_channel(f"127.0.0.1:{to}", options=limits) as behind:
        running = grpc.server(ThreadPoolExecutor(32), handlers=(Passing(),), options=limits)
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        try:
            yield f"reapi://127.0.0.1:{port}"
        finally:
            running.stop(grace=0).wait()


class _Relay(socketserver.BaseRequestHandler):
    """Carries bytes both ways, late; a connection that has carried much is cut."""

    server: _SlowLink

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.to)) as other:
            back = threading.Thread(target=self._carry, args=(other, self.request), daemon=True)
            back.start()
            self._carry(self.request, other)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                carried += len(data)
                time.sleep(self.server.late_s + (_LOST_S if self.server.loses() else 0.0))
                sink.sendall(data)
                if self.server.may_cut(carried):
                    break
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _SlowLink(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, to: int, late_s: float, cuts: int, lost: float) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self._lost = lost
        self._chance = random.Random(18)  # noqa: S311 - the same losses each time
        self.to = to
        self.late_s = late_s
        self._left = cuts
        self._lock = threading.Lock()

    def loses(self) -> bool:
        with self._lock:
            return self._chance.random() < self._lost

    def may_cut(self, carried: int) -> bool:
        with self._lock:
            cut = self._left > 0 and carried > _CUT_AFTER_BYTES
            self._left -= cut
            return cut

    @property
    def was_cut(self) -> bool:
        return self._left == 0


@contextlib.contextmanager
def slow_link(
    to: int, *, late_s: float = 0.025, cuts: int = 0, lost: float = 0.0
) -> Iterator[tuple[str, Callable[[], bool]]]:
    """The address of a server behind a link that is late, and breaks some times; whether it has done so.

    Of what it carries it loses a part, which TCP sends again after a while: to who waits for it that is a longer delay.
    """
    link = _SlowLink(to, late_s, cuts, lost)
    with serving(link):
        yield f"reapi://127.0.0.1:{link.server_address[1]}", lambda: link.was_cut


class Failing(Exception):
    """What a server answers in place of a result."""

    def __init__(self, code: grpc.StatusCode, details: str = "", trailers: tuple[tuple[str, bytes], ...] = ()) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.trailers = trailers


Fault = Callable[[str, int], None]


@dataclass
class FakeServer:
    """A server in this process: what it holds, what it was asked, and what goes wrong.

    `fault` is called before each answer with the method and how often that was asked, and may raise Failing; `limit`
    is what it takes at once, `lies` changes what is read.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    fault: Fault = lambda _method, _times: None
    lies: Callable[[bytes], bytes] = bytes
    limit: int = 0
    digest_functions: tuple[int, ...] = (1,)
    updates: bool = True
    asked: Counter[str] = field(default_factory=Counter)
    metadata: list[Mapping[str, str | bytes]] = field(default_factory=list)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Of single blobs in batches, by their hashes: the next ones."""
    outcomes: list[Any] = field(default_factory=list)
    """What comes of the next actions: an ExecuteResponse, or an exception."""
    cancelled: list[str] = field(default_factory=list)
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return f"reapi://127.0.0.1:{self.port}"

    def get_capabilities(self, _: Any) -> Any:
        answer = message_class("ServerCapabilities")()
        answer.cache_capabilities.digest_functions.extend(self.digest_functions)
        answer.cache_capabilities.max_batch_total_size_bytes = self.limit
        answer.cache_capabilities.action_cache_update_capabilities.update_enabled = self.updates
        return answer

    def find_missing_blobs(self, request: Any) -> Any:
        answer = message_class("FindMissingBlobsResponse")()
        answer.missing_blob_digests.extend(each for each in request.blob_digests if each.hash not in self.blobs)
        return answer

    def batch_update_blobs(self, request: Any) -> Any:
        if self.limit and request.ByteSize() > self.limit:
            raise Failing(grpc.StatusCode.INVALID_ARGUMENT, "too much at once")
        answer = message_class("BatchUpdateBlobsResponse")()
        for each in request.requests:
            waiting = self.statuses.get(each.digest.hash)
            code = waiting.pop(0) if waiting else 0
            if not code:
                self._keep(each.digest, each.data)
            answer.responses.add(digest=each.digest, status=message_class("Status")(code=code, message="not now"))
        return answer

    def get_action_result(self, request: Any) -> Any:
        found = self.results.get(request.action_digest.hash)
        if found is None:
            raise Failing(grpc.StatusCode.NOT_FOUND)
        return found

    def update_action_result(self, request: Any) -> Any:
        self.results[request.action_digest.hash] = request.action_result
        return request.action_result

    def execute(self, request: Any) -> Iterator[Any]:
        yield message_class("Operation")(name=f"operations/{request.action_digest.hash[:8]}")
        outcome = self.outcomes.pop(0)
        if callable(outcome):
            outcome = outcome()
        if isinstance(outcome, Failing):
            raise outcome
        if outcome is not None:
            done = message_class("Operation")(name="operations/done", done=True)
            done.response.value = outcome.SerializeToString()
            yield done

    def cancel_operation(self, request: Any) -> Any:
        self.cancelled.append(request.name)
        return message_class("Empty")()

    def read(self, request: Any) -> Iterator[Any]:
        digest, size = request.resource_name.split("/")[-2:]
        if digest not in self.blobs or len(self.blobs[digest]) != int(size):
            raise Failing(grpc.StatusCode.NOT_FOUND)
        end = request.read_offset + request.read_limit if request.read_limit else None
        data = self.lies(self.blobs[digest][request.read_offset : end])
        for start in range(0, len(data), 1 << 16):
            if start:
                self._reported("Read, later")
            yield message_class("ReadResponse")(data=data[start : start + (1 << 16)])

    def write(self, requests: Iterable[Any]) -> Any:
        name, data = "", b""
        for each in requests:
            name = name or each.resource_name
            assert each.write_offset == len(data)
            data += each.data
            if len(data) > 1 << 20:
                self._reported("Write, later")
        hex_, size = name.split("/")[-2:]
        self._keep(message_class("Digest")(hash=hex_, size_bytes=int(size)), data)
        return message_class("WriteResponse")(committed_size=len(data))

    def _keep(self, digest: Any, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != digest.hash or len(data) != digest.size_bytes:
            raise Failing(grpc.StatusCode.INVALID_ARGUMENT, "another content")
        self.blobs[digest.hash] = data

    def _reported(self, method: str) -> None:
        with self.lock:
            self.asked[method] += 1
            times = self.asked[method]
        self.fault(method, times)

    def handler(self, method: str) -> Any:
        kind, (_, takes, _) = _STREAMS.get(method, "unary_unary"), METHODS[method]
        answer = getattr(self, "".join(f"_{each.lower()}" if each.isupper() else each for each in method)[1:])

        def failing(context: Any, error: Failing) -> None:
            context.set_trailing_metadata(error.trailers)
            context.abort(error.code, error.details)

        def unary(request: Any, context: Any) -> Any:
            self.metadata.append(dict(context.invocation_metadata()))
            try:
                self._reported(method)
                return answer(request)
            except Failing as error:
                failing(context, error)

        def stream(request: Any, context: Any) -> Iterator[Any]:
            self.metadata.append(dict(context.invocation_metadata()))
            try:
                self._reported(method)
                yield from answer(request)
            except Failing as error:
                failing(context, error)

        made = getattr(grpc, f"{kind}_rpc_method_handler")
        return made(
            stream if kind == "unary_stream" else unary,
            request_deserializer=message_class(takes).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


@contextlib.contextmanager
def fake_server(server: FakeServer | None = None, *, tls: Any = None) -> Iterator[FakeServer]:
    """A server in this process; `tls` are grpc's own credentials for one."""
    server = server or FakeServer()
    running = grpc.server(ThreadPoolExecutor(8), options=(("grpc.max_receive_message_length", 64 << 20),))
    services: dict[str, dict[str, Any]] = {}
    for method, (service, _, _) in METHODS.items():
        if hasattr(server, "".join(f"_{each.lower()}" if each.isupper() else each for each in method)[1:]):
            services.setdefault(service, {})[method] = server.handler(method)
    for service, methods in services.items():
        running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    place = "127.0.0.1:0"
    server.port = running.add_secure_port(place, tls) if tls is not None else running.add_insecure_port(place)
    running.start()
    try:
        yield server
    finally:
        running.stop(grace=0).wait()


def client_at(address: str, env: Mapping[str, str] | None = None) -> ReapiClient:
    """A client that waits for nothing between its tries."""
    client = open_reapi(ReapiAddress.parse(address), env=env or {}, runner=SystemRunner(), insecure=())
    # so that tests do not wait
    client.channel.budget.jitter = lambda: 0.0
    return client


def store_at(address: str, title: str = "cache") -> ReapiStore:
    return ReapiStore(client_at(address), address, title)
