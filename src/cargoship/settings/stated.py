"""Settings as others may know them: what decides an image, in the form that Cargo.toml has, and no secret.

Values of variables are left out though they are in the image's configuration: they may hold secrets, and are copied to
fewer places so. So are folders of the machine.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from cargoship.settings.base import LayoutBase
from cargoship.settings.fields import BY_KEY, FIELDS
from cargoship.settings.health import Healthcheck
from cargoship.settings.model import Settings
from cargoship.settings.spec import CACHE
from cargoship.settings.values import Include

_ELSEWHERE = frozenset(
    {
        # where images go, and what is said about them
        "keep-blobs", "provenance", "repository", "sbom", "sbom-creator", "sign", "signature-format", "tags",
        # where packages come from has no say in what they are
        "debian-mirror",
        # which images there are, and what is refused: known from what there is
        "allow-licenses", "bins", "bundle", "deny-licenses", "license-exceptions", "skip", "smoke",
        # parameters of their own, with what options have said
        "default-features", "features", "platforms", "profile",
    }
)  # fmt: skip
_WITHHELD = frozenset({"env"})
STATEABLE = frozenset(each.key for each in FIELDS if each.spec.group != CACHE and each.key not in _ELSEWHERE)
"""All that may be stated, by their keys."""


class StatedSettings(Struct, frozen=True):
    """`values` by their keys, and the keys of those that are not stated."""

    values: Mapping[str, Any] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()


def stated_settings(settings: Settings) -> StatedSettings:
    """What decides an image and is no default."""
    values: dict[str, Any] = {}
    withheld = []
    for each in FIELDS:
        value = getattr(settings, each.attribute)
        if each.key not in STATEABLE or value == each.default:
            continue
        if each.key in _WITHHELD or (each.key == "base" and isinstance(settings.base_spec, LayoutBase)):
            withheld.append(each.key)
        else:
            values[each.key] = _plain(value)
    return StatedSettings(values, tuple(withheld))


def stated_default(key: str) -> object:
    """The default of a setting, in the same form."""
    return _plain(BY_KEY[key].default)


def _plain(value: object) -> object:  # noqa: PLR0911 - one for each kind
    match value:
        case enum.Enum():
            return value.value
        case bool() | int() | str() | None:
            return value
        case Include():
            mode = {} if value.mode is None else {"mode": f"{value.mode:04o}"}
            owner = {"owner": f"{value.uid}:{value.gid}"} if value.uid or value.gid else {}
            return {"from": value.source, "to": value.to, **mode, **owner}
        case Healthcheck():
            return value.stated()
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
        case _:
            # platforms and C libraries are written as they are read
            return str(value)
