"""Files with holes, as GNU tar writes them into PAX archives (forms 0.0, 0.1 and 1.0): where their data is.

What counts as such a file, and which maps are refused, is as in Go's archive/tar, by which engines unpack layers.
Format: https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

KEYS = "GNU.sparse."
MAP = "GNU.sparse.map"
_IN_CONTENT = ("1", "0")
_IN_RECORDS = {("0", "0"), ("0", "1")}
_BLOCK_BYTES = 512
_STRETCHES_MAX = 1 << 20
_DIGITS_MAX = 19

Stretch = tuple[int, int]
"""Where data begins in the file, and its length, in bytes."""


def is_sparse(said: Mapping[str, str]) -> bool:
    """Whether an entry's records say that it has holes, in a form that is known."""
    form = (said.get(f"{KEYS}major", ""), said.get(f"{KEYS}minor", ""))
    return form == _IN_CONTENT or form in _IN_RECORDS or (form == ("", "") and bool(said.get(MAP)))


def real_size(said: Mapping[str, str], stored_bytes: int) -> int:
    """How large the file is; raises ValueError."""
    text = said.get(f"{KEYS}size") or said.get(f"{KEYS}realsize")
    return stored_bytes if not text else _number(text)


def stretches_of(
    said: Mapping[str, str], stored_bytes: int, read: Callable[[int], bytes]
) -> tuple[tuple[Stretch, ...], int]:
    """The stretches of data, in order, and how many bytes of the content were read to learn them; raises ValueError."""
    size = real_size(said, stored_bytes)
    if said.get(f"{KEYS}major") == _IN_CONTENT[0]:
        numbers, taken = _in_content(read, stored_bytes)
    else:
        text = said.get(MAP, "")
        numbers, taken = [_number(each) for each in text.split(",")] if text else [], 0
        if len(numbers) != 2 * _number(said.get(f"{KEYS}numblocks", "")):
            raise ValueError(text)
    stretches = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    _check(stretches, size, stored_bytes - taken)
    return stretches, taken


def _check(stretches: Sequence[Stretch], size: int, stored_bytes: int) -> None:
    end = 0
    for start, length in stretches:
        if start < end or start + length > size:
            raise ValueError(start)
        end = start + length
    if sum(length for _, length in stretches) != stored_bytes:
        raise ValueError(stored_bytes)


def _in_content(read: Callable[[int], bytes], stored_bytes: int) -> tuple[list[int], int]:
    """Lines of numbers before the data: how many stretches there are, and each; filled up to a whole block."""
    data, taken, wanted = bytearray(), 0, 1
    lines = 0
    while lines < wanted:
        block = read(_BLOCK_BYTES)
        taken += len(block)
        if len(block) < _BLOCK_BYTES or taken > stored_bytes:
            raise ValueError(taken)
        data += block
        lines += block.count(b"\n")
        if wanted == 1 and lines:
            count = _number(data.partition(b"\n")[0].decode("ascii"))
            if count > _STRETCHES_MAX:
                raise ValueError(count)
            wanted += 2 * count
        if lines < taken // (2 * _BLOCK_BYTES):
            # lines of more than any number
            raise ValueError(taken)
    return [_number(each.decode("ascii")) for each in bytes(data).split(b"\n")[1:wanted]], taken


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        raise ValueError(text)
    return int(text)
