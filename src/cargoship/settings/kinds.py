"""The forms a setting can have: how it is read from TOML or JSON, from one line of text, and its JSON schema.

A kind raises `Wrong` with the path below the setting; who calls it knows the file and the key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from cargoship.errors import CargoshipError
from cargoship.suggest import did_you_mean

Schema = dict[str, Any]
_DATE = "$__toml_private_datetime"
"""What cargo makes the only key of a date's table of, in the JSON that it prints."""
_NAMES = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}


class Wrong(Exception):
    """A value has the wrong form; `path` leads from the setting to the part that is wrong."""

    def __init__(self, what: str, path: str = "", hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.path = path
        self.hint = hint


class ValueType(Struct, frozen=True):
    """A form: its name for people, its schema, and how to read it."""

    title: str
    schema: Schema
    parse: Callable[[object], object]
    """From what TOML or JSON hold; raises Wrong."""
    from_text: Callable[[str], object]
    """From an environment variable to what `parse` takes; raises Wrong."""


def expected(title: str, value: object) -> Wrong:
    """Say that a value is of another type."""
    if isinstance(value, Mapping) and _DATE in value:
        return Wrong(f"expected {title}, got a date", hint=f'put it in quotes: "{value[_DATE]}"')
    return Wrong(f"expected {title}, got {_NAMES.get(type(value), type(value).__name__)}")


def apply_check(check: Callable[[str], Any], text: str, path: str = "") -> Any:  # noqa: ANN401
    """Apply a check of `values` or of another package, and say where it failed."""
    try:
        return check(text)
    except ValueError as error:
        raise Wrong(str(error), path) from error
    except CargoshipError as error:
        raise Wrong(error.message, path, error.hint) from error


def _same(value: str) -> str:
    return value


def take_text(value: object, title: str, *, numbers: bool = False) -> str:
    """Take text, or a number where one may be written without quotes."""
    if isinstance(value, str):
        if "\0" in value:
            raise Wrong("must not contain a NUL character")
        _check_encodes(value, "has bytes that are no UTF-8, or half of a character")
        return value
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        what = "a number with a fraction" if numbers else "a number"
        raise Wrong(f"expected {title}, got {what}", hint=f'put it in quotes: "{value}"')
    raise expected(title, value)


def _check_encodes(value: str, wrong: str) -> None:
    """Refuse what cannot be written: bytes of a variable that are no UTF-8, and halves that JSON's escapes can name."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Wrong(wrong) from error


def text(check: Callable[[str], Any] = _same, title: str = "text", *, numbers: bool = False) -> ValueType:
    """Text that `check` accepts and may change."""

    def parse(value: object) -> object:
        return apply_check(check, take_text(value, title, numbers=numbers))

    return ValueType(title, {"type": ["string", "integer"] if numbers else "string"}, parse, _same)


def choice(*options: str) -> ValueType:
    """One word of several."""

    def check(value: str) -> str:
        if value not in options:
            raise Wrong(f"{value!r} is not one of {', '.join(options)}{did_you_mean(value, options)}")
        return value

    return ValueType(
        " or ".join(options), {"enum": list(options)}, lambda value: check(take_text(value, "text")), _same
    )


def texts(
    check: Callable[[str], Any] = _same,
    title: str = "texts",
    *,
    numbers: bool = False,
    unique: bool = True,
    options: Sequence[str] = (),
) -> ValueType:
    """A list of texts; in an environment variable separated by commas, or a JSON list.

    `options` are all that `check` takes, for editors; none where they cannot be listed.
    """
    item: Schema = {"type": ["string", "integer"] if numbers else "string"}
    if options:
        item = {"enum": list(options)}

    def parse(value: object) -> object:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise expected(f"a list of {title}", value)
        found: list[object] = []
        for index, part in enumerate(value):
            path = f"[{index}]"
            try:
                one = apply_check(check, take_text(part, "text", numbers=numbers))
            except Wrong as error:
                raise Wrong(error.what, path, error.hint) from error
            if not unique or one not in found:
                found.append(one)
        return tuple(found)

    return ValueType(f"list of {title}", {"type": "array", "items": item}, parse, list_from_text)


def table(check: Callable[[str], Any] = _same, *, values: Callable[[str], Any] = _same) -> ValueType:
    """A table from text to text, of which keys and `values` are checked; in a variable KEY=VALUE lines, or JSON."""

    def parse(value: object) -> object:
        if not isinstance(value, Mapping):
            raise expected("a table", value)
        found: dict[str, str] = {}
        for key, part in value.items():
            path = "." + key if key.replace("-", "").replace("_", "").isalnum() else f'."{key}"'
            if not key or "\0" in key:
                raise Wrong("has an empty or broken key")
            _check_encodes(key, "has a key with bytes that are no UTF-8, or half of a character")
            apply_check(check, key, path)
            if isinstance(part, bool):
                found[key] = "true" if part else "false"
                continue
            try:
                found[key] = apply_check(values, take_text(part, "text", numbers=True))
            except Wrong as error:
                raise Wrong(error.what, path, error.hint) from error
        return found

    scalar = {"type": ["string", "integer", "boolean"]}
    schema: Schema = {"type": "object", "additionalProperties": scalar}
    return ValueType("table of texts", schema, parse, _map_from_text)


def from_json(value: str) -> object:
    """Read JSON in an environment variable."""
    try:
        return json.loads(value)
    except ValueError as error:
        raise Wrong(f"is not valid JSON: {error}") from error
    except RecursionError as error:
        raise Wrong("is nested too deeply") from error


def list_from_text(value: str) -> object:
    """Read a list in an environment variable: JSON, or separated by commas or line ends."""
    if value.lstrip().startswith("["):
        return from_json(value)
    return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]


def _map_from_text(value: str) -> object:
    if value.lstrip().startswith("{"):
        return from_json(value)
    found: dict[str, str] = {}
    # a line ends where lines of a shell do, and nowhere else: a value may have any other character
    for each in value.split("\n"):
        line = each.removesuffix("\r")
        key, equals, part = line.partition("=")
        if line.strip() and not equals:
            raise Wrong(f"{line!r} is not KEY=VALUE")
        if line.strip():
            found[key.strip()] = part
    return found


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    raise expected("true or false", value)


def _flag_from_text(value: str) -> object:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if value.lower() not in known:
        raise Wrong(f"{value!r} is neither true nor false")
    return known[value.lower()]


TEXT = text()
TEXTS = texts()
WORDS = texts(title="words", unique=False)
FLAG = ValueType("true or false", {"type": "boolean"}, _flag, _flag_from_text)
