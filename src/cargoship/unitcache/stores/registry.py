"""A store in an OCI registry, under a tag: for runners that keep nothing, and for several machines.

A cache is a plain image manifest (`manifests`); how it changes without losing anybody's save is described in `tagging`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from cargoship.errors import CacheUnavailable, ContentInvalid, OutputError, RegistryError, RegistryRefused
from cargoship.http.parallel import each
from cargoship.oci.descriptor import FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access
from cargoship.registry.upload import BlobOutcome
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.manifests import pack_descriptor
from cargoship.unitcache.stores.outage import Outage
from cargoship.unitcache.stores.ranges import RegistryPack
from cargoship.unitcache.stores.store import PackSource, Saved, Store, check_may_save
from cargoship.unitcache.stores.tagging import Tags, is_race

DEFAULT_TAG = "cache"
_UPLOADS = 4
_FAILURES_MAX = 3
_RACES_MAX = 4

Connect = Callable[[Access], RegistryClient]


@dataclass
class _Shared:
    """What threads share."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    clients: dict[Access, RegistryClient] = field(default_factory=dict)
    indexes: dict[Digest, UnitIndex] = field(default_factory=dict)
    failures: int = 0
    outage: Outage = field(default_factory=Outage)


@dataclass(frozen=True)
class RegistryStore(Store):
    """The cache under the tag of `reference`; `connect` makes clients, which `close` closes.

    After a registry could not be reached, or was in trouble several times, it is not asked again.
    """

    reference: Reference
    connect: Connect
    writable: bool = True
    shared: _Shared = field(default_factory=_Shared, repr=False)

    @property
    def name(self) -> str:
        """See Store."""
        return str(self.reference.with_tag(self._tag))

    def load(self) -> UnitIndex:
        """See Store."""
        with self._asking():
            return self._tags(self._client(Access.PULL)).load()

    @contextlib.contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:
        """See Store."""
        with self._asking():
            client = self._client(Access.PULL)
        with RegistryPack(client, self._repository, pack_descriptor(pack, size), wanted, self._asking) as source:
            yield source

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """See Store."""
        check_may_save(self)
        known = {pack.digest: pack.info for pack in packs}
        with self._asking():
            client = self._client(Access.PUSH)
            tags = self._tags(client)
            sent: list[Pack] = []
            for attempt in range(_RACES_MAX):
                # again after a race: what a registry has collected meanwhile it gets once more
                sent += self._send(client, packs)
                try:
                    index = tags.save(lambda index: change(index.with_packs(known)))
                except RegistryRefused as error:
                    if attempt == _RACES_MAX - 1 or not is_race(error):
                        raise
                else:
                    return Saved(index, len(sent), sum(pack.size for pack in sent))
                tags.wait(attempt)
        raise AssertionError("the last attempt has returned or raised")  # pragma: no cover

    def stop(self) -> None:
        """See Store: what is under way ends with its next piece, and nothing more is asked."""
        self.shared.outage.stop(self.name)
        with self.shared.lock:
            for client in self.shared.clients.values():
                client.budget.stop()

    def close(self) -> None:
        """Close all connections."""
        with self.shared.lock:
            for client in self.shared.clients.values():
                # what other threads are still at ends with their next piece
                client.budget.stop()
                client.close()
            self.shared.clients.clear()

    @property
    def _tag(self) -> str:
        return self.reference.tag or DEFAULT_TAG

    @property
    def _repository(self) -> str:
        return self.reference.repository

    def _tags(self, client: RegistryClient) -> Tags:
        return Tags(client, self._repository, self._tag, self.name, self.shared.indexes)

    def _client(self, access: Access) -> RegistryClient:
        with self.shared.lock:
            # a client that may push may also pull
            client = self.shared.clients.get(Access.PUSH) or self.shared.clients.get(access)
            if client is None:
                client = self.shared.clients[access] = self.connect(access)
            return client

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors as those of a cache; a registry that is down is left alone from then on."""
        self.shared.outage.check()
        try:
            yield
        except (RegistryError, ContentInvalid, OutputError) as error:
            unavailable = CacheUnavailable(f"the cache {self.name}: {error.message}", hint=error.hint)
            with self.shared.lock:
                # what was refused plainly, such as a blob that is gone, was at least quick
                self.shared.failures += 1
                if not isinstance(error, RegistryRefused | ContentInvalid) or self.shared.failures >= _FAILURES_MAX:
                    self.shared.outage.begin(unavailable)
            raise unavailable from error

    def _send(self, client: RegistryClient, packs: Sequence[Pack]) -> list[Pack]:
        def send(pack: Pack) -> tuple[Pack, BlobOutcome]:
            blob = FileBlob(pack_descriptor(pack.digest, pack.size), pack.path)
            return pack, client.upload(self._repository, blob)

        if not packs:
            return []
        largest_first = sorted(packs, key=lambda pack: (-pack.size, pack.digest))
        with contextlib.closing(each(send, largest_first, jobs=_UPLOADS, budget=client.budget)) as results:
            return [pack for pack, outcome in results if outcome is BlobOutcome.PUSHED]
