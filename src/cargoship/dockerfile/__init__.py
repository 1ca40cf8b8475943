"""Dockerfiles for a plan: five stages, in which cargoship compiles and Docker makes the image. Pure.

    tools -> planner -> dependencies -> build -> runtime

Each stage is kept by BuildKit until what it is made from changes: tools until versions do, dependencies until the
recipe does.
"""

from __future__ import annotations

from cargoship.dockerfile.ignore import dockerignore
from cargoship.dockerfile.model import BuilderImage, DockerfileOptions, Variant
from cargoship.dockerfile.private import PrivateSources, has_unlocked_sources, private_sources, undefined_registries
from cargoship.dockerfile.recorded import is_ours, recorded
from cargoship.dockerfile.toolchain import choose_builder
from cargoship.dockerfile.write import dockerfile

__all__ = [
    "BuilderImage",
    "DockerfileOptions",
    "PrivateSources",
    "Variant",
    "choose_builder",
    "dockerfile",
    "dockerignore",
    "has_unlocked_sources",
    "is_ours",
    "private_sources",
    "recorded",
    "undefined_registries",
]
