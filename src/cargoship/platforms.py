"""The platform table: one row for each platform, and every name that other tools have for it.

A new platform is a row here and its tests; settings, documentation and scripts take it from here. Names: OCI
(image-spec, image-index.md, `platform`), Rust (platform support page), Zig (`zig targets`), Debian
(`dpkg-architecture -L`), QEMU (its user-mode binaries).
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from cargoship.errors import PlatformUnknown, UsageError
from cargoship.oci.platform import Platform


class LibcFamily(enum.Enum):
    """The C library that a program is linked with."""

    MUSL = "musl"
    GNU = "gnu"


class Libc(Struct, frozen=True):
    """A C library; for GNU the lowest glibc version that the program must still start on."""

    family: LibcFamily
    floor: tuple[int, int] | None = None

    @classmethod
    def parse(cls, text: str) -> Libc:
        """Parse `musl`, `gnu` or `gnu:2.17`; raises UsageError."""
        name, _, floor = text.partition(":")
        if name == "musl" and not floor and ":" not in text:
            return cls(LibcFamily.MUSL)
        if name == "gnu" and ":" not in text:
            return cls(LibcFamily.GNU)
        parts = floor.split(".")
        if name == "gnu" and len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):  # noqa: PLR2004
            return cls(LibcFamily.GNU, (int(parts[0]), int(parts[1])))
        raise UsageError(
            f"libc {text!r} is not known",
            hint="use musl, gnu, or gnu with the lowest glibc to support, such as gnu:2.17",
        )

    def __str__(self) -> str:
        """As it is written in the settings."""
        return self.family.value + ("" if self.floor is None else ":{}.{}".format(*self.floor))


class March(enum.Enum):
    """What the compiler wrapper does with `-march`, whose values Zig does not share with GCC and clang."""

    KEEP = "keep"
    DROP = "drop"
    AARCH64 = "aarch64"
    RISCV = "riscv"


class PlatformSpec(Struct, frozen=True, kw_only=True):
    """One platform and its names elsewhere."""

    platform: Platform
    aliases: tuple[str, ...] = ()
    """Spellings that containerd's and Docker's own platform parsers accept as the same platform, without `linux/`."""
    machines: tuple[str, ...]
    """What uname -m says on such a host; the first is the usual one."""
    runs: tuple[str, ...] = ()
    """Architectures, beside its own, whose programs such a processor runs by itself."""
    elf_machine: str
    """pyelftools' name for e_machine."""
    elf_bits: int
    big_endian: bool = False
    musl: str | None
    """Rust triple with musl, where Rust has one that links statically."""
    gnu: str
    """Rust triple with glibc."""
    zig_musl: str
    zig_gnu: str
    zig_cpu: str | None = None
    """`-mcpu` for Zig where its default baseline is not the one of Rust's triple."""
    processor: str | None = None
    """rustc's `target-cpu` for a variant of another row's platform; None: what the triple stands for."""
    zig_processor: str | None = None
    """The same as `-mcpu` for Zig. Start files, C library and Rust's own are those of the other row."""
    zig_headers: tuple[str, str]
    """Zig's folders of C headers are <first>-linux-musl and <second>-linux-any."""
    march: March = March.KEEP
    gnu_floor: tuple[int, int]
    """The lowest glibc that both Rust's standard library and Zig's glibc stubs for this architecture reach."""
    gnu_loader: str
    """What compilers write into programs as the loader (glibc, shlib-versions and its kin; ABI documents)."""
    hwcaps: tuple[str, ...] = ()
    """The levels of processors that glibc's loader knows, from the lowest upwards: each has those before it too."""
    debian: str
    """Empty where Debian has no architecture for it."""
    multiarch: str
    """Debian's folder of glibc's libraries, such as x86_64-linux-gnu."""
    debian_musl: str
    """Debian's folder of musl-dev, below /usr/lib; empty where what lies there is for other processors."""
    qemu: str
    """QEMU's user-mode binary is qemu-<this>-static."""

    @property
    def little_endian(self) -> bool:
        """The order of bytes in its programs."""
        return not self.big_endian

    @property
    def is_wasm(self) -> bool:
        """Whether its programs are WebAssembly: no ELF, no loader, nothing of Linux below them."""
        return self.platform.architecture == _WASM

    @property
    def is_component(self) -> bool:
        """Whether its programs are components of WebAssembly, and no modules."""
        return self.platform.os == _WASI_2

    @property
    def plain(self) -> PlatformSpec:
        """The same, with what the triple alone stands for: of this are start files, C library and Rust's own."""
        return self if self.processor is None else replace(self, processor=None, zig_processor=None)

    @property
    def names(self) -> tuple[str, ...]:
        """Every spelling that is taken for it, without `linux/`."""
        own = str(self.platform) if self.is_wasm else str(self.platform).removeprefix(f"{_LINUX}/")
        return (own, *self.machines, *self.aliases)

    def triple(self, libc: Libc) -> str:
        """Rust's triple for this platform and C library; raises PlatformUnknown where there is none."""
        if libc.family is LibcFamily.GNU:
            if self.is_wasm:
                raise PlatformUnknown(
                    f"{self.platform} has no glibc", hint="leave this platform out, or build it with --libc musl"
                )
            return self.gnu
        if self.musl is None:
            raise PlatformUnknown(
                f"Rust has no static musl target for {self.platform}",
                hint="leave this platform out, or build it with --libc gnu",
            )
        return self.musl


