"""Headers of tar archives, read forward from blocks at hand: ustar, pax and GNU (pax(1), tar(5), GNU tar's manual).

tarfile takes several times as long for an entry, trusts the sizes in headers, and goes down by a call for each header
about a header. Layers come from anybody, and have a million entries at times.
"""

from __future__ import annotations

import functools
import struct
import tarfile
from collections.abc import Callable, Iterator
from zlib import adler32

from cargoship.errors import ContentInvalid
from cargoship.rootfs.sparse import KEYS, MAP, Stretch, is_sparse, real_size, stretches_of

BLOCK_BYTES = 512
RECORD_BYTES_MAX = 1 << 20
"""Of what stands in a header about a header: a name, pax records."""
_FEW = 8
_RECORD_BYTES = 128
"""What a record takes beside its text, in an entry that has more than a few."""

_NAME = slice(0, 100)
_RIGHTS = slice(100, 124)
"""Mode, user, group."""
_SIZE = slice(124, 136)
_MTIME = slice(136, 148)
_CHECKSUM = slice(148, 156)
_KIND = slice(156, 157)
_LINK = slice(157, 257)
_MAGIC = slice(257, 263)
_MAJOR = slice(329, 337)
_MINOR = slice(337, 345)
_PREFIX = slice(345, 500)
_ZEROS = bytes(BLOCK_BYTES)
_WITHOUT_DATA = {tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE}
_DEVICES = {tarfile.CHRTYPE, tarfile.BLKTYPE}
_XATTR = "SCHILY.xattr."
_ABOUT = {b"x", b"X", b"g", b"L", b"K"}
_SPARSE = b"S"
_SPARSE_MORE = 482
_SPARSE_NEXT = 504
_BASE_256 = 0x80
_ENDS = b"\0 "
_ADLER_SUM = 0xFFFF


class HeaderInvalid(ContentInvalid):
    """Why a header cannot be read, as the end of a sentence about its archive."""


