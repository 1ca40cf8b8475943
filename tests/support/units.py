"""Made-up units, and stores full of them."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cargoship.oci.digest import Digest
from cargoship.unitcache.packs.index import UnitEntry, UnitIndex
from cargoship.unitcache.packs.pack import Pack, UnitFile, entry_at
from cargoship.unitcache.packs.packing import pack_writer
from cargoship.unitcache.stores.store import LocalStore
from cargoship.unitcache.unpacking import unpack_units

Content = Mapping[str, bytes]


def key_of(name: str) -> Digest:
    return Digest.of(name.encode())


def noise(name: str, size: int) -> bytes:
    """Bytes that cannot be compressed, the same for the same name."""
    return hashlib.shake_256(name.encode()).digest(size)


def unit_files(name: str, size: int = 1000) -> Content:
    """What cargo would leave of a library."""
    return {
        f"release/.fingerprint/{name}-0123456789abcdef/lib-{name}": b"0123456789abcdef",
        f"release/deps/lib{name}-0123456789abcdef.rlib": noise(name, size),
        f"release/deps/lib{name}-0123456789abcdef.rmeta": noise(name, size // 2),
    }


def packed(
    scratch: Path, units: Mapping[str, Content], *, pack_bytes: int = 8 << 20, threads: int = 2
) -> tuple[Pack, ...]:
    with pack_writer(scratch, pack_bytes=pack_bytes, threads=threads) as writer:
        for name, files in units.items():
            writer.add(key_of(name), [UnitFile(path, data) for path, data in files.items()])
        packs = writer.close()
        assert not writer.refused
    return packs


def entries_of(packs: Iterable[Pack], names: Iterable[str]) -> list[UnitEntry]:
    """An entry for each unit that was packed."""
    named = {key_of(name): name for name in names}
    empty = key_of("")
    return [
        entry_at(
            placed,
            UnitEntry(placed.key, empty, 0, 0, empty, 0, name=named[placed.key], parts={"name": named[placed.key]}),
        )
        for pack in packs
        for placed in pack.placed
    ]


def adding(packs: Iterable[Pack], names: Iterable[str]) -> Callable[[UnitIndex], UnitIndex]:
    """What a save of these packs does to an index."""
    entries = entries_of(packs, names)
    return lambda index: index.with_entries(entries)


def tree(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def tamper(store: LocalStore, entry: UnitEntry, change: Callable[[Path], object]) -> UnitEntry:
    """Put other content under a unit's key, in a pack and with digests that are right."""
    index = store.load()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "made")
        assert entry.key in unpack_units(store, index, [entry], made, stamp_ns=0).keys
        change(made)
        files = sorted(path for path in made.rglob("*") if path.is_file())
        with pack_writer(Path(folder)) as writer:
            writer.add(entry.key, [UnitFile(path.relative_to(made).as_posix(), path) for path in files])
            (pack,) = writer.close()
        other = entry_at(pack.placed[0], entry)
        store.save([pack], lambda index: index.with_entries([other]))
    return other
