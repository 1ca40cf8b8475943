"""Bases in registries: found by the fewest requests, their layers left where they are until somebody needs them.

    <cache>/sha256/<hex>    (or sha512) manifests and configs, and the layers that were needed here
    <cache>/memo/<hex>      what a tag stood for when it was last asked about

What has a digest is looked for in the cache first: a base by digest that was used before needs no request. A tag is
asked about in every run, and only without a network (`offline`) taken from the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self, cast

from msgspec import Struct

from cargoship.bases.base import Base, oci_layer, steps_of
from cargoship.errors import ContentInvalid, OutputError, RegistryRefused, RegistryUnreachable
from cargoship.events import Emit, Level, Note
from cargoship.oci.config import decode_config
from cargoship.oci.descriptor import BytesBlob, Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.image import is_image
from cargoship.oci.index import is_listed_wrongly
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import MANIFEST_BYTES_MAX, decode_manifest, kind_of
from cargoship.oci.platform import UNKNOWN, Platform
from cargoship.oci.reference import Reference
from cargoship.oci.store import BlobStore, BlobWriter, Memo
from cargoship.oci.tree import choose_image
from cargoship.registry.client import RegistryClient
from cargoship.registry.remote import RemoteBlob, RemoteContent

_IDLE_S = 30 * 24 * 3600
"""Seconds after which something in the cache that nobody has used is removed."""


class RemoteBases:
    """Bases in registries, for one run; a context that closes its connections.

    `open_client` makes the client of a registry when there is something to ask it. `cache` is the folder of what is
    kept between runs. `called` is what they are called to people, where they are no bases of anything. Safe to share
    between threads.
    """

    def __init__(
        self,
        *,
        open_client: Callable[[str], RegistryClient],
        cache: Path,
        offline: bool = False,
        emit: Emit,
        called: str = "the base",
    ) -> None:
        self._open_client = open_client
        self._store = BlobStore(cache, is_shared=True)
        self._offline = offline
        self._emit = emit
        self._called = called
        self._opened = contextlib.ExitStack()
        self._clients: dict[str, RegistryClient] = {}
        self._roots: dict[Reference, BytesBlob] = {}
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the connections, and remove what nobody has used for long."""
        self._opened.close()
        if self._roots:
            with contextlib.suppress(OutputError):
                self._store.prune(idle_s=_IDLE_S)

    def find(self, reference: Reference, platform: Platform) -> Base:
        """The base that a reference names, for a platform; its digest wins over its tag.

        Raises PlatformUnknown that says what it has, RegistryError's family (RegistryUnreachable for what is not
        cached when offline), ContentInvalid.
        """
        root = self.root(reference)
        content = CachedContent(self, reference)
        chosen = choose_image(content, root, platform, what=f"the base {reference.familiar}")
        manifest = decode_manifest(chosen.data, chosen.descriptor.media_type)
        if not is_image(manifest):
            raise ContentInvalid(f"the base {reference.familiar} is not an image")
        config = decode_config(content.config(manifest.config))
        self._compare(config.platform, platform, reference)
        if len(config.diff_ids) != len(manifest.layers):
            raise ContentInvalid(f"the base {reference.familiar} has other layers than its config says")
        made_by = config.history if len(config.history) == len(manifest.layers) else ("",) * len(manifest.layers)
        layers = tuple(
            Layer(self.blob(reference, oci_layer(layer, reference.familiar)), diff_id, text)
            for layer, diff_id, text in zip(manifest.layers, config.diff_ids, made_by, strict=True)
        )
        name = str(Reference(reference.registry, reference.repository, reference.tag)) if reference.tag else None
        digest = root.descriptor.digest
        named = name or str(reference.at(digest))
        steps = steps_of(config, len(layers), reference.familiar)
        return Base(
            str(reference), named, digest, layers, config.run, has_loader=None, steps=steps,
            triggers=config.triggers, at_hand=all(self._store.find(layer) for layer in manifest.layers),
        )  # fmt: skip

    def _compare(self, said: Platform, platform: Platform, reference: Reference) -> None:
        """Say where an index lists an image for another platform than its config says; its files may be for either.

        Tools that add images to indexes by hand leave configs as they were, so that this alone is no reason to refuse.
        """
        if said != UNKNOWN and is_listed_wrongly(platform, said):
            self._emit(
                Note(
                    f"the base {reference.familiar} lists an image for {platform} whose config says {said}: "
                    "its programs and libraries may be for another processor",
                    Level.WARNING,
                )
            )

    def digest_of(self, reference: Reference) -> Digest:
        """What a tag (default `latest`) stands for; raises RegistryError's family."""
        tag = reference.tag or "latest"
        named = reference.with_tag(tag)
        key = hashlib.sha256(f"tag {named}".encode()).hexdigest()
        if self._offline:
            memo = self._store.recall(key)
            if memo is None:
                raise self._not_cached(reference)
            self._emit(Note(f"offline: {self._called} {named.familiar} is taken to be {memo.digest}"))
            return Digest.parse(memo.digest)
        found = self.client(reference).find_manifest(reference.repository, tag, surely=True)
        if found is None:
            raise RegistryRefused(
                f"{reference.registry} has no image {reference.repository}:{tag}",
                hint=self._check_name,
            )
        with contextlib.suppress(OutputError):
            # a manifest is not compressed: what it holds is what it is
            self._store.remember(key, Memo(str(found), 0, str(found)))
        self._emit(Note(f"{self._called} {named.familiar} is {found}", Level.VERBOSE))
        return found

    def client(self, reference: Reference) -> RegistryClient:
        """The client of a reference's registry; raises RegistryUnreachable when offline."""
        if self._offline:
            raise self._not_cached(reference)
        with self._lock:
            client = self._clients.get(reference.registry)
            # a long compile may lie between finding a base and reading its layers: that gets time of its own
            if client is None or client.budget.remaining_s < client.budget.total_s / 2:
                client = self._opened.enter_context(self._open_client(reference.registry))
                self._clients[reference.registry] = client
            return client

    def cached(self, digest: Digest, bytes_max: int) -> bytes | None:
        """A small blob of the cache, if it is there and whole."""
        path = self._store.path(digest)
        try:
            with path.open("rb") as stream:
                data = stream.read(bytes_max + 1)
        except OSError:
            return None
        # counts as used
        return data if digest.names(data) and self._store.find(Descriptor("", digest, len(data))) else None

    def keep(self, data: bytes, digest: Digest) -> None:
        """Put a small blob of that digest into the cache, where that is possible."""
        with contextlib.suppress(OutputError):
            self._store.add_bytes("", data, digest.algorithm)

    def root(self, reference: Reference) -> BytesBlob:
        """What the reference names; asked about once in a run. Raises RegistryError's family, ContentInvalid."""
        with self._lock:
            if reference not in self._roots:
                digest = reference.digest or self.digest_of(reference)
                root = CachedContent(self, reference).find(Descriptor("", digest, 0))
                if root is None:
                    named = str(reference).partition("/")[2]
                    raise RegistryRefused(f"{reference.registry} has no image {named}", hint=self._check_name)
                self._roots[reference] = root
            return self._roots[reference]

    def blob(self, reference: Reference, descriptor: Descriptor) -> RemoteBlob:
        """A blob of the reference's repository; it is kept in the cache when it is read."""
        return RemoteBlob(
            descriptor, reference.registry, reference.repository, lambda: self._open(reference, descriptor)
        )

    def _open(self, reference: Reference, descriptor: Descriptor) -> BinaryIO:
        found = self._store.find(descriptor)
        if found is not None:
            return found.open()
        stream = self.client(reference).open_blob(reference.repository, descriptor)
        return cast("BinaryIO", io.BufferedReader(_Keeping(stream, self._store, descriptor)))

    @property
    def _check_name(self) -> str:
        return f"check the name of {self._called}, and its tag"

    def _not_cached(self, reference: Reference) -> RegistryUnreachable:
        return RegistryUnreachable(
            f"{self._called} {reference.familiar} is not cached, and there is no network to be used",
            hint="build once without --offline or --frozen",
        )


