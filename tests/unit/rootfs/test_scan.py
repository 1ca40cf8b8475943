"""Layers read from their archives: what is found, what is refused, and how much may be asked of the reader."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cargoship.elf.read import read_elf
from cargoship.errors import ContentInvalid
from cargoship.oci.compress import Codec, Compression
from cargoship.oci.descriptor import BytesBlob, Descriptor, MediaType
from cargoship.oci.digest import Digest
from cargoship.oci.layer import Layer
from cargoship.oci.zstd import ZstdCompressor
from cargoship.rootfs.item import ItemKind, LayerFacts
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.scan import read_from_layer, scan_layer
from cargoship.rootfs.view import view_of
from support.counting import counted
from support.elf_files import elf_file

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> Member:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def blob(tar: bytes, *, packed: bool = True, size: int | None = None, digest: str | None = None) -> BytesBlob:
    data = gzip.compress(tar, compresslevel=1, mtime=0) if packed else tar
    kind = MediaType.OCI_LAYER_GZIP if packed else MediaType.OCI_LAYER
    named = Digest.of(data) if digest is None else Digest.parse(digest)
    return BytesBlob(Descriptor(kind, named, len(data) if size is None else size), data)


def layer(tar: bytes) -> Layer:
    return Layer(blob(tar), Digest.of(tar))


LIBRARY = elf_file("EM_X86_64")
SMALL = archive(
    member("./", kind=tarfile.DIRTYPE, mode=0o755),
    member("./etc/", kind=tarfile.DIRTYPE, mode=0o755),
    # a name like a library's, and a file that is kept: read once
    member("./etc/ld.so.cache", b"glibc-ld.so.cache1.1", mode=0o644),
    member("./etc/passwd", b"root:x:0:0::/:\n", mode=0o644),
    member("usr/lib/liba.so.1", LIBRARY, mode=0o755, uid=3, gid=4),
    member("usr/lib/not.so", b"INPUT(liba.so)"),
    member("bin", kind=tarfile.SYMTYPE, linkname="usr/bin"),
    member("usr/lib/same.so", kind=tarfile.LNKTYPE, linkname="./usr/lib/liba.so.1"),
    member("dev/null", kind=tarfile.CHRTYPE),
    member("opt/.wh.old"),
    member("var/.wh..wh..opq"),
    member("opt/big", bytes(5000)),
    member("a" * 150 + "/b", b"long"),
)


@pytest.mark.parametrize("packed", [True, False])
def test_what_a_layer_holds(packed: bool) -> None:  # noqa: FBT001 - a table
    facts = scan_layer(blob(SMALL, packed=packed))
    assert facts.diff_id == str(Digest.of(SMALL))
    items = {item.path: item for item in facts.single_items()}
    assert items["etc/passwd"].content == b"root:x:0:0::/:\n"
    assert items["etc/ld.so.cache"].content == b"glibc-ld.so.cache1.1"
    library = items["usr/lib/liba.so.1"]
    assert library.elf is not None
    assert (library.elf.machine, library.uid, library.gid, library.mode) == ("EM_X86_64", 3, 4, 0o755)
    assert items["usr/lib/not.so"].elf is None
    assert (items["bin"].kind, items["bin"].link) == (ItemKind.LINK, "usr/bin")
    assert (items["usr/lib/same.so"].kind, items["usr/lib/same.so"].link) == (ItemKind.SAME, "usr/lib/liba.so.1")
    assert items["dev/null"].kind is ItemKind.OTHER
    assert items["opt/old"].kind is ItemKind.GONE
    assert items["var"].kind is ItemKind.EMPTIED
    assert "a" * 150 + "/b" in items
    assert read_from_layer(blob(SMALL, packed=packed), "opt/big", 5000) == bytes(5000)
    assert read_from_layer(blob(SMALL, packed=packed), "opt/big", 4999) is None


def header(**fields: object) -> bytes:
    info = tarfile.TarInfo("x")
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (blob(archive(member("../../etc/passwd", b"x"))), "leads out of the root"),
        (blob(archive(member("a/../../b"))), "leads out of the root"),
        (blob(SMALL[:700], packed=False), "damaged"),
        (blob(SMALL[:512] + b"garbage" * 80 + SMALL[1024:], packed=False), "damaged"),
        (blob(b"garbage" * 200, packed=False), "damaged"),
        (blob(SMALL, size=10), "more bytes than its descriptor says"),
        (blob(SMALL, size=1 << 20), "other contents than its digest says"),
        (blob(SMALL, digest="sha256:" + "0" * 64), "other contents than its digest says"),
        (BytesBlob.of(MediaType.OCI_LAYER_GZIP, b"no gzip"), "damaged"),
        (BytesBlob.of(MediaType.OCI_LAYER_GZIP, gzip.compress(SMALL)[:-40]), "cannot be decompressed|damaged"),
        (BytesBlob.of(MediaType.OCI_LAYER_ZSTD, b"no zstd"), "damaged"),
        # engines read gzip by Go's rules, which know no padding
        *(
            (BytesBlob.of(MediaType.OCI_LAYER_GZIP, gzip.compress(SMALL) + more), "something else follows")
            for more in (b"\0", bytes(512), b"garbage", b"\x1f\x8c")
        ),
        (
            BytesBlob.of(MediaType.OCI_LAYER_GZIP, gzip.compress(SMALL) + b"\x1f\x8b\x08"),
            "cannot be decompressed|damaged",
        ),
        (BytesBlob.of(MediaType.OCI_LAYER_GZIP, lzma.compress(SMALL)), "packed by xz"),
        (BytesBlob.of(MediaType.OCI_LAYER_GZIP, bz2.compress(SMALL)), "packed by bzip2"),
        # containerd unpacks it, and podman, which knows the first sign of zstd alone, takes it for a plain tar
        (
            BytesBlob.of(
                MediaType.OCI_LAYER_ZSTD,
                b"\x50\x2a\x4d\x18\4\0\0\0abcd" + ZstdCompressor().compress(SMALL, ZstdCompressor.FLUSH_FRAME),
            ),
            "begins with a frame of zstd that holds nothing",
        ),
        # a header about a header about a header: tarfile goes down by one call for each
        (blob(b"".join(header(type=tarfile.GNUTYPE_LONGNAME, size=1) + bytes(512) for _ in range(5000))), "damaged"),
        # names of gigabytes, which tarfile would read whole
        (blob(header(type=tarfile.GNUTYPE_LONGNAME, size=1 << 32) + bytes(1 << 16)), "damaged"),
        (blob(header(type=tarfile.XHDTYPE, size=1 << 32) + bytes(1 << 16)), "damaged"),
        (blob(header(size=1 << 40) + bytes(1 << 16)), "damaged"),
    ],
)
def test_what_is_no_layer_is_said(made: BytesBlob, says: str) -> None:
    with pytest.raises(ContentInvalid, match=says):
        scan_layer(made)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(SMALL[:700]) + gzip.compress(SMALL[700:]),
        gzip.compress(SMALL) + gzip.compress(b""),
        gzip.compress(b"") + gzip.compress(SMALL),
        b"".join(gzip.compress(SMALL[at : at + 512]) for at in range(0, len(SMALL), 512)),
        # flags of extra fields, a name and a comment
        b"\x1f\x8b\x08\x1c\0\0\0\0\0\x03\x04\0SG\0\0name\0comment\0" + gzip.compress(SMALL)[10:],
    ],
    ids=["two", "an empty one at the end", "an empty one first", "one for each block", "a name"],
)
def test_members_of_gzip_follow_each_other(packed: bytes) -> None:
    """As in layers for lazy pulling (eStargz), whose last member is an empty one."""
    assert scan_layer(BytesBlob.of(MediaType.OCI_LAYER_GZIP, packed)) == scan_layer(blob(SMALL))


@pytest.mark.parametrize("name", ["a/.wh.", "a/.wh..", "a/.wh...", ".wh.", ".wh...", ".wh.."])
def test_a_whiteout_of_no_name_is_a_fault_and_removes_nothing(name: str) -> None:
    """`a/.wh...` means a/.. if it is taken literally."""
    facts = scan_layer(blob(archive(member("a/b"), member(name))))
    assert facts.faults == (f"has the whiteout /{name}, which names nothing in its folder",)
    assert {item.kind for item in facts.single_items()} == {ItemKind.FILE, ItemKind.OTHER}
    assert scan_layer(blob(archive(member("a/b"), member("a/.wh.c"), member("a/.wh..wh..opq")))).faults == ()


def test_files_that_are_kept_do_not_fill_memory() -> None:
    """A kilobyte of a layer may be eight megabytes of them: nothing bounded their sum."""
    many = archive(*(member(f"etc/ld.so.conf.d/{number}", bytes(8 << 20)) for number in range(9)))
    with pytest.raises(ContentInvalid, match="over 64 MiB"):
        scan_layer(blob(many))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("security.capability", "\x01\0\0\x02\0\x04" + "\0" * 14, None),
        ("security.capability", "\0\0\0\x03" + "\0" * 20, None),
        ("security.capability", "\x01\0\0\x01" + "\0" * 8, "that is no set of capabilities"),
        ("security.capability", "\x01\0\0\x02" + "\0" * 8, "that is no set of capabilities"),
        ("security.capability", "\x02\0\0\x02" + "\0" * 16, "that is no set of capabilities"),
        ("security.capability", "", None),
        ("user.a", "x" * 65_536, None),
        ("user.a", "x" * 65_537, "'user.a' with more than 65536 bytes"),
        ("user." + "a" * 250, "x", None),
        ("user." + "a" * 251, "x", "whose name has more than 255 bytes"),
        ("user.", "x", "'user.' that has no name"),
        ("", "x", "'' that has no name"),
        ("system.posix_acl_access", "\x02\0\0\0" + "\x01\0\7\0" + "\0" * 4, None),
        ("system.posix_acl_access", "\x02\0\0\0\x01\0\7\0", "that is no list of rights"),
        ("own", "x", None),
    ],
)
def test_attributes_that_linux_refuses_are_faults_of_their_layer(name: str, value: str, says: str | None) -> None:
    found = scan_layer(blob(archive(member("app/web", b"x", pax_headers={f"SCHILY.xattr.{name}": value}))))
    assert len(found.faults) == (says is not None)
    assert all(f"has /app/web with the attribute {name[:255]!r}" in fault for fault in found.faults)
    assert says is None or says in found.faults[0]


def test_headers_for_all_entries_do_not_fill_memory() -> None:
    shared = b""
    for number in range(3):
        record = b"500000 SCHILY.xattr.user.%d=" % number
        shared += (
            header(type=tarfile.XGLTYPE, size=500_000)[:512]
            + record.ljust(499_999, b"x")
            + b"\n"
            + bytes(-500_000 % 512)
        )
    with pytest.raises(ContentInvalid, match="its headers for all entries have more than 1048576 bytes"):
        scan_layer(blob(shared + SMALL))
    assert scan_layer(blob(shared[: len(shared) // 3] + SMALL)).items


def test_what_is_said_of_entries_is_counted() -> None:
    """300 attributes of a megabyte each are two hundred kilobytes of a layer."""
    stretch = b"1000000 SCHILY.xattr.user.a="
    one = (
        header(type=tarfile.XHDTYPE, size=1_000_000)[:512]
        + stretch.ljust(999_999, b"x")
        + b"\n"
        + bytes(-1_000_000 % 512)
    )
    with pytest.raises(ContentInvalid, match="more is said of them"):
        scan_layer(blob((one + header()) * 300))


@pytest.mark.thorough
def test_a_layer_that_swells_is_given_up() -> None:
    out = io.BytesIO()
    with Compression.of(Codec.ZSTD).open_writer(out) as compressor:
        compressor.write(header(size=1 << 33))
        for _ in range(512):
            compressor.write(bytes(1 << 20))
    swollen = BytesBlob.of(MediaType.OCI_LAYER_ZSTD, out.getvalue())
    with pytest.raises(ContentInvalid, match="far more than its compressed size"):
        scan_layer(swollen)


def bounded(tar: bytes) -> None:
    tracemalloc.start()
    try:
        with counted() as work, contextlib.suppress(ContentInvalid):
            scan_layer(blob(tar, packed=False))
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert work.calls < 100_000 + len(tar)
    assert peak_bytes < 32 << 20


FUZZED = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZED
@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=20))
def test_an_archive_with_damage(changes: Sequence[tuple[int, int]]) -> None:
    content = bytearray(SMALL)
    for at, value in changes:
        content[at] = value
    # with its sum corrected, so that the damage gets past the first look at a header
    for start in range(0, len(content) - 511, 512):
        block = content[start : start + 512]
        if block[257:262] == b"ustar":
            total = sum(block[:148]) + 8 * 32 + sum(block[156:])
            content[start + 148 : start + 156] = f"{total:06o}\0 ".encode()
    bounded(bytes(content))


@FUZZED
@given(st.binary(max_size=3000))
def test_any_bytes_are_no_layer_or_one(data: bytes) -> None:
    bounded(data)
    bounded(header(type=tarfile.XHDTYPE, size=len(data)) + data + bytes(-len(data) % 512) + header())


@FUZZED
@given(
    st.lists(
        st.tuples(
            st.text(alphabet="ab./\0", min_size=1, max_size=12),
            st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]),
            st.text(alphabet="ab./", min_size=1, max_size=12),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_names_make_a_root_that_stays_inside(names: Sequence[tuple[str, bytes, str]]) -> None:
    tar = archive(*(member(name, kind=kind, linkname=target) for name, kind, target in names))
    try:
        root = view_of([layer(tar)], LayerCache(Path("/proc/nowhere")))
    except ContentInvalid:
        return
    for name, _, target in names:
        for path in (name, target, f"{name}/{target}", f"/{target}/../../{name}"):
            found = root.find(path)
            assert found is None or (found.path.startswith("/") and ".." not in found.path.split("/"))


def test_layers_are_read_once(tmp_path: Path) -> None:
    made = layer(SMALL)
    opened = []

    class Counted:
        descriptor = made.descriptor

        def open(self) -> io.BytesIO:
            opened.append(1)
            return io.BytesIO(made.blob.open().read())

    counted = Layer(Counted(), made.diff_id)
    first = LayerCache(tmp_path).facts([counted])
    assert LayerCache(tmp_path).facts([counted]) == first == LayerCache(tmp_path).known([counted])
    assert len(opened) == 1
    (kept,) = tmp_path.iterdir()
    for damage in (b"", b"\x00", kept.read_bytes()[:-3], b"\xdd\xff\xff\xff\xff"):
        kept.write_bytes(damage)
        assert LayerCache(tmp_path).known([counted]) is None
        assert LayerCache(tmp_path).facts([counted]) == first


def test_a_program_is_read_once_wherever_it_lies(tmp_path: Path) -> None:
    for name, content in {"one": LIBRARY, "two": LIBRARY, "other": elf_file("EM_AARCH64")}.items():
        (tmp_path / name).write_bytes(content)
    book = tmp_path / "book"
    first = LayerCache(book).program(tmp_path / "one")
    assert first == read_elf(tmp_path / "one")
    assert len(list(book.iterdir())) == 1
    assert LayerCache(book).program(tmp_path / "two") == first
    assert len(list(book.iterdir())) == 1
    assert LayerCache(book).program(tmp_path / "other").machine == "EM_AARCH64"
    for kept in book.iterdir():
        kept.write_bytes(kept.read_bytes()[:-3])
    assert LayerCache(book).program(tmp_path / "two") == first


def test_a_layer_that_is_not_what_its_config_says(tmp_path: Path) -> None:
    other = Layer(layer(SMALL).blob, Digest.of(b"other"))
    for _ in range(2):
        with pytest.raises(ContentInvalid, match="not the one that its image's config names"):
            LayerCache(tmp_path).facts([other])


def test_facts_keep_nothing_of_names_that_are_not_utf8() -> None:
    tar = bytearray(archive(member("abc", b"")))
    tar[0:3] = b"\xff\xfe\x41"
    total = sum(tar[:148]) + 8 * 32 + sum(tar[156:512])
    tar[148:156] = f"{total:06o}\0 ".encode()
    facts = scan_layer(blob(bytes(tar)))
    assert isinstance(facts, LayerFacts)
    assert next(facts.single_items()).path == "\\xff\\xfeA"
