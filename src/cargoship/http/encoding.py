"""Content-Encoding (RFC 9110 section 8.4). Pure.

None is asked for, and some servers and proxies compress all the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from cargoship.errors import ContentInvalid

_GZIP = frozenset({"gzip", "x-gzip"})
_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 256 * 1024


def is_packed(headers: Mapping[str, str]) -> bool:
    """Whether a content is said to be compressed by gzip on its way, whatever it is itself."""
    return headers.get("content-encoding", "").strip().lower() in _GZIP


def unpacked(headers: Mapping[str, str], data: bytes, *, limit_bytes: int, what: str) -> bytes:
    """A whole content without what was done to it on its way; raises ContentInvalid past `limit_bytes`.

    One that is said to be compressed and does not look so is taken as it is.
    """
    if not is_packed(headers) or not data.startswith(_MAGIC):
        return data
    pieces, size_bytes = [], 0
    for piece in unpacking(iter((data,)), what=what):
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise ContentInvalid(f"{what} is larger than {limit_bytes} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def unpacking(chunks: Iterator[bytes], *, what: str) -> Iterator[bytes]:
    """The same for a content that arrives: pieces of a bounded size; raises ContentInvalid for what is not gzip."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for chunk in chunks:
            left = chunk
            while left:
                if inflater.eof:
                    # several members follow each other (RFC 1952 section 2.2)
                    inflater = zlib.decompressobj(_GZIP_WINDOW)
                # a piece of nothing would be the end
                if piece := inflater.decompress(left, _PIECE_BYTES):
                    yield piece
                left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        # zlib may hold back what did not fit into the last piece
        if rest := inflater.flush():
            yield rest
    except zlib.error as error:
        raise ContentInvalid(f"{what} was sent as gzip, and is none") from error
