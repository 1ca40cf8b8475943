"""The content of what a unit was seen to read outside of immutable sources, and whether it is what the unit read.

cargo compares times; a cache that goes from machine to machine compares content. A file counts by its bytes, a folder
by the names and bytes of all that is in it.

Where nobody watches what is read, a build as a whole depends on every file of its packages.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath

from cargoship.decoding import decode_toml
from cargoship.oci.digest import Digest
from cargoship.reading import read_file
from cargoship.unitcache.keys.manifests import significant
from cargoship.unitcache.keys.probes import answer
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.keys.ways import put_ns

BUILD_DIR = ":build directory"
"""In the place of a path: the build directory's own, for what embeds it."""
WORKSPACE = ":workspace"
"""The same for the workspace's folder."""
ALL = ":all "
"""Before a folder: the files of the package there, without other packages in it."""
MANIFEST = ":manifest "
"""Before a path: what a manifest says, comments excepted."""
VARIABLE = ":variable "
"""Before the name of a variable of the environment, as the user has set it."""
NEVER = ":never"
"""What is never as it was."""
_FILES_MAX = 20_000
_BYTES_MAX = 512 << 20
# What no code is made of. They are few, for a macro may read .env, .sqlx, or a folder of Markdown.
_NOWHERE = re.compile(r"\.git|node_modules|\.DS_Store")
_NOT_AT_ROOT = re.compile(
    r"\.git.*|\.vscode|\.idea|\.circleci|\.editorconfig|\.dockerignore|\.cargo|\.cargoship.*|\.?rustfmt\.toml|\.?clippy\.toml"
    r"|target|Cargo\.(?:toml|lock)|.*\.md|(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)(?:[-.].*)?"
    r"|(?:.*\.)?[Dd]ockerfile(?:\..*)?|(?:docker-)?compose.*\.ya?ml|rust-toolchain(?:\.toml)?|recipe\.json"
)
# a folder of caches, and a vendored package, whose files count for its own units
_OF_ITS_OWN = ("CACHEDIR.TAG", ".cargo-checksum.json")
_LOCAL_IN_LOCK = re.compile(r'\[\[package\]\]\nname = "([^"\n]*)"\nversion = "[^"\n]*"\n(?!source)')


def is_no_code(path: PurePath) -> bool:
    """Whether a file of a package, by its path from the package's folder, counts for none of its units."""
    return any(map(_NOT_AT_ROOT.fullmatch, path.parts[:1])) or any(map(_NOWHERE.fullmatch, path.parts))


