"""The kinds of settings that have parts, or names that another table knows: platforms, files, health checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from cargoship.oci.compress import Codec
from cargoship.oci.platform import Platform
from cargoship.platforms import TABLE, Libc, row
from cargoship.settings import values
from cargoship.settings.health import (
    FileProbe,
    GrpcProbe,
    Healthcheck,
    HttpProbe,
    Probe,
    TcpProbe,
    parse_http_path,
    parse_service,
)  # fmt: skip
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
from cargoship.settings.values import Include
from cargoship.suggest import did_you_mean

PLATFORMS_OF_BASE: tuple[Platform, ...] = ()
"""Stands for the platforms that the base has, until it has been asked; no list that somebody writes is empty."""


def _platform(value: str) -> Platform:
    return row(value).platform


def _platforms(value: object) -> object:
    if isinstance(value, list | tuple) and list(value) == ["all"]:
        return tuple(each.platform for each in TABLE)
    if value == "base" or (isinstance(value, list | tuple) and list(value) == ["base"]):
        return PLATFORMS_OF_BASE
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


_ASKS = {"command": (), "http": ("port",), "tcp": (), "grpc": ("port",), "file": ("newer-than",)}
"""What a health check can ask, each with what it wants beside it."""
_RETRIES_MAX = (1 << 31) - 1
"""Kubernetes' failureThreshold has 32 bits."""
_TIMES = ("interval", "timeout", "start-period")


def _healthcheck(value: object) -> Healthcheck:
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = {"command": value}
    if not isinstance(value, Mapping):
        raise expected("a list of words or a table", value)
    asked = [key for key in _ASKS if key in value]
    if len(asked) > 1:
        raise Wrong(f"asks {' and '.join(asked)}, and can ask one of them")
    wanted = (asked[0], *_ASKS[asked[0]]) if asked else ()
    part = _members(value, "a list of words or a table", wanted, (*(() if asked else _ASKS), *_TIMES, "retries"))
    if not asked:
        raise Wrong("asks nothing", hint=f"name one of {', '.join(_ASKS)}")
    retries = part.get("retries")
    if isinstance(retries, bool) or not isinstance(retries, int | None) or (retries is not None and retries < 1):
        raise Wrong("must be a number above 0", ".retries")
    if retries is not None and retries > _RETRIES_MAX:
        raise Wrong(f"must be {_RETRIES_MAX} at most", ".retries")
    interval, timeout, start_period = (_member(part, key, values.parse_duration_ns) for key in _TIMES)
    return Healthcheck(_asks(asked[0], part), interval, timeout, start_period, retries)


def _asks(kind: str, part: Mapping[str, object]) -> tuple[str, ...] | Probe:
    match kind:
        case "http":
            return HttpProbe(_member(part, "http", parse_http_path), _port(part, "port"))
        case "tcp":
            return TcpProbe(_port(part, "tcp"))
        case "grpc":
            return GrpcProbe(_member(part, "grpc", parse_service), _port(part, "port"))
        case "file":
            age_s = _member(part, "newer-than", values.parse_duration_ns) // 10**9
            if not 0 < age_s < 2**32:
                raise Wrong("must be a second or more, and no more than a clock counts", ".newer-than")
            return FileProbe(_member(part, "file", values.parse_container_path), age_s)
        case _:
            return _command(part["command"])


def _command(value: object) -> tuple[str, ...]:
    try:
        command = WORDS.parse(value)
    except Wrong as error:
        raise Wrong(error.what, f".command{error.path}", error.hint) from error
    if not isinstance(command, tuple) or not command:
        raise Wrong("must not be empty", ".command")
    return command


def _port(part: Mapping[str, object], key: str) -> int:
    value = part[key]
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    try:
        number, _, protocol = apply_check(values.parse_port, take_text(text, "a port")).partition("/")
    except Wrong as error:
        raise Wrong(error.what, f".{key}", error.hint) from error
    if protocol != "tcp":
        raise Wrong("must be a TCP port", f".{key}")
    return int(number)


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
_PORT: Schema = {"type": ["integer", "string"], "examples": [8080]}
_WHEN: Schema = {
    "interval": _TIME,
    "timeout": _TIME,
    "start-period": _TIME,
    "retries": {"type": "integer", "minimum": 1},
}


def _asking(**properties: Schema) -> Schema:
    named = {name.replace("_", "-"): schema for name, schema in properties.items()}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(named),
        "properties": {**named, **_WHEN},
    }


_HEALTHCHECK_SCHEMA: Schema = {
    "anyOf": [
        _WORD_LIST,
        _asking(http={"type": "string", "pattern": "^/"}, port=_PORT),
        _asking(tcp=_PORT),
        _asking(grpc={"type": "string"}, port=_PORT),
        _asking(file={"type": "string", "pattern": "^/"}, newer_than=_TIME),
        _asking(command=_WORD_LIST),
    ]
}

LIBC = text(Libc.parse, "a C library")

_CODECS = choice(*(codec.value for codec in Codec))
CODEC = replace(_CODECS, parse=lambda value: Codec(str(_CODECS.parse(value))))
_PLATFORM_LIST = texts(_platform, "platforms")
_PLATFORMS_SCHEMA: Schema = {**_PLATFORM_LIST.schema, "type": ["array", "string"], "minItems": 1, "pattern": "^base$"}
PLATFORMS = ValueType("list of platforms", _PLATFORMS_SCHEMA, _platforms, list_from_text)
INCLUDES = ValueType("list of files", _INCLUDE_SCHEMA, _includes, list_from_text)
HEALTHCHECK = ValueType("list of words or table", _HEALTHCHECK_SCHEMA, _healthcheck, from_json)
