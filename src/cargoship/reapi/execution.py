"""Running actions at a server: what came of one, and what is under way when nobody wants it any more.

https://github.com/bazelbuild/remote-apis, `service Execution`: a stream of google.longrunning.Operation, the last of
which has the outcome.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from cargoship.errors import CargoshipError, ContentInvalid, InputsLost, RemoteFailed
from cargoship.http.retry import RetryPolicy, Transient
from cargoship.oci.descriptor import Blob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.reapi.actions import Action, Directory
from cargoship.reapi.channel import NotThere, check_status
from cargoship.reapi.client import OUTPUTS_MAX, ReapiClient, message_digest, read_digest
from cargoship.reapi.schema import SHA256, message_class

_WORDS_MAX = 32 << 20
"""Bytes that an action may say, on each of its streams."""
_FOLDERS_MAX = 10
_TREE_BYTES_MAX = 1 << 20
_CANCEL_S = 2.0
_ONCE = RetryPolicy(tries=1, connection_tries=1)
_POLICY = RetryPolicy(tries=3, connection_tries=2, longest_s=5.0, asked_longest_s=20.0)
"""There is another machine that can do it: this one."""


class ActionOutcome(Struct, frozen=True):
    """How an action has ended."""

    code: int
    outputs: Mapping[str, Descriptor]
    """The files that it has made, by their paths."""
    stdout: bytes
    stderr: bytes
    cached: bool
    """It had been run before, and was not again."""
    folders: Mapping[str, Mapping[str, Descriptor]] = {}
    """Folders that it has made, by their paths, and the files that each has of its own; one with folders in it has
    none."""


@dataclass
class Executor:
    """Runs actions at the server of `client`. Safe to share between threads; methods raise as the client's do."""

    client: ReapiClient
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _there: set[Digest] = field(default_factory=set, repr=False)
    _running: set[str] = field(default_factory=set, repr=False)

    def send(self, blobs: Sequence[Blob]) -> None:
        """Let the server have these, which it is asked for once; also raises OSError."""
        unique = {blob.descriptor.digest: blob for blob in blobs}
        with self._lock:
            wanted = [blob for digest, blob in unique.items() if digest not in self._there]
        if wanted:
            self.client.upload(wanted)
        with self._lock:
            self._there.update(blob.descriptor.digest for blob in wanted)

    def run(self, action: Action, root: Directory, *, timeout_s: float) -> ActionOutcome:
        """Run an action, or take what came of it before. What the server has lost meanwhile is sent once more.

        Raises RemoteFailed where it takes longer than `timeout_s`.
        """
        self.send((*root.blobs(), *action.described))
        try:
            return self._executed(action, timeout_s)
        except InputsLost:
            with self._lock:
                self._there.clear()
            self.send((*root.blobs(), *action.described))
            return self._executed(action, timeout_s)

    def known(self, action: Action) -> ActionOutcome | None:
        """What came of an action before; None where nobody knows. Nothing is sent, and nothing run."""
        self.client.capabilities()
        request = message_class("GetActionResultRequest")(
            instance_name=self.client.instance, action_digest=message_digest(action.descriptor), digest_function=SHA256
        )
        try:
            return self._outcome(self.client.channel.unary("GetActionResult", request), cached=True)
        except NotThere:
            return None

    @property
    def running(self) -> tuple[str, ...]:
        """The names of operations that are under way."""
        with self._lock:
            return tuple(sorted(self._running))

    def close(self) -> None:
        """Ask the server to end what is under way, and let go of it."""
        for name in self.running:
            with contextlib.suppress(CargoshipError, NotThere):
                request = message_class("CancelOperationRequest")(name=name)
                self.client.channel.unary("CancelOperation", request, timeout_s=_CANCEL_S, policy=_ONCE)
        self.client.close()

    def _executed(self, action: Action, timeout_s: float) -> ActionOutcome:
        self.client.capabilities()
        request = message_class("ExecuteRequest")(
            instance_name=self.client.instance, action_digest=message_digest(action.descriptor), digest_function=SHA256
        )
        names: set[str] = set()
        try:
            return self.client.channel.received(
                "Execute", request, lambda found: self._last(found, names),
                size_bytes=0, timeout_s=timeout_s, policy=_POLICY,
            )  # fmt: skip
        except NotThere as error:
            raise InputsLost(f"{self.client.channel.name} has lost what was just sent to it") from error
        finally:
            with self._lock:
                self._running -= names

    def _last(self, found: Iterator[Any], names: set[str]) -> ActionOutcome:
        name = self.client.channel.name
        for operation in found:
            with self._lock:
                names.add(operation.name)
                self._running.add(operation.name)
            if not operation.done:
                continue
            check_status(operation.error, name)
            response = message_class("ExecuteResponse").FromString(operation.response.value)
            check_status(response.status, name)
            return self._outcome(response.result, cached=response.cached_result)
        raise Transient(RemoteFailed(f"{name} did not say what came of an action"))

    def _outcome(self, result: Any, *, cached: bool) -> ActionOutcome:  # noqa: ANN401
        if len(result.output_files) > OUTPUTS_MAX:
            raise ContentInvalid(f"{self.client.channel.name} has a result with {len(result.output_files)} files")
        if len(result.output_directories) > _FOLDERS_MAX:
            raise ContentInvalid(
                f"{self.client.channel.name} has a result with {len(result.output_directories)} folders"
            )
        return ActionOutcome(
            result.exit_code,
            {file.path: read_digest(file.digest) for file in result.output_files},
            self._words(result.stdout_raw, result.stdout_digest),
            self._words(result.stderr_raw, result.stderr_digest),
            cached,
            {folder.path: self._files(read_digest(folder.tree_digest)) for folder in result.output_directories},
        )

    def _files(self, tree: Descriptor) -> dict[str, Descriptor]:
        data = self.client.read(tree) if tree.size_bytes <= _TREE_BYTES_MAX else None
        if data is None:
            raise RemoteFailed(f"{self.client.channel.name} has lost which files an action has made")
        try:
            root = message_class("Tree").FromString(data).root
        except Exception as error:
            raise ContentInvalid(f"{self.client.channel.name} has a folder that cannot be read") from error
        return {} if root.directories else {file.name: read_digest(file.digest) for file in root.files}

    def _words(self, raw: bytes, digest: Any) -> bytes:  # noqa: ANN401
        if raw or not digest.size_bytes:
            return raw
        wanted = read_digest(digest)
        if wanted.size_bytes > _WORDS_MAX:
            raise ContentInvalid(f"{self.client.channel.name} has {wanted.size_bytes} bytes of an action's output")
        data = self.client.read(wanted)
        if data is None:
            raise RemoteFailed(f"{self.client.channel.name} has lost what an action has said")
        return data
