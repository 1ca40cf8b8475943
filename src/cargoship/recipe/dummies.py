"""Remove from cargo's build directory everything that a skeleton's dummies became.

Without a package's fingerprint cargo compiles it, whatever the times of its sources say; and so fingerprints go first.
A dummy's unit is known by its hash: cargo names a unit's fingerprint after its package, and its files after the
same hash, so that a test called `serde` does not take the crate serde with it. Three layouts are known:

    v1          PROFILE/.fingerprint/PACKAGE-HASH, PROFILE/build/PACKAGE-HASH, PROFILE/deps/*-HASH.*, PROFILE/examples
    v2          PROFILE/build/PACKAGE/HASH/{fingerprint,out,run}
    build-dir   either, below build.build-dir, with the finished programs alone in the target directory

https://doc.rust-lang.org/cargo/reference/build-cache.html
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.messages import is_local
from cargoship.cargo.watch import Watched
from cargoship.errors import OutputError
from cargoship.oci.files import writing
from cargoship.recipe.document import as_table, parse
from cargoship.recipe.model import Lib, Recipe

_UNIT = re.compile(r"(?P<name>.+)-(?P<hash>[0-9a-f]{16})")
_FILE = re.compile(r".*-(?P<hash>[0-9a-f]{16})(?:\..*)?")
_IN_PATH = re.compile(r"[-/](?P<hash>[0-9a-f]{16})(?=[./]|$)")


class Dummies(Struct, frozen=True):
    """What to look for: names of local packages, of their targets' files, and the hashes that are somebody else's."""

    packages: frozenset[str]
    stems: frozenset[str]
    """Names of files before their first dot, where no hash is part of them."""
    foreign: frozenset[str] = frozenset()
    reported: tuple[Path, ...] = ()
    """Files that cargo said it has made of dummies."""

    @classmethod
    def of(cls, recipe: Recipe, runs: Collection[Watched]) -> Dummies:
        """What the dummies of a recipe are called; `runs` are those of cargo, as far as it came to any."""
        documents = (parse(each.contents, Path(each.relative_path)) for each in recipe.skeleton.manifests)
        packages = {as_table(each.get("package")).get("name") for each in documents}
        stems: set[str] = set()
        for manifest in recipe.skeleton.manifests:
            for target in manifest.targets:
                crate = target.name.replace("-", "_")
                stems |= {crate, f"lib{crate}"} if isinstance(target.kind, Lib) else {target.name, crate}
        units = [unit for done in runs for unit in done.units]
        scripts = [script for done in runs for script in done.scripts]
        strangers = [path for unit in units if not is_local(unit.package_id) for path in unit.filenames]
        strangers += [run.out_dir for run in scripts if run.out_dir is not None and not is_local(run.package_id)]
        return cls(
            frozenset(str(name) for name in packages - {None}),
            frozenset(stems),
            frozenset(hash_ for path in strangers for hash_ in _IN_PATH.findall(path.as_posix())),
            tuple(path for unit in units if is_local(unit.package_id) for path in unit.filenames),
        )


def profile_folder(profile: str) -> str:
    """The name of the folder that cargo has for a profile."""
    return {"dev": "debug", "test": "debug", "bench": "release"}.get(profile, profile)


def remove_dummies(dummies: Dummies, roots: Iterable[Path], profile: str) -> int:
    """Remove them below these target or build directories and return how many things went; raises OutputError.

    OutputError also says that something has stayed: what cooked must not be used then.
    """
    removed = 0
    for root in dict.fromkeys(roots):
        for folder in _profiles(root, profile_folder(profile)):
            removed += _sweep(folder, dummies)
    for path in dummies.reported:
        removed += _remove(path)
    left = [path for path in dummies.reported if path.exists()]
    if left:
        raise OutputError(f"{left[0]} was made from a dummy and is still there", hint="remove the target directory")
    return removed


def _profiles(root: Path, name: str) -> Iterator[Path]:
    """The profile's folder for the host, and for each target."""
    yield root / name
    if root.is_dir():
        yield from (folder / name for folder in sorted(root.iterdir()) if (folder / name).is_dir())


def _sweep(folder: Path, dummies: Dummies) -> int:
    hashes: set[str] = set()
    units: list[Path] = []
    for entry in _entries(folder / ".fingerprint", folder / "build"):
        match = _UNIT.fullmatch(entry.name)
        if match is not None and match["name"] in dummies.packages and match["hash"] not in dummies.foreign:
            hashes.add(match["hash"])
            units.append(entry)
        elif entry.parent.name == "build" and entry.name in dummies.packages:
            inside = list(_entries(entry))
            ours = [unit for unit in inside if unit.name not in dummies.foreign]
            units += (unit / "fingerprint" for unit in ours)
            units += ours if len(ours) < len(inside) else [entry]
    files = [
        entry
        for entry in _entries(folder / "deps", folder / "examples")
        if (match := _FILE.fullmatch(entry.name)) is not None and match["hash"] in hashes
    ]
    # what has no hash in its name: programs, dynamic libraries
    files += (
        entry
        for entry in _entries(folder, folder / "deps", folder / "examples")
        if _is_named(entry, dummies.stems) and (entry.is_file() or entry.suffix == ".dSYM")
    )
    # only what is local is compiled incrementally
    files += (
        entry
        for entry in _entries(folder / "incremental")
        if entry.name.rpartition("-")[0] in {each.replace("-", "_") for each in dummies.stems}
        or entry.name.startswith("build_script_")
    )
    return sum(_remove(path) for path in (*units, *files))


def _is_named(entry: Path, stems: Collection[str]) -> bool:
    name = entry.name
    while name not in stems:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return False
    return True


def _entries(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(folder.iterdir())


def _remove(path: Path) -> int:
    with writing(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.exists():
            path.unlink()
        else:
            return 0
    return 1
