"""The recipe as a value, and recipe.json: cargo-chef's own format, with a version beside it.

Format: `Recipe` in https://docs.rs/cargo-chef/0.1.77/src/chef/recipe.rs.html. cargo-chef passes over the key
`version`, and a recipe of its own has none. A recipe that is read is somebody else's: its size is bounded and its paths
stay inside the folder that is cooked in.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Literal

import msgspec
from msgspec.structs import replace

from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import RecipeInvalid
from cargoship.reading import read_file

VERSION = 1
SIZE_MAX_BYTES = 32 * 1024 * 1024
"""A workspace of 300 packages and 700 dependencies has a recipe of half a megabyte."""
MANIFEST = "Cargo.toml"
_OWN = frozenset({"Cargo.lock", ".cargo", ".git", "rust-toolchain"})
_TAKEN = ("Cargo.lock", "rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml")


class LibFacts(msgspec.Struct, frozen=True, order=True):
    """What is said of a library."""

    is_proc_macro: bool = False


class Lib(msgspec.Struct, frozen=True, order=True):
    """The kind of a library target; every other kind is a word."""

    facts: LibFacts = msgspec.field(name="Lib", default=LibFacts())


Word = Literal["Bin", "Test", "Bench", "Example", "BuildScript"]
Kind = Word | Lib
# cargo-chef's order, in which targets of one path stand
_ORDER: tuple[Word, ...] = ("Bin", "Test", "Bench", "Example", "BuildScript")


class CargoTarget(msgspec.Struct, frozen=True):
    """A thing that cargo builds; `path` is that of its root source file, relative to the manifest's folder."""

    path: str
    kind: Kind
    name: str

    @property
    def order(self) -> tuple[str, int, str]:
        """By path, kind and name."""
        return (self.path, 0 if isinstance(self.kind, Lib) else 1 + _ORDER.index(self.kind), self.name)


class CargoManifest(msgspec.Struct, frozen=True):
    """A Cargo.toml: where (relative to the root), its masked text, its targets."""

    relative_path: str
    contents: str
    targets: tuple[CargoTarget, ...] = ()

    @property
    def folder(self) -> str:
        """Its folder, relative to the root; empty for the root itself."""
        return posixpath.dirname(self.relative_path)

    def source(self, target: CargoTarget) -> str:
        """The path of a target's root source file, relative to the root."""
        return posixpath.normpath(posixpath.join(self.folder, target.path))


class Skeleton(msgspec.Struct, frozen=True):
    """Everything that cargo needs to compile the dependencies."""

    manifests: tuple[CargoManifest, ...]
    config_file: str | None = None
    """The text of .cargo/config.toml."""
    lock_file: str | None = None
    rust_toolchain_file: tuple[Literal["Bare", "Toml"], str] | None = None
    """`Bare` is the file rust-toolchain, `Toml` is rust-toolchain.toml."""
    files: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """Texts of files that cargo's configuration names, by their paths; cargo-chef knows nothing of them."""


class Recipe(msgspec.Struct, frozen=True):
    """A workspace's dependencies."""

    skeleton: Skeleton
    version: int = VERSION
    partial: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether members of the workspace are left out (`--bin`): its lock file may hold more than cargo needs then, for
    features that only those turn on. Not written where it is false."""

    def to_json(self) -> bytes:
        """The same bytes for the same recipe."""
        return msgspec.json.encode(self) + b"\n"


def read_recipe(path: Path) -> Recipe:
    """Read recipe.json; raises RecipeInvalid that says what is wrong, and where in the document."""
    try:
        if path.stat().st_size > SIZE_MAX_BYTES:
            raise RecipeInvalid(f"{path} is larger than {SIZE_MAX_BYTES // 1024 // 1024} MiB: no recipe is")
        data = read_file(path, SIZE_MAX_BYTES)
    except FileNotFoundError as error:
        raise RecipeInvalid(
            f"there is no recipe at {path}",
            hint="make one with `cargoship recipe prepare`, or name it with --recipe-path",
        ) from error
    except OSError as error:
        raise RecipeInvalid(f"cannot read {path}: {error.strerror}") from error
    return parse_recipe(data, name=str(path))


def parse_recipe(data: bytes, *, name: str = "the recipe") -> Recipe:
    """Decode and check; raises RecipeInvalid."""
    hint = "make it again with `cargoship recipe prepare`"
    try:
        said = decode_json(data, _Version).version
        if said not in (None, VERSION):
            raise RecipeInvalid(f"{name} has version {said}, of which this cargoship knows nothing", hint=hint)
        recipe = decode_json(data, Recipe)
        if said is None:
            # cargo-chef does not say whether it has left something out
            recipe = replace(recipe, partial=True)
    except Undecodable as error:
        raise RecipeInvalid(f"{name} is no recipe: {error}", hint=hint) from error
    _check(recipe.skeleton, name)
    return recipe


class _Version(msgspec.Struct):
    version: int | None = None


def _check(skeleton: Skeleton, name: str) -> None:
    if not any(manifest.relative_path == MANIFEST for manifest in skeleton.manifests):
        raise RecipeInvalid(f"{name} has no manifest for the root: $.skeleton.manifests lacks {MANIFEST}")
    seen: set[str] = set()
    for number, manifest in enumerate(skeleton.manifests):
        where = f"{name}, $.skeleton.manifests[{number}]"
        path = _confined(manifest.relative_path, manifest.relative_path, f"{where}.relative_path")
        if posixpath.basename(path) != MANIFEST:
            raise RecipeInvalid(f"{where}.relative_path: {path} is not a {MANIFEST}")
        if path in seen:
            raise RecipeInvalid(f"{where}.relative_path: {path} is there twice")
        seen.add(path)
        for place, target in enumerate(manifest.targets):
            _confined(target.path, manifest.source(target), f"{where}.targets[{place}].path")
    _check_files(skeleton, seen, name)
    for manifest in skeleton.manifests:
        for target in manifest.targets:
            source = manifest.source(target)
            if source in seen or source.partition("/")[0] in _OWN or _is_gits(source):
                raise RecipeInvalid(f"{name}: the target {target.name!r} would overwrite {source}")


def _check_files(skeleton: Skeleton, manifests: set[str], name: str) -> None:
    taken = {*manifests, *_TAKEN}
    for given in skeleton.files or {}:
        path = _confined(given, given, f"{name}, $.skeleton.files")
        if path in taken or _is_gits(path):
            raise RecipeInvalid(f"{name}: a file that cargo's configuration names would overwrite {path}")


def _is_gits(path: str) -> bool:
    """Whether git would take it for its own, also that of a repository inside; some systems tell no cases apart."""
    return ".git" in path.lower().split("/")


def _confined(given: str, path: str, where: str) -> str:
    """Return a relative path as it is when it stays below the root; raises RecipeInvalid."""
    parts = path.split("/")
    if given.startswith("/") or not given or ".." in parts or "\0" in given or "\\" in given or path in {"", "."}:
        raise RecipeInvalid(
            f"{where}: {given!r} leaves the folder",
            hint="a recipe made by `cargoship recipe prepare` keeps crates from outside the workspace inside it",
        )
    return posixpath.normpath(path)
