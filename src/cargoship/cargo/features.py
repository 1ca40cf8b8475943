"""Which features are on: cargo's rules for names, for `default` and for what a feature turns on.

Rules: https://doc.rust-lang.org/cargo/reference/features.html. What dependencies' features turn on is cargo's
business; here only those of the workspace's packages matter, for `required-features` and for misspelt names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cargoship.cargo.project import Package, Project
from cargoship.errors import FeatureUnknown
from cargoship.suggest import did_you_mean, listed


def split_features(values: Iterable[str]) -> tuple[str, ...]:
    """Split as cargo does, at commas and spaces, each name once."""
    return tuple(dict.fromkeys(word for value in values for word in value.replace(",", " ").split()))


def check_features(project: Project, packages: Sequence[Package], names: Iterable[str]) -> None:
    """Raise FeatureUnknown for a name that none of the packages to build knows."""
    for name in names:
        owner, slash, feature = name.partition("/")
        if slash:
            _check_owned(project, packages, owner, feature)
        elif not any(name in package.features for package in packages):
            known = {feature for package in packages for feature in package.features}
            raise _unknown(f"feature {name!r} is not known", name, known, packages)


def _check_owned(project: Project, packages: Sequence[Package], owner: str, feature: str) -> None:
    member = next((package for package in project.packages if package.name == owner), None)
    reachable = member in packages or any(owner in package.dependencies for package in packages)
    if not reachable:
        known = {package.name for package in packages} | {name for package in packages for name in package.dependencies}
        raise _unknown(f"feature {owner}/{feature}: no package or dependency {owner!r}", owner, known, packages)
    if member is not None and feature not in member.features:
        raise _unknown(f"feature {owner}/{feature} is not known", feature, set(member.features), (member,))


def _unknown(what: str, name: str, known: set[str], packages: Sequence[Package]) -> FeatureUnknown:
    where = listed(package.name for package in packages)
    hint = (
        f"known in {where}: {listed(known)}"
        if known
        else f"{where} {'has' if len(packages) == 1 else 'have'} no features"
    )
    return FeatureUnknown(what + did_you_mean(name, known), hint=hint)


def enabled_features(
    package: Package, requested: Iterable[str], *, default: bool = True, everything: bool = False
) -> frozenset[str]:
    """Return every feature of the package that is on, with what each turns on (`dep:x` and `x/y` included)."""
    if everything:
        todo = list(package.features)
    else:
        own = package.name + "/"
        todo = [name.removeprefix(own) for name in requested] + (["default"] if default else [])
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        todo.extend(package.features.get(name, ()))
        owner, slash, _ = name.partition("/")
        if slash and not owner.endswith("?"):
            # x/y turns the optional dependency x on as well
            todo.append(owner)
    return frozenset(found)
