"""Headers and libraries of Debian packages for a compiler: a folder for each target, never a part of an image.

    usr/include, usr/lib, usr/share    what the packages have there, links inside the folder only
    packages.json                      which package has which shared library

Nothing in it is ever run. pkg-config's files name the folder itself, so that it needs to know of no other root.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from cargoship.debian.deb import Deb, Slice
from cargoship.debian.package import DebianPackage
from cargoship.debian.tree import Installed, PackageTree
from cargoship.decoding import decode_json
from cargoship.errors import ContentInvalid
from cargoship.oci.entry import EntryKind, LayerEntry
from cargoship.oci.files import atomic_folder, sweep, writing

FORMAT = 1
"""Part of a sysroot's name: raise it when the same packages give another one."""
_WANTED = re.compile(r"usr/(?:include|lib|share/(?:pkgconfig|cmake[^/]*|aclocal))/.+")
# what the C library loads while a program runs, and programs of packages
_UNWANTED = re.compile(r"usr/lib/(?:[^/]+/)?(?:gconv|audit|girepository-1\.0|python3?[^/]*|perl[^/]*|debug|systemd)/.*")
_PC = re.compile(r"usr/(?:lib|share)/(?:[^/]+/)?pkgconfig/[^/]+\.pc")
_PC_BYTES_MAX = 1 << 20
# a path of the system, where one begins: after a name's equals sign, a blank, a quote, -I or -L
_PC_PATH = re.compile(rb"(?m)(^|[=\s\"']|-[IL])(/(?:usr|lib)(?=[/\s\"']|$))")
_LIBRARY = re.compile(r"/(?:usr/)?lib/(?:[a-z0-9_]+-linux-[a-z0-9]+/)?([^/]+\.so(?:\.[^/]*)?)")
_NAMES = "packages.json"
_IDLE_S = 30 * 24 * 3600
# Zig brings the C library that programs are linked with, and the compiler's own
ZIGS_OWN = frozenset({"libc6", "libgcc-s1"})


class Sysroot(Struct, frozen=True):
    """A sysroot for one target."""

    folder: Path
    multiarch: str
    """Debian's name for the target, in its folders: x86_64-linux-gnu."""
    libraries: Mapping[str, str]
    """Shared libraries by their file names, and the package that has each."""

    @property
    def library_folder(self) -> Path:
        """Where its libraries are."""
        return self.folder / "usr" / "lib" / self.multiarch


def libraries_of(installed: Iterable[Installed]) -> dict[str, str]:
    """Which package has which shared library, in the folders where loaders look."""
    return {
        match[1]: each.package.name
        for each in installed
        for path in each.paths
        if (match := _LIBRARY.fullmatch(path)) is not None
    }


def find_sysroot(root: Path, name: str, multiarch: str) -> Sysroot | None:
    """The sysroot of that name, if it was made before; it counts as used now."""
    folder = root / name
    try:
        libraries = decode_json((folder / _NAMES).read_bytes(), dict[str, str])
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    return Sysroot(folder, multiarch, libraries)


def make_sysroot(
    root: Path, name: str, multiarch: str, packages: Sequence[DebianPackage], debs: Mapping[DebianPackage, Deb]
) -> Sysroot:
    """Make a sysroot below `root`; raises ContentInvalid, OutputError. Safe beside others that make the same."""
    tree = PackageTree()
    for package in packages:
        tree.add(package, debs[package])
    folder = root / name
    # somebody else may be quicker, with the same packages
    with writing(folder), atomic_folder(folder) as making:
        # what nobody has used for long goes too
        sweep(root, making.stat().st_mtime_ns, age_s=_IDLE_S)
        write_tree(tree.entries(), making, known_as=folder)
        (making / _NAMES).write_bytes(msgspec.json.encode(libraries_of(tree.installed)))
    found = find_sysroot(root, name, multiarch)
    if found is None:
        raise ContentInvalid(f"{folder} is damaged", hint="remove it, and it is made again")
    return found


def write_tree(entries: Iterable[LayerEntry], into: Path, *, known_as: Path) -> None:
    """Write what a compiler wants of these entries into an empty folder, which becomes `known_as`.

    Every folder on the way to a file is made here, so that nothing is ever written through a link.
    """
    for entry in entries:
        if not _WANTED.fullmatch(entry.path) or _UNWANTED.fullmatch(entry.path):
            continue
        path = into / entry.path
        if entry.kind is EntryKind.DIRECTORY:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link is not None:
            target = _inside(entry.path, entry.link)
            if target is not None:
                path.symlink_to(target)
        elif isinstance(entry.source, Slice):
            with entry.source.open() as stream, path.open("xb") as out:
                if _PC.fullmatch(entry.path):
                    out.write(_relocated(stream.read(_PC_BYTES_MAX), known_as))
                else:
                    shutil.copyfileobj(stream, out, 1 << 20)


def _relocated(text: bytes, folder: Path) -> bytes:
    place = str(folder).replace("\\", "\\\\").replace(" ", "\\ ").encode()
    return _PC_PATH.sub(lambda match: match[1] + place + match[2], text)


def _inside(path: str, link: str) -> str | None:
    """A link that leads to the same place inside of the sysroot; None for one that leads out of it."""
    here = PurePosixPath(path).parent.parts
    there: list[str] = [] if link.startswith("/") else list(here)
    for part in PurePosixPath(link.lstrip("/")).parts:
        if part == "..":
            if not there:
                return None
            there.pop()
        else:
            there.append(part)
    # the links of the merged /usr are not there: what they lead to is
    if there and there[0] in {"lib", "lib64", "lib32", "libx32"}:
        there.insert(0, "usr")
    return "/".join([*[".."] * len(here), *there])
