"""What is asked for and what will be done, as values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.cargo.command import CargoBuild
from cargoship.cargo.project import Binary, Package
from cargoship.cargo.suggest import did_you_mean
from cargoship.errors import UsageError
from cargoship.events import Note
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.platforms import Libc
from cargoship.settings.cache import CacheOptions
from cargoship.settings.model import Settings

BIN_DIR = "/app"
"""Where binaries are in an image."""


class OutputKind(enum.Enum):
    """The forms of a file or folder that an image can be written to."""

    OCI = "oci"
    """An OCI image layout, a folder; it can hold several images."""
    OCI_ARCHIVE = "oci-archive"
    """The same as a tar file."""
    DOCKER_ARCHIVE = "docker-archive"
    """A tar file for `docker load` and `podman load`."""
    ROOTFS = "rootfs"
    """The files as a container sees them, in a folder for each platform."""


@dataclass(frozen=True)
class Output:
    """A file or folder to write. `{name}` in the path stands for the image's name."""

    kind: OutputKind
    path: Path

    @classmethod
    def parse(cls, text: str, *, cwd: Path) -> Output:
        """Parse `KIND:PATH`, with paths from `cwd`; raises UsageError."""
        known = [kind.value for kind in OutputKind]
        word, colon, path = text.partition(":")
        if not colon or word not in known:
            meant = did_you_mean(word, known) if colon else ""
            raise UsageError(
                f"output {text!r} is not KIND:PATH{meant}",
                hint="use oci:FOLDER, oci-archive:FILE, docker-archive:FILE or rootfs:FOLDER",
            )
        if not path:
            raise UsageError(f"output {text!r} has no path", hint=f"write {word}:PATH")
        return cls(OutputKind(word), cwd / path)

    def for_image(self, name: str) -> Output:
        """Return the output with `{name}` filled in."""
        return Output(self.kind, Path(str(self.path).replace("{name}", name)))

    @property
    def is_per_image(self) -> bool:
        """Whether every image gets a path of its own."""
        return "{name}" in str(self.path)

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.kind.value}:{self.path}"


@dataclass(frozen=True)
class Selection:
    """What is asked for on the command line or by a library user; empty or None: not said."""

    path: Path
    """Absolute: a folder, or a Cargo.toml."""
    packages: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    profile: str | None = None
    features: tuple[str, ...] = ()
    all_features: bool = False
    no_default_features: bool = False
    locked: bool | None = None
    """None: where there is a Cargo.lock."""
    offline: bool = False
    frozen: bool = False
    jobs: int | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    """Settings by their key in Cargo.toml, as flags give them; they win over every other source."""
    push: bool = False
    push_by_digest: bool = False
    """Push to the repositories of the tags, and let no tag name what is there."""
    load: bool = False
    outputs: tuple[Output, ...] = ()
    require_clean: bool = False
    """Refuse a tree that differs from its commit."""


@dataclass(frozen=True)
class ImagePlan:
    """One image: for every platform of the plan it holds the same binaries and has the same settings."""

    name: str
    package: Package
    """The package of the first binary."""
    bins: tuple[Binary, ...]
    """The first is the entrypoint. Those of a bundle may come from several packages."""
    settings: Settings
    references: tuple[Reference, ...]
    """What it is published as; each has a tag."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The program that starts, with its fixed arguments."""
        return self.settings.entrypoint or (f"{BIN_DIR}/{self.bins[0].name}",)


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first process that costs time."""

    root: Path
    """The workspace's folder: nothing outside it goes into an image."""
    target_dir: Path
    build_dir: Path
    """Where cargo keeps what is between; the target directory, if not set apart (build.build-dir)."""
    images: tuple[ImagePlan, ...]
    platforms: tuple[Platform, ...]
    libc: Libc
    cargo: CargoBuild
    epoch: int
    """The time of everything in the images, in seconds since 1970."""
    created: str
    """`epoch` as RFC 3339."""
    allocator: str = "system"
    revision: str | None = None
    """The commit, with -dirty after it where files differ from it."""
    outputs: tuple[Output, ...] = ()
    push: bool = False
    """Whether anything goes to registries."""
    push_by_digest: bool = False
    """Whether it goes there without a tag."""
    load: bool = False
    cache: CacheOptions = field(default_factory=CacheOptions)
    """Where compiled units are kept."""
    project: str = ""
    """A digest of what cargo says of the workspace, wherever that is."""
    notes: tuple[Note, ...] = ()
    """What a person should know: binaries left out, unknown variables."""
