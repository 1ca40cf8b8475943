"""Reading back what is compressed, in pieces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from cargoship.errors import ContentInvalid


@contextlib.contextmanager
def open_reader(raw: BinaryIO, media_type: str) -> Iterator[BinaryIO]:
    """What is inside a layer of that media type; a type that names no codec is passed on as it is.

    Damaged data raises ContentInvalid while the block runs.
    """
    if media_type.endswith("gzip"):
        from zlib_ng import gzip_ng, zlib_ng  # noqa: PLC0415 - loaded when used

        failures: tuple[type[Exception], ...] = (OSError, EOFError, cast("type[Exception]", zlib_ng.error))
        stream = cast("BinaryIO", gzip_ng.open(raw, "rb"))  # type: ignore[no-untyped-call]
    elif media_type.endswith("zstd"):
        from cargoship.oci.zstd import ZstdError, ZstdFile  # noqa: PLC0415 - loaded when used

        failures = (ZstdError, EOFError)
        stream = cast("BinaryIO", ZstdFile(raw))
    else:
        yield raw
        return
    try:
        with stream:
            yield stream
    except failures as error:
        raise ContentInvalid(f"a layer cannot be decompressed: {error}") from error
