"""Where cargo keeps the files of a unit, in each layout of the build directory.

    v1    [TRIPLE/]PROFILE/.fingerprint/PACKAGE-HASH, deps/*-HASH.*, build/PACKAGE-HASH, examples/*-HASH
    v2    [TRIPLE/]PROFILE/build/PACKAGE/HASH

The hash is cargo's own and the same in both. https://doc.rust-lang.org/cargo/reference/build-cache.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct, field

HASH = r"[0-9a-f]{16}"
_UNIT = re.compile(rf"(?P<package>.+)-(?P<hash>{HASH})")
_FILE = re.compile(rf".*-(?P<hash>{HASH})(?:\..*)?")
_IN_PATH = re.compile(rf"[-/](?P<hash>{HASH})(?=[./]|$)")
_SHARED = ("lib{}.so", "lib{}.dylib", "lib{}.rlib", "lib{}.rmeta", "lib{}.a", "{}.d")
_WITHOUT_HASH = {"cdylib": _SHARED, "dylib": _SHARED, "staticlib": ("lib{}.a",)}
"""By a crate's types: files with its name alone. A local crate that is a shared library too has no others."""


class UnitFolder(Struct, frozen=True):
    """The place of a unit's fingerprint in a build directory, which tells that of everything else."""

    profile: str
    """The folder of the profile, relative to the build directory: release, x86_64-unknown-linux-musl/release."""
    package: str
    hash: str
    is_v2: bool

    @property
    def fingerprint(self) -> str:
        """Relative to the build directory."""
        if self.is_v2:
            return f"{self.profile}/build/{self.package}/{self.hash}/fingerprint"
        return f"{self.profile}/.fingerprint/{self.package}-{self.hash}"

    @property
    def out_dir(self) -> str:
        """Where a build script writes, relative to the build directory."""
        if self.is_v2:
            return f"{self.profile}/build/{self.package}/{self.hash}/out"
        return f"{self.profile}/build/{self.package}-{self.hash}/out"

    @property
    def said(self) -> str:
        """What a build script has written to its standard output, relative to the build directory."""
        if self.is_v2:
            return f"{self.profile}/build/{self.package}/{self.hash}/run/stdout"
        return f"{self.profile}/build/{self.package}-{self.hash}/output"


def written_to(root: Path, folder: UnitFolder) -> bytes:
    """The folder that a build script was given to write to: another one than now, if its files come from elsewhere."""
    try:
        return (root / f"{folder.said.rpartition('/')[0]}/root-output").read_bytes() or b"\0"
    except FileNotFoundError:
        return str(root / folder.out_dir).encode()


def said_at(fingerprint: str) -> str:
    """What a build script has written to its standard output, by the place of its run's fingerprint."""
    folder, v2, _ = fingerprint.rpartition("/fingerprint")
    return f"{folder}/run/stdout" if v2 else f"{'/build/'.join(fingerprint.rsplit('/.fingerprint/', 1))}/output"


def hash_in(path: Path) -> str | None:
    """The hash of the unit that a file is of, where its path tells."""
    found = _IN_PATH.findall(path.as_posix())
    return found[-1] if found else None


