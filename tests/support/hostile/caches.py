"""Hostile caches of compiled units, build directories, and the notes that are kept of them."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import struct
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from cargoship.errors import CargoshipError
from cargoship.http.exchange import Request, Response
from cargoship.oci.digest import Digest
from cargoship.oci.reference import Reference
from cargoship.oci.store import BlobStore, Memo
from cargoship.oci.zstd import CompressionParameter, ZstdCompressor, ZstdDecompressor
from cargoship.printable import printable
from cargoship.registry.client import RegistryClient
from cargoship.registry.options import Access
from cargoship.testing import InMemoryRegistry, InMemoryTransport
from cargoship.toolchain.zigcache import files_read, portable, settled
from cargoship.unitcache.builddir.fingerprints import environment_read, read_dep_info, read_fingerprint, relocated
from cargoship.unitcache.builddir.history import read_history, write_history
from cargoship.unitcache.care.archive import export, import_file
from cargoship.unitcache.care.integrity import check_store
from cargoship.unitcache.explain.account import cost_of, read_record, root_of
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.packs.frame import FileRecord, read_head, write_head
from cargoship.unitcache.packs.index import FORMAT, PackInfo, UnitIndex
from cargoship.unitcache.packs.index_format import decode_unit_index, encode_unit_index
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.registry import RegistryStore
from cargoship.unitcache.stores.untrusted import untrusted
from cargoship.unitcache.unpacking import FrameReader, unpack_units
from cargoship.unitcache.watching.c_sources import CSources
from cargoship.unitcache.watching.compilers import read_by_compiler
from cargoship.unitcache.watching.frames import passes_on, takes_all
from cargoship.unitcache.watching.records import read_records
from support.hostile.changes import Chance, as_json, changed, changed_bytes, changed_text
from support.hostile.images import program
from support.hostile.judge import Kind, shown
from support.pushing import client_of
from support.units import adding, packed, unit_files

STAMP_NS = 1_600_000_000_123_456_789


@functools.cache
def _store() -> tuple[bytes, dict[str, bytes]]:
    """A small store: its index, and its packs by their names."""
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder, "store"))
        names = ["serde", "rand"]
        packs = packed(Path(folder, "scratch"), {name: unit_files(name, 300) for name in names})
        store.save(packs, adding(packs, names))
        index = store.load()
        return encode_unit_index(index), {str(digest): store.pack_path(digest).read_bytes() for digest in index.packs}


def _plain(index_data: bytes) -> bytes:
    return ZstdDecompressor().decompress(index_data)


def index(chance: Chance, _: Path) -> None:
    """Indexes."""
    document = json.loads(_plain(_store()[0]))
    decode_unit_index(_zip(as_json(changed(document, chance), chance)))


_PATHS = (
    "release/deps/a",
    "../x",
    "/etc/x",
    "release/deps/a/b",
    ".",
    "a//b",
    "a/./b",
    "a/../../b",
    "a\\b",
    "a\0b",
    ".cargoship/x",
)
_TARGETS = ("a", "release/deps/a", "../a", "/etc/passwd", "..", "../../../outside/file")


def _rows(chance: Chance) -> list[list[Any]]:
    """Files of a unit: paths and links that lead elsewhere, or through each other."""
    rows = []
    for _ in range(chance.few(4)):
        path = chance.choice(_PATHS) if chance.often(0.8) else chance.word()
        kind = chance.choice("fxdlh") if chance.often(0.97) else chance.word()
        size = chance.choice((0, 4, 4, 4, 1 << 40)) if kind in "fx" else 0
        target = (chance.choice(_TARGETS) if chance.often(0.8) else chance.word()) if kind in "lh" else ""
        rows.append([path, kind, size, target])
    return rows


def _head(rows: list[list[Any]], chance: Chance) -> bytes:
    document: Any = {"format": FORMAT, "files": rows}
    data = as_json(changed(document, chance) if chance.often(0.3) else document, chance)
    return len(data).to_bytes(4, "big") + data


def head(chance: Chance, _: Path) -> None:
    """The head of a frame: names, kinds and sizes of files."""
    data = _head(_rows(chance), chance) if chance.often() else changed_bytes(write_head(_honest_rows()), chance)
    with contextlib.suppress(CargoshipError):
        read_head(data, chance.choice((len(data), len(data) + 4, len(data) + 8, 1 << 20, 0)))
    FrameReader(_zip(data + b"data" * 4), len(data) + 16).rows()


def _honest_rows() -> tuple[FileRecord, ...]:
    return next(iter(_frames().values()))


@functools.cache
def _frames() -> dict[str, tuple[FileRecord, ...]]:
    data, packs = _store()
    found = {}
    for entry in decode_unit_index(data).entries.values():
        piece = packs[str(entry.pack)][entry.offset : entry.offset + entry.length]
        found[entry.name] = FrameReader(piece, entry.unpacked).rows()
    return found


def _zip(data: bytes) -> bytes:
    return ZstdCompressor(options={CompressionParameter.compression_level: 1}).compress(
        data, mode=ZstdCompressor.FLUSH_FRAME
    )


def _hostile_store(chance: Chance, folder: Path) -> None:
    """A store in which an index and its packs agree, about files that lead elsewhere; or do not agree."""
    data, packs = _store()
    found = decode_unit_index(data)
    match chance.randrange(4):
        case 0:
            data = _zip(as_json(changed(json.loads(_plain(data)), chance), chance))
        case 1:
            name = chance.choice(list(packs))
            packs = {**packs, name: changed_bytes(packs[name], chance)}
        case 2 | _:
            rows = _rows(chance)
            size = sum(row[2] for row in rows if row[2] < 1000)
            plain = _head(rows, chance) + bytes(size if chance.often(0.8) else chance.choice((0, 4, 100)))
            frame = _zip(plain) if chance.often(0.9) else changed_bytes(_zip(plain), chance)
            digest = Digest.of(frame)
            entry = next(iter(found.entries.values()))
            entry = replace(entry, pack=digest, offset=0, length=len(frame), frame=digest, unpacked=len(plain))
            data = encode_unit_index(UnitIndex({entry.key: entry}, {}, {digest: PackInfo(len(frame), 1)}))
            packs = {str(digest): frame}
    store = DirectoryStore(folder)
    for name, pack in packs.items():
        path = store.pack_path(Digest.parse(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack)
    (folder / "1" / "index").write_bytes(data)


def directory(chance: Chance, folder: Path) -> None:
    """Stores in a folder: read, restored from, verified, exported, added to another."""
    _hostile_store(chance, folder / "store")
    store = DirectoryStore(folder / "store")
    found = store.load()
    unpack_units(store, found, found.entries.values(), folder / "target", stamp_ns=STAMP_NS, keep=chance.often())
    for reason in check_store(store, found).damaged.values():
        shown(printable(reason))
    export(store, folder / "cache.tar")
    import_file(DirectoryStore(folder / "other"), folder / "cache.tar", scratch=folder / "scratch")


def imported(chance: Chance, folder: Path) -> None:
    """Archives of caches."""
    data, packs = _store()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        index_data = data if chance.often(0.6) else _zip(as_json(changed(json.loads(_plain(data)), chance), chance))
        for name, content in [
            ("index", index_data),
            *((f"packs/{each.rpartition(':')[2]}", pack) for each, pack in packs.items()),
        ]:
            info = tarfile.TarInfo(
                name if chance.often(0.9) else chance.choice(("../x", "/x", "packs/" + "0" * 64, chance.word()))
            )
            info.size = len(content)
            if chance.often(0.05):
                info.type, info.linkname = (
                    chance.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)),
                    "/etc/passwd",
                )
            with contextlib.suppress(ValueError, UnicodeError):
                made.addfile(info, io.BytesIO(content))
    whole = buffer.getvalue() if chance.often() else changed_bytes(buffer.getvalue(), chance, near=range(100, 160))
    (folder / "cache.tar").write_bytes(whole)
    store = DirectoryStore(folder / "store")
    import_file(store, folder / "cache.tar", scratch=folder / "scratch")
    found = store.load()
    unpack_units(store, found, found.entries.values(), folder / "target", stamp_ns=STAMP_NS, keep=False)


class _Direct:
    def __init__(self, registry: InMemoryRegistry, chance: Chance) -> None:
        self._inner = InMemoryTransport(registry)
        self._registry = registry
        self._chance = chance

    def send(self, request: Request) -> Response:
        return self._inner.send(request)

    def close(self) -> None:
        """Nothing is open."""


def registry_store(chance: Chance, folder: Path) -> None:
    """Stores in a registry whose blobs and manifests are not what they were."""
    registry = InMemoryRegistry(address="https://registry.example")

    def connect(access: Access) -> RegistryClient:
        return client_of("registry.example", transport=_Direct(registry, chance), access=access)

    reference = Reference.parse("registry.example/me/cache:x")
    store = RegistryStore(reference, connect)
    packs = packed(folder / "scratch", {"serde": unit_files("serde", 100)}, threads=1)
    store.save(packs, adding(packs, ["serde"]))
    held = registry.contents
    for name in list(held.blobs):
        if chance.often(0.3):
            held.blobs[name] = changed_bytes(held.blobs[name], chance)
    manifests = held.repositories["me/cache"].manifests
    for name, (kind, data) in list(manifests.items()):
        if chance.often(0.5):
            manifests[name] = (kind, as_json(changed(json.loads(data), chance), chance))
    again = RegistryStore(reference, connect)
    found = again.load()
    unpack_units(again, found, found.entries.values(), folder / "target", stamp_ns=STAMP_NS, keep=False)


_FINGERPRINT = {
    "rustc": 1,
    "features": "[]",
    "target": 1,
    "profile": 2,
    "path": 3,
    "deps": [[1, "serde", False, 2]],
    "local": [
        {"CheckDepInfo": {"dep_info": "release/.fingerprint/a/dep", "checksum": False}},
        {"RerunIfChanged": {"output": "o", "paths": ["build.rs"]}},
        {"RerunIfEnvChanged": {"var": "A", "val": None}},
    ],
    "rustflags": [],
    "config": 0,
    "compile_kind": 0,
}


def _dep_info() -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack("<I", len(value)) + value

    files = struct.pack("<I", 2) + b"\0" + text(b"src/lib.rs") + b"\1" + struct.pack("<Q", 3) + text(b"blake3=a")
    files += b"\1" + text(b"release/build/out/a.rs") + b"\0"
    return struct.pack("<I", 1) + b"\xff\x01" + files + struct.pack("<I", 1) + text(b"A") + b"\1" + text(b"b")


def fingerprints(chance: Chance, folder: Path) -> None:
    """What cargo and rustc leave beside units."""
    (folder / "lib-a.json").write_bytes(as_json(changed(_FINGERPRINT, chance), chance))
    (folder / "lib-a").write_bytes(changed_text("0123456789abcdef", chance).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(NotKept):
        read_fingerprint(folder)
    data = changed_bytes(_dep_info(), chance, near=range(40))
    with contextlib.suppress(NotKept):
        read_dep_info(data)
    with contextlib.suppress(NotKept):
        relocated(data, "/w/a", "/w")
    environment_read(changed_text("a: b\n# env-dep:A=b\\n\n# env-dep:B\n", chance).encode("utf-8", "surrogatepass"))


_MADE = {"unit": "u", "own": "o", "key": "k", "inputs": {"a": "sha256:x"}, "output": "o", "stamp_ns": 1, "said": "s"}
_MEMO = {"digest": "sha256:" + "a" * 64, "size_bytes": 3, "diff_id": "sha256:" + "b" * 64}


def notes(chance: Chance, folder: Path) -> None:
    """Notes of one's own that somebody has changed: histories, memos, records of the last build."""
    (folder / ".cargoship-history.json").write_bytes(as_json(changed({"units": {"a": _MADE}}, chance), chance))
    read_history(folder)
    write_history(folder, {})
    store = BlobStore(folder / "blobs")
    store.remember("key", msgspec.convert(_MEMO, Memo))
    for path in (folder / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(as_json(changed(_MEMO, chance), chance))
    store.recall("key")
    unit = {"name": "a", "state": "compiled", "because": ["x"], "waits_for": 1, "seconds": 1.5}
    record: Any = {"units": [unit, {**unit, "waits_for": 0}], "whole": {"came": False, "because": ["x"]}}
    (folder / ".cargoship-units.json").write_bytes(as_json(changed(record, chance), chance))
    found = read_record(folder)
    if found is not None:
        cost_of(found)
        for number in range(len(found.units)):
            root_of(found, number)


_EVENT = {"action": "opened", "pull_request": {"head": {"repo": {"full_name": "me/app"}}, "number": 1}}


def events(chance: Chance, folder: Path) -> None:
    """What CI systems say of a job."""
    path = folder / "event.json"
    path.write_bytes(as_json(changed(_EVENT, chance), chance))
    env = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_REPOSITORY": "me/app",
    }
    untrusted({**env, "GITHUB_EVENT_PATH": chance.choice((str(path), "/nowhere", ""))})
    untrusted(
        {
            "GITLAB_CI": "true",
            "CI_PIPELINE_SOURCE": "merge_request_event",
            "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": chance.word(),
        }
    )


