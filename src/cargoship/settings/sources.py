"""Where settings come from, and which source wins.

The user's own file < `[workspace.metadata.cargoship]` < `[package.metadata.cargoship]` < `CARGOSHIP_*` < flags. Tables
are merged key by key, lists and everything else are replaced. Every value is checked in its own source, so that an
error names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from cargoship.cargo.project import Package, Project
from cargoship.errors import PlatformUnknown, SettingsInvalid, UsageError
from cargoship.events import Level, Note
from cargoship.settings.fields import BY_ATTRIBUTE, BY_KEY, ENV_PREFIX, FIELDS, Field
from cargoship.settings.kinds import Wrong
from cargoship.settings.lines import line_shown
from cargoship.settings.model import Settings
from cargoship.settings.user import UsersFile, users_file
from cargoship.suggest import did_you_mean, listed
from cargoship.version import PAGES

_SETTINGS = f"{PAGES}/settings/ describes every setting; cargoship schema prints them for editors"
REPOSITORY = "CARGOSHIP_REPO"
"""The short name of the variable for `repository`."""
OPTIONS = {
    "platforms": "--platform", "libc": "--libc", "tags": "--tag", "base": "--base", "compression": "--compression",
    "smoke": "--smoke", "cache": "--no-cache", "cache-from": "--cache-from", "cache-to": "--cache-to",
    "cache-trust": "--cache-trust", "cache-sign": "--cache-sign",
    "labels": "--label", "annotations": "--annotation", "env": "--env", "user": "--user", "sign": "--sign",
}  # fmt: skip
"""Settings that have an option of their own; --set is for all."""
OTHER_VARIABLES = frozenset(
    {
        "CARGOSHIP_BACKTRACE",
        "CARGOSHIP_CACHE_DIR",
        "CARGOSHIP_CERTS_DIR",
        "CARGOSHIP_COLOR",
        "CARGOSHIP_CONFIG",
        "CARGOSHIP_DEBIAN_KEYS",
        "CARGOSHIP_DEBIAN_SNAPSHOTS",
        "CARGOSHIP_INSECURE_REGISTRIES",
        "CARGOSHIP_PROGRESS",
        "CARGOSHIP_REGISTRY_MIRRORS",
        "CARGOSHIP_REMOTE_CREDENTIAL_HELPER",
        "CARGOSHIP_REMOTE_HEADERS",
        "CARGOSHIP_SOURCE",
        "CARGOSHIP_SYSROOT",
        "CARGOSHIP_TRUST_CONFIG",
        "CARGOSHIP_ZIG",
    }
)
"""Variables with the prefix that are not settings of an image."""


class SettingsLayer(Struct, frozen=True):
    """Values from one source, checked: by attribute of Settings."""

    values: Mapping[str, object]
    origin: Callable[[Field], str] = lambda _: ""
    """Where a value of it is written, for people."""


Origins = Mapping[str, str]
"""Where each setting of a package comes from, by its key; those that nobody has set are left out."""


def load_settings(
    project: Project, packages: Sequence[Package], *, env: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, Settings], tuple[Note, ...]]:
    """Return the settings of each package by its name, and notes on variables that mean nothing.

    `overrides` holds what flags say, by key. Raises SettingsInvalid naming the file or variable and the key, and
    PlatformUnknown or UsageError for a flag.
    """
    layers, notes = _layers(project, packages, env, overrides)
    return {name: merge_layers(each) for name, each in layers.items()}, notes


def load_origins(
    project: Project, packages: Sequence[Package], *, env: Mapping[str, str], overrides: Mapping[str, object]
) -> dict[str, Origins]:
    """Where the settings of each package come from, by its name; raises as `load_settings` does."""
    layers, _ = _layers(project, packages, env, overrides)
    return {name: _origins(each) for name, each in layers.items()}


def _layers(
    project: Project, packages: Sequence[Package], env: Mapping[str, str], overrides: Mapping[str, object]
) -> tuple[dict[str, tuple[SettingsLayer, ...]], tuple[Note, ...]]:
    """The sources of each package's settings, the strongest last."""
    manifest = project.root / "Cargo.toml"
    own = users_file(env)
    personal = SettingsLayer({}) if own is None else _personal(own)
    workspace = _table(project.metadata_cargoship, manifest, "workspace.metadata.cargoship", project.root)
    variables, notes = from_environment(env)
    flags = _flags(overrides)
    found: dict[str, tuple[SettingsLayer, ...]] = {}
    for package in packages:
        table = _table(package.metadata_cargoship, package.manifest, "package.metadata.cargoship", project.root)
        found[package.name] = (personal, workspace, table, variables, flags)
    return found, notes


def _origins(layers: Iterable[SettingsLayer]) -> Origins:
    found: dict[str, list[str]] = {}
    for layer in layers:
        for attribute, value in layer.values.items():
            field = BY_ATTRIBUTE[attribute]
            before = found.get(field.key, []) if isinstance(value, dict) else []
            found[field.key] = [*before, layer.origin(field)]
    return {key: ", ".join(dict.fromkeys(places)) for key, places in found.items()}


