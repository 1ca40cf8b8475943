"""The fields of JSON documents by the names that Go's programs know them by: in any letter case, and each once.

Docker, containerd and skopeo read manifests and configs with Go's encoding/json, which takes `OS` for `os`, and the
last of several. Readers in other languages do not: a document with two meanings is refused (RFC 8259, section 4), one
that is merely written in another case is read as those programs read it. Keys of maps, such as labels, are left alone.
"""

from __future__ import annotations

import functools
import json
import re
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

_DIGITS_MAX = 300
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
"""One, as it stands in JSON: a pair for one character, half of such a pair, or any other."""


class TwoMeanings(ValueError):
    """A field is there twice, with different values."""


class _Shape(Struct, frozen=True):
    """What is known of a struct: how its fields are written, by their names in lower case, and structs in it."""

    names: Mapping[str, str]
    below: tuple[tuple[str, _Shape], ...]


class _Repeating(dict[str, Any]):
    """An object with a key that is there twice; `pairs` has both."""

    pairs: list[tuple[str, Any]]


def object_as_go_reads_it(raw: bytes, form: type[msgspec.Struct]) -> tuple[dict[str, Any], bool] | None:
    """An object with the names that `form` has, and whether it was written otherwise; None for what is no object.

    Raises TwoMeanings; ValueError or RecursionError for what is no JSON.
    """
    text = _without_halves(raw.decode("utf-8", "replace"))
    document = json.loads(text, object_pairs_hook=_object, parse_int=_number, parse_constant=_refuse)
    if not isinstance(document, dict):
        return None
    reader = _Reader()
    reader.differs = text.encode() != raw
    found = reader.read(document, _shape(form), "$")
    return found, reader.differs


class _Reader:
    def __init__(self) -> None:
        self.differs = False

    def read(self, given: dict[str, Any], shape: _Shape, place: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in given.pairs if isinstance(given, _Repeating) else given.items():
            name = shape.names.get(key.casefold())
            if name is None:
                found[key] = value
                continue
            if name in found and found[name] != value:
                raise TwoMeanings(f"it has two fields `{name}`, of which each reader may take another - at `{place}`")
            self.differs |= name != key
            found[name] = value
        for name, below in shape.below:
            value = found.get(name)
            if isinstance(value, dict):
                found[name] = self.read(value, below, f"{place}.{name}")
            elif isinstance(value, list):
                found[name] = [
                    self.read(each, below, f"{place}.{name}[...]") if isinstance(each, dict) else each for each in value
                ]
        return found


def _without_halves(text: str) -> str:
    """JSON in which escapes of half a character are U+FFFD, as what is no UTF-8 is by now: so Go reads them."""
    return _ESCAPE.sub(lambda match: "\\ufffd" if match[1] else match[0], text) if "\\u" in text else text


def _number(text: str) -> int | float:
    """A number that Python does not read as one is nobody's field here, and must not hide what is."""
    return int(text) if len(text) < _DIGITS_MAX else float(text)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeating = _Repeating(found)
    repeating.pairs = pairs
    return repeating


@functools.cache
def _shape(form: type[msgspec.Struct]) -> _Shape:
    fields = msgspec.structs.fields(form)
    inner = ((field.encode_name, _struct_in(field.type)) for field in fields)
    return _Shape(
        {field.encode_name.casefold(): field.encode_name for field in fields},
        tuple((name, _shape(struct)) for name, struct in inner if struct is not None),
    )


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - a type, of any form that a hint has
    """The struct that a field holds, or a list of them; None for a plain value, and for a map."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    if typing.get_origin(kind) is dict:
        return None
    return next((found for each in typing.get_args(kind) if (found := _struct_in(each)) is not None), None)