def watch_logs(chance: Chance, folder: Path) -> None:
    """What was noted of compilers and build scripts."""
    log = "B/w/target/release/build/a/out\0O/w/a.rs\0EHOME\0X/usr/bin/cc\0C\0"
    (folder / f"unit-{chance.choice(('1', '9' * 30, 'x', ''))}").write_bytes(
        changed_text(log, chance).encode("utf-8", "surrogatepass")
    )
    (folder / "other-2").write_bytes(
        changed_text("Kapp\t-0123\t/w/target\0O/w/x\0", chance).encode("utf-8", "surrogatepass")
    )
    found = read_records(folder)
    for records in (*found.scripts.values(), *found.compilers.values()):
        for record in records:
            with contextlib.suppress(NotKept):
                record.events()
    (folder / "list.d").write_bytes(
        changed_text("a.o: a.c \\\n b.h c\\ d.h $$x\n", chance).encode("utf-8", "surrogatepass")
    )
    words = changed_text(f"/usr/bin/true\n{folder}\ncc\n-MF\nlist.d\n-Ia\na.c\n-lz\n-L.\n@x", chance)
    with contextlib.suppress(NotKept, OSError):
        # what is between zero bytes of a log has none
        list(
            read_by_compiler(
                os.fsdecode(words.encode("utf-8", "surrogatepass")).replace("\0", ""),
                {str(Path("/usr/bin/true").resolve())},
                CSources(lambda _: False),
            )
        )
    path = folder / f"program-{chance.random()}"
    path.write_bytes(program(chance))
    passes_on(changed_text(f"{path}\n401000 402000 ff", chance))
    takes_all(str(path))


_MANIFEST = (
    struct.pack("<QQqqQ", 3, 4, 5, 6, 1 << 8)
    + b"std/zig.zig\0"
    + struct.pack("<QQqqQ", 3, 4, 5, 6, 2 << 8)
    + b"o/a.h\0\0"
)


def zig(chance: Chance, folder: Path) -> None:
    """Zig's notes of what it has compiled."""
    data = changed_bytes(_MANIFEST, chance, near=range(44))
    with contextlib.suppress(ValueError, OSError):
        read = files_read(data)
        portable(data, read)
        settled(data, read, library=folder, cache=folder)


KINDS = (
    Kind("indexes of caches", index, 5),
    Kind("heads of units in packs", head, 5),
    Kind("caches in a folder", directory, 0.15, on_disk=True),
    Kind("archives of caches", imported, 0.2, on_disk=True),
    Kind("caches in a registry", registry_store, 0.15, on_disk=True),
    Kind("fingerprints and dep-info", fingerprints, 2, on_disk=True),
    Kind("notes of builds", notes, 0.3, on_disk=True),
    Kind("events of CI systems", events, 2, on_disk=True),
    Kind("logs of what was read", watch_logs, 1, on_disk=True),
    Kind("notes of Zig", zig, 5),
)
