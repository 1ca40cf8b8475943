"""Files of Debian's archives, from a mirror or from snapshot.debian.org, into a store by their digests."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar, cast
from urllib.parse import quote

from msgspec import Struct

from cargoship.debian.index import INDEX_BYTES_MAX, PackageIndex
from cargoship.debian.package import DebianPackage
from cargoship.debian.release import INRELEASE_BYTES_MAX, IndexFile, SuiteRelease, parse_release
from cargoship.debian.signature import signed_text
from cargoship.debian.suites import Release, SuiteSource
from cargoship.debian.unpack import decompressed
from cargoship.errors import ContentInvalid, MirrorUnreachable, PlatformUnknown
from cargoship.events import Emit, Level, Note
from cargoship.http.budget import Budget
from cargoship.http.endpoint import resolved, shown
from cargoship.http.exchange import ConnectionBroken, Request, Response, Transport, read_all
from cargoship.http.redirects import REDIRECTS_MAX, redirect_of
from cargoship.http.retry import RetryPolicy, Transient, is_transient, retry_after_s, with_retries
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.store import BlobStore

DEFAULT_MIRROR = "https://deb.debian.org"
DEFAULT_SNAPSHOTS = "https://snapshot.debian.org/archive"
T = TypeVar("T")
_HINT = (
    "the mirror may be in the middle of an update: try again later, name another with debian-mirror, "
    "or take what it has now with `cargoship base pin`"
)
_OK, _NOT_FOUND = 200, 404
_TOTAL_S = 1800.0
_CONTENTS_BYTES_MAX = 4 << 30
_LINE_BYTES_MAX = 1 << 20


class MirrorConfig(Struct, frozen=True):
    """Where to look: the root of a mirror, that of the snapshots, and whose signatures count (None: Debian's)."""

    mirror: str = DEFAULT_MIRROR
    snapshots: str = DEFAULT_SNAPSHOTS
    keys: Path | None = None

    def archive(self, archive: str, snapshot: str | None) -> str:
        """The root of an archive, now or as it was."""
        if snapshot is None:
            return f"{self.mirror.rstrip('/')}/{archive}"
        return f"{self.snapshots.rstrip('/')}/{archive}/{snapshot}"


class DebianMirror:
    """Files for one run. Safe to share between threads; `open_transport` is called when there is something to fetch."""

    def __init__(
        self,
        places: MirrorConfig,
        *,
        open_transport: Callable[[], Transport],
        store: BlobStore,
        offline: bool,
        emit: Emit,
    ) -> None:
        self.places = places
        self._open_transport = open_transport
        self._transport: Transport | None = None
        self._store = store
        self._offline = offline
        self._emit = emit
        self._lock = threading.Lock()
        self._fetching: dict[Digest, threading.Lock] = {}
        self._budget = Budget(_TOTAL_S)
        self._budget.whom = "the mirror of Debian"

    def close(self) -> None:
        """Close the connections, and let nothing else begin."""
        self._budget.stop()
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def package(self, package: DebianPackage) -> FileBlob:
        """A package's file, by its digest; raises MirrorUnreachable, ContentInvalid, OutputError.

        What a mirror has not any more is taken from the snapshot that has it.
        """
        descriptor = Descriptor("", package.digest, package.size_bytes)
        found = self._store.find(descriptor)
        if found is not None:
            return found
        path = quote(package.path, safe="/+:~")
        urls = (
            f"{self.places.archive(package.archive, None)}/{path}",
            f"{self.places.archive(package.archive, package.snapshot)}/{path}",
        )
        return self._stored(urls, descriptor, str(package))

    def index(self, release: Release, architecture: str, snapshot: str | None) -> PackageIndex:
        """The packages of a release for an architecture, updates included.

        Raises PlatformUnknown, MirrorUnreachable, ContentInvalid (what no key of Debian's has signed), OutputError.
        """
        index = PackageIndex(architecture)
        for source in release.sources:
            suite = self._release(source, snapshot)
            if architecture not in suite.architectures:
                if source.suite == release.codename:
                    known = ", ".join(sorted(suite.architectures - {"all"}))
                    raise PlatformUnknown(
                        f"Debian {release.codename} is not there for {architecture}",
                        hint=f"it is for {known}: leave the platform out, or take another release",
                    )
                self._emit(Note(f"{source} has nothing for {architecture}", Level.VERBOSE))
                continue
            for name in (architecture, *(["all"] if suite.has_all else [])):
                file = suite.packages(name)
                if file is None:
                    raise MirrorUnreachable(f"{source} names no index of packages for {name}")
                index.add(self._index_data(source, suite, file, snapshot), source=source, snapshot=suite.snapshot)
        return index

    def owner(self, release: Release, architecture: str, snapshot: str | None, library: str) -> str | None:
        """The package that has a shared library where loaders look for one; None where there is none.

        Reads the list of all files of a release, 10 MB or so, a piece at a time. Raises as `index` does.
        """
        source = release.sources[0]
        file = self._release(source, snapshot).files.get(f"main/Contents-{architecture}.gz")
        if file is None:
            return None
        root = f"{self.places.archive(source.archive, snapshot)}/dists/{source.suite}"
        what = f"the list of files of {source}"
        blob = self._stored(
            (f"{root}/{file.by_hash}", f"{root}/{file.path}"), Descriptor("", file.digest, file.size_bytes), what
        )
        wanted = re.compile(
            rb"(?m)^(?:usr/)?lib/(?:[^/\s]+/)?" + re.escape(library).encode() + rb"\s+\S*?([^/,\s]+)(?:,\S*)?$"
        )
        rest = b""
        with blob.open() as stream:
            for piece in decompressed(stream, ".gz", limit_bytes=_CONTENTS_BYTES_MAX, what=what):
                lines, _, rest = (rest + piece).rpartition(b"\n")
                match = wanted.search(lines)
                if match is not None:
                    return match[1].decode("ascii", "replace")
                if len(rest) > _LINE_BYTES_MAX:
                    raise ContentInvalid(f"{what} has a line without an end")
        return None

    def _release(self, source: SuiteSource, snapshot: str | None) -> SuiteRelease:
        url = f"{self.places.archive(source.archive, snapshot)}/dists/{source.suite}/InRelease"
        data = self._small(url, INRELEASE_BYTES_MAX)
        text = signed_text(data, what=shown(url), keys=self.places.keys)
        return parse_release(text, codename=source.suite, what=shown(url))

    def _index_data(self, source: SuiteSource, suite: SuiteRelease, file: IndexFile, snapshot: str | None) -> bytes:
        root = f"{self.places.archive(source.archive, snapshot)}/dists/{source.suite}"
        paths = (file.by_hash, file.path) if suite.by_hash else (file.path,)
        blob = self._stored(
            tuple(f"{root}/{path}" for path in paths),
            Descriptor("", file.digest, file.size_bytes),
            f"the index of {source}",
        )
        suffix = file.path[file.path.rindex(".") :]
        with blob.open() as stream:
            what = f"the index of {source}"
            return b"".join(decompressed(stream, suffix, limit_bytes=INDEX_BYTES_MAX, what=what))

    def _stored(self, urls: tuple[str, ...], descriptor: Descriptor, what: str) -> FileBlob:
        with self._lock:
            own = self._fetching.setdefault(descriptor.digest, threading.Lock())
        with own:  # who comes second finds it
            return self._store.find(descriptor) or self._fetched(urls, descriptor, what)

    def _fetched(self, urls: tuple[str, ...], descriptor: Descriptor, what: str) -> FileBlob:
        def attempt(url: str) -> FileBlob | None:
            with self._opened(url) as response:
                if response is None:
                    return None
                self._emit(Note(f"fetching {shown(url)}", Level.DEBUG))
                return self._store.add_stream(descriptor, cast("BinaryIO", _Stream(response.chunks())))

        wrong: ContentInvalid | None = None
        for url in urls:
            try:
                blob = self._persist(partial(attempt, url), url)
            except ContentInvalid as error:
                # a mirror that is being updated has new names for old files, and the other way round
                wrong = wrong or error
                continue
            except MirrorUnreachable as error:
                raise error if url == urls[0] else _nowhere(what, urls, error.message) from error
            if blob is not None:
                return blob
        if wrong is not None:
            raise ContentInvalid(f"{what}: {wrong.message}", hint=_HINT) from wrong
        raise _nowhere(what, urls)

    def _small(self, url: str, limit_bytes: int) -> bytes:
        def attempt() -> bytes | None:
            with self._opened(url) as response:
                return None if response is None else read_all(response, limit_bytes=limit_bytes, what=shown(url))

        data = self._persist(attempt, url)
        if data is None:
            raise MirrorUnreachable(f"there is no {shown(url)}", hint="debian-mirror names the mirror, without /debian")
        return data

    def _persist(self, attempt: Callable[[], T], url: str) -> T:
        def once() -> T:
            try:
                return attempt()
            except ConnectionBroken as error:
                failure = MirrorUnreachable(f"{shown(url)}: {error.reason}", hint="debian-mirror names another mirror")
                if error.permanent:
                    raise failure from error
                raise Transient(failure, connection=True) from error

        return with_retries(once, budget=self._budget, retry_policy=RetryPolicy())

    @contextmanager
    def _opened(self, url: str) -> Iterator[Response | None]:
        """The answer to a GET, redirections followed; None where there is no such file."""
        with self._lock:
            if self._offline:
                raise MirrorUnreachable(
                    f"{shown(url)} is not cached, and there is no network to be used",
                    hint="build once without --offline or --frozen",
                )
            if self._transport is None:
                self._transport = self._open_transport()
            transport = self._transport
        for _ in range(REDIRECTS_MAX + 1):
            with transport.send(Request("GET", url)) as response:
                if response.status == _OK:
                    yield response
                    return
                if response.status == _NOT_FOUND:
                    yield None
                    return
                location = redirect_of("GET", response)
                if location is None:
                    error = MirrorUnreachable(f"{shown(url)} answers {response.status}")
                    if is_transient(response.status):
                        raise Transient(error, wait_s=retry_after_s(response.headers))
                    raise error
                target = resolved(url, location)
                if target is None:
                    raise MirrorUnreachable(f"{shown(url)} redirects to what is no web address")
                url = target
        raise MirrorUnreachable(f"{shown(url)} redirects too often")


def _nowhere(what: str, urls: tuple[str, ...], reason: str = "") -> MirrorUnreachable:
    if reason:
        return MirrorUnreachable(f"{what} is not at {shown(urls[0])}, and {reason}", hint=_HINT)
    return MirrorUnreachable(f"{what} is not at {' nor at '.join(map(shown, urls))}", hint=_HINT)


class _Stream:
    """Pieces as a stream; a piece may be longer than what was asked for."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, _size: int = -1, /) -> bytes:
        return next(self._pieces, b"")