def load_flags(overrides: Mapping[str, object], env: Mapping[str, str] | None = None) -> Settings:
    """Return the settings where there is no project: defaults, and what variables of `env` and flags say.

    Raises as `load_settings` does.
    """
    own = users_file(env or {})
    personal = SettingsLayer({}) if own is None else _personal(own)
    variables, _ = from_environment(env or {})
    return merge_layers((personal, variables, _flags(overrides)))


def merge_layers(layers: Iterable[SettingsLayer]) -> Settings:
    """Return the settings that the layers give, the last of them the strongest."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for attribute, value in layer.values.items():
            if isinstance(value, dict) and isinstance(merged.get(attribute), dict):
                merged[attribute] = {**merged[attribute], **value}
            else:
                merged[attribute] = value
    return Settings(**merged)


def from_environment(env: Mapping[str, str]) -> tuple[SettingsLayer, tuple[Note, ...]]:
    """Read CARGOSHIP_* variables; an empty one says nothing, an unknown one gives a warning."""
    known = {field.variable: field for field in FIELDS} | {REPOSITORY: BY_KEY["repository"]}
    values: dict[str, object] = {}
    notes: list[Note] = []
    for name in sorted(name for name in env if name.startswith(ENV_PREFIX)):
        if name in known and env[name]:
            values[known[name].attribute] = _from_text(known[name], env[name])
        elif name not in known and name not in OTHER_VARIABLES:
            meant = did_you_mean(name, (*known, *OTHER_VARIABLES))
            notes.append(Note(f"the variable {name} is not known to cargoship{meant}", Level.WARNING))
    return SettingsLayer(values, lambda field: _variable(field, env)), tuple(notes)


def _variable(field: Field, env: Mapping[str, str]) -> str:
    return field.variable if env.get(field.variable) or field.key != "repository" else REPOSITORY


def _from_text(field: Field, text: str) -> object:
    try:
        return field.spec.kind.parse(field.spec.kind.from_text(text))
    except Wrong as error:
        raise SettingsInvalid(_sentence(field.variable, error), hint=error.hint) from error


def _personal(own: UsersFile) -> SettingsLayer:
    """The settings of a user's own file: those that have no say in what an image is. Raises SettingsInvalid."""
    layer = _checked_table(own.values, own.path)
    for attribute in layer:
        field = BY_ATTRIBUTE[attribute]
        if not field.spec.personal:
            allowed = listed(each.key for each in FIELDS if each.spec.personal)
            where = f"{line_shown(own.path, [field.key])}: {field.key}"
            raise SettingsInvalid(
                f"{where} would change the images of all your projects, and nobody else's",
                hint=f"set it in a Cargo.toml, or as {field.variable}; this file may hold {allowed}",
            )
    return SettingsLayer(layer, lambda _: str(own.path))


def _table(values: Mapping[str, object], manifest: Path, section: str, root: Path) -> SettingsLayer:
    shown = manifest.relative_to(root) if manifest.is_relative_to(root) else manifest
    return SettingsLayer(
        _checked_table(values, manifest, section), lambda _: f"{shown} ({section.split('.', maxsplit=1)[0]})"
    )


def _checked_table(values: Mapping[str, object], path: Path, section: str = "") -> dict[str, object]:
    def where(key: str) -> str:
        keys = [*filter(None, section.split(".")), key]
        return f"{line_shown(path, keys)}: {'.'.join(keys)}"

    found: dict[str, object] = {}
    for key, value in values.items():
        field = BY_KEY.get(key)
        if field is None:
            raise SettingsInvalid(f"{where(key)} is not a setting{did_you_mean(key, BY_KEY)}", hint=_SETTINGS)
        try:
            found[field.attribute] = field.spec.kind.parse(value)
        except Wrong as error:
            raise SettingsInvalid(_sentence(where(key), error), hint=error.hint) from error
    return found


def _flags(values: Mapping[str, object]) -> SettingsLayer:
    found: dict[str, object] = {}
    for key, value in values.items():
        field = BY_KEY.get(key)
        if field is None:
            raise UsageError(f"{key} is not a setting{did_you_mean(key, BY_KEY)}", hint=_SETTINGS)
        kind = field.spec.kind
        try:
            # Text has the form that it has in a variable: a list with commas, a table in lines
            found[field.attribute] = kind.parse(kind.from_text(value) if isinstance(value, str) else value)
        except Wrong as error:
            if (unknown := _platform_unknown(error)) is not None:  # has an exit code of its own
                raise unknown from None
            raise UsageError(_sentence(key, error), hint=error.hint) from error
    return SettingsLayer(found, lambda field: OPTIONS.get(field.key, "--set"))


def _platform_unknown(error: BaseException | None) -> PlatformUnknown | None:
    while error is not None and not isinstance(error, PlatformUnknown):
        error = error.__cause__ or error.__context__
    return error


def _sentence(where: str, error: Wrong) -> str:
    return f"{where}{error.path}: {error.what}"
