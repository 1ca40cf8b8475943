"""A store in an object store that speaks S3, through obstore (the extra `s3`).

    <prefix>/1/index        the index; replaced only if it is still the one that was read (If-Match)
    <prefix>/1/packs/<hex>  packs

Amazon S3, MinIO, Cloudflare R2 and others know such conditions, so that of two that save at once the second one is
refused, reads again, and loses nothing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.http.budget import Budget
from cargoship.http.metered import Meter
from cargoship.http.retry import CONTENTION, RetryPolicy
from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import FORMAT, UnitEntry, UnitIndex
from cargoship.unitcache.packs.index_format import INDEX_BYTES_MAX, decode_unit_index, encode_unit_index
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.outage import Outage
from cargoship.unitcache.stores.ranges import Run, RunSource
from cargoship.unitcache.stores.store import PackSource, Saved, Store, check_may_save

if TYPE_CHECKING:
    from obstore.store import S3Store

_PATIENCE = RetryPolicy(tries=5)
"""For the library, which tries again by itself."""
_ABANDONED = dt.timedelta(days=1)
"""A pack that no index has named for so long was never to be named: its saver is gone."""
_RETRY_S = 30
_TIMEOUT_S = 120
_SETTINGS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
)
"""What AWS documents and the library understands; nothing else of the environment is looked at."""


@dataclass
class _Shared:
    outage: Outage = field(default_factory=Outage)
    budget: Budget = field(default_factory=partial(Budget, math.inf))


@dataclass(frozen=True)
class ObjectStore(Store):
    """The cache below `place` (bucket/prefix) of `client`."""

    place: str
    client: S3Store = field(repr=False)
    writable: bool = True
    meter: Meter | None = field(default=None, repr=False)
    shared: _Shared = field(default_factory=_Shared, repr=False)

    @property
    def name(self) -> str:
        """See Store."""
        return f"s3://{self.place}"

    def load(self) -> UnitIndex:
        """See Store."""
        return self._read()[0]

    @contextlib.contextmanager
    def open_pack(self, pack: Digest, size: int, wanted: Sequence[UnitEntry]) -> Iterator[PackSource]:  # noqa: ARG002 - Store
        """See Store."""
        yield RunSource(wanted, partial(self._read_range, _pack_key(pack)))

    def save(self, packs: Sequence[Pack], change: Callable[[UnitIndex], UnitIndex]) -> Saved:
        """See Store."""
        check_may_save(self)
        sent = [pack for pack in packs if self._send(pack)]
        known = {pack.digest: pack.info for pack in packs}
        for attempt in range(CONTENTION.tries):
            before, version = self._read()
            index = change(before.with_packs(known))
            if version is not None and index == before:
                return Saved(index, len(sent), sum(pack.size for pack in sent))
            if self._replace(encode_unit_index(index), version):
                if gone := before.packs.keys() - index.packs.keys():
                    self._remove(gone, index)
                return Saved(index, len(sent), sum(pack.size for pack in sent))
            budget = self.shared.budget
            budget.sleep(CONTENTION.wait_s(attempt + 1, budget.jitter()))
        raise CacheUnavailable(f"the cache {self.name}: others saved at once, {CONTENTION.tries} times in a row")

    def stop(self) -> None:
        """See Store: a request that is under way comes to its end, and no other follows."""
        self.shared.outage.stop(self.name)
        self.shared.budget.stop()

    def close(self) -> None:
        """See Store."""

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Errors as those of a cache; a store that is down is left alone from then on."""
        from obstore.exceptions import BaseError, NotFoundError, PreconditionError  # noqa: PLC0415 - an extra

        self.shared.outage.check()
        try:
            yield
        except (NotFoundError, FileNotFoundError, ContentInvalid) as error:
            raise CacheUnavailable(f"the cache {self.name}: {_first_line(error)}") from error
        except PreconditionError:
            raise
        except (BaseError, OSError) as error:
            unavailable = CacheUnavailable(
                f"the cache {self.name}: {_first_line(error)}",
                hint="credentials, region and endpoint are taken from AWS_* variables",
            )
            self.shared.outage.begin(unavailable)
            raise unavailable from error

    def _read(self) -> tuple[UnitIndex, Mapping[str, Any] | None]:
        """The index, and what must still be there for it to be replaced; None: there is none yet."""
        import obstore  # noqa: PLC0415 - an extra
        from obstore.exceptions import NotFoundError  # noqa: PLC0415

        with self.asking():
            try:
                found = obstore.get(self.client, _INDEX)
            except (NotFoundError, FileNotFoundError):
                return UnitIndex(), None
            if found.meta["size"] > INDEX_BYTES_MAX:
                raise ContentInvalid("the index of the cache is too large")
            index = decode_unit_index(bytes(found.bytes()))
            version = {name: found.meta[name] for name in ("e_tag", "version") if found.meta[name] is not None}
            return index, version

    def _replace(self, data: bytes, version: Mapping[str, Any] | None) -> bool:
        import obstore  # noqa: PLC0415 - an extra
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError  # noqa: PLC0415

        mode: Any = "create" if version is None else dict(version)
        with self.asking():
            try:
                obstore.put(self.client, _INDEX, data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, FileExistsError, PreconditionError, NotFoundError):
                return False
        return True

    def _send(self, pack: Pack) -> bool:
        import obstore  # noqa: PLC0415 - an extra
        from obstore.exceptions import NotFoundError  # noqa: PLC0415

        with self.asking():
            try:
                if obstore.head(self.client, _pack_key(pack.digest))["size"] == pack.size:
                    return False
            except (NotFoundError, FileNotFoundError):
                pass
            obstore.put(self.client, _pack_key(pack.digest), pack.path)
        self._moved(sent_bytes=pack.size)
        return True

    def _read_range(self, key: str, run: Run) -> bytes:
        import obstore  # noqa: PLC0415 - an extra

        with self.asking():
            data = bytes(obstore.get_range(self.client, key, start=run.offset, end=run.end))
        self._moved(received_bytes=len(data))
        return data

    def _moved(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None:
        """The library does not tell of what is under way: objects are counted when they are over."""
        if self.meter is not None:
            self.meter.add(sent_bytes=sent_bytes, received_bytes=received_bytes)
            self.meter.tell()

    def _remove(self, gone: Sequence[Digest] | set[Digest], index: UnitIndex) -> None:
        """Remove packs that were forgotten, and those that nobody ever came to name."""
        import obstore  # noqa: PLC0415 - an extra

        known = {_pack_key(pack) for pack in index.packs}
        with self.asking():
            dead = {_pack_key(pack) for pack in gone}
            now: dt.datetime | None = None
            for page in obstore.list(self.client, f"{FORMAT}/packs/"):
                for found in page:
                    now = now or obstore.head(self.client, _INDEX)["last_modified"]
                    if now - found["last_modified"] > _ABANDONED:
                        dead.add(found["path"])
            for key in sorted(dead - known):
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self.client, key)


