"""What a Dockerfile is asked to be."""

from __future__ import annotations

import enum
import re

from msgspec import Struct

from cargoship.dockerfile.private import NO_PRIVATE_SOURCES, PrivateSources


class Variant(enum.Enum):
    """Where a Dockerfile compiles."""

    CROSS = "cross"
    """On the machine that builds, for all platforms in one invocation of cargo: nothing is emulated."""
    NATIVE = "native"
    """On the platform of the image itself."""


class BuilderImage(Struct, frozen=True):
    """The image that the stages before the last one stand on, and what it needs to have the right Rust."""

    image: str
    toolchain_file: str | None = None
    """A file of rustup's in the build context that must be there before Rust is first asked for anything."""
    channel: str | None = None
    """The toolchain that rustup has to use, whatever such a file says."""

    @property
    def release(self) -> str | None:
        """The version of Rust that compiles in it; None where the image's name does not say it."""
        found = re.match(r"rust:([0-9.]+)-", self.image)
        is_files = self.toolchain_file is not None and self.channel is None
        return None if found is None or is_files else found[1]


class DockerfileOptions(Struct, frozen=True):
    """Everything that the plan does not say."""

    builder: BuilderImage
    requirements: tuple[str, ...]
    """What pip installs: `cargoship==1.2.3`, a URL; the first is cargoship. Nothing: the builder has it."""
    variant: Variant = Variant.CROSS
    wheel: str | None = None
    """A file in the build context, relative with slashes, that is installed in the place of the first requirement."""
    bins: tuple[str, ...] = ()
    """The binaries that were asked for by name; others than these follow from the settings."""
    apt: tuple[str, ...] = ()
    """Debian packages for the stage that compiles."""
    apk: tuple[str, ...] = ()
    """Alpine packages for it."""
    version: str = ""
    """cargoship's own, for the first line."""
    arguments: tuple[str, ...] = ()
    """What follows `cargoship dockerfile` to get the same file again."""
    private: PrivateSources = NO_PRIVATE_SOURCES
    """What cargo wants credentials for while the image is built."""
    file: str = "Dockerfile"
    """The file's own path in the build context."""
