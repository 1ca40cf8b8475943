"""JSON and TOML that anybody may have written: a value, or one error whatever is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_DEPTH_MAX = 100
"""Of lists and tables in each other: what is read is also walked, and written again."""
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
