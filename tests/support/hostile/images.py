"""Hostile programs, layers, images, layouts and archives."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import os
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cargoship.checks.image import check_image
from cargoship.checks.loaders import parse_cache
from cargoship.checks.users import check_user, owner_of
from cargoship.cli.paint import NO_COLOURS
from cargoship.cli.render.document import indented
from cargoship.cli.results.inspected import inspection_document, inspection_text
from cargoship.cli.results.verified import programs_text, verification_document, verification_text
from cargoship.context import Context
from cargoship.elf.parts import differing_parts
from cargoship.elf.read import read_elf_stream
from cargoship.errors import CargoshipError, ContentInvalid
from cargoship.images.copying import copy, inspect
from cargoship.images.verification import inspect_programs, verify
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.config import ImageConfig, decode_config
from cargoship.oci.descriptor import BytesBlob, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.entry import LayerEntry
from cargoship.oci.layer import Layer
from cargoship.oci.manifest import decode_index, decode_manifest, kind_of
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.oci.target import ImageTarget
from cargoship.platforms import row
from cargoship.process import SystemRunner
from cargoship.rootfs.headers import headers
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.scan import elf_in_layer, read_from_layer, scan_layer
from cargoship.rootfs.unpack import unpack_root
from cargoship.rootfs.view import view_of, view_of_entries
from support.elf_files import elf_file, needing
from support.hostile.changes import SURE, Chance, as_json, changed, changed_bytes, changed_text
from support.hostile.judge import Kind, shown

BLOCK = 512
_MACHINES = ("EM_X86_64", "EM_AARCH64", "EM_386", "EM_ARM", "EM_S390", "EM_RISCV")
_BOMB_BYTES = 400 << 20


@functools.cache
def _programs() -> tuple[bytes, ...]:
    plain = [
        elf_file(machine, bits=32 if machine in {"EM_386", "EM_ARM"} else 64, interpreter=interpreter)
        for machine in _MACHINES
        for interpreter in (None, "/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1")
    ]
    return (*plain, needing("libc.so.6", "libm.so.6"), needing(), versioned())


def versioned() -> bytes:
    """A program with tables of versions: what it needs of a library, and what it defines."""
    names = [b"", b"libc.so.6", b"GLIBC_2.34", b"GLIBC_2.2.5", b"self.so", b"V1"]
    strings, places = b"", []
    for name in names:
        places.append(len(strings))
        strings += name + b"\0"
    strings += bytes(-len(strings) % 8)
    at = 64 + 56 * 2
    need_at = at + len(strings)
    need = struct.pack("<HHIII", 1, 2, places[1], 16, 0)
    need += struct.pack("<IHHII", 1, 0, 2, places[2], 16) + struct.pack("<IHHII", 2, 0, 3, places[3], 0)
    defined_at = need_at + len(need)
    defined = struct.pack("<HHHHIII", 1, 0, 1, 1, 0, 20, 0) + struct.pack("<II", places[5], 0)
    defined += bytes(-len(defined) % 8)
    tags = [(1, places[1]), (14, places[4]), (5, at), (10, len(strings)), (29, places[0]), (15, places[1])]
    tags += [(0x6FFFFFFE, need_at), (0x6FFFFFFF, 1), (0x6FFFFFFC, defined_at), (0x6FFFFFFD, 1), (0, 0)]
    dynamic_at = defined_at + len(defined)
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    size = dynamic_at + len(dynamic)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, at, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    table = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 1)
    table += struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, dynamic_at, 0, len(dynamic), len(dynamic), 8)
    return header + table + strings + need + defined + dynamic


def program(chance: Chance) -> bytes:
    """A program, as it is or changed."""
    data = chance.choice(_programs())
    return data if chance.often(0.2) else changed_bytes(data, chance, near=range(16, min(len(data), 240)))


def elf(chance: Chance, _: Path) -> None:
    """Programs and libraries."""
    data = program(chance)
    with contextlib.suppress(CargoshipError):
        differing_parts(data, chance.choice(_programs()))
    facts = read_elf_stream(io.BytesIO(data), chance.word())
    shown_facts = (facts.form, facts.glibc, facts.has_glibc, facts.is_program, facts.is_static)
    assert shown_facts


_KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
_PATHS = ("bin/app", "etc/passwd", "usr/lib/libc.so.6", "app", "etc", "bin", ".wh.x", ".wh..wh..opq", "a/b/c", "lib")


def archive(chance: Chance) -> bytes:
    """A layer's archive, with entries that lead elsewhere, and headers that lie."""
    buffer = io.BytesIO()
    form = chance.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as made:
        for _ in range(chance.few(5)):
            info = tarfile.TarInfo(chance.choice(_PATHS) if chance.often(0.6) else chance.word())
            info.type = chance.choice(_KINDS)
            info.mode = chance.choice((0o755, 0o4755, 0, 0o7777, 0o100644))
            info.uid = chance.choice((0, 1000, 1 << 20, 1 << 33))
            info.mtime = chance.choice((0, 1, 1 << 33, 1 << 40))
            if info.type in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = chance.choice((*_PATHS, "/", "..", "../../etc", chance.word()))
            if form == tarfile.PAX_FORMAT and chance.often(0.3):
                info.pax_headers = {chance.choice(("path", "linkpath", "size", "uid", "mtime", "x")): chance.word()}
            data = _content(chance, info.name) if info.type == tarfile.REGTYPE else b""
            info.size = len(data)
            with contextlib.suppress(ValueError, UnicodeError):  # what cannot be written so is left out
                made.addfile(info, io.BytesIO(data))
    data = buffer.getvalue()
    return data[: data.rfind(b"\0" * 1024 * 8) + 1024] if chance.often(0.1) else _lying(data, chance)


