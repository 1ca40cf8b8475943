"""Provenance: who made an image, from what, with which parameters (https://slsa.dev/spec/v1.2/provenance).

A build's parameters and materials can be read back from it, which is what a rebuild does. What is not said is unknown.
The kinds of builds are described in docs/provenance.md, which their identifiers point to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct, field

from cargoship.attest.statement import Statement, Subject
from cargoship.errors import ContentInvalid
from cargoship.version import PAGES

PREDICATE = "https://slsa.dev/provenance/v1"
_PAGE = f"{PAGES}/provenance/"
BUILD = _PAGE + "#build-v1"
"""The kind of what `build` and `pack` make."""
MERGE = _PAGE + "#merge-v1"
LOCAL_BUILDER = _PAGE + "#local-builder"
"""Who makes an image on a machine that no CI system vouches for."""
_T = TypeVar("_T")


class Material(Struct, frozen=True):
    """Something that went into an image, or had a say in it (SLSA's ResourceDescriptor)."""

    name: str
    uri: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)
    """By algorithm, in hexadecimal: `sha256`, `gitCommit`, `dirHash`."""
    annotations: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What is not known is left out."""
        known = {"name": self.name, "uri": self.uri, "digest": self.digest, "annotations": self.annotations}
        return {key: dict(value) if isinstance(value, Mapping) else value for key, value in known.items() if value}

    @classmethod
    def of_json(cls, said: object) -> Material:
        """Read one that anybody may have written; raises ContentInvalid."""
        table = _table(said, "a material")
        digests = _table(table.get("digest", {}), "a material's digest")
        if not all(isinstance(value, str) for value in digests.values()):
            raise ContentInvalid("provenance has a digest that is no text")
        return cls(
            _field(table, "name", str, ""),
            _field(table, "uri", str, ""),
            digests,
            _table(table.get("annotations", {}), "a material's annotations"),
        )


class BuildParameters(Struct, frozen=True):
    """What was asked for: with the materials, all that an image follows from."""

    image: str
    """The name of the image."""
    package: str
    """Of its first binary."""
    binaries: tuple[str, ...]
    """`package:binary`, the one that starts first."""
    platforms: tuple[str, ...]
    """Those of the image, or of all in the index."""
    profile: str = "release"
    features: tuple[str, ...] = ()
    all_features: bool = False
    default_features: bool = True
    packages: tuple[str, ...] = ()
    """All that were compiled together: their features are unified."""
    locked: bool = False
    epoch: int = 0
    """Seconds since 1970: the time of everything in the image."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What decides the image and is no default, by its key in Cargo.toml, as Cargo.toml may have it."""
    withheld: tuple[str, ...] = ()
    """Settings of which the values are not given: variables of the image, places on the machine."""
    variables: tuple[str, ...] = ()
    """Names of variables of the environment that compilers heed, and that were set. Their values are not given."""
    given: bool = False
    """Whether the programs were given (`cargoship pack`), so that nothing was compiled."""

    def to_json(self) -> dict[str, Any]:
        """As `externalParameters`."""
        return {
            "image": self.image,
            "package": self.package,
            "binaries": list(self.binaries),
            "platforms": list(self.platforms),
            "cargo": {
                "packages": list(self.packages),
                "profile": self.profile,
                "features": list(self.features),
                "allFeatures": self.all_features,
                "defaultFeatures": self.default_features,
                "locked": self.locked,
            },
            "epoch": self.epoch,
            "settings": dict(self.settings),
            "withheldSettings": list(self.withheld),
            "environment": list(self.variables),
            "programsGiven": self.given,
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> BuildParameters:
        """Read what anybody may have written; raises ContentInvalid."""
        cargo = _table(said.get("cargo", {}), "cargo's parameters")
        return cls(
            image=_field(said, "image", str, ""),
            package=_field(said, "package", str, ""),
            binaries=_texts(said, "binaries"),
            platforms=_texts(said, "platforms"),
            profile=_field(cargo, "profile", str, "release"),
            features=_texts(cargo, "features"),
            all_features=_field(cargo, "allFeatures", bool, default=False),
            default_features=_field(cargo, "defaultFeatures", bool, default=True),
            packages=_texts(cargo, "packages"),
            locked=_field(cargo, "locked", bool, default=False),
            epoch=_field(said, "epoch", int, 0),
            settings=_table(said.get("settings", {}), "the settings"),
            withheld=_texts(said, "withheldSettings"),
            variables=_texts(said, "environment"),
            given=_field(said, "programsGiven", bool, default=False),
        )


class BuildRun(Struct, frozen=True):
    """The run that made an image: by whom, when."""

    builder: str = LOCAL_BUILDER
    invocation: str | None = None
    """Where the run can be looked at."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of what builds: cargoship."""
    started: float | None = None
    """Seconds since 1970."""
    finished: float | None = None


class Provenance(Struct, frozen=True):
    """Where an image comes from. `external` is what was asked for, `internal` what the builder itself decided."""

    build_type: str
    external: Mapping[str, Any]
    internal: Mapping[str, Any]
    materials: tuple[Material, ...]
    run: BuildRun

    @property
    def parameters(self) -> BuildParameters:
        """Of a build of cargoship; raises ContentInvalid for another one's."""
        if self.build_type != BUILD:
            raise ContentInvalid(f"the image was made by a build of another kind: {self.build_type[:200]}")
        return BuildParameters.of_json(self.external)

    def material(self, name: str) -> Material | None:
        """The first of this name: `source`, `Cargo.lock`, `rustc`, `zig`, `base`."""
        return next((each for each in self.materials if each.name == name), None)

    def statement(self, subject: Subject) -> Statement:
        """What is said of an image."""
        metadata = {
            "invocationId": self.run.invocation,
            "startedOn": _moment(self.run.started),
            "finishedOn": _moment(self.run.finished),
        }
        predicate = {
            "buildDefinition": {
                "buildType": self.build_type,
                "externalParameters": dict(self.external),
                "internalParameters": dict(self.internal),
                "resolvedDependencies": [each.to_json() for each in self.materials],
            },
            "runDetails": {
                "builder": {"id": self.run.builder, "version": dict(self.run.versions)},
                "metadata": {key: value for key, value in metadata.items() if value is not None},
            },
        }
        return Statement((subject,), PREDICATE, predicate)


def provenance_of(statement: Statement) -> Provenance:
    """Read a statement, no matter who made it; raises ContentInvalid for what is no provenance of SLSA's v1."""
    if statement.predicate_type != PREDICATE:
        raise ContentInvalid(f"an attestation is no provenance of SLSA's version 1: {statement.predicate_type[:200]}")
    definition = _table(statement.predicate.get("buildDefinition"), "buildDefinition")
    details = _table(statement.predicate.get("runDetails"), "runDetails")
    builder = _table(details.get("builder", {}), "the builder")
    metadata = _table(details.get("metadata", {}), "the metadata")
    materials = definition.get("resolvedDependencies") or []
    if not isinstance(materials, list):
        raise ContentInvalid("provenance has materials that are no list")
    versions = _table(builder.get("version") or {}, "the builder's version")
    return Provenance(
        _field(definition, "buildType", str, ""),
        _table(definition.get("externalParameters") or {}, "externalParameters"),
        _table(definition.get("internalParameters") or {}, "internalParameters"),
        tuple(Material.of_json(each) for each in materials),
        BuildRun(
            _field(builder, "id", str, ""),
            _field(metadata, "invocationId", str, "") or None,
            {name: str(value) for name, value in versions.items()},
            _seconds(metadata.get("startedOn")),
            _seconds(metadata.get("finishedOn")),
        ),
    )


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: object) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _table(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ContentInvalid(f"provenance is not as SLSA has it: {what} is no object")
    return value


def _field(table: Mapping[str, Any], key: str, kind: type[_T], default: _T) -> _T:
    value = table.get(key, default)
    # a boolean is a number to Python
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ContentInvalid(f"provenance is not as SLSA has it: {key} is of another kind")
    return value


def _texts(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    listed: Sequence[object] = _field(table, key, list, [])
    if not all(isinstance(each, str) for each in listed):
        raise ContentInvalid(f"provenance is not as SLSA has it: {key} is no list of texts")
    return tuple(str(each) for each in listed)
