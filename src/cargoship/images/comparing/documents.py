"""Where the documents of two images differ: configs, manifests, what indexes say.

Documents are compared as they were written, so that what this program knows nothing of counts too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import ContentInvalid
from cargoship.images.comparing.difference import (
    Change,
    Difference,
    DifferenceKind,
    mapping_differences,
    value_difference,
)
from cargoship.oci.content import IndexEntry

_ENV = "config.Env"
_SEPARATELY = {"config", "layers", "manifests"}
"""What manifests and indexes name is compared by itself."""


def config_differences(one: bytes, other: bytes) -> Iterator[Difference]:
    """Where two configs differ, but for the layers; raises ContentInvalid for what is no config."""
    found = [_flat_config(_document(raw, "config")) for raw in (one, other)]
    for kind in (DifferenceKind.CONFIG, DifferenceKind.LABEL):
        old, new = ({name: value for name, (of, value) in each.items() if of is kind} for each in found)
        yield from mapping_differences(kind, old, new)


def manifest_differences(one: bytes, other: bytes) -> Iterator[Difference]:
    """Where two manifests differ, but for the config and the layers; raises ContentInvalid."""
    yield from _rest_differences(DifferenceKind.MANIFEST, one, other)


def index_differences(one: bytes, other: bytes) -> Iterator[Difference]:
    """Where two indexes differ, but for what they list; raises ContentInvalid."""
    yield from _rest_differences(DifferenceKind.INDEX, one, other)


def entry_differences(name: str, one: IndexEntry, other: IndexEntry) -> Iterator[Difference]:
    """What two indexes say of an image, but for its digest and size."""
    flat = ({key: value for key, value in each.raw.items() if key not in {"digest", "size"}} for each in (one, other))
    old, new = (dict(_leaves("", each)) for each in flat)
    yield from mapping_differences(
        DifferenceKind.INDEX,
        {f"{name} {key}": value for key, value in old.items()},
        {f"{name} {key}": value for key, value in new.items()},
    )


def _rest_differences(kind: DifferenceKind, one: bytes, other: bytes) -> Iterator[Difference]:
    old, new = (
        {key: value for key, value in _document(raw, kind.value).items() if key not in _SEPARATELY}
        for raw in (one, other)
    )
    yield from mapping_differences(kind, dict(_leaves("", old)), dict(_leaves("", new)))


def _document(raw: bytes, what: str) -> dict[str, Any]:
    try:
        return decode_json(raw, dict[str, Any])
    except Undecodable as error:
        raise ContentInvalid(f"a {what} cannot be read: {error}") from error


def _flat_config(document: dict[str, Any]) -> dict[str, tuple[DifferenceKind, object]]:
    """Every value by its place; variables by their names, and the order of these where they are as many."""
    flat: dict[str, tuple[DifferenceKind, object]] = {}
    document = {**document}
    document.pop("rootfs", None)
    run = document.pop("config", None)
    run = dict(run) if isinstance(run, dict) else {}
    env, labels = run.pop("Env", None), run.pop("Labels", None)
    for key, value in _leaves("", {**document, "config": run}):
        flat[key] = (DifferenceKind.CONFIG, value)
    for variable in env if isinstance(env, list) else ():
        name, equals, value = str(variable).partition("=")
        flat[f"{_ENV}.{name}"] = (DifferenceKind.CONFIG, value if equals else None)
    for name, value in labels.items() if isinstance(labels, dict) else ():
        flat[name] = (DifferenceKind.LABEL, value)
    return flat


def order_differences(one: bytes, other: bytes) -> Iterator[Difference]:
    """Where two configs name the same variables with the same values, in another order; raises ContentInvalid."""
    old, new = (_variables(_document(raw, "config")) for raw in (one, other))
    if old != new and sorted(old) == sorted(new):
        yield Difference(DifferenceKind.CONFIG, _ENV, Change.CHANGED, old, new)


def _variables(document: dict[str, Any]) -> list[str]:
    run = document.get("config")
    env = run.get("Env") if isinstance(run, dict) else None
    return [str(each) for each in env] if isinstance(env, list) else []


def _leaves(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Every value in tables by its place, and in lists of tables; other lists are values. Depth is the decoder's."""
    if isinstance(value, Mapping) and value:
        for key in value:
            yield from _leaves(f"{name}.{key}" if name else str(key), value[key])
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value):
            yield from _leaves(f"{name}[{number}]", each)
    elif name and value is not None:
        yield name, value


def said_otherwise(kind: DifferenceKind) -> Iterator[Difference]:
    """The difference of documents that say the same in other bytes."""
    yield from value_difference(kind, "bytes", "other bytes", "that say the same")
