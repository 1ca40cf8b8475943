"""A store in a server of the Remote Execution API: packs in its content store, the index in its action cache.

The action cache gives something for a digest and lists nothing, so a cache has two entries there, under the digests of
two made-up actions. They are used as two tags of a registry are, and so nobody's save is lost (`tagging`). Each names
a manifest and an index; the packs are named inside, for servers forget a result of which any file is gone, and a pack
that is gone shall be no more than the units in it.

A server may forget what was not used for long. So each look at the index asks which packs are there still.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from cargoship.errors import CacheUnavailable, ContentInvalid, RemoteFailed, ToolMissing, UsageError
from cargoship.http.budget import Budget
from cargoship.oci.descriptor import Blob, BytesBlob, Descriptor, FileBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.manifest import MANIFEST_BYTES_MAX
from cargoship.reapi.actions import plain_action
from cargoship.reapi.client import OCTETS, ReapiClient
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.manifests import index_descriptor
from cargoship.unitcache.stores.outage import Outage
from cargoship.unitcache.stores.ranges import Run, RunSource
from cargoship.unitcache.stores.store import PackSource, Saved, Store, check_may_save
from cargoship.unitcache.stores.tagging import Tags

_TAG = "units"
_MANIFEST = "manifest.json"
_INDEX = "index"


@dataclass
class _Shared:
    outage: Outage = field(default_factory=Outage)
    indexes: dict[Digest, UnitIndex] = field(default_factory=dict)


@dataclass(frozen=True)
class ReapiStore(Store):
    """The cache called `title` at the server of `client`, which `close` closes.

    After a server could not be reached, it is not asked again.
    """

    client: ReapiClient
    place: str
    title: str
    writable: bool = True
    shared: _Shared = field(default_factory=_Shared, repr=False)

    @property
    def name(self) -> str:
        """See Store."""
        return self.place

    def load(self) -> UnitIndex:
        """See Store."""
        with self._asking():
            return self._present(self._tags().load())

    @contextlib.contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:
        """See Store."""
        yield RunSource(wanted, partial(self._read_run, Descriptor(OCTETS, pack, size)))

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """See Store."""
        check_may_save(self)
        known = {pack.digest: pack.info for pack in packs}
        with self._asking():
            if not self.client.capabilities().updates_results:
                raise CacheUnavailable(
                    f"the cache {self.name}: the server lets nobody write its action cache",
                    hint="name it in cache-from, or allow clients to update action results there",
                )
            blobs = [FileBlob(Descriptor(OCTETS, pack.digest, pack.size), pack.path) for pack in packs]
            sent = self.client.upload(blobs)
            index = self._tags().save(lambda index: change(self._present(index).with_packs(known)))
            return Saved(index, len(sent), sum(blob.descriptor.size_bytes for blob in sent))

    def stop(self) -> None:
        """See Store: what is under way ends at once, and nothing more is asked."""
        self.shared.outage.stop(self.name)
        self.client.close()

    def close(self) -> None:
        """See Store."""
        self.client.close()

    def _read_run(self, pack: Descriptor, run: Run) -> bytes:
        with self._asking():
            data = self.client.read_range(pack, run.offset, run.length)
        if data is None:
            raise CacheUnavailable(f"the cache {self.name} has no pack {pack.digest.brief} any more")
        return data

    def _tags(self) -> Tags:
        return Tags(_Results(self.client), self.title, _TAG, self.name, self.shared.indexes)

    def _present(self, index: UnitIndex) -> UnitIndex:
        """Without packs that the server has forgotten."""
        wanted = (Descriptor(OCTETS, digest, info.size) for digest, info in index.packs.items())
        gone = self.client.missing(wanted) if index.packs else set()
        return index.without_packs(gone) if gone else index

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors as those of a cache; a server that is down is left alone from then on."""
        self.shared.outage.check()
        try:
            yield
        except (ContentInvalid, OSError) as error:
            words = error.message if isinstance(error, ContentInvalid) else error.strerror or str(error)
            raise CacheUnavailable(self._said(words)) from error
        except (RemoteFailed, ToolMissing, UsageError) as error:
            unavailable = CacheUnavailable(self._said(error.message), hint=error.hint)
            self.shared.outage.begin(unavailable)
            raise unavailable from error

    def _said(self, words: str) -> str:
        """What the client said of the server, as said of the cache: it is named once."""
        server = self.client.channel.name
        return f"the cache {self.name}" + (words.removeprefix(server) if words.startswith(server) else f": {words}")


@dataclass(frozen=True)
class _Results:
    """Entries of an action cache, with what `Tags` asks of a registry. A repository here is the name of a cache."""

    client: ReapiClient
    found: dict[Digest, Descriptor] = field(default_factory=dict)
    """Manifests that entries were seen to name."""

    @property
    def budget(self) -> Budget:
        """How long others are waited for."""
        return self.client.channel.budget

    def find_manifest(self, repository: str, reference: str) -> Digest | None:
        """What an entry names, if all of it is there."""
        outputs = self.client.result(_action(repository, reference)[0])
        if outputs is None or _MANIFEST not in outputs or self.client.missing(outputs.values()):
            return None
        manifest = outputs[_MANIFEST]
        self.found[manifest.digest] = manifest
        return manifest.digest

    def manifest(self, repository: str, reference: Digest) -> BytesBlob:  # noqa: ARG002 - as a registry has it
        """A manifest that was found."""
        wanted = self.found[reference]
        return BytesBlob.of(MediaType.OCI_MANIFEST, self._read(wanted, MANIFEST_BYTES_MAX))

    def blob_bytes(self, repository: str, descriptor: Descriptor, *, limit_bytes: int) -> bytes:  # noqa: ARG002
        """A small blob."""
        return self._read(descriptor, limit_bytes)

    def upload(self, repository: str, blob: Blob) -> None:  # noqa: ARG002
        """Send a blob that is not there."""
        self.client.upload([blob])

    def put_manifest(self, repository: str, reference: str, manifest: BytesBlob) -> None:
        """Write an entry: what it names is there already, but for the manifest."""
        action, described = _action(repository, reference)
        self.client.upload([*described, manifest])
        index = index_descriptor(manifest, where=self.client.channel.name)
        self.client.put_result(action, {_MANIFEST: manifest.descriptor, _INDEX: index})
        self.found[manifest.descriptor.digest] = manifest.descriptor

    def tags(self, repository: str) -> Iterable[str]:  # noqa: ARG002
        """No entry is numbered: each can be replaced."""
        return ()

    def _read(self, wanted: Descriptor, limit_bytes: int) -> bytes:
        if wanted.size_bytes > limit_bytes:
            raise ContentInvalid(
                f"{self.client.channel.name} has {wanted.size_bytes} bytes, and {limit_bytes} are read"
            )
        data = self.client.read(wanted)
        if data is None:
            raise ContentInvalid(f"{self.client.channel.name} has no {wanted.digest.brief} any more")
        return data


def _action(title: str, tag: str) -> tuple[Descriptor, tuple[BytesBlob, ...]]:
    return plain_action(("cargoship", "cache", title, tag), outputs=(_INDEX, _MANIFEST))