def open_objects(
    place: str, env: Mapping[str, str], *, writable: bool = True, meter: Meter | None = None
) -> ObjectStore:
    """The cache at `bucket/prefix`, with credentials, region and endpoint from the variables that AWS documents.

    `meter` hears what travels.

    Raises CacheUnavailable without the extra, or where these make no sense.
    """
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
        from obstore.store import S3Store  # noqa: PLC0415
    except ImportError as error:
        raise CacheUnavailable(
            "a cache in S3 needs the library obstore", hint="install it with `pip install 'cargoship[s3]'`"
        ) from error
    bucket, _, prefix = place.partition("/")
    config: Any = {name.lower(): env[name] for name in _SETTINGS if env.get(name)}
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    try:
        client = S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            # plain http only where somebody has written so
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": dt.timedelta(seconds=_TIMEOUT_S),
            },
            retry_config={
                "max_retries": _PATIENCE.tries - 1,
                "retry_timeout": dt.timedelta(seconds=_RETRY_S),
                "backoff": {
                    "base": _PATIENCE.factor,
                    "init_backoff": dt.timedelta(seconds=_PATIENCE.first_s),
                    "max_backoff": dt.timedelta(seconds=_PATIENCE.longest_s),
                },
            },
        )
    except (BaseError, ValueError) as error:
        raise CacheUnavailable(f"the cache s3://{place}: {_first_line(error)}") from error
    return ObjectStore(place, client, writable, meter)


_INDEX = f"{FORMAT}/index"


def _pack_key(pack: Digest) -> str:
    return f"{FORMAT}/packs/{pack.hex}"


def _first_line(error: BaseException) -> str:
    text = error.message if isinstance(error, ContentInvalid) else str(error)
    return " ".join(text.split("\n", 1)[0].split())[:300]
