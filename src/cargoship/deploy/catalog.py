"""Which binary of which project a reference means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from cargoship.cargo.project import Package, Project, load_project
from cargoship.context import Context
from cargoship.deploy.places import SCHEME, FolderReference, NameReference, Position
from cargoship.errors import ManifestNotFound, ReferenceUnknown, UsageError
from cargoship.plan import Selection
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_settings
from cargoship.suggest import did_you_mean, listed


class ImageToBuild(Struct, frozen=True):
    """An image to build: a binary, or the bundle that it begins."""

    root: Path
    """Of the workspace."""
    package: str
    binary: str
    bundle: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a reference."""
        return f"{SCHEME}{self.package}/{self.binary}"


class _Known(Struct, frozen=True):
    """A project and the settings of its packages that have binaries."""

    project: Project
    packages: tuple[Package, ...]
    settings: Mapping[str, Settings]

    def targets(self, package: Package) -> Iterator[ImageToBuild]:
        """What a package's name stands for: what is built where nothing is said."""
        own = self.settings[package.name]
        if own.bundle:
            yield self.target(package, own.bundle[0])
            return
        names = own.bins or ((package.default_run,) if package.default_run else ())
        for binary in package.bins:
            if not names or binary.name in names:
                yield self.target(package, binary.name)

    def target(self, package: Package, binary: str) -> ImageToBuild:
        """An image by its first binary."""
        bundle = self.settings[package.name].bundle
        return ImageToBuild(self.project.root, package.name, binary, bundle if bundle and bundle[0] == binary else ())

    def named(self, name: str) -> Iterator[ImageToBuild]:
        """Everything that a name may mean here: a binary, an image's own name, or a package."""
        owner, slash, binary = name.rpartition("/")
        for package in self.packages:
            exact = [self.target(package, each.name) for each in package.bins if each.name == binary]
            if slash:
                yield from exact if package.name == owner else ()
            elif exact:
                yield from exact
            elif name in {package.name, self.settings[package.name].name}:
                yield from self.targets(package)

    def everything(self) -> Iterator[ImageToBuild]:
        """Every binary."""
        for package in self.packages:
            for binary in package.bins:
                yield self.target(package, binary.name)


class Catalog(Struct, frozen=True):
    """The projects that references are looked up in; each is read once, when it is needed.

    `selection` is what holds for all of them: its `path` and names are not used.
    """

    folders: Sequence[Path]
    selection: Selection
    context: Context
    _known: dict[Path, _Known] = field(default_factory=dict)
    _of_folders: dict[str, list[ImageToBuild]] = field(default_factory=dict)

    def find(self, wanted: NameReference | FolderReference, place: Position) -> ImageToBuild:
        """The image that is wanted; raises ReferenceUnknown with candidates, and ProjectError's family."""
        if isinstance(wanted, FolderReference):
            return self._of_folder(wanted, place)
        found = list(dict.fromkeys(target for known in self._projects(place) for target in known.named(wanted.name)))
        if len(found) == 1:
            return found[0]
        if found:
            raise ReferenceUnknown(
                f"{place}: {SCHEME}{wanted.name} can mean {len(found)} images",
                hint=f"write one of {listed(map(str, found))}",
            )
        everything = [target for known in self._projects(place) for target in known.everything()]
        names = {target.binary for target in everything} | {target.package for target in everything}
        raise ReferenceUnknown(
            f"{place}: no binary or package is called {wanted.name}{did_you_mean(wanted.name, names)}",
            hint=f"there are {listed(map(str, everything))}" if everything else "the projects have no binary",
        )

    def selections(self, targets: Sequence[ImageToBuild]) -> Mapping[Path, Selection]:
        """What has to be built, by workspace; raises UsageError for what one build cannot make."""
        found: dict[Path, Selection] = {}
        for root in dict.fromkeys(target.root for target in targets):
            own = sorted({target for target in targets if target.root == root}, key=str)
            bundles = {target.bundle for target in own if target.bundle}
            if len(bundles) > 1:
                raise UsageError(f"{root} has several bundles that are wanted at once", hint="resolve them one by one")
            for binary in {target.binary for target in own}:
                whose = [target for target in own if target.binary == binary]
                if len(whose) > 1:
                    raise UsageError(
                        f"{listed(map(str, whose))} have one name and cannot be built together",
                        hint="rename one of the binaries, or resolve them one by one",
                    )
            found[root] = self._selection(root, own, next(iter(bundles), ()))
        return found

    def _selection(self, root: Path, targets: Sequence[ImageToBuild], bundle: tuple[str, ...]) -> Selection:
        overrides = {**self.selection.overrides, **({"bundle": bundle} if bundle else {})}
        packages = tuple(dict.fromkeys(target.package for target in targets))
        bins = tuple(target.binary for target in targets)
        push = not (self.selection.load or self.selection.clusters)
        return replace(self.selection, path=root, packages=packages, bins=bins, overrides=overrides, push=push)

    def _projects(self, place: Position) -> list[_Known]:
        try:
            known = [self._load(folder) for folder in self.folders]
        except ManifestNotFound as error:
            raise ManifestNotFound(
                f"{place}: there is no project to look the reference up in: {error.message}",
                hint="name its folder with --project",
            ) from error
        return list({each.project.root: each for each in known}.values())

    def _of_folder(self, wanted: FolderReference, place: Position) -> ImageToBuild:
        found = self._of_folders.get(wanted.folder)
        if found is None:
            known = self._load(Path(wanted.folder))
            chosen = known.project.selected
            alone = chosen is not None and chosen in known.packages
            packages = [chosen] if alone and chosen is not None else known.packages
            found = [target for package in packages for target in known.targets(package)]
            self._of_folders[wanted.folder] = found
        if len(found) == 1:
            return found[0]
        named = [target for target in found if wanted.service in {target.binary, target.package}]
        if len(named) == 1:
            return named[0]
        if not found:
            raise ReferenceUnknown(f"{place}: there is no binary in {wanted.folder}", hint="an image needs a program")
        raise ReferenceUnknown(
            f"{place}: {wanted.folder} has {len(found)} images, and none is called {wanted.service}",
            hint=f"give the service an image instead of the build: one of {listed(map(str, found))}",
        )

    def _load(self, folder: Path) -> _Known:
        if folder not in self._known:
            context, selection = self.context, self.selection
            cargo = Path(context.env.get("CARGO") or "cargo")
            project = load_project(context.runner, cargo, folder, env=context.env, offline=selection.is_offline)
            packages = tuple(package for package in project.packages if package.bins)
            settings, _ = load_settings(project, packages, env=context.env, overrides=selection.overrides)
            self._known[folder] = _Known(project, packages, settings)
        return self._known[folder]