_LINUX = "linux"
_WASI = "wasi"
_WASI_2 = "wasip2"
_WASM = "wasm"

TABLE: tuple[PlatformSpec, ...] = (
    PlatformSpec(
        platform=Platform(_LINUX, "amd64"),
        aliases=("amd64/v1",),
        machines=("x86_64", "amd64"),
        runs=("386",),
        elf_machine="EM_X86_64",
        elf_bits=64,
        musl="x86_64-unknown-linux-musl",
        gnu="x86_64-unknown-linux-gnu",
        zig_musl="x86_64-linux-musl",
        zig_gnu="x86_64-linux-gnu",
        zig_headers=("x86_64", "x86"),
        gnu_floor=(2, 17),
        gnu_loader="/lib64/ld-linux-x86-64.so.2",
        hwcaps=("x86-64-v2", "x86-64-v3", "x86-64-v4"),
        debian="amd64",
        multiarch="x86_64-linux-gnu",
        debian_musl="x86_64-linux-musl",
        qemu="x86_64",
    ),
    PlatformSpec(
        platform=Platform(_LINUX, "arm64"),
        aliases=("arm64/v8",),
        machines=("aarch64", "arm64"),
        elf_machine="EM_AARCH64",
        elf_bits=64,
        musl="aarch64-unknown-linux-musl",
        gnu="aarch64-unknown-linux-gnu",
        zig_musl="aarch64-linux-musl",
        zig_gnu="aarch64-linux-gnu",
        zig_headers=("aarch64", "aarch64"),
        march=March.AARCH64,
        gnu_floor=(2, 17),
        gnu_loader="/lib/ld-linux-aarch64.so.1",
        debian="arm64",
        multiarch="aarch64-linux-gnu",
        debian_musl="aarch64-linux-musl",
        qemu="aarch64",
    ),
    PlatformSpec(
        platform=Platform(_LINUX, "arm", "v7"),
        aliases=("arm", "armhf"),
        machines=("armv7l", "armv8l"),
        elf_machine="EM_ARM",
        elf_bits=32,
        musl="armv7-unknown-linux-musleabihf",
        gnu="armv7-unknown-linux-gnueabihf",
        zig_musl="arm-linux-musleabihf",
        zig_gnu="arm-linux-gnueabihf",
        zig_cpu="generic+v7a+vfp3-d32+thumb2-neon",
        zig_headers=("arm", "arm"),
        march=March.DROP,
        gnu_floor=(2, 17),
        gnu_loader="/lib/ld-linux-armhf.so.3",
        debian="armhf",
        multiarch="arm-linux-gnueabihf",
        debian_musl="arm-linux-musleabihf",
        qemu="arm",
    ),
    PlatformSpec(
        # ARMv6 with floating point in hardware: Raspberry Pi 1 and Zero
        platform=Platform(_LINUX, "arm", "v6"),
        machines=("armv6l",),
        elf_machine="EM_ARM",
        elf_bits=32,
        musl="arm-unknown-linux-musleabihf",
        gnu="arm-unknown-linux-gnueabihf",
        zig_musl="arm-linux-musleabihf",
        zig_gnu="arm-linux-gnueabihf",
        # as cargo-zigbuild has it; Rust's targets have these too
        zig_cpu="generic+v6+strict_align+vfp2-d32",
        zig_headers=("arm", "arm"),
        march=March.DROP,
        gnu_floor=(2, 17),
        gnu_loader="/lib/ld-linux-armhf.so.3",
        # armhf is for ARMv7, armel passes floating point otherwise
        debian="",
        multiarch="arm-linux-gnueabihf",
        debian_musl="",
        qemu="arm",
    ),
    PlatformSpec(
        platform=Platform(_LINUX, "386"),
        machines=("i686", "i386"),
        elf_machine="EM_386",
        elf_bits=32,
        musl="i686-unknown-linux-musl",
        gnu="i686-unknown-linux-gnu",
        zig_musl="x86-linux-musl",
        zig_gnu="x86-linux-gnu",
        zig_cpu="pentium4",
        zig_headers=("x86", "x86"),
        march=March.DROP,
        gnu_floor=(2, 17),
        gnu_loader="/lib/ld-linux.so.2",
        debian="i386",
        multiarch="i386-linux-gnu",
        debian_musl="i386-linux-musl",
        qemu="i386",
    ),
    PlatformSpec(
        platform=Platform(_LINUX, "riscv64"),
        machines=("riscv64",),
        elf_machine="EM_RISCV",
        elf_bits=64,
        musl="riscv64gc-unknown-linux-musl",
        gnu="riscv64gc-unknown-linux-gnu",
        zig_musl="riscv64-linux-musl",
        zig_gnu="riscv64-linux-gnu",
        zig_cpu="generic_rv64+m+a+f+d+c",
        zig_headers=("riscv64", "riscv"),
        march=March.RISCV,
        gnu_floor=(2, 27),
        gnu_loader="/lib/ld-linux-riscv64-lp64d.so.1",
        debian="riscv64",
        multiarch="riscv64-linux-gnu",
        debian_musl="riscv64-linux-musl",
        qemu="riscv64",
    ),
    PlatformSpec(
        platform=Platform(_LINUX, "ppc64le"),
        machines=("ppc64le",),
        elf_machine="EM_PPC64",
        elf_bits=64,
        musl="powerpc64le-unknown-linux-musl",
        gnu="powerpc64le-unknown-linux-gnu",
        zig_musl="powerpc64le-linux-musl",
        zig_gnu="powerpc64le-linux-gnu",
        zig_headers=("powerpc64", "powerpc"),
        gnu_floor=(2, 19),
        gnu_loader="/lib64/ld64.so.2",
        hwcaps=("power9", "power10"),
        debian="ppc64el",
        multiarch="powerpc64le-linux-gnu",
        debian_musl="powerpc64le-linux-musl",
        qemu="ppc64le",
    ),
    PlatformSpec(
        platform=Platform(_LINUX, "s390x"),
        machines=("s390x",),
        elf_machine="EM_S390",
        elf_bits=64,
        big_endian=True,
        musl="s390x-unknown-linux-musl",
        gnu="s390x-unknown-linux-gnu",
        zig_musl="s390x-linux-musl",
        zig_gnu="s390x-linux-gnu",
        zig_cpu="z10",
        zig_headers=("s390x", "s390x"),
        gnu_floor=(2, 17),
        gnu_loader="/lib/ld64.so.1",
        hwcaps=("z13", "z14", "z15", "z16", "z17"),
        debian="s390x",
        multiarch="s390x-linux-gnu",
        debian_musl="s390x-linux-musl",
        qemu="s390x",
    ),
)

