"""Root file systems made of a few words, for tests of what is checked in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cargoship.elf.facts import ElfFacts, ElfKind, Versions
from cargoship.platforms import PlatformSpec, row
from cargoship.rootfs.item import Item, ItemKind, LayerFacts
from cargoship.rootfs.tree import FileTree
from cargoship.rootfs.view import RootFs

AMD64_LOADER = "lib64/ld-linux-x86-64.so.2"
MUSL_LOADER = "lib/ld-musl-x86_64.so.1"


def facts(
    platform: str = "linux/amd64",
    *,
    kind: ElfKind = ElfKind.PROGRAM,
    interpreter: str | None = None,
    needed: Sequence[str] = (),
    soname: str | None = None,
    rpath: Sequence[str] = (),
    runpath: Sequence[str] = (),
    requires: Mapping[str, Sequence[str]] | None = None,
    defines: Sequence[str] = (),
    loader_folders: Sequence[str] = (),
    finds_certificates: bool = False,
) -> ElfFacts:
    """What an ELF file for a platform says."""
    own: PlatformSpec = row(platform)
    return ElfFacts(
        own.elf_machine, own.elf_bits, own.little_endian, kind,
        interpreter=interpreter, needed=tuple(needed), soname=soname, rpath=tuple(rpath), runpath=tuple(runpath),
        requires=tuple(Versions(name, tuple(names)) for name, names in (requires or {}).items()),
        defines=tuple(defines), loader_folders=tuple(loader_folders), finds_certificates=finds_certificates,
    )  # fmt: skip


def elf(path: str, of: ElfFacts, *, mode: int = 0o755) -> Item:
    """A program or library."""
    return Item(path, ItemKind.FILE, mode, size_bytes=4096, elf=of)


def library(path: str, platform: str = "linux/amd64", **said: object) -> Item:
    """A shared library whose soname is its file's name."""
    name = path.rpartition("/")[2]
    return elf(path, facts(platform, kind=ElfKind.LIBRARY, soname=name, **said))  # type: ignore[arg-type]


def text(path: str, content: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Item:
    """A file that is kept."""
    return Item(path, ItemKind.FILE, mode, uid, gid, len(content), content=content.encode())


def link(path: str, to: str) -> Item:
    """A symbolic link."""
    return Item(path, ItemKind.LINK, 0o777, link=to)


def folder(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Item:
    """A folder."""
    return Item(path, ItemKind.FOLDER, mode, uid, gid)


def gone(path: str) -> Item:
    """A whiteout."""
    return Item(path, ItemKind.GONE)


def tree(*layers: Sequence[Item]) -> FileTree:
    """What layers make, lowest first."""
    return FileTree([LayerFacts("", tuple(layer)) for layer in layers])


def root(*items: Item) -> RootFs:
    """A root file system of one layer, none of whose files has to be read."""
    return RootFs(tree(items))


def glibc(platform: str = "linux/amd64", version: str = "2.36", folder: str = "lib") -> tuple[Item, ...]:
    """A loader and C library."""
    defines = [f"GLIBC_2.{minor}" for minor in range(2, int(version.partition(".")[2]) + 1)]
    loader = library(
        AMD64_LOADER, platform, defines=["GLIBC_2.35", "GLIBC_PRIVATE"], loader_folders=["/lib/", "/usr/lib/"]
    )
    name = AMD64_LOADER.rpartition("/")[2]
    libc = library(
        f"{folder}/libc.so.6",
        platform,
        needed=[name],
        requires={name: ["GLIBC_PRIVATE"]},
        defines=["libc.so.6", *defines],
    )
    return loader, libc
