"""Blobs on their way to a repository before there is an image that names them: beside a compile, beside other layers.

A blob that nothing names yet harms nobody: registries remove it some day. This module sends no manifests and no tags.
"""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable

from cargoship.errors import CargoshipError, ContentInvalid, Forbidden, Stopped, Unauthorized
from cargoship.events import BlobPushed, BlobQueued
from cargoship.http.budget import Halt
from cargoship.oci.descriptor import Blob
from cargoship.oci.digest import Digest
from cargoship.registry.client import RegistryClient
from cargoship.registry.push import BlobUploader, PushOptions
from cargoship.registry.upload import BlobOutcome

_FINAL = (Unauthorized, Forbidden, ContentInvalid)
"""Errors that a second try would meet again; anything else is left to the push, which tries once more."""
_FAREWELL_S = 0.5


class BlobLocks:
    """Lets the repositories of a registry get a blob one after the other: the second can mount it from the first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[tuple[str, Digest], threading.Lock] = {}

    def of(self, registry: str, digest: Digest) -> threading.Lock:
        """What to hold while a repository of the registry gets the blob."""
        with self._lock:
            return self._turns.setdefault((registry, digest), threading.Lock())


class UploadQueue:
    """Uploads to one repository, at most `options.jobs` at a time, in threads that do not outlive `close` by much.

    `open_client` gives the client when there is something to send; it stays open, for others use it too. `blob_locks`
    is shared by the uploads of a run. Safe to share between threads.
    """

    def __init__(
        self,
        repository: str,
        *,
        open_client: Callable[[], RegistryClient],
        blob_locks: BlobLocks,
        options: PushOptions,
    ) -> None:
        self._repository = repository
        self._open_client = open_client
        self._known = options.mount_sources
        self._turns = blob_locks
        self._emit = options.emit
        self._jobs = options.jobs
        self._opening = threading.Lock()
        self._client: RegistryClient | None = None
        self._halt = Halt()
        self._part = contextlib.ExitStack()
        # what follows is changed under this condition alone
        self._changed = threading.Condition()
        self._waiting: collections.deque[Blob] = collections.deque()
        self._seen: set[Digest] = set()
        self._outcomes: dict[Digest, BlobOutcome] = {}
        self._threads: list[threading.Thread] = []
        self._working = 0
        self._error: CargoshipError | None = None
        self._closed = False

    def offer(self, blobs: Iterable[Blob]) -> None:
        """Start to send what has not been offered before; raises an error of earlier ones that is final."""
        with self._changed:
            self._raise()
            for blob in blobs:
                if blob.descriptor.digest not in self._seen:
                    self._seen.add(blob.descriptor.digest)
                    self._waiting.append(blob)
                    self._emit(BlobQueued(str(blob.descriptor.digest), blob.descriptor.size_bytes))
            idle = self._jobs - self._working
            for _ in range(min(idle, len(self._waiting))):
                self._working += 1
                thread = threading.Thread(target=self._work, name="early-upload", daemon=True)
                self._threads.append(thread)
                thread.start()

    def settle(self) -> dict[Digest, BlobOutcome]:
        """Wait for what was offered: what the repository has now, and what it took.

        What could not be sent is left out, but for errors that are final, which are raised at once.
        """
        with self._changed:
            while self._working and self._error is None:
                self._changed.wait()
            self._raise()
            return dict(self._outcomes)

    def close(self) -> None:
        """Stop what is still under way."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
        with self._opening, self._part:
            self._halt.set()
        until = time.monotonic() + _FAREWELL_S
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while (blob := self._next()) is not None:
                try:
                    self._give(blob)
                except Exception as error:  # noqa: BLE001 - whatever it is, the push meets it again
                    self._failed(error)
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    def _give(self, blob: Blob) -> None:
        client, digest = self._opened(), blob.descriptor.digest
        client.budget.obey(self._halt)
        with self._turns.of(client.registry, digest):
            outcome = BlobUploader(client, self._repository, self._known).upload(blob)
            self._known.remember(client.registry, self._repository, [digest])
        with self._changed:
            self._outcomes[digest] = outcome
        self._emit(BlobPushed(str(digest), blob.descriptor.size_bytes, outcome.value))

    def _next(self) -> Blob | None:
        with self._changed:
            return self._waiting.popleft() if self._waiting and not self._closed else None

    def _failed(self, error: Exception) -> None:
        with self._changed:
            if isinstance(error, _FINAL) and self._error is None:
                self._error = error
                self._changed.notify_all()

    def _opened(self) -> RegistryClient:
        with self._opening:
            if self._closed:
                raise Stopped
            if self._client is None:
                self._client = self._open_client()
                # others use the client too, and go on where this ends
                self._halt = self._part.enter_context(self._client.budget.part())
            return self._client
