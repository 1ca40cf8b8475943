"""A thing that an image is made of, before it is written in anybody's format."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Kind(Enum):
    """What a component is."""

    PROGRAM = "program"
    CRATE = "crate"
    NATIVE = "native"
    LIBRARY = "library"
    PACKAGE = "package"
    DATA = "data"
    IMAGE = "image"


class Component(Struct, frozen=True):
    """A thing in the image, or one that took part in making it."""

    ref: str
    """Its name in the SBOM; most are package URLs."""
    kind: Kind
    name: str
    version: str = ""
    purl: str = ""
    """https://github.com/package-url/purl-spec; empty where nobody could find it by one."""
    sha256: str = ""
    sha512: str = ""
    """Of the file, where that was at hand."""
    file: str = ""
    """The name of the file that it is, or comes in; empty where it is a part of others."""
    home: str = ""
    """The address of who made it, or of its project; no mail address, which its owner has not asked to be passed on."""
    license: str = ""
    license_text: str = ""
    supplier: str = ""
    repository: str = ""
    is_shipped: bool = True
    """Whether it is in the image; otherwise it ran while that was made."""
    place: str = ""
    """The file in the image."""
    facts: tuple[tuple[str, str], ...] = ()
    """More that is known: features, targets."""
    needs: tuple[str, ...] = ()
    """Components by their `ref`."""
