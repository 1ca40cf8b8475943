"""What a component of WebAssembly imports and exports, by name: the interfaces of its world.

Format: https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md. What is inside of it (modules,
types, other components) is passed over.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgspec import Struct

from cargoship.wasm import HEADER_BYTES, read_number

_IMPORTS, _EXPORTS = 10, 11
_NAME_BYTES_MAX = 1 << 12
_NAMES_MAX = 10_000
_CORE, _VALUE, _TYPE = 0, 2, 3
_SORTS = 6
"""core, func, value, type, component, instance."""


class ComponentInterfaces(Struct, frozen=True):
    """Names as the component has them and in its order, such as `wasi:io/streams@0.2.3`."""

    imports: tuple[str, ...]
    exports: tuple[str, ...]


def interfaces_of(component: bytes) -> ComponentInterfaces:
    """Read them from a whole component; raises ValueError for a damaged one, and for forms that are not known."""
    found: dict[int, list[str]] = {_IMPORTS: [], _EXPORTS: []}
    stream = io.BytesIO(component)
    stream.seek(HEADER_BYTES)
    while kind := stream.read(1):
        content = _bytes(stream, read_number(stream), len(component))
        if kind[0] in found:
            found[kind[0]] += _names(io.BytesIO(content), _import if kind[0] == _IMPORTS else _export)
    return ComponentInterfaces(tuple(found[_IMPORTS]), tuple(found[_EXPORTS]))


def _names(stream: BinaryIO, passed: Callable[[BinaryIO], None]) -> Iterator[str]:
    count = read_number(stream)
    if count > _NAMES_MAX:
        raise ValueError("it has too many interfaces")
    for _ in range(count):
        # 1 is what older tools wrote for the name of an interface
        _one_of(stream, {0, 1})
        yield _bytes(stream, read_number(stream), _NAME_BYTES_MAX).decode("utf-8")
        passed(stream)


def _import(stream: BinaryIO) -> None:
    """Pass over an externdesc."""
    sort = _one_of(stream, set(range(_SORTS)))
    if sort == _CORE:
        _one_of(stream, {0x11})
    elif sort == _TYPE and _one_of(stream, {0, 1}):
        return
    elif sort == _VALUE:
        _one_of(stream, {0})
    read_number(stream)


def _export(stream: BinaryIO) -> None:
    """Pass over a sortidx, and the externdesc that may follow."""
    if _one_of(stream, set(range(_SORTS))) == _CORE:
        _one_of(stream, set(range(256)))
    read_number(stream)
    if _one_of(stream, {0, 1}):
        _import(stream)


def _one_of(stream: BinaryIO, known: set[int]) -> int:
    (value,) = _bytes(stream, 1, 1)
    if value not in known:
        raise ValueError("a form of import or export that is not known here")
    return value


def _bytes(stream: BinaryIO, size: int, most: int) -> bytes:
    data = stream.read(min(size, most))
    if len(data) != size:
        raise ValueError("it ends in the middle of a section, or says something too long")
    return data
