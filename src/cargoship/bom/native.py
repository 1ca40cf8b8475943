"""C and C++ sources that crates carry, with the versions that advisories speak of.

Some crates have the version in their own (semver's build metadata, `0.1.13+1.0.8`), others in a header. A crate that is
not in this table is listed as itself alone. Where it could link the system's library as well, a feature says that it
does not; where no feature does, the sources are taken to be compiled: no library of the system is there to be found
when a program is compiled for another machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

from msgspec import Struct

from cargoship.bom.crates import NativeSource
from cargoship.reading import read_file

_HEADER_BYTES_MAX = 4 << 20
_HEADERS_MAX = 4


class _Row(Struct, frozen=True):
    """A library inside of a crate.

    The version is what `pattern` finds in the crate's own, or in the first file that matches `header`: its groups,
    joined by dots.
    """

    name: str
    pattern: str
    header: str = ""
    features: frozenset[str] = frozenset()
    """One of them must be on; none: whenever the crate is compiled."""
    hexadecimal: int = 0
    """How many numbers of two digits make the version, where the header has it as one (0x020c01ff)."""
    digits: tuple[int, ...] = ()
    """Where the header has one decimal number: what each part is divided by (20302: 10000, 100, 1)."""


_NEVER = r"(?!)"
_METADATA = r"\+(?:[a-z]\w*[.-])?v?(\d+(?:\.\d+)*[a-z]?)"


def _defines(prefix: str, *names: str) -> str:
    return r"[\s\S]*?".join(rf"^#\s*define\s+{prefix}{name}\s+(\d+)\b" for name in names)


_TABLE: dict[str, tuple[_Row, ...]] = {
    "aws-lc-fips-sys": (_Row("aws-lc", r'AWSLC_VERSION_NUMBER_STRING "([\d.]+)"', "aws-lc/include/openssl/base.h"),),
    "aws-lc-sys": (_Row("aws-lc", r'AWSLC_VERSION_NUMBER_STRING "([\d.]+)"', "aws-lc/include/openssl/base.h"),),
    "bzip2-sys": (_Row("bzip2", _METADATA),),
    "curl-sys": (_Row("curl", _METADATA),),
    "libgit2-sys": (_Row("libgit2", _METADATA),),
    "libdeflate-sys": (
        _Row("libdeflate", r'define LIBDEFLATE_VERSION_STRING\s+"([\d.]+)"', "libdeflate/libdeflate.h"),
    ),
    "libmimalloc-sys": (
        _Row(
            "mimalloc",
            r"MI_MALLOC_VERSION\s+(\d+)",
            "c_src/mimalloc/v3/include/mimalloc.h",
            frozenset({"v3"}),
            digits=(10000, 100, 1),
        ),
        _Row("mimalloc", r"MI_MALLOC_VERSION\s+(\d+)", "c_src/mimalloc/v2/include/mimalloc.h", digits=(10000, 100, 1)),
        _Row("mimalloc", r"MI_MALLOC_VERSION\s+(\d+)", "c_src/mimalloc/include/mimalloc.h", digits=(100, 10, 1)),
    ),
    "librocksdb-sys": (
        _Row("rocksdb", _defines("ROCKSDB_", "MAJOR", "MINOR", "PATCH"), "rocksdb/include/rocksdb/version.h"),
    ),
    "libsqlite3-sys": (
        _Row(
            "sqlcipher",
            r'define SQLITE_VERSION\s+"([\d.]+)"',
            "sqlcipher/sqlite3.h",
            frozenset({"bundled-sqlcipher", "bundled-sqlcipher-vendored-openssl"}),
        ),
        _Row(
            "sqlite",
            r'define SQLITE_VERSION\s+"([\d.]+)"',
            "sqlite3/sqlite3.h",
            frozenset({"bundled", "bundled-windows"}),
        ),
    ),
    "libssh2-sys": (_Row("libssh2", r'define LIBSSH2_VERSION\s+"([\d.]+)', "libssh2/include/libssh2.h"),),
    "libz-ng-sys": (_Row("zlib-ng", r'define ZLIBNG_VERSION\s+"([\d.]+)', "src/zlib-ng/zlib-ng.h.in"),),
    "libz-sys": (
        _Row("zlib-ng", r'define ZLIBNG_VERSION\s+"([\d.]+)', "src/zlib-ng/zlib-ng.h.in", frozenset({"zlib-ng"})),
        _Row("zlib", r'define ZLIB_VERSION\s+"([\d.]+)', "src/zlib/zlib.h"),
    ),
    "lz4-sys": (_Row("lz4", _METADATA),),
    "lzma-sys": (
        _Row("xz", _defines("LZMA_VERSION_", "MAJOR", "MINOR", "PATCH"), "xz-*/src/liblzma/api/lzma/version.h"),
    ),
    "liblzma-sys": (
        _Row("xz", _defines("LZMA_VERSION_", "MAJOR", "MINOR", "PATCH"), "xz/src/liblzma/api/lzma/version.h"),
    ),
    "onig_sys": (
        _Row("oniguruma", _defines("ONIGURUMA_VERSION_", "MAJOR", "MINOR", "TEENY"), "oniguruma/src/oniguruma.h"),
    ),
    "openssl-src": (_Row("openssl", _METADATA),),
    "rdkafka-sys": (
        _Row("librdkafka", r"define RD_KAFKA_VERSION\s+0x([0-9a-f]{8})", "librdkafka/src/rdkafka.h", hexadecimal=3),
    ),
    # of no release: the code was taken over and changed
    "ring": (_Row("boringssl", _NEVER),),
    "tikv-jemalloc-sys": (_Row("jemalloc", _METADATA),),
    "zstd-sys": (_Row("zstd", _METADATA),),
}


VENDORS = {
    # the vendor and product of NVD's dictionary, by which advisories know the library
    "aws-lc": "amazon:aws-lc",
    "boringssl": "google:boringssl",
    "bzip2": "bzip:bzip2",
    "curl": "haxx:libcurl",
    "jemalloc": "jemalloc:jemalloc",
    "libgit2": "libgit2:libgit2",
    "librdkafka": "confluent:librdkafka",
    "libssh2": "libssh2:libssh2",
    "lz4": "lz4_project:lz4",
    "mimalloc": "microsoft:mimalloc",
    "musl": "musl-libc:musl",
    "oniguruma": "oniguruma_project:oniguruma",
    "openssl": "openssl:openssl",
    "rocksdb": "facebook:rocksdb",
    "sqlcipher": "zetetic:sqlcipher",
    "sqlite": "sqlite:sqlite",
    "xz": "tukaani:xz",
    "zlib": "zlib:zlib",
    "zlib-ng": "zlib-ng:zlib-ng",
    "zstd": "facebook:zstandard",
}


def native_sources(name: str, version: str, features: Collection[str], folder: Path) -> tuple[NativeSource, ...]:
    """The libraries whose sources this crate carries and compiles with these features; `folder` is the package's.

    `version` is the crate's. A library whose version cannot be found has an empty one.
    """
    unsaid: NativeSource | None = None
    for row in _TABLE.get(name, ()):
        if row.features and row.features.isdisjoint(features):
            continue
        found = _version(row, version, folder)
        if found:
            return (NativeSource(row.name, found),)
        unsaid = unsaid or NativeSource(row.name, "")
    return () if unsaid is None else (unsaid,)


def known_crates() -> Iterable[str]:
    """The crates that are in the table."""
    return _TABLE


def _version(row: _Row, version: str, folder: Path) -> str:
    if not row.header:
        found = re.search(row.pattern, version)
        return found[1] if found else ""
    for path in islice(sorted(folder.glob(row.header)), _HEADERS_MAX):
        try:
            text = read_file(path, _HEADER_BYTES_MAX).decode("utf-8", "replace")
        except OSError:
            continue
        found = re.search(row.pattern, text, re.MULTILINE)
        if found:
            return _written(row, found.groups())
    return ""


def _written(row: _Row, groups: tuple[str, ...]) -> str:
    if row.hexadecimal:
        return ".".join(str(int(groups[0][place * 2 : place * 2 + 2], 16)) for place in range(row.hexadecimal))
    if row.digits:
        number = int(groups[0])
        above = (None, *row.digits)
        return ".".join(
            str(number // unit if larger is None else number % larger // unit)
            for unit, larger in zip(row.digits, above, strict=False)
        )
    return ".".join(groups)