class Header:
    """One entry; its names are texts, in which bytes that are no UTF-8 are escaped as in file names of Python."""

    __slots__ = (
        "_block", "_said", "beyond", "gid", "linkname", "mode", "name", "size", "sparse", "stored_bytes", "stretches",
        "type", "uid",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        linkname: str,
        kind: bytes,
        numbers: tuple[int, int, int, int],
        said: dict[str, str],
        block: bytes,
        *,
        sparse: bool,
    ) -> None:
        self.name = name
        self.linkname = linkname
        self.type = kind
        self.mode, self.uid, self.gid, self.size = numbers
        self.stored_bytes = self.size
        self.sparse = sparse
        self.stretches: tuple[Stretch, ...] | None = None
        self.beyond = False
        self._said = said
        self._block = block

    @property
    def said_bytes(self) -> int:
        """How much memory pax records of it take: times, attributes, a map of holes."""
        said = self._said
        return sum(map(len, said.values())) + _RECORD_BYTES * max(0, len(said) - _FEW) if said else 0

    @property
    def mtime(self) -> str:
        """When it was changed, in seconds since 1970, with a fraction where one is given; as written if it is none."""
        text = self._said.get("mtime")
        if text is not None:
            return text.rstrip("0").rstrip(".") if "." in text else text
        try:
            return str(_number(self._block[_MTIME]))
        except HeaderInvalid:
            return repr(self._block[_MTIME])

    @property
    def device(self) -> str:
        """Major and minor number of a device; empty for anything else."""
        if self.type not in _DEVICES:
            return ""
        try:
            return f"{_number(self._block[_MAJOR])}:{_number(self._block[_MINOR])}"
        except HeaderInvalid:
            return repr(self._block[_MAJOR.start : _MINOR.stop])

    @property
    def attributes(self) -> dict[str, str]:
        """Its extended attributes (xattr(7)) by name, such as the capabilities of a program."""
        if not self._said:
            return {}
        return {key.removeprefix(_XATTR): text for key, text in self._said.items() if key.startswith(_XATTR)}

    @property
    def is_file(self) -> bool:
        """Whether it is a file whose content can be read: it follows as it is, or in stretches that are known."""
        return self.type not in _WITHOUT_DATA and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether it has holes and is not read: in the old form, or with more of them than are read (`beyond`)."""
        return self.sparse and (self.stretches is None or self.beyond)

    def find_stretches(self, read: Read) -> None:
        """Learn where the data of a file with holes belongs, and how large it is; raises HeaderInvalid."""
        try:
            self.stretches, taken = stretches_of(self._said, self.stored_bytes, read)
            self.size = real_size(self._said, self.stored_bytes)
        except ValueError as error:
            raise HeaderInvalid("an entry of it cannot be read") from error
        self.stored_bytes -= taken


Read = Callable[[int], bytes]
Skip = Callable[[int], None]


def headers(read: Read, skip: Skip, *, only: bytes | None = None) -> Iterator[Header]:
    """The entries up to the block of zeros that ends an archive, or its end.

    `read` gives so many bytes of it, fewer only at its end; what was not read of an entry's content has to be passed
    over with `skip` before the next one. With `only`, plain files without these bytes in their names are passed over
    and not looked at any further. Raises HeaderInvalid.
    """
    about = _About()
    while (block := read(BLOCK_BYTES)) and block != _ZEROS:
        if len(block) < BLOCK_BYTES:
            raise HeaderInvalid("it ends too early")
        if only is not None and only not in block and block[_KIND] == tarfile.REGTYPE and about.says_nothing:
            if size_bytes := _number(block[_SIZE]):
                skip(size_bytes + -size_bytes % BLOCK_BYTES)
            continue
        kind = block[_KIND]
        _check(block)
        if kind in _ABOUT:
            about.take(kind, _content(read, skip, _number(block[_SIZE])))
            continue
        found = _header(block, about)
        if found.sparse:
            _find_holes(found, block, read)
        if about.pending:
            about = _About(about.shared)
        yield found
    if about.pending:
        raise HeaderInvalid("an entry of it cannot be read")


def _find_holes(found: Header, block: bytes, read: Read) -> None:
    if found.type != _SPARSE:
        found.find_stretches(read)
    elif block[_SPARSE_MORE]:
        while (more := read(BLOCK_BYTES)) and len(more) == BLOCK_BYTES and more[_SPARSE_NEXT]:
            pass


def _check(block: bytes) -> None:
    """Hold a header against its checksum, which is the sum of its bytes with blanks in the place of the sum.

    The lower half of Adler-32 is a sum too, and had much faster (RFC 1950 section 8.2); of ASCII it is the very same.
    """
    checksum = block[_CHECKSUM]
    wanted = _sum_of(checksum)
    if block.isascii() and adler32(block) & _ADLER_SUM == wanted + 1:
        return
    if sum(block) != wanted and not _signed(block, checksum):
        raise HeaderInvalid("an entry of it cannot be read")


@functools.lru_cache(4096)
def _sum_of(checksum: bytes) -> int:
    """What the bytes of a header with that checksum add up to."""
    return _number(checksum) + sum(checksum) - 256


@functools.lru_cache(256)
def _rights(field: bytes) -> tuple[int, int, int]:
    """Mode, user and group, which are the same in most headers."""
    return _number(field[:8]), _number(field[8:16]), _number(field[16:])


class _About:
    """What headers about the next entry say of it, and those about all that follow."""

    __slots__ = ("link", "name", "pending", "records", "shared")

    def __init__(self, shared: dict[str, str] | None = None) -> None:
        self.shared = shared or {}
        self.records: dict[str, str] = {}
        self.name = self.link = ""
        self.pending = False

    @property
    def says_nothing(self) -> bool:
        return not self.pending and not self.shared

    def take(self, kind: bytes, data: bytes) -> None:
        if kind == b"g":
            self.shared = {**self.shared, **_records(data)}
            # each header of them may say something new, and all is held to the end
            if sum(len(key) + len(text) for key, text in self.shared.items()) > RECORD_BYTES_MAX:
                raise HeaderInvalid(f"its headers for all entries have more than {RECORD_BYTES_MAX} bytes")
            return
        self.pending = True
        if kind == b"L":
            self.name = _text(data)
        elif kind == b"K":
            self.link = _text(data)
        else:
            self.records = _records(data)


def _header(block: bytes, about: _About) -> Header:
    kind = block[_KIND]
    path = about.name or _text(block[_NAME])
    if block[_PREFIX.start] and block[_MAGIC] == b"ustar\0" and not about.name:
        path = f"{_text(block[_PREFIX])}/{path}"
    target = about.link or (_text(block[_LINK]) if block[_LINK.start] else "")
    numbers = (*_rights(block[_RIGHTS]), _number(block[_SIZE]))
    sparse = kind == _SPARSE
    said = {**about.shared, **about.records} if about.shared else about.records
    if said:
        path, target = said.get("path", path), said.get("linkpath", target)
        more = (_decimal(said, key, number) for key, number in zip(("uid", "gid", "size"), numbers[1:], strict=True))
        numbers = (numbers[0], *more)  # type: ignore[assignment]  # three of them
        if kind not in _WITHOUT_DATA and is_sparse(said):
            sparse, path = True, said.get("GNU.sparse.name") or path
    # Unix V7 had no type for folders
    if kind == tarfile.AREGTYPE and path.endswith("/"):
        kind = tarfile.DIRTYPE
    if kind in _WITHOUT_DATA:
        numbers = (*numbers[:3], 0)
    return Header(path, target, kind, numbers, said, block, sparse=sparse)


def _content(read: Callable[[int], bytes], skip: Callable[[int], None], size_bytes: int) -> bytes:
    if not 0 <= size_bytes <= RECORD_BYTES_MAX:
        raise HeaderInvalid(f"a header of it has {size_bytes} bytes")
    data = read(size_bytes)
    if len(data) < size_bytes:
        raise HeaderInvalid("it ends too early")
    skip(-size_bytes % BLOCK_BYTES)
    return data


def _records(data: bytes) -> dict[str, str]:
    """`LENGTH KEY=VALUE` and a line's end, many times (pax(1), "pax Extended Header"): those that are asked for."""
    found: dict[str, str] = {}
    stretches: list[str] = []
    position = 0
    while position < len(data) and data[position]:
        digits, blank, _ = data[position : position + 20].partition(b" ")
        if not blank or not digits.isdigit() or not len(digits) + 1 < int(digits) <= len(data) - position:
            raise HeaderInvalid("an entry of it cannot be read")
        end = position + int(digits)
        start = position + len(digits) + 1
        equals = data.find(b"=", start, end)
        if equals < 0:
            raise HeaderInvalid("an entry of it cannot be read")
        key = data[start:equals]
        if key in _KEYS or key.startswith(_KEY_FAMILIES):
            text = data[equals + 1 : end - 1].decode("utf-8", "surrogateescape")
            if key in _STRETCH:
                # form 0.0 says them one by one
                stretches.append(text)
            else:
                found[key.decode("utf-8", "surrogateescape")] = text
        position = end
    if stretches:
        found[MAP] = ",".join(stretches)
    return found


_KEYS = {b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"}
_KEY_FAMILIES = (KEYS.encode(), _XATTR.encode())
_STRETCH = {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}


def _decimal(said: dict[str, str], key: str, otherwise: int) -> int:
    text = said.get(key)
    if text is None or not text:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 19:  # noqa: PLR2004 - digits of 64 bits
        raise HeaderInvalid("an entry of it cannot be read")
    return int(text)


def _number(field: bytes) -> int:
    """In octal digits, or where the first bit is set in base 256 (GNU tar's manual, "Extensions")."""
    if field[-1] in _ENDS:
        try:
            # as nearly all are written
            return int(field[:-1], 8)
        except ValueError:
            pass
    if field[0] & _BASE_256:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        return value - (1 << (8 * len(field) - 1)) if field[0] & 0x40 else value
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    try:
        return int(digits, 8)
    except ValueError as error:
        raise HeaderInvalid("an entry of it cannot be read") from error


def _signed(block: bytes, checksum: bytes) -> bool:
    """Whether the checksum is one of signed bytes, as some old programs made it."""
    whole = sum(struct.unpack("512b", block)) - sum(struct.unpack("8b", checksum)) + 256
    return bool(whole == _number(checksum))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