@dataclass
class FileDigests:
    """Digests of files and folders below a workspace; each is read once in a run."""

    root: Path
    build_dir: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    target_dir: Path | None = None
    """What cargo has made is there, if not in the build directory."""
    _known: dict[str, tuple[Digest, int] | None] = field(default_factory=dict)
    _names: dict[str, frozenset[str]] = field(default_factory=dict)
    _at_first: dict[str, Digest | None] = field(default_factory=dict)
    _ways: dict[str, int] = field(default_factory=dict)

    def digest(self, path: str) -> Digest | None:
        """The content of a path as an entry names it: relative to the workspace, or absolute; None: not there."""
        found = self._look(path)
        return None if found is None else found[0]

    def holds(self, inputs: Mapping[str, Digest]) -> bool:
        """Whether every path has the content that it should."""
        return all(self.digest(path) == digest for path, digest in inputs.items())

    def before(self, path: str, time_ns: int) -> Digest:
        """The content of a path that was last changed before a time; raises NotKept otherwise.

        A file that was changed while the unit compiled may not be what the unit read. cargo would see that too.
        """
        found = self._look(path)
        if found is None and (self.root / path).is_dir():
            raise NotKept(
                f"{path}, which it depends on, is a folder whose content is not known: what is compiled lies in it, "
                "it has too many files, or links to folders"
            )
        if found is None:
            raise NotKept(f"{path}, which it depends on, is not there")
        digest, changed_ns = found
        # nor is it, where another folder has taken the place of one on the way
        if max(changed_ns, self._put_ns(path)) >= time_ns:
            raise NotKept(f"{path} was changed while it was compiled")
        return digest

    def remember(self, paths: Iterable[str]) -> None:
        """Look at folders of packages before the build."""
        self._at_first = {path: self.digest(path) for path in paths}

    def unchanged(self, path: str, time_ns: int) -> Digest:
        """The content of a package that was the same before the build, and older than a time; raises NotKept otherwise.

        cargo takes for fresh what the compiler named, though other files are newer: what was compiled before them
        must not be kept as if it was compiled with them.
        """
        found = self._look(path)
        if found is None:
            raise NotKept("its package has too many files, or some that cannot be read")
        digest, changed_ns = found
        if self._at_first.get(path) != digest or changed_ns >= time_ns:
            raise NotKept("files of its package are newer than it is")
        return digest

    def name(self, path: Path) -> str:
        """A path as entries have it."""
        plain = Path(os.path.normpath(path))
        return plain.relative_to(self.root).as_posix() if plain.is_relative_to(self.root) else plain.as_posix()

    def forget(self) -> None:
        """What was read may have changed."""
        self._known.clear()
        self._ways.clear()

    def _put_ns(self, name: str) -> int:
        """When what a name speaks of was put where it is, with all that is on the way."""
        path = str(self.root / (name.partition(" ")[2] if name.startswith(":") else name))
        # of a file its own times tell more; one that is a link may lead through links
        way = path if os.path.islink(path) else os.path.dirname(path)  # noqa: PTH114, PTH120 - there are many
        if way not in self._ways:
            self._ways[way] = put_ns(way, str(self.root))
        return self._ways[way]

    def _look(self, path: str) -> tuple[Digest, int] | None:
        if path not in self._known:
            self._known[path] = self._read(path)
        return self._known[path]

    def _read(self, path: str) -> tuple[Digest, int] | None:
        if path.startswith(":"):
            return self._special(path)
        place = self.root / path
        try:
            if place.is_dir():
                return self._folder(place)
            # the time first: what is changed while it is read has a later one
            changed_ns = _changed_ns(place)
            with place.open("rb") as stream:
                return Digest.of_stream(stream)[0], changed_ns
        except (OSError, ValueError):
            return None

    def _special(self, name: str) -> tuple[Digest, int] | None:
        kind, _, rest = name.partition(" ")
        match f"{kind} ":
            case value if value == VARIABLE:
                variable = self.env.get(rest)
                state = b"unset" if variable is None else b"=" + variable.encode("utf-8", "surrogateescape")
                return Digest.of(state), 0
            case value if value == MANIFEST:
                try:
                    return Digest.of(significant(read_file(self.root / rest))), 0
                except (OSError, ValueError):
                    return None
            case value if value == ALL:
                try:
                    return self._package(self.root / rest)
                except (OSError, ValueError):
                    return None
        folder = {BUILD_DIR: self.build_dir, WORKSPACE: self.root}.get(name)
        asked = partial(answer, name, self.root, self.build_dir, self.env)
        return asked() if folder is None else (Digest.of(str(folder).encode()), 0)

    def _package(self, folder: Path) -> tuple[Digest, int] | None:
        sha = hashlib.sha256()
        left = _BYTES_MAX
        latest_ns = folder.stat().st_mtime_ns
        for number, (name, place) in enumerate(self._own_files(str(folder), "")):
            status = place.stat(follow_symlinks=False)
            # that of a folder tells what was removed from it
            latest_ns = max(latest_ns, status.st_mtime_ns, status.st_ctime_ns)
            if stat.S_ISDIR(status.st_mode):
                continue
            left -= status.st_size
            if number > _FILES_MAX or left < 0:
                return None
            content = ""
            if stat.S_ISLNK(status.st_mode):
                content = str(Path(place).readlink())
            else:
                with Path(place).open("rb") as stream:
                    content = Digest.of_stream(stream)[0].hex
            sha.update(f"{len(name)}:{name}={content};".encode("utf-8", "surrogateescape"))
        return Digest(sha.hexdigest()), latest_ns

    def _own_files(self, folder: str, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """What a package has, in the order of the names; plain text, for a Path of each costs as much as reading it."""
        made = {str(each) for each in (self.build_dir, self.target_dir) if each is not None}
        with os.scandir(folder) as found:
            places = sorted(found, key=lambda place: place.name)
        for place in places:
            if _NOWHERE.fullmatch(place.name) or place.path in made:
                continue
            if not below and _NOT_AT_ROOT.fullmatch(place.name):
                continue
            if not place.is_dir(follow_symlinks=False):
                yield f"{below}{place.name}", place
            elif not any(Path(place, name).exists() for name in _OF_ITS_OWN) and not self._is_local_package(place):
                yield f"{below}{place.name}", place
                yield from self._own_files(place.path, f"{below}{place.name}/")

    def _is_local_package(self, folder: os.DirEntry[str]) -> bool:
        """Whether a folder has a package that the lock file knows as local: its files are its own."""
        try:
            manifest = decode_toml(read_file(Path(folder, "Cargo.toml")))
            if "local" not in self._names:
                lock = read_file(self.root / "Cargo.lock").decode()
                self._names["local"] = frozenset(_LOCAL_IN_LOCK.findall(lock))
        except (OSError, ValueError):
            return False
        package = manifest.get("package")
        return isinstance(package, dict) and package.get("name") in self._names["local"]

    def _folder(self, folder: Path) -> tuple[Digest, int] | None:
        made = {self.build_dir, self.target_dir or self.build_dir}
        if any(each.is_relative_to(folder) for each in made):
            return None  # what is compiled changes it
        sha = hashlib.sha256()
        latest_ns = folder.stat().st_mtime_ns
        for number, (name, place) in enumerate(_walk(folder, "")):
            if number > _FILES_MAX or (place.is_symlink() and place.is_dir()):
                return None
            latest_ns = max(latest_ns, _changed_ns(place))
            content = ""
            if not place.is_dir():
                with place.open("rb") as stream:
                    content = Digest.of_stream(stream)[0].hex
            sha.update(f"{len(name)}:{name}={content};".encode("utf-8", "surrogateescape"))
        return Digest(sha.hexdigest()), latest_ns


def _changed_ns(place: Path) -> int:
    """When a file, or the link to it, was changed. Anybody can give a file an old time, but not hide that he did."""
    status, link = place.stat(), place.lstat()
    return max(status.st_mtime_ns, status.st_ctime_ns, link.st_ctime_ns)


def _walk(folder: Path, below: str) -> Iterator[tuple[str, Path]]:
    for place in sorted(folder.iterdir()):
        name = f"{below}{place.name}"
        yield name, place
        if place.is_dir() and not place.is_symlink():
            yield from _walk(place, name + "/")