VARIANTS: tuple[PlatformSpec, ...] = tuple(
    replace(
        TABLE[0],
        platform=Platform(_LINUX, "amd64", f"v{level}"),
        aliases=(f"x86-64-v{level}",),
        machines=(),
        processor=f"x86-64-v{level}",
        zig_processor=f"x86_64_v{level}",
    )
    for level in (2, 3, 4)
)
"""Platforms for newer processors alone (x86-64 psABI, "Micro-Architecture Levels"), built where they are named."""

WASI = PlatformSpec(
    # Docker's and containerd's name for it; Go's and Rust's have the version of the interface in them
    platform=Platform(_WASI, _WASM),
    aliases=("wasm", "wasi/wasm32", "wasip1/wasm", "wasip1", "wasm32-wasip1"),
    machines=("wasm32",),
    elf_machine="",
    elf_bits=32,
    musl="wasm32-wasip1",
    gnu="wasm32-wasip1",
    zig_musl="wasm32-wasi",
    zig_gnu="wasm32-wasi",
    zig_headers=("wasm", "wasi"),
    gnu_floor=(0, 0),
    gnu_loader="",
    debian="",
    multiarch="",
    debian_musl="",
    qemu="wasm32",
)
"""WebAssembly with WASI 0.1. Its C library is wasi-libc, as Zig brings it, and stands where others have musl."""

