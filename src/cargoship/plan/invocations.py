"""Which packages one invocation of cargo can compile together. Pure.

cargo puts the binaries of all packages into one folder by their names alone: of two with one name, whichever is linked
last stays there (https://github.com/rust-lang/cargo/issues/6313).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from cargoship.cargo.project import Package


def set_apart(packages: Iterable[Package], wanted: Mapping[str, AbstractSet[str]]) -> list[list[Package]]:
    """Split packages so that no two of a part have a binary of one name, among those that it compiles.

    `wanted` has the names of the binaries that each package is wanted for. cargo's --bin holds for all packages that
    are named with it, and so a package's other binaries count too.
    """
    parts: list[list[Package]] = []
    for package in packages:
        for part in parts:
            if not _collide([*part, package], wanted):
                part.append(package)
                break
        else:
            parts.append([package])
    return parts


def _collide(packages: Sequence[Package], wanted: Mapping[str, AbstractSet[str]]) -> bool:
    names = set().union(*(wanted[package.name] for package in packages))
    made = [binary.name for package in packages for binary in package.bins if binary.name in names]
    return len(made) > len(set(made))


def features_of(packages: Sequence[Package], features: Sequence[str], workspace: Sequence[Package]) -> tuple[str, ...]:
    """The features that concern some packages of a workspace; cargo refuses the others."""
    if len(packages) == len(workspace):
        return tuple(features)
    own = {package.name for package in packages}
    others = {package.name for package in workspace} - own - {key for each in packages for key in each.dependencies}

    def concerns(feature: str) -> bool:
        name, slash, _ = feature.partition("/")
        if slash:
            return name.rstrip("?") not in others
        known = any(name in package.features for package in packages)
        return known or not any(name in package.features for package in workspace)

    return tuple(feature for feature in features if concerns(feature))
