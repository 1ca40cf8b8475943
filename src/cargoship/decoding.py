"""JSON and TOML that anybody may have written: a value, or one error whatever is wrong with it."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_DEPTH_MAX = 100
"""Of lists and tables in each other: what is read is also walked, and written again."""
_PIECE_BYTES = 1 << 18
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_WHOLE = re.compile(rb'(?:[^"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_ALIKE = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")
_PARTS_MAX = 2_000_000
"""An SBOM of a hundred thousand files has half of it."""
_TOO_DEEP = "it is nested too deeply"


class Undecodable(ValueError):
    """The text is not in its format, not UTF-8, nested too deeply, or has a number that is too long."""


def decode_json(data: bytes, form: type[T]) -> T:
    """Decode JSON of a form; raises Undecodable."""
    import msgspec  # noqa: PLC0415 - loaded when used

    try:
        return _shallow(msgspec.json.decode(data, type=form))
    except UnicodeDecodeError as error:
        raise Undecodable("it is not UTF-8") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Undecodable(str(error)) from error


def check_json(data: bytes) -> None:
    """See whether `decode_json` would read a table, and make nothing of it: a few bytes can be many objects.

    Raises Undecodable.
    """
    import msgspec  # noqa: PLC0415 - loaded when used

    decode_json(data, msgspec.defstruct("Table", []))
    try:
        for _ in codecs.iterdecode((data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)), "utf-8"):
            pass
    except UnicodeDecodeError as error:
        raise Undecodable("it is not UTF-8") from error
    # what was passed over is JSON: its brackets are in pairs, of which each turn takes the innermost
    brackets = _brackets_of(data)
    for _ in range(_DEPTH_MAX):
        if not brackets:
            return
        brackets = brackets.replace(b"{}", b"")
    if brackets:
        raise Undecodable(_TOO_DEEP)


def is_too_much(data: bytes) -> bool:
    """Whether JSON may be more objects than an SBOM has, which would fill memory where they are made."""
    return sum(map(data.count, (b",", b"{", b"["))) > _PARTS_MAX


def _brackets_of(data: bytes) -> bytes:
    """The brackets of JSON, all of one kind, without those in texts; piece by piece, for texts are objects too."""
    found = bytearray()
    at = 0
    while at < len(data):
        whole = _WHOLE.match(data, at, at + _PIECE_BYTES)
        end = at if whole is None else whole.end()
        if end > at:
            found += _TEXT.sub(b"", data[at:end]).translate(_ALIKE, _NO_BRACKETS)
        else:
            # a text that is longer than a piece
            text = _TEXT.match(data, at)
            end = len(data) if text is None else text.end()
        at = end
    return bytes(found)


def decode_toml(data: bytes | str, *, loads: Callable[[str], dict[str, Any]] | None = None) -> dict[str, Any]:
    """Decode TOML, by `loads` where another parser than Python's is wanted; raises Undecodable."""
    import tomllib  # noqa: PLC0415 - loaded when used

    try:
        return _shallow(
            (loads or tomllib.loads)((data if isinstance(data, str) else data.decode()).removeprefix("\ufeff"))
        )
    except UnicodeDecodeError as error:
        raise Undecodable("it is not UTF-8") from error
    except RecursionError as error:
        raise Undecodable(_TOO_DEEP) from error
    except ValueError as error:  # numbers of more digits than Python reads are no TOMLDecodeError
        raise Undecodable(str(error)) from error


def _shallow(value: T) -> T:
    level: list[object] = [value]
    for _ in range(_DEPTH_MAX):
        level = [
            each
            for holder in level
            for each in (holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ())
            if isinstance(each, dict | list)
        ]
        if not level:
            return value
    raise Undecodable(_TOO_DEEP)
