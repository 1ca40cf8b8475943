"""Which packages and binaries are meant."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.features import enabled_features
from cargoship.cargo.manifest import MANIFEST
from cargoship.cargo.project import Binary, Package, Project
from cargoship.errors import BinaryUnknown, NothingToShip, PackageUnknown
from cargoship.events import Note
from cargoship.plan.model import Selection
from cargoship.reading import real_path
from cargoship.settings.model import Settings
from cargoship.suggest import did_you_mean, listed

_PATTERN = frozenset("*?[")
_PORTS = re.compile(r"[\d.:]*\d(/\w+)?")


class FeatureChoice(Struct, frozen=True):
    """The features of the whole invocation, as far as they decide which binaries can be built."""

    requested: tuple[str, ...] = ()
    default: bool = True
    everything: bool = False

    def missing(self, package: Package, binary: Binary) -> tuple[str, ...]:
        """Return the features that the binary needs and that are off."""
        on = enabled_features(package, self.requested, default=self.default, everything=self.everything)
        return tuple(name for name in binary.required_features if name not in on)


def choose_packages(project: Project, selection: Selection) -> tuple[Package, ...]:
    """Return the packages to ship: those named, else those asked for, else the workspace's default members.

    Raises PackageUnknown, and NothingToShip where no package has a binary.
    """
    left_out = {package for name in selection.exclude for package in _named(project, name)}
    if selection.packages and not selection.workspace:
        named = (package for name in selection.packages for package in _with_binaries(project, name))
        chosen = tuple(package for package in dict.fromkeys(named) if package not in left_out)
        if not chosen:
            raise NothingToShip("every package that is named is excluded", hint="leave one of both out")
        return chosen
    candidates = _unnamed(project, selection)
    with_bins = tuple(package for package in candidates if package.bins and package not in left_out)
    if with_bins:
        return with_bins
    if left_out.intersection(candidates):
        raise NothingToShip("no package with a binary is left", hint=f"excluded: {listed(selection.exclude)}")
    others = [package.name for package in project.packages if package.bins]
    names = listed(package.name for package in candidates)
    raise NothingToShip(
        f"there is no binary in {names or 'the workspace'}",
        hint=f"packages of this workspace with binaries: {listed(others)}; choose with --package"
        if others
        else "an image needs a program: add src/main.rs, or a [[bin]] section",
    )


def without_skipped(
    packages: Sequence[Package], settings: Mapping[str, Settings], selection: Selection
) -> tuple[Package, ...]:
    """The packages whose settings do not say `skip`, and those that are named; raises NothingToShip for none."""
    names = set(selection.packages)
    kept = tuple(each for each in packages if each.name in names or not settings[each.name].skip)
    if not kept:
        raise NothingToShip(
            f"the settings skip {listed(each.name for each in packages)}",
            hint="choose with --package what is to be built all the same",
        )
    return kept


def _unnamed(project: Project, selection: Selection) -> tuple[Package, ...]:
    if selection.workspace:
        return project.packages
    if selection.also:
        folders = [
            real_path(path.parent if path.name == MANIFEST else path) for path in (selection.path, *selection.also)
        ]
        found = [_at(project, folder) for folder in folders]
        for (own, *others), folder in zip(found, folders, strict=True):
            # as a name does, a folder asks for an image of its own
            if not (others or own.bins or folder == real_path(project.root)):
                raise _library(f"package {own.name}")
        return tuple(dict.fromkeys(package for each in found for package in each))
    # In the workspace's own folder cargo builds the default members, which are its root package unless it says more
    if project.selected is None or real_path(project.folder) == real_path(project.root):
        return project.default_members or project.packages
    return (project.selected,)


def _at(project: Project, folder: Path) -> tuple[Package, ...]:
    """The package in a folder, or below whose folder it is; the default members in the workspace's own."""
    if folder == real_path(project.root):
        return project.default_members or project.packages
    above = [each for each in project.packages if folder.is_relative_to(real_path(each.root))]
    if not above:
        raise PackageUnknown(f"there is no package in {folder}", hint=f"the workspace is {project.root}")
    return (max(above, key=lambda each: len(real_path(each.root).parts)),)


def _with_binaries(project: Project, name: str) -> tuple[Package, ...]:
    """The packages that a name or pattern means; of a pattern those that have a binary."""
    found = _named(project, name)
    with_bins = tuple(package for package in found if package.bins)
    if not with_bins:
        if name == found[0].name:
            raise _library(f"package {name}")
        raise NothingToShip(f"package {name} means libraries alone")
    return with_bins


def _library(name: str) -> NothingToShip:
    return NothingToShip(f"{name} has no binary, it is a library")


def _named(project: Project, name: str) -> tuple[Package, ...]:
    """The packages that a name or pattern means; raises PackageUnknown."""
    found = tuple(package for package in project.packages if package.name == name)
    if not found and _PATTERN.intersection(name):
        found = tuple(package for package in project.packages if fnmatch.fnmatchcase(package.name, name))
    if found:
        return found
    known = [package.name for package in project.packages]
    if _PATTERN.intersection(name):
        raise PackageUnknown(f"no package of the workspace matches {name!r}", hint=f"packages: {listed(known)}")
    # as engines write what is to be published, and as other options here take several values
    more = "; -p is a package: for ports, write --set expose=PORT" if _PORTS.fullmatch(name) else ""
    if set(name.split(",")) <= {*known, ""}:
        more = f"; write {' '.join(f'-p {each}' for each in name.split(',') if each)}"
    raise PackageUnknown(
        f"package {name!r} is not in the workspace{did_you_mean(name, known)}", hint=f"packages: {listed(known)}{more}"
    )


