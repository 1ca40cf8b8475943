"""Which C library static programs have in them, known from the files that they are linked with.

rustup's targets bring musl; for a standard library that is built here it is the distribution's, or Zig's. The version
is in musl's own `version.c`, and so in each libc.a.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cargoship.bom.crates import NativeSource
from cargoship.oci.platform import Platform
from cargoship.platforms import LibcFamily
from cargoship.reading import read_file
from cargoship.toolchain.locate import Foreseen, Way
from cargoship.toolchain.startfiles import find_musl

_IN_LIBRARY = re.compile(rb"(?<![\w.])(1\.\d{1,2}\.\d{1,2})\0")
_IN_SOURCES = re.compile(rb'define VERSION "(1\.\d{1,2}\.\d{1,2})"')
_LIBRARY_BYTES_MAX = 64 << 20


def c_libraries(found: Foreseen) -> Mapping[Platform, NativeSource]:
    """Musl in the programs for each platform; nothing for those of glibc, which is the base's, or where none is found.

    It depends on the toolchain alone, and not on what was made of it here already.
    """
    if found.libc.family is not LibcFamily.MUSL:
        return {}
    versions = {}
    for triple, row in found.pairs:
        if row.is_wasm:
            # wasi-libc has no releases, and says no version
            continue
        if found.way is not Way.DIRECT:
            version = _of_zig(found)
        elif triple in found.installed:
            version = _version(found.installed[triple] / "lib" / "self-contained" / "libc.a", _IN_LIBRARY)
        else:
            folder = find_musl(row).folder
            version = _of_zig(found) if folder is None else _version(folder / "libc.a", _IN_LIBRARY)
        if version:
            versions[row.platform] = NativeSource("musl", version)
    return versions


def _of_zig(found: Foreseen) -> str:
    return _version(found.zig.lib / "libc" / "musl" / "src" / "internal" / "version.h", _IN_SOURCES)


def _version(path: Path, pattern: re.Pattern[bytes]) -> str:
    """The one version that is in a file; empty where there is none, or several."""
    try:
        said = set(pattern.findall(read_file(path, _LIBRARY_BYTES_MAX)))
    except OSError:
        return ""
    return said.pop().decode() if len(said) == 1 else ""
