"""What the name of a base means: the only place that takes it apart."""

from __future__ import annotations

import enum
import re
from typing import TypeAlias

from msgspec import Struct

from cargoship.debian.suites import SCHEME, DebianSpec, known
from cargoship.errors import UsageError
from cargoship.oci.reference import Reference
from cargoship.oci.target import DOCKER_ARCHIVE, OCI_ARCHIVE

_LAYOUT = "oci:"
_ARCHIVES = (DOCKER_ARCHIVE, OCI_ARCHIVE)


class BuiltInBase(enum.Enum):
    """A base that cargoship makes itself; the value is its name."""

    STATIC = "static"
    SCRATCH = "scratch"

    def __str__(self) -> str:
        """As the settings have it."""
        return self.value


class LayoutBase(Struct, frozen=True):
    """An image in a layout; `target` is its folder, with `:tag` or `@digest` after it where that has several."""

    target: str

    def __str__(self) -> str:
        """As the settings have it."""
        return _LAYOUT + self.target


class RegistryBase(Struct, frozen=True):
    """An image in a registry; `text` is how the settings write `reference`."""

    text: str
    reference: Reference

    def __str__(self) -> str:
        """As the settings have it."""
        return self.text


BaseSpec: TypeAlias = BuiltInBase | LayoutBase | RegistryBase | DebianSpec


def distribution_of(spec: BaseSpec) -> str | None:
    """The distribution whose packages a base is made of, a row of `bases.distributions`; None for other bases."""
    return "debian" if isinstance(spec, DebianSpec) else None


def parse_base_spec(text: str, *, packages: bool = False) -> BaseSpec:
    """Parse `static`, `scratch`, `deb:RELEASE`, `oci:FOLDER[:tag or @digest]`, or a reference in a registry.

    With `packages` to be added to it, debian:bookworm is made of packages too, and no image in a registry. Raises
    ValueError.
    """
    if text in {base.value for base in BuiltInBase}:
        return BuiltInBase(text)
    distribution, _, release = text.removeprefix("docker.io/library/").partition(":")
    if text.startswith(SCHEME) or (packages and distribution == "debian" and known(release) is not None):
        return DebianSpec.parse(SCHEME + release)
    if text.startswith(_LAYOUT) and len(text) > len(_LAYOUT):
        return LayoutBase(text.removeprefix(_LAYOUT))
    if text == _LAYOUT:
        raise ValueError("'oci:' is not a base: write oci:FOLDER")
    kind, _, file = text.partition(":")
    if kind in _ARCHIVES:
        copy = f"cargoship copy {kind}:{file or 'FILE'} oci:FOLDER"
        raise ValueError(f"{text!r} is not a base: an archive has to be unpacked for that; {copy}, and name oci:FOLDER")
    # a bare word would be an image of Docker Hub, and is rather a mistyped name of what is built in
    if not re.search("[:/@]", text):
        names = '"static", "scratch", "deb:bookworm", "oci:FOLDER", or an image with its tag, such as "debian:12"'
        raise ValueError(f"{text!r} is not a base: use {names}")
    try:
        return RegistryBase(text, Reference.parse(text))
    except UsageError as error:
        raise ValueError(error.message) from error
