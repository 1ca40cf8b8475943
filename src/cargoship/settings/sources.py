"""Where settings come from, and which source wins.

`[workspace.metadata.cargoship]` < `[package.metadata.cargoship]` < `CARGOSHIP_*` < flags. Tables are merged key by key,
lists and everything else are replaced. Every value is checked in its own source, so that an error names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cargoship.cargo.project import Package, Project
from cargoship.cargo.suggest import did_you_mean, listed
from cargoship.errors import PlatformUnknown, SettingsInvalid, UsageError
from cargoship.events import Level, Note
from cargoship.settings.kinds import Wrong
from cargoship.settings.model import BY_KEY, ENV_PREFIX, FIELDS, Field, Settings

OTHER_VARIABLES = frozenset(
    {
        "CARGOSHIP_BACKTRACE",
        "CARGOSHIP_CACHE_DIR",
        "CARGOSHIP_CERTS_DIR",
        "CARGOSHIP_DEBIAN_KEYS",
        "CARGOSHIP_DEBIAN_SNAPSHOTS",
        "CARGOSHIP_INSECURE_REGISTRIES",
        "CARGOSHIP_REGISTRY_MIRRORS",
        "CARGOSHIP_SYSROOT",
        "CARGOSHIP_ZIG",
    }
)
"""Variables with the prefix that are not settings of an image."""


@dataclass(frozen=True)
class Layer:
    """Values from one source, checked: by attribute of Settings."""

    values: Mapping[str, object]


def load_settings(
    project: Project, packages: Sequence[Package], *, env: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, Settings], tuple[Note, ...]]:
    """Return the settings of each package by its name, and notes on variables that mean nothing.

    `overrides` holds what flags say, by key. Raises SettingsInvalid naming the file or variable and the key, and
    PlatformUnknown or UsageError for a flag.
    """
    workspace = _table(project.metadata_cargoship, f"{project.root / 'Cargo.toml'}: workspace.metadata.cargoship")
    variables, notes = from_environment(env)
    flags = _flags(overrides)
    found: dict[str, Settings] = {}
    for package in packages:
        own = _table(package.metadata_cargoship, f"{package.manifest}: package.metadata.cargoship")
        found[package.name] = merge((workspace, own, variables, flags))
    return found, notes


def load_flags(overrides: Mapping[str, object], env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings where there is no project: defaults, and what variables of `env` and flags say.

    Raises as `load_settings` does.
    """
    variables, _ = from_environment(env or {})
    return merge((variables, _flags(overrides)))


def merge(layers: Iterable[Layer]) -> Settings:
    """Return the settings that the layers give, the last of them the strongest."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for attribute, value in layer.values.items():
            if isinstance(value, dict) and isinstance(merged.get(attribute), dict):
                merged[attribute] = {**merged[attribute], **value}
            else:
                merged[attribute] = value
    return Settings(**merged)


def from_environment(env: Mapping[str, str]) -> tuple[Layer, tuple[Note, ...]]:
    """Read CARGOSHIP_* variables; an empty one says nothing, an unknown one gives a warning."""
    known = {field.variable: field for field in FIELDS}
    values: dict[str, object] = {}
    notes: list[Note] = []
    for name in sorted(name for name in env if name.startswith(ENV_PREFIX)):
        if name in known and env[name]:
            values[known[name].attribute] = _from_text(known[name], env[name])
        elif name not in known and name not in OTHER_VARIABLES:
            meant = did_you_mean(name, (*known, *OTHER_VARIABLES))
            notes.append(Note(f"the variable {name} is not known to cargoship{meant}", Level.WARNING))
    return Layer(values), tuple(notes)


def _from_text(field: Field, text: str) -> object:
    try:
        return field.spec.kind.parse(field.spec.kind.from_text(text))
    except Wrong as error:
        raise SettingsInvalid(_sentence(field.variable, error), hint=error.hint) from error


def _table(values: Mapping[str, object], where: str) -> Layer:
    found: dict[str, object] = {}
    for key, value in values.items():
        field = BY_KEY.get(key)
        if field is None:
            raise SettingsInvalid(
                f"{where}.{key} is not a setting{did_you_mean(key, BY_KEY)}", hint=f"settings: {listed(BY_KEY)}"
            )
        try:
            found[field.attribute] = field.spec.kind.parse(value)
        except Wrong as error:
            raise SettingsInvalid(_sentence(f"{where}.{key}", error), hint=error.hint) from error
    return Layer(found)


def _flags(values: Mapping[str, object]) -> Layer:
    found: dict[str, object] = {}
    for key, value in values.items():
        field = BY_KEY.get(key)
        if field is None:
            raise UsageError(f"{key} is not a setting{did_you_mean(key, BY_KEY)}", hint=f"settings: {listed(BY_KEY)}")
        kind = field.spec.kind
        try:
            # Text has the form that it has in a variable: a list with commas, a table in lines
            found[field.attribute] = kind.parse(kind.from_text(value) if isinstance(value, str) else value)
        except Wrong as error:
            if (unknown := _platform_unknown(error)) is not None:  # has an exit code of its own
                raise unknown from None
            raise UsageError(_sentence(key, error), hint=error.hint) from error
    return Layer(found)


def _platform_unknown(error: BaseException | None) -> PlatformUnknown | None:
    while error is not None and not isinstance(error, PlatformUnknown):
        error = error.__cause__ or error.__context__
    return error


def _sentence(where: str, error: Wrong) -> str:
    return f"{where}{error.path}: {error.what}"