class CachedContent(Struct, frozen=True):
    """Manifests and configs of a repository, from the cache where they are in it."""

    bases: RemoteBases
    reference: Reference

    def find(self, descriptor: Descriptor) -> BytesBlob | None:
        """See `Content.find`."""
        data = self.bases.cached(descriptor.digest, MANIFEST_BYTES_MAX)
        if data is None:
            blob = self._remote().find(descriptor)
            if blob is not None:
                self.bases.keep(blob.data, descriptor.digest)
            return blob
        media_type = kind_of(data, descriptor.media_type, str(descriptor.digest))
        return BytesBlob(Descriptor(media_type, descriptor.digest, len(data)), data)

    def config(self, descriptor: Descriptor) -> bytes:
        """See `Content.config`."""
        data = self.bases.cached(descriptor.digest, descriptor.size_bytes)
        if data is None:
            data = self._remote().config(descriptor)
            self.bases.keep(data, descriptor.digest)
        return data

    def blob(self, descriptor: Descriptor) -> RemoteBlob:
        """See `Content.blob`."""
        return self.bases.blob(self.reference, descriptor)

    def _remote(self) -> RemoteContent:
        return RemoteContent(self.bases.client(self.reference), self.reference.repository)


class _Keeping(io.RawIOBase):
    """Passes a stream on, and leaves what went through it in a store once all of it did."""

    def __init__(self, stream: BinaryIO, store: BlobStore, descriptor: Descriptor) -> None:
        super().__init__()
        self._stream = stream
        self._store = store
        self._descriptor = descriptor
        self._resources = contextlib.ExitStack()
        self._resources.enter_context(stream)
        self._writer: BlobWriter | None = None
        with contextlib.suppress(OutputError):
            self._writer = self._resources.enter_context(store.writer(descriptor.digest.algorithm))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # io passes nothing else
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        if self._writer is not None and data:
            try:
                self._write(self._writer, data)
            except OutputError:
                # a full disk costs the next run a download, and this one nothing
                self._writer = None
        return len(data)

    def _write(self, writer: BlobWriter, data: bytes) -> None:
        writer.write(data)
        # who reads to the end of the stream has read what was promised; nobody has to read past it
        if writer.size_bytes == self._descriptor.size_bytes:
            self._store.commit(writer, self._descriptor.media_type)
            self._writer = None

    def close(self) -> None:
        self._resources.close()
        super().close()
