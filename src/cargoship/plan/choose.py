"""Which packages and binaries are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cargoship.cargo.features import enabled_features
from cargoship.cargo.project import Binary, Package, Project
from cargoship.cargo.suggest import did_you_mean, listed
from cargoship.errors import BinaryUnknown, NothingToShip, PackageUnknown
from cargoship.events import Note
from cargoship.plan.model import Selection
from cargoship.settings.model import Settings


@dataclass(frozen=True)
class FeatureChoice:
    """The features of the whole invocation, as far as they decide which binaries can be built."""

    requested: tuple[str, ...] = ()
    default: bool = True
    everything: bool = False

    def missing(self, package: Package, binary: Binary) -> tuple[str, ...]:
        """Return the features that the binary needs and that are off."""
        on = enabled_features(package, self.requested, default=self.default, everything=self.everything)
        return tuple(name for name in binary.required_features if name not in on)


def choose_packages(project: Project, selection: Selection) -> tuple[Package, ...]:
    """Return the packages to ship: those named, else the one asked for, else the workspace's default members.

    Raises PackageUnknown, and NothingToShip where no package has a binary.
    """
    if selection.packages:
        chosen = tuple(dict.fromkeys(_package(project, name) for name in selection.packages))
        for package in chosen:
            if not package.bins:
                raise NothingToShip(f"package {package.name} has no binary, it is a library")
        return chosen
    candidates = _unnamed(project)
    with_bins = tuple(package for package in candidates if package.bins)
    if with_bins:
        return with_bins
    others = [package.name for package in project.packages if package.bins]
    names = listed(package.name for package in candidates)
    raise NothingToShip(
        f"there is no binary in {names or 'the workspace'}",
        hint=f"packages of this workspace with binaries: {listed(others)}; choose with --package"
        if others
        else "an image needs a program: add src/main.rs, or a [[bin]] section",
    )


def _unnamed(project: Project) -> tuple[Package, ...]:
    # In the workspace's own folder cargo builds the default members, which are its root package unless it says more
    if project.selected is None or project.folder.resolve() == project.root.resolve():
        return project.default_members or project.packages
    return (project.selected,)


def _package(project: Project, name: str) -> Package:
    found = next((package for package in project.packages if package.name == name), None)
    if found is not None:
        return found
    known = [package.name for package in project.packages]
    raise PackageUnknown(
        f"package {name!r} is not in the workspace{did_you_mean(name, known)}", hint=f"packages: {listed(known)}"
    )


@dataclass(frozen=True)
class Group:
    """The binaries of one image, first the entrypoint, and the package whose settings it has."""

    package: Package
    bins: tuple[Binary, ...]


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
