"""A whole cache as one file, to be carried where no registry reaches: an uncompressed tar of an index and its packs.

index           first
packs/<hex>     in the order of their digests
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from cargoship.errors import CacheUnavailable, ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_file
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.index_format import INDEX_BYTES_MAX, decode_unit_index, encode_unit_index
from cargoship.unitcache.packs.pack import Pack
from cargoship.unitcache.stores.store import Saved, Store

_INDEX = "index"
_PACKS = "packs/"
_CHUNK_BYTES = 1 << 20


def export(store: Store, path: Path) -> UnitIndex:
    """Write all that a store holds into a file, which appears whole; the same bytes for the same index.

    Raises CacheUnavailable, OutputError; a pack that is not what it should be raises ContentInvalid.
    """
    index = store.load()
    with atomic_file(path) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, _INDEX, encode_unit_index(index))
        for digest, info in sorted(index.packs.items()):
            whole = UnitEntry(digest, digest, 0, info.size, digest, info.size)
            with store.open_pack(digest, info.size, [whole]) as source:
                data = source.frame(whole)
            if Digest.of(data) != digest:
                raise ContentInvalid(f"the pack {digest} of {store.name} is damaged")
            _add(tar, _PACKS + digest.hex, data)
    return index


def import_file(store: Store, path: Path, *, scratch: Path) -> Saved:
    """Add all that a file holds to a store; raises ContentInvalid for a file that is none, CacheUnavailable."""
    packs: list[Pack] = []
    try:
        with path.open("rb") as stream, _reading(path):
            index = _read(stream, scratch, packs)
        return store.save(packs, lambda now: now.merged(index))
    except OSError as error:
        raise CacheUnavailable(f"cannot read {path}: {error.strerror or error}") from error
    finally:
        for pack in packs:
            pack.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ContentInvalid(f"{path} is no export of a cache: {error}") from error
    except ContentInvalid as error:
        raise ContentInvalid(f"{path} is no export of a cache: {error.message}") from error


def _read(stream: BinaryIO, scratch: Path, packs: list[Pack]) -> UnitIndex:
    index: UnitIndex | None = None
    scratch.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise ContentInvalid(f"it has {member.name!r}, which is no file")
            if index is None:
                if member.name != _INDEX or member.size > INDEX_BYTES_MAX:
                    raise ContentInvalid("it does not begin with an index")
                index = decode_unit_index(content.read())
                continue
            packs.append(_pack(member, content, index, scratch))
    if index is None:
        raise ContentInvalid("it is empty")
    missing = index.packs.keys() - {pack.digest for pack in packs}
    return index.without_packs(missing)


def _pack(member: tarfile.TarInfo, content: IO[bytes], index: UnitIndex, scratch: Path) -> Pack:
    digest = next((digest for digest in index.packs if member.name == _PACKS + digest.hex), None)
    if digest is None or index.packs[digest].size != member.size:
        raise ContentInvalid(f"it has {member.name!r}, which its index does not name")
    info = index.packs[digest]
    path = scratch / f"{digest.short}-{secrets.token_hex(8)}.pack"
    sha256 = hashlib.sha256()
    try:
        with path.open("xb") as file:
            while chunk := content.read(_CHUNK_BYTES):
                sha256.update(chunk)
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if sha256.hexdigest() != digest.hex:
        path.unlink()
        raise ContentInvalid(f"its pack {digest} has another content")
    return Pack(path, digest, info.size, (), info.units)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(data))
