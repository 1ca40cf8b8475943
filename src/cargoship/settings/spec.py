"""How a setting is declared: its kind, its documentation, and what it holds for."""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Any

from msgspec import Struct

from cargoship.settings.kinds import ValueType

BUILD = "What is built"
IMAGE = "The image"
RUN = "How it runs"
FILES = "Files"
DESCRIPTION = "Description"
CACHE = "The cache of compiled units"
"""Headings of the reference page."""


class SettingScope(enum.Enum):
    """What a setting holds for: what is for the build must be the same for all packages that are compiled together."""

    IMAGE = "image"
    BUILD = "build"
    BUILD_IN_ANY_ORDER = "build, whatever the order of its values"
    PACKAGES = "build, put together from what its packages say"


class SettingSpec(Struct, frozen=True):
    """What is known of one setting beside its type."""

    kind: ValueType
    doc: str
    example: str
    """A value as it is written in Cargo.toml."""
    shown_default: str
    """The default in words or TOML, for people."""
    group: str
    scope: SettingScope
    personal: bool = False
    """Whether it may hold for all projects of a user: it has no say in what an image is, as no cache has."""


def setting(
    kind: ValueType,
    default: object,
    *,
    doc: str,
    example: str,
    shown: str,
    group: str,
    scope: SettingScope,
    personal: bool = False,
) -> Any:  # noqa: ANN401
    """A field of the model; `shown` is its default in words or TOML. Each says its scope: none can be forgotten."""
    spec = SettingSpec(kind, doc, example, shown, group, scope, personal or group == CACHE)
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"spec": spec})
    return field(default=default, metadata={"spec": spec})
