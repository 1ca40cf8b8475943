"""Libraries that are in programs and are no crates: C sources that crates carry, and what compilers add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from msgspec.structs import replace

from cargoship.bom.component import Component, Kind
from cargoship.bom.crates import NativeSource
from cargoship.bom.native import VENDORS


def cpe_of(component: Component) -> str:
    """The CPE 2.3 name of a C library, by which advisories know it; empty for others."""
    vendor = VENDORS.get(component.name) if component.kind is Kind.NATIVE and component.version else None
    return "" if vendor is None else f"cpe:2.3:a:{vendor}:{component.version}:*:*:*:*:*:*:*"


def native_component(source: NativeSource, *, is_shipped: bool) -> Component:
    """A library whose sources a crate carries, or that a compiler brings."""
    version = f"@{quote(source.version, safe='')}" if source.version else ""
    purl = f"pkg:generic/{quote(source.name, safe='')}{version}"
    supplier = VENDORS.get(source.name, source.name).partition(":")[0]
    return Component(
        purl, Kind.NATIVE, source.name, source.version, purl,
        supplier=supplier, home=_HOMES.get(source.name, ""), is_shipped=is_shipped,
    )  # fmt: skip


_MADE_BY = {
    "musl": ("MIT", ""),
    "libc++": ("Apache-2.0 WITH LLVM-exception", "LLVM"),
    "libc++abi": ("Apache-2.0 WITH LLVM-exception", "LLVM"),
    "libunwind": ("Apache-2.0 WITH LLVM-exception", "LLVM"),
    "zig-compiler-rt": ("MIT", "Zig"),
    "glibc-start-files": ("LGPL-2.1-or-later", "GNU"),
}
"""Licence and supplier of what compilers add."""
_HOMES = {
    "aws-lc": "https://github.com/aws/aws-lc",
    "boringssl": "https://boringssl.googlesource.com",
    "bzip2": "https://sourceware.org/bzip2",
    "curl": "https://curl.se",
    "glibc-start-files": "https://www.gnu.org/software/libc",
    "jemalloc": "https://jemalloc.net",
    "libc++": "https://libcxx.llvm.org",
    "libc++abi": "https://libcxxabi.llvm.org",
    "libdeflate": "https://github.com/ebiggers/libdeflate",
    "libgit2": "https://libgit2.org",
    "librdkafka": "https://github.com/confluentinc/librdkafka",
    "libssh2": "https://libssh2.org",
    "libunwind": "https://llvm.org",
    "lz4": "https://lz4.org",
    "mimalloc": "https://github.com/microsoft/mimalloc",
    "musl": "https://musl.libc.org",
    "oniguruma": "https://github.com/kkos/oniguruma",
    "openssl": "https://www.openssl.org",
    "rocksdb": "https://rocksdb.org",
    "sqlcipher": "https://www.zetetic.net/sqlcipher",
    "sqlite": "https://www.sqlite.org",
    "xz": "https://tukaani.org/xz",
    "zig-compiler-rt": "https://ziglang.org",
    "zlib": "https://zlib.net",
    "zlib-ng": "https://github.com/zlib-ng/zlib-ng",
    "zstd": "https://facebook.github.io/zstd",
}
"""The projects."""


def _added(source: NativeSource) -> Component:
    made = native_component(source, is_shipped=True)
    license_, supplier = _MADE_BY.get(source.name, ("", ""))
    return replace(made, license=license_, supplier=supplier or made.supplier)


def libraries(triple: str, tools: Mapping[str, str], linked_with: Sequence[NativeSource]) -> Iterator[Component]:
    """What every program has of its compilers."""
    below = tuple(map(_added, linked_with))
    yield from below
    if "rustc" in tools:
        purl = f"pkg:generic/rust-std@{quote(tools['rustc'].partition(' ')[0], safe='')}?target={triple}"
        yield Component(
            purl,
            Kind.LIBRARY,
            "rust-std",
            tools["rustc"],
            purl,
            license="MIT OR Apache-2.0",
            supplier="The Rust Project",
            home="https://www.rust-lang.org",
            needs=tuple(sorted(each.ref for each in below)),
        )