def _content(chance: Chance, name: str) -> bytes:
    if name == "etc/passwd":
        return changed_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/false\n", chance).encode(
            "utf-8", "surrogatepass"
        )
    return chance.choice((program, lambda _: b"#!/bin/sh -x\n", lambda _: b"", lambda _: b"#!" + b"x" * 500))(chance)


def _lying(data: bytes, chance: Chance) -> bytes:
    if chance.often(0.4):
        return data
    made = bytearray(data)
    for _ in range(chance.few()):
        at = chance.randrange(max(len(made) // BLOCK, 1)) * BLOCK
        place, size = chance.choice(
            ((0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155))
        )
        piece = chance.choice(
            (
                b"\xff" * size,
                b"\x80" + b"\xff" * (size - 1),
                b"7" * size,
                b"-1 ",
                b"\0" * size,
                b"../x\0",
                b"9x",
                b"L",
                b"x",
                b"g",
                b"S",
            )
        )
        made[at + place : at + place + len(piece)] = piece
        header = made[at : at + BLOCK]
        if len(header) == BLOCK and chance.often(0.9):
            header[148:156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    return bytes(made) if chance.often(0.8) else changed_bytes(bytes(made), chance)


def tar(chance: Chance, _: Path) -> None:
    """Headers of archives."""
    stream = io.BytesIO(archive(chance))

    def skip(size: int) -> None:
        stream.seek(size, io.SEEK_CUR)

    for each in headers(stream.read, skip):
        skip(min(each.size + -each.size % BLOCK, 1 << 40))


@functools.cache
def _zstd() -> Compression:
    return Compression.of(Codec.ZSTD)


def _zipped(data: bytes, chance: Chance) -> tuple[str, bytes]:
    """A layer's bytes, and the type that they are said to have, which may lie."""
    kinds = (MediaType.OCI_LAYER, MediaType.OCI_LAYER_GZIP, MediaType.OCI_LAYER_ZSTD, MediaType.DOCKER_LAYER_GZIP)
    match chance.randrange(4):
        case 0:
            made, kind = data, kinds[0]
        case 1:
            buffer = io.BytesIO()
            with _zstd().open_writer(buffer, threads=1) as writer:
                writer.write(data)
            made, kind = buffer.getvalue(), kinds[2]
        case _:
            made, kind = gzip.compress(data, 1, mtime=0), kinds[1]
    if chance.often(0.15):
        made = chance.choice(
            (made[: chance.randrange(len(made) + 1)], made + made, made + b"x", changed_bytes(made, chance))
        )
    return (chance.choice(kinds) if chance.often(0.1) else kind), made


def layer(chance: Chance, _: Path) -> None:
    """Layers, compressed in any way."""
    blob = BytesBlob.of(*_zipped(archive(chance), chance))
    with contextlib.suppress(CargoshipError):
        scan_layer(blob)
    path = chance.choice(_PATHS)
    with contextlib.suppress(CargoshipError):
        elf_in_layer(blob, path)
    read_from_layer(blob, path, 1 << 20)


@functools.cache
def _bombs() -> tuple[tuple[str, bytes], ...]:
    """Much in little: a file, headers, names and nothing but zeros, in both compressions."""
    file = tarfile.TarInfo("etc/passwd")
    file.size = _BOMB_BYTES
    pax = tarfile.TarInfo("x")
    pax.type, pax.size = tarfile.XHDTYPE, _BOMB_BYTES
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, _BOMB_BYTES
    found = []
    for head in (file.tobuf(), pax.tobuf(), long.tobuf(), b""):
        for codec, kind in ((Codec.GZIP, MediaType.OCI_LAYER_GZIP), (Codec.ZSTD, MediaType.OCI_LAYER_ZSTD)):
            buffer = io.BytesIO()
            with Compression.of(codec, 1).open_writer(buffer, threads=1) as writer:
                writer.write(head)
                for _ in range(_BOMB_BYTES >> 20):
                    writer.write(bytes(1 << 20))
            found.append((str(kind), buffer.getvalue()))
    return tuple(found)


def bomb(chance: Chance, _: Path) -> None:
    """Layers of a few kB that are 400 MB."""
    scan_layer(BytesBlob.of(*chance.choice(_bombs())))


_CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "variant": "v8",
    "created": "2023-11-14T22:13:20Z",
    "author": "me",
    "config": {
        "User": "app:app",
        "ExposedPorts": {"80/tcp": {}},
        "Env": ["PATH=/bin", "A=b"],
        "Entrypoint": ["/bin/app"],
        "Cmd": ["-x"],
        "Volumes": {"/v": {}},
        "WorkingDir": "/",
        "Labels": {"a": "b"},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["CMD", "/bin/app"], "Interval": 3_000_000_000, "Retries": 3},
        "OnBuild": None,
        "Shell": ["/bin/sh", "-c"],
    },
    "rootfs": {"type": "layers", "diff_ids": []},
    "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "x", "empty_layer": False, "comment": "c"}],
}


def _descriptor(kind: str, data: bytes, **more: object) -> dict[str, Any]:
    return {"mediaType": str(kind), "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data), **more}


def image_files(chance: Chance, *, names: bool = True) -> dict[str, bytes]:
    """The files of a layout: one part of it is changed, and the digests are right nevertheless, in most."""
    blobs: dict[str, bytes] = {}

    def keep(data: bytes) -> bytes:
        blobs[f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"] = data
        return data

    part = chance.choice(("layer", "config", "manifest", "index", "top", "file", "tree", "nothing"))
    layers, diff_ids = [], []
    for _ in range(chance.few(2)):
        plain = archive(chance) if part == "layer" else _honest()
        kind, data = (
            _zipped(plain, chance) if part == "layer" else (MediaType.OCI_LAYER_GZIP, gzip.compress(plain, 1, mtime=0))
        )
        layers.append(_descriptor(kind, keep(data)))
        diff_ids.append(f"sha256:{hashlib.sha256(plain).hexdigest()}")
    config: Any = {**_CONFIG, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    raw = keep(as_json(changed(config, chance), chance) if part == "config" else as_json(config, SURE))
    manifest: Any = {
        "schemaVersion": 2,
        "mediaType": str(MediaType.OCI_MANIFEST),
        "config": _descriptor(MediaType.OCI_CONFIG, raw),
        "layers": layers,
        "annotations": {"a": "b"},
    }
    raw = keep(as_json(changed(manifest, chance), chance) if part == "manifest" else as_json(manifest, SURE))
    platform = {"os": "linux", "architecture": "amd64"}
    entries = [_descriptor(MediaType.OCI_MANIFEST, raw, platform=platform)]
    index: Any = {
        "schemaVersion": 2,
        "mediaType": str(MediaType.OCI_INDEX),
        "manifests": entries * chance.choice((1, 1, 2, 50)),
        "annotations": {},
    }
    if part == "tree":
        # an index in an index in an index, or of things that are not there
        for _ in range(chance.choice((1, 3, 12, 60))):
            inner = keep(as_json(index, SURE))
            one = _descriptor(MediaType.OCI_INDEX, inner)
            index = {**index, "manifests": [one] * chance.choice((1, 2, 3))}
        if chance.often(0.3):
            index["manifests"].append(_descriptor(chance.word(), b"not there"))
    raw = keep(as_json(changed(index, chance), chance) if part == "index" else as_json(index, SURE))
    name = chance.word() if chance.often(0.2) else "1.0"
    annotations = {"org.opencontainers.image.ref.name": name, "io.containerd.image.name": f"h/{name}"} if names else {}
    top: Any = {"schemaVersion": 2, "manifests": [_descriptor(MediaType.OCI_INDEX, raw, annotations=annotations)]}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": as_json(top, SURE), **blobs}
    if part == "top":
        files["index.json"] = as_json(changed(top, chance), chance)
        files["oci-layout"] = as_json(changed({"imageLayoutVersion": "1.0.0"}, chance), chance)
    if part == "file":
        changed_one = chance.choice(list(files))
        files[changed_one] = changed_bytes(files[changed_one], chance)
    return files


@functools.cache
def _honest() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, data in (
            ("etc/passwd", b"app:x:1:1::/:/\n"),
            ("etc/group", b"app:x:1:\n"),
            ("bin/app", _programs()[0]),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def manifest(chance: Chance, _: Path) -> None:
    """Manifests, indexes and configurations, each read as anything."""
    files = list(image_files(chance).values())
    for data in files:
        if not data.startswith((b"\x1f\x8b", b"\x28\xb5")):
            for read in (decode_manifest, decode_index, decode_config):
                with contextlib.suppress(CargoshipError):
                    read(data)
            with contextlib.suppress(CargoshipError):
                kind_of(data, chance.word(), "it")


def _context(folder: Path) -> Context:
    return Context({"CARGOSHIP_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}, folder, SystemRunner())


def _look(target: str, folder: Path, chance: Chance) -> None:
    """Every verb that takes an image that exists."""
    context = _context(folder)
    with contextlib.suppress(CargoshipError):
        examination = verify(target, context)
        shown(verification_text(examination, NO_COLOURS))
        shown(indented(verification_document(examination)))
    with contextlib.suppress(CargoshipError):
        inspection = inspect(target, context)
        shown(inspection_text(inspection, NO_COLOURS))
        shown(indented(inspection_document(inspection)))
    if chance.often(0.3):
        with contextlib.suppress(CargoshipError):
            shown(programs_text(inspect_programs(target, context), NO_COLOURS))
    where = chance.choice(("oci:out", "oci-archive:out.tar", "docker-archive:out.tar"))
    copy(target, where, context, platforms=chance.choice(((), ("linux/amd64",))), referrers=chance.often())


def write_hostile_layout(chance: Chance, root: Path, outside: Path) -> None:
    """A layout on disk: files that are none, links, names that lead out."""
    files = image_files(chance)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if chance.often(0.4):
        path = root / chance.choice([*files, "blobs", "blobs/sha256"])
        away = root / "away"
        path.rename(away)
        match chance.randrange(5):
            case 0:
                os.mkfifo(path)
            case 1:
                path.symlink_to(chance.choice(("/dev/zero", "/etc/passwd", str(outside), str(path), "away")))
            case 2:
                path.mkdir()
            case 3:
                path.symlink_to("away")
            case _:
                pass


def layout(chance: Chance, folder: Path) -> None:
    """Layouts on disk."""
    write_hostile_layout(chance, folder / "layout", folder.parent / "outside")
    _look("layout", folder, chance)


def image_archive(chance: Chance, folder: Path) -> None:
    """Archives of images, with members that are none, twice or elsewhere."""
    files = image_files(chance)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", errors="surrogateescape") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(
                name if chance.often(0.97) else chance.choice(("./" + name, "/" + name, "x/../" + name, chance.word()))
            )
            info.size = len(data)
            if chance.often(0.05):
                info.type, info.linkname, info.size = chance.choice(_KINDS), "/etc/passwd", 0
            with contextlib.suppress(ValueError, UnicodeError):
                for _ in range(1 if chance.often(0.95) else 2):
                    made.addfile(info, io.BytesIO(data))
    data = buffer.getvalue() if chance.often(0.7) else _lying(buffer.getvalue(), chance)
    if chance.often(0.1):
        data = gzip.compress(data, 1, mtime=0)
    (folder / "image.tar").write_bytes(data)
    _look("image.tar", folder, chance)


def root(chance: Chance, folder: Path) -> None:
    """Root file systems of hostile layers, looked at and unpacked."""
    layers = []
    for _ in range(chance.few(3)):
        plain = archive(chance)
        layers.append(Layer(BytesBlob.of(MediaType.OCI_LAYER, plain), Digest.of(plain)))
    found = view_of(layers, LayerCache(folder / "book"))
    run: Mapping[str, Any] = changed(_CONFIG["config"], chance)
    with contextlib.suppress(CargoshipError):
        config = decode_config(as_json({**_CONFIG, "config": run}, SURE)).run
        for finding in check_image(
            found, config, Platform("linux", chance.choice(("amd64", "arm64", "s390x", chance.word())))
        ):
            assert finding.text
    unpack_root(found, folder / "root", lambda _uid, _gid: None)


def base_files(chance: Chance, _: Path) -> None:
    """Files of a base that are read: users, groups, the loader's cache and settings."""
    names = b"libc.so.6\0/lib/libc.so.6\0"
    cache = b"glibc-ld.so.cache1.1" + struct.pack("<IIIIII", 1, len(names), 0, 0, 0, 0)
    cache += struct.pack("<iIIIQ", 3, 48 + 24, 48 + 34, 0, 0) + names
    cache = changed_bytes(cache, chance, near=range(20, 72))
    parse_cache(cache, little_endian=chance.often(0.8))
    passwd = changed_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/false\n", chance)
    entries = [
        LayerEntry.file("etc/passwd", passwd.encode("utf-8", "surrogatepass")),
        LayerEntry.file(
            "etc/group", changed_text("root:x:0:\napp:x:1000:a,b\n", chance).encode("utf-8", "surrogatepass")
        ),
        LayerEntry.file("etc/ld.so.cache", cache),
        LayerEntry.file(
            "etc/ld.so.conf",
            changed_text("include /etc/ld.so.conf.d/*.conf\n/lib\n", chance).encode("utf-8", "surrogatepass"),
        ),
        LayerEntry.file(
            "etc/ld.so.conf.d/a.conf",
            changed_text("/usr/local/lib\ninclude /etc/ld.so.conf\n", chance).encode("utf-8", "surrogatepass"),
        ),
        LayerEntry.file("bin/app", needing("libc.so.6"), 0o755),
        LayerEntry.symlink("lib64", chance.choice(("lib", "../lib64", "/lib64", "/"))),
    ]
    found = view_of_entries(entries)
    user = changed_text("app:app", chance)
    owner_of(user, found)
    assert list(check_user(user, found, said="it")) is not None
    config = ImageConfig(
        entrypoint=("/bin/app", chance.word()), user=user, env={"PATH": chance.word()}, working_dir=chance.word()
    )
    for finding in check_image(found, config, Platform("linux", "amd64")):
        assert finding.text


def names(chance: Chance, folder: Path) -> None:
    """References, digests, platforms, targets."""
    text = changed_text(
        chance.choice(("ghcr.io/me/app:1.0", "localhost:5000/a@sha256:" + "a" * 64, "oci:x:1", "x.tar", "docker://a")),
        chance,
    )
    for read in (
        Reference.parse,
        Digest.parse,
        row,
        Compression.parse,
        lambda text: ImageTarget.parse(text, folder),
        lambda text: ImageTarget.parse(text, folder, new=True),
    ):
        with contextlib.suppress(CargoshipError):
            str(read(text))
    try:
        reference = Reference.parse(text)
    except ContentInvalid:
        return
    assert Reference.parse(str(reference)) == reference
    for each in (reference.registry, reference.repository, reference.tag or ""):
        assert not each.startswith("-")
        shown(each)


KINDS = (
    Kind("programs (ELF)", elf, 1),
    Kind("archives' headers", tar, 5),
    Kind("layers", layer, 4),
    Kind("layers that are bombs", bomb, 0.002, prepare=_bombs),
    Kind("manifests, indexes, configurations", manifest, 4),
    Kind("files of a base", base_files, 3),
    Kind("names", names, 6),
    Kind("layouts", layout, 0.3, on_disk=True),
    Kind("image archives", image_archive, 0.4, on_disk=True),
    Kind("root file systems", root, 0.4, on_disk=True),
)
