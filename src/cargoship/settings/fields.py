"""All settings as a list, with their names in Cargo.toml and in the environment: the model, to go through."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from msgspec import Struct

from cargoship.settings.model import Settings
from cargoship.settings.spec import SettingScope, SettingSpec

ENV_PREFIX = "CARGOSHIP_"


class Field(Struct, frozen=True):
    """One setting: its names and what is known of it."""

    attribute: str
    key: str
    spec: SettingSpec
    default: object

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENV_PREFIX + self.attribute.upper()

    def shared(self, settings: Settings) -> object:
        """What must be the same for all packages of a build; None for what each image has for itself."""
        value = getattr(settings, self.attribute)
        if self.spec.scope is SettingScope.BUILD:
            return tuple(sorted(value.items())) if isinstance(value, Mapping) else value
        return frozenset(value) if self.spec.scope is SettingScope.BUILD_IN_ANY_ORDER else None


FIELDS: tuple[Field, ...] = tuple(
    Field(
        each.name,
        each.name.replace("_", "-"),
        each.metadata["spec"],
        {} if each.default is dataclasses.MISSING else each.default,
    )
    for each in dataclasses.fields(Settings)
)
BY_ATTRIBUTE: Mapping[str, Field] = {each.attribute: each for each in FIELDS}
BY_KEY: Mapping[str, Field] = {each.key: each for each in FIELDS}