class BuildDir(Struct, frozen=True):
    """A build directory as it is now."""

    root: Path
    folders: dict[tuple[str, str], UnitFolder] = field(default_factory=dict)
    """By the profile's folder and the hash."""
    loose: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Files of layout v1 in folders that units share, by the profile's folder and the hash; relative to `root`."""
    inodes: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Of programs and libraries: cargo links them to places where the name tells no hash."""

    @classmethod
    def scan(cls, root: Path) -> BuildDir:
        """Look through the profiles' folders; what is not there is nothing. Raises OSError."""
        found = cls(root)
        for profile in _profiles(root):
            found._scan_v1(profile)
            found._scan_v2(profile)
        return found

    def _scan_v1(self, profile: str) -> None:
        for entry in _entries(self.root / profile / ".fingerprint"):
            match = _UNIT.fullmatch(entry.name)
            if match is not None:
                folder = UnitFolder(profile, match["package"], match["hash"], is_v2=False)
                self.folders[profile, folder.hash] = folder
        for shared in ("deps", "examples"):
            for entry in _entries(self.root / profile / shared):
                match = _FILE.fullmatch(entry.name)
                if match is not None and entry.is_file(follow_symlinks=False):
                    self.loose.setdefault((profile, match["hash"]), []).append(f"{profile}/{shared}/{entry.name}")
                    self.inodes[entry.inode()] = (profile, match["hash"])

    def _scan_v2(self, profile: str) -> None:
        units = (
            (package.name, Path(entry.path))
            for package in _entries(self.root / profile / "build")
            if package.is_dir(follow_symlinks=False)
            for entry in _entries(Path(package.path))
            if re.fullmatch(HASH, entry.name)
        )
        for package, place in units:
            if (place / "fingerprint").is_dir():
                self.folders[profile, place.name] = UnitFolder(profile, package, place.name, is_v2=True)
                for made in _entries(place / "out"):
                    if made.is_file(follow_symlinks=False):
                        self.inodes[made.inode()] = (profile, place.name)

    def library_folders(self, package: str, target: str, made: Path) -> list[UnitFolder]:
        """The places of a library whose files tell no hash; `made` is one of them, and tells the profile."""
        profile = made.parent.parent if made.parent.name == "deps" else made.parent
        found = [
            folder
            for folder in self.folders.values()
            if folder.package == package
            and profile.as_posix().endswith(f"/{folder.profile}")
            and (self.root / folder.fingerprint / f"lib-{target}").is_file()
        ]
        longest = max((len(folder.profile) for folder in found), default=0)
        return [folder for folder in found if len(folder.profile) == longest]

    def files_of(self, folder: UnitFolder, crate_types: Iterable[str], crate: str) -> list[str]:
        """All files of a unit, relative to `root`: its fingerprint last, and the last of all what cargo looks at first.

        Without that one cargo compiles the unit, whatever else is there: a copy in this order that was interrupted
        leaves nothing that is taken for whole. Symbolic links are among them. Raises OSError.
        """
        if folder.is_v2:
            made = list(self._below(f"{folder.profile}/build/{folder.package}/{folder.hash}"))
        else:
            made = list(self.loose.get((folder.profile, folder.hash), ()))
            made += self._below(f"{folder.profile}/build/{folder.package}-{folder.hash}")
            names = {name for kind in crate_types for name in _WITHOUT_HASH.get(kind, ())}
            places = (f"{folder.profile}/deps/{name.format(crate)}" for name in sorted(names))
            made += [place for place in places if (self.root / place).is_file()]
            made += self._below(folder.fingerprint)

        def weight(path: str) -> tuple[int, str]:
            if not path.startswith(folder.fingerprint + "/"):
                return 0, path
            return (2 if is_hash_file(path.rpartition("/")[2]) else 1), path

        return sorted(set(made), key=weight)

    def _below(self, place: str) -> Iterator[str]:
        entries = _entries(self.root / place)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._below(f"{place}/{entry.name}")
            else:
                yield f"{place}/{entry.name}"
        # a folder that a script writes nothing into is looked for all the same
        if not entries and (self.root / place).is_dir():
            yield place


def is_hash_file(name: str) -> bool:
    """Whether a file of a fingerprint's folder is the one that holds the hash."""
    return not name.endswith(".json") and not name.startswith(("dep-", "output-")) and name != "invoked.timestamp"


def _profiles(root: Path) -> Iterator[str]:
    for entry in _entries(root):
        if not entry.is_dir(follow_symlinks=False):
            continue
        if _is_profile(Path(entry.path)):
            yield entry.name
            continue
        for below in _entries(Path(entry.path)):
            if below.is_dir(follow_symlinks=False) and _is_profile(Path(below.path)):
                yield f"{entry.name}/{below.name}"


def _is_profile(folder: Path) -> bool:
    return (folder / ".fingerprint").is_dir() or ((folder / "build").is_dir() and not folder.is_symlink())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