WASI_2 = replace(
    WASI,
    # as Go names systems, and the CNCF's layout of artifacts does
    platform=Platform(_WASI_2, _WASM),
    aliases=("wasip2", "wasi/wasip2", "wasm32-wasip2"),
    machines=(),
    musl="wasm32-wasip2",
    gnu="wasm32-wasip2",
)
"""Components, for WASI 0.2: modules for 0.1 within, and what translates between the two."""

DEFAULT_PLATFORMS: tuple[Platform, ...] = (TABLE[0].platform, TABLE[1].platform)


def every_row() -> tuple[PlatformSpec, ...]:
    """Every platform that can be named: those of `TABLE`, their variants, and WebAssembly."""
    return (*TABLE, *VARIANTS, WASI, WASI_2)


def row(platform: Platform | str) -> PlatformSpec:
    """The table's row for a platform or for any spelling of it; raises PlatformUnknown."""
    wanted = str(platform).strip().lower()
    bare = wanted.removeprefix(f"{_LINUX}/")
    for candidate in every_row():
        if bare in candidate.names and (candidate.platform.os == _LINUX or bare == wanted):
            return candidate
    known = [str(candidate.platform) for candidate in every_row()]
    close = difflib.get_close_matches(wanted, known, n=1)
    raise PlatformUnknown(
        f"platform {platform} is not known" + (f'; did you mean "{close[0]}"?' if close else ""),
        hint="known platforms: " + ", ".join(known),
    )


def by_processor(platforms: Iterable[Platform]) -> dict[str | None, tuple[PlatformSpec, ...]]:
    """Rows by what is compiled for beyond their triples, None first: those of one part have different triples."""
    rows = sorted(map(row, platforms), key=lambda each: each.processor is not None)
    return {
        each: tuple(one for one in rows if one.processor == each) for each in dict.fromkeys(r.processor for r in rows)
    }


def kin(platform: Platform) -> PlatformSpec | None:
    """The row for a platform whatever its variant (arm/v5, arm64/v9); None for one that this table does not have."""
    try:
        return row(platform)
    except PlatformUnknown:
        wanted = (platform.os, platform.architecture)
        return next((each for each in every_row() if (each.platform.os, each.platform.architecture) == wanted), None)
