"""The kinds of settings that have parts, or names that another table knows: platforms, files, health checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cargoship.cargo.suggest import did_you_mean
from cargoship.oci.compress import Codec
from cargoship.oci.platform import Platform
from cargoship.platforms import TABLE, Libc, row
from cargoship.settings import values
from cargoship.settings.kinds import (
    WORDS,
    Schema,
    ValueType,
    Wrong,
    apply_check,
    choice,
    expected,
    from_json,
    list_from_text,
    take_text,
    text,
    texts,
)
from cargoship.settings.values import Healthcheck, Include


def _platform(value: str) -> Platform:
    return row(value).platform


def _platforms(value: object) -> object:
    if isinstance(value, list | tuple) and list(value) == ["all"]:
        return tuple(each.platform for each in TABLE)
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
        raise expected(title, value)
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
        return apply_check(check, take_text(value[key], "text"))
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
    uid, gid = _member(part, "owner", values.parse_owner) or (0, 0)
    return Include(
        source=_member(part, "from", _pattern),
        to=_member(part, "to", values.parse_container_path),
        mode=_member(part, "mode", values.parse_mode),
        uid=uid,
        gid=gid,
    )


def _includes(value: object) -> object:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise expected("a list", value)
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
    interval, timeout, start_period = (_member(part, key, values.parse_duration_ns) for key in times)
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

LIBC = text(Libc.parse, "a C library")

_CODECS = choice(*(codec.value for codec in Codec))
CODEC = replace(_CODECS, parse=lambda value: Codec(str(_CODECS.parse(value))))
_PLATFORM_LIST = texts(_platform, "platforms")
PLATFORMS = ValueType("list of platforms", {**_PLATFORM_LIST.schema, "minItems": 1}, _platforms, list_from_text)
INCLUDES = ValueType("list of files", _INCLUDE_SCHEMA, _includes, list_from_text)
HEALTHCHECK = ValueType("list of words or table", _HEALTHCHECK_SCHEMA, _healthcheck, from_json)
