"""The parts of `cargo metadata --format-version 1` that cargoship reads, as cargo spells them.

Format: https://doc.rust-lang.org/cargo/commands/cargo-metadata.html. Fields that newer cargos add are ignored, fields
that older cargos lack have defaults. `project` turns this into what the rest of cargoship works with.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cargoship.decoding import decode_json


class RawDependency(msgspec.Struct, frozen=True):
    """A line of [dependencies]; `rename` is its key where that differs from the crate's name."""

    name: str
    rename: str | None = None
    path: str | None = None
    """The folder of a local one."""
    kind: str | None = None
    """`dev`, `build`, or nothing for an ordinary one."""


class RawTarget(msgspec.Struct, frozen=True):
    """A thing cargo builds from a package: a library, binary, example, test, bench or build script."""

    name: str
    kind: tuple[str, ...]
    required_features: tuple[str, ...] = msgspec.field(default=(), name="required-features")


class RawPackage(msgspec.Struct, frozen=True):
    """A member of the workspace."""

    id: str
    name: str
    version: str
    manifest_path: str
    targets: tuple[RawTarget, ...]
    features: dict[str, tuple[str, ...]]
    dependencies: tuple[RawDependency, ...] = ()
    metadata: Any = None
    authors: tuple[str, ...] = ()
    description: str | None = None
    homepage: str | None = None
    repository: str | None = None
    documentation: str | None = None
    license: str | None = None
    default_run: str | None = None
    rust_version: str | None = None


class RawMetadata(msgspec.Struct, frozen=True):
    """The whole answer. `workspace_default_members` came with cargo 1.71, `build_directory` with 1.91."""

    packages: tuple[RawPackage, ...]
    workspace_members: tuple[str, ...]
    workspace_root: str
    target_directory: str
    build_directory: str | None = None
    workspace_default_members: tuple[str, ...] | None = None
    metadata: Any = None


def decode_metadata(answer: bytes) -> RawMetadata:
    """Decode cargo's answer; raises msgspec.ValidationError or msgspec.DecodeError."""
    return decode_json(answer, RawMetadata)
