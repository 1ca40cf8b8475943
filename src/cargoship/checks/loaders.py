"""Where dynamic loaders look for libraries: glibc's (ld.so(8)) and musl's (ldso/dynlink.c)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from cargoship.checks.hwcaps import level_of, with_levels
from cargoship.elf.facts import ElfFacts
from cargoship.platforms import PlatformSpec
from cargoship.rootfs.view import RootFs

_MUSL = re.compile(r"ld-musl-(?P<arch>[A-Za-z0-9_.+-]+)\.so\.1")
_GLIBC = re.compile(r"ld-linux.*\.so\.\d+|ld64\.so\.\d+|ld\.so\.\d+")
# These are musl's loader itself, whatever follows them (`load_library`, `reserved`).
_MUSL_OWN = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\..*")
_GLIBC_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
_MUSL_FOLDERS = ("/lib", "/usr/local/lib", "/usr/lib")
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER_BYTES = 48
_CACHE_ENTRY_BYTES = 24


class Asker(Struct, frozen=True):
    """A program or library that needs others: its facts, its folder, and who needed it."""

    name: str
    path: str
    facts: ElfFacts
    by: Asker | None = None

    @property
    def folder(self) -> str:
        """Where it is: what $ORIGIN stands for."""
        return self.path.rpartition("/")[0] or "/"

    def chain(self) -> Iterator[Asker]:
        """Itself, then who needed it, up to the program."""
        asker: Asker | None = self
        while asker is not None:
            yield asker
            asker = asker.by

    def expand(self, folders: tuple[str, ...], row: PlatformSpec | None) -> Iterator[str]:
        """The folders that it names, with $ORIGIN and $LIB filled in."""
        for folder in folders:
            text = folder.replace("${ORIGIN}", self.folder).replace("$ORIGIN", self.folder)
            if "$LIB" not in text and "${LIB}" not in text:
                yield text
                continue
            multiarch = () if row is None else (f"lib/{row.multiarch}",)
            for word in ("lib", "lib64", *multiarch):
                yield text.replace("${LIB}", word).replace("$LIB", word)


class GlibcLoader(Struct, frozen=True):
    """ld-linux*.so."""

    row: PlatformSpec | None
    library_path: tuple[str, ...]
    cache: Mapping[str, tuple[str, ...]]
    folders: tuple[str, ...]
    levels: tuple[str, ...] = ()
    """Levels of the processor that it runs on, the best one first."""

    def is_own(self, name: str) -> bool:
        """Whether the loader is this library itself."""
        del name
        return False

    def candidates(self, name: str, asker: Asker) -> Iterator[str]:
        """Every path at which it looks for a library, in its order."""
        if not asker.facts.runpath:
            for above in asker.chain():
                if not above.facts.runpath:
                    yield from self._in(above.expand(above.facts.rpath, self.row), name)
        yield from self._in(self.library_path, name)
        yield from self._in(asker.expand(asker.facts.runpath, self.row), name)
        if not asker.facts.no_default_folders:
            yield from self._cached(name)
            yield from self._in(self.folders, name)

    def _in(self, folders: Iterable[str], name: str) -> Iterator[str]:
        return _in((each for folder in folders for each in with_levels(folder, self.levels)), name)

    def _cached(self, name: str) -> Iterator[str]:
        """What its cache has for this processor: the best level first, then what is for all (dl-cache.c)."""
        paths = self.cache.get(name, ())
        for level in (*self.levels, None):
            yield from (path for path in paths if level_of(path) == level)

    checks_versions = True


class MuslLoader(Struct, frozen=True):
    """ld-musl-*.so.1, which knows no versions of symbols."""

    row: PlatformSpec | None
    library_path: tuple[str, ...]
    folders: tuple[str, ...]

    def is_own(self, name: str) -> bool:
        """Whether the loader is this library itself."""
        return _MUSL_OWN.fullmatch(name) is not None

    def candidates(self, name: str, asker: Asker) -> Iterator[str]:
        """Every path at which it looks for a library, in its order."""
        yield from _in(self.library_path, name)
        for above in asker.chain():
            yield from _in(above.expand((*above.facts.runpath, *above.facts.rpath), self.row), name)
        yield from _in(self.folders, name)

    checks_versions = False


def loader_of(
    interpreter: str,
    facts: ElfFacts | None,
    root: RootFs,
    *,
    row: PlatformSpec | None,
    env: Mapping[str, str],
    levels: tuple[str, ...] = (),
) -> GlibcLoader | MuslLoader | None:
    """The rules of a loader, by its name; None for one that is neither's.

    `facts` are those of the loader in the root file system, `env` is the image's, `levels` are the processor's.
    """
    name = interpreter.rpartition("/")[2]
    library_path = tuple(folder for folder in re.split("[:;]", env.get("LD_LIBRARY_PATH", "")) if folder)
    if match := _MUSL.fullmatch(name):
        listed = root.find(f"/etc/ld-musl-{match['arch']}.path")
        text = None if listed is None else root.content(listed).decode("utf-8", "replace")
        folders = _MUSL_FOLDERS if text is None else tuple(part for part in re.split("[:\n]", text) if part)
        return MuslLoader(row, library_path, folders)
    if _GLIBC.fullmatch(name):
        kept = root.find("/etc/ld.so.cache")
        cache = {} if kept is None else parse_cache(root.content(kept), little_endian=row is None or row.little_endian)
        # compiled into the loader, and different with every distribution
        own = facts.loader_folders if facts is not None else ()
        multiarch = () if row is None else (f"/lib/{row.multiarch}", f"/usr/lib/{row.multiarch}")
        return GlibcLoader(row, library_path, cache, own or (*multiarch, *_GLIBC_FOLDERS), levels)
    return None


def parse_cache(data: bytes, *, little_endian: bool) -> dict[str, tuple[str, ...]]:
    """ld.so.cache, as paths by the library's name (glibc, sysdeps/generic/dl-cache.h); damaged ones in part."""
    start = data.find(_CACHE_MAGIC)
    if start < 0 or len(data) < start + _CACHE_HEADER_BYTES:
        return {}
    order = "<" if little_endian else ">"
    (count,) = struct.unpack_from(f"{order}I", data, start + len(_CACHE_MAGIC))
    found: dict[str, tuple[str, ...]] = {}
    for index in range(min(count, len(data) // _CACHE_ENTRY_BYTES)):
        at = start + _CACHE_HEADER_BYTES + index * _CACHE_ENTRY_BYTES
        if at + _CACHE_ENTRY_BYTES > len(data):
            break
        _, key, value = struct.unpack_from(f"{order}iII", data, at)
        name, path = _string(data, start + key), _string(data, start + value)
        if name and path:
            found[name] = (*found.get(name, ()), path)
    return found


def _string(data: bytes, start: int) -> str:
    end = data.find(b"\0", start, start + 4096)
    return data[start:end].decode("utf-8", "replace") if end > start else ""


def _in(folders: Iterable[str], name: str) -> Iterator[str]:
    return (f"{folder.rstrip('/')}/{name}" for folder in folders)