class Group(Struct, frozen=True):
    """The binaries of one image, first the entrypoint, and the package whose settings it has."""

    package: Package
    bins: tuple[Binary, ...]

    @property
    def packages(self) -> frozenset[str]:
        """The names of all packages that it is made of."""
        return frozenset({self.package.name, *(binary.package for binary in self.bins)})


Keep = Callable[[Group], bool]
"""Says of an image whether it is built."""


def choose_groups(
    project: Project,
    packages: Sequence[Package],
    settings: Mapping[str, Settings],
    selection: Selection,
    features: FeatureChoice,
) -> tuple[tuple[Group, ...], tuple[Note, ...]]:
    """Return the images' binaries and what to say about those left out.

    Raises BinaryUnknown for a name that does not exist or cannot be built with these features, and NothingToShip.
    """
    check_listed(project, packages, settings)
    groups: list[Group] = []
    # A binary that was asked for by name alone is wanted alone, unless the bundle was asked for in the same breath
    if not selection.bins or "bundle" in selection.overrides:
        for bundle in dict.fromkeys(settings[package.name].bundle for package in packages):
            found = [_find(project, packages, name, features) for name in bundle]
            groups += [Group(found[0][0], tuple(binary for _, binary in found))] if found else []
    bundled = {binary for group in groups for binary in group.bins}
    if selection.bins:
        named = dict.fromkeys(_find(project, packages, name, features, elsewhere=False) for name in selection.bins)
        groups += [Group(package, (binary,)) for package, binary in named if binary not in bundled]
        return tuple(groups), ()
    notes: list[Note] = []
    for package in packages:
        wanted, left_out = _default_bins(package, settings[package.name], features, bundled)
        groups += [Group(package, (binary,)) for binary in wanted]
        notes += left_out
    if not groups:
        needs = "; ".join(note.text for note in notes)
        raise NothingToShip("no binary can be built with these features", hint=needs or None)
    return tuple(sorted(groups, key=lambda group: (group.package.name, group.bins[0].name))), tuple(notes)


def _default_bins(
    package: Package, settings: Settings, features: FeatureChoice, bundled: set[Binary]
) -> tuple[list[Binary], list[Note]]:
    own = {binary.name: binary for binary in package.bins}
    if settings.bins:
        # A list from the workspace may name binaries of other packages: check_listed has seen to misspelt ones
        wanted = [own[name] for name in settings.bins if name in own and own[name] not in bundled]
        return [_ready(package, binary, features) for binary in wanted], []
    main = own.get(package.default_run or "")
    if main is not None:
        if main in bundled:
            return [], []
        others = [name for name in own if name != main.name]
        note = Note(
            f"package {package.name} ships {main.name}, its default-run, and not {listed(others)} "
            "(choose with --bin, or with bins in the settings)"
        )
        return [_ready(package, main, features)], [note] if others else []
    wanted = []
    notes: list[Note] = []
    for binary in package.bins:
        missing = features.missing(package, binary)
        if binary not in bundled and missing:
            notes.append(Note(f"binary {binary.name} is left out: it needs the features {listed(missing)}"))
        elif binary not in bundled:
            wanted.append(binary)
    return wanted, notes


def check_listed(project: Project, packages: Sequence[Package], settings: Mapping[str, Settings]) -> None:
    """Raise BinaryUnknown for a name in a `bins` setting that no package of the workspace has."""
    known = [binary.name for package in project.packages for binary in package.bins]
    for name in dict.fromkeys(name for package in packages for name in settings[package.name].bins):
        if name not in known:
            raise _unknown_binary(name, known)


def _find(
    project: Project, packages: Sequence[Package], name: str, features: FeatureChoice, *, elsewhere: bool = True
) -> tuple[Package, Binary]:
    """Find a binary by name in the packages to ship, then in the rest of the workspace if that is allowed."""
    others = [package for package in project.packages if package not in packages]
    for package in (*packages, *(others if elsewhere else ())):
        for binary in package.bins:
            if binary.name == name:
                return package, _ready(package, binary, features)
    known = [binary.name for package in packages for binary in package.bins]
    owner = next((package.name for package in others for binary in package.bins if binary.name == name), None)
    if owner is not None:
        raise BinaryUnknown(f"binary {name!r} is in package {owner}", hint=f"add --package {owner}")
    raise _unknown_binary(name, known)


def _unknown_binary(name: str, known: Sequence[str]) -> BinaryUnknown:
    return BinaryUnknown(f"binary {name!r} is not known{did_you_mean(name, known)}", hint=f"binaries: {listed(known)}")


def _ready(package: Package, binary: Binary, features: FeatureChoice) -> Binary:
    missing = features.missing(package, binary)
    if missing:
        raise BinaryUnknown(
            f"binary {binary.name!r} of package {package.name} needs features that are off: {listed(missing)}",
            hint=f"add --features {','.join(missing)}",
        )
    return binary
