"""The forms a setting can have: how it is read from TOML or JSON, from one line of text, and its JSON schema.

A kind raises `Wrong` with the path below the setting; who calls it knows the file and the key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cargoship.errors import CargoshipError
from cargoship.oci.platform import Platform
from cargoship.platforms import Libc, row
from cargoship.settings import values
from cargoship.cargo.suggest import did_you_mean
from cargoship.settings.values import Healthcheck, Include

Schema = dict[str, Any]
_NAMES = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}


class Wrong(Exception):  # noqa: N818 - never leaves this package
    """A value has the wrong form; `path` leads from the setting to the part that is wrong."""

    def __init__(self, what: str, path: str = "", hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.path = path
        self.hint = hint


@dataclass(frozen=True)
class Kind:
    """A form: its name for people, its schema, and how to read it."""

    title: str
    schema: Schema
    parse: Callable[[object], object]
    """From what TOML or JSON hold; raises Wrong."""
    from_text: Callable[[str], object]
    """From an environment variable to what `parse` takes; raises Wrong."""
    is_map: bool = False


def _expected(title: str, value: object) -> Wrong:
    return Wrong(f"expected {title}, got {_NAMES.get(type(value), type(value).__name__)}")


def _checked(check: Callable[[str], Any], text: str, path: str = "") -> Any:  # noqa: ANN401
    try:
        return check(text)
    except ValueError as error:
        raise Wrong(str(error), path) from error
    except CargoshipError as error:
        raise Wrong(error.message, path, error.hint) from error


def _same(value: str) -> str:
    return value


def _text(value: object, title: str, *, numbers: bool = False) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise Wrong("must not contain a NUL character")
        return value
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _expected(title, value)


def text(check: Callable[[str], Any] = _same, title: str = "text", *, numbers: bool = False) -> Kind:
    """Text that `check` accepts and may change."""

    def parse(value: object) -> object:
        return _checked(check, _text(value, title, numbers=numbers))

    return Kind(title, {"type": ["string", "integer"] if numbers else "string"}, parse, _same)


def choice(*options: str) -> Kind:
    """One word of several."""

    def check(value: str) -> str:
        if value not in options:
            raise Wrong(f"{value!r} is not one of {', '.join(options)}{did_you_mean(value, options)}")
        return value

    return Kind(
        " or ".join(options), {"enum": list(options)}, lambda value: check(_text(value, "text")), _same
    )


def texts(
    check: Callable[[str], Any] = _same, title: str = "texts", *, numbers: bool = False, unique: bool = True
) -> Kind:
    """A list of texts; in an environment variable separated by commas, or a JSON list."""
    item: Schema = {"type": ["string", "integer"] if numbers else "string"}

    def parse(value: object) -> object:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise _expected(f"a list of {title}", value)
        found: list[object] = []
        for index, part in enumerate(value):
            path = f"[{index}]"
            try:
                one = _checked(check, _text(part, "text", numbers=numbers))
            except Wrong as error:
                raise Wrong(error.what, path, error.hint) from error
            if not unique or one not in found:
                found.append(one)
        return tuple(found)

    return Kind(f"list of {title}", {"type": "array", "items": item}, parse, _list_from_text)


def table(check: Callable[[str], Any] = _same) -> Kind:
    """A table from text to text; in an environment variable KEY=VALUE lines, or a JSON object."""

    def parse(value: object) -> object:
        if not isinstance(value, Mapping):
            raise _expected("a table", value)
        found: dict[str, str] = {}
        for key, part in value.items():
            path = "." + key if key.replace("-", "").replace("_", "").isalnum() else f'."{key}"'
            if not key or "\0" in key:
                raise Wrong("has an empty or broken key")
            _checked(check, key, path)
            if isinstance(part, bool):
                found[key] = "true" if part else "false"
                continue
            try:
                found[key] = _text(part, "text", numbers=True)
            except Wrong as error:
                raise Wrong(error.what, path, error.hint) from error
        return found

    scalar = {"type": ["string", "integer", "boolean"]}
    return Kind("table of texts", {"type": "object", "additionalProperties": scalar}, parse, _map_from_text, is_map=True)


def _json(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError as error:
        raise Wrong(f"is not valid JSON: {error}") from error


def _list_from_text(value: str) -> object:
    if value.lstrip().startswith("["):
        return _json(value)
    return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]


def _map_from_text(value: str) -> object:
    if value.lstrip().startswith("{"):
        return _json(value)
    found: dict[str, str] = {}
    for line in value.splitlines():
        key, equals, part = line.partition("=")
        if line.strip() and not equals:
            raise Wrong(f"{line!r} is not KEY=VALUE")
        if line.strip():
            found[key.strip()] = part
    return found


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    raise _expected("true or false", value)


def _flag_from_text(value: str) -> object:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if value.lower() not in known:
        raise Wrong(f"{value!r} is neither true nor false")
    return known[value.lower()]


def _platform(value: str) -> Platform:
    return row(value).platform


def _platforms(value: object) -> object:
    found = _PLATFORM_LIST.parse(value)
    if not found:
        raise Wrong("must name at least one platform")
    return found


def _include_text(value: str) -> dict[str, object]:
    source, arrow, to = value.partition("->")
    if not arrow:
        raise Wrong(f'{value!r} must be "from -> to"')
    return {"from": source.strip(), "to": to.strip()}


def _members(value: object, title: str, required: tuple[str, ...], optional: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _expected(title, value)
    known = (*required, *optional)
    for key in value:
        if key not in known:
            raise Wrong(f"unknown key{did_you_mean(key, known)}", f".{key}", "known: " + ", ".join(known))
    for key in required:
        if key not in value:
            raise Wrong(f"{key!r} is missing")
    return value


def _member(value: Mapping[str, object], key: str, check: Callable[[str], Any]) -> Any:  # noqa: ANN401
    if key not in value:
        return None
    try:
        return _checked(check, _text(value[key], "text"))
    except Wrong as error:
        raise Wrong(error.what, f".{key}", error.hint) from error


def _pattern(value: str) -> str:
    if not value or value.startswith("/"):
        raise ValueError(f"{value!r} must be a path or glob from the package's folder")
    return value


def _include(value: object) -> Include:
    if isinstance(value, str):
        value = _include_text(value)
    part = _members(value, 'a table, or text such as "from -> to"', ("from", "to"), ("mode", "owner"))
    uid, gid = _member(part, "owner", values.owner) or (0, 0)
    return Include(
        source=_member(part, "from", _pattern),
        to=_member(part, "to", values.container_path),
        mode=_member(part, "mode", values.mode),
        uid=uid,
        gid=gid,
    )


def _includes(value: object) -> object:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _expected("a list", value)
    found: list[Include] = []
    for index, part in enumerate(value):
        try:
            found.append(_include(part))
        except Wrong as error:
            raise Wrong(error.what, f"[{index}]{error.path}", error.hint) from error
    return tuple(found)


def _healthcheck(value: object) -> Healthcheck:
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = {"command": value}
    times = ("interval", "timeout", "start-period")
    part = _members(value, "a list of words or a table", ("command",), (*times, "retries"))
    try:
        command = WORDS.parse(part["command"])
    except Wrong as error:
        raise Wrong(error.what, f".command{error.path}", error.hint) from error
    retries = part.get("retries")
    if isinstance(retries, bool) or not isinstance(retries, int | None) or (retries is not None and retries < 1):
        raise Wrong("must be a number above 0", ".retries")
    if not isinstance(command, tuple) or not command:
        raise Wrong("must not be empty", ".command")
    interval, timeout, start_period = (_member(part, key, values.duration_ns) for key in times)
    return Healthcheck(command, interval, timeout, start_period, retries)


_WORD_LIST: Schema = {"type": "array", "items": {"type": "string"}}
_TIME: Schema = {"type": "string", "examples": ["30s", "1m30s"]}
_INCLUDE_SCHEMA: Schema = {
    "type": "array",
    "items": {
        "anyOf": [
            {"type": "string", "pattern": "->"},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["from", "to"],
                "properties": {
                    "from": {"type": "string"},
                    "to": {"type": "string", "pattern": "^/"},
                    "mode": {"type": "string", "pattern": "^(0o)?[0-7]{3,5}$"},
                    "owner": {"type": "string"},
                },
            },
        ]
    },
}
_HEALTHCHECK_SCHEMA: Schema = {
    "anyOf": [
        _WORD_LIST,
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["command"],
            "properties": {
                "command": _WORD_LIST,
                "interval": _TIME,
                "timeout": _TIME,
                "start-period": _TIME,
                "retries": {"type": "integer", "minimum": 1},
            },
        },
    ]
}

TEXT = text()
TEXTS = texts()
WORDS = texts(title="words", unique=False)
FLAG = Kind("true or false", {"type": "boolean"}, _flag, _flag_from_text)
LIBC = text(Libc.parse, "a C library")
_PLATFORM_LIST = texts(_platform, "platforms")
PLATFORMS = Kind("list of platforms", {**_PLATFORM_LIST.schema, "minItems": 1}, _platforms, _list_from_text)
INCLUDES = Kind("list of files", _INCLUDE_SCHEMA, _includes, _list_from_text)
HEALTHCHECK = Kind("list of words or table", _HEALTHCHECK_SCHEMA, _healthcheck, _json)
