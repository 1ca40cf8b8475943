"""The platform table: one row for each platform, and every name that other tools have for it.

A new platform is a row here and nothing else. Names: OCI (image-spec, image-index.md, `platform`), Rust
(platform support page), Zig (`zig targets`), Debian (`dpkg-architecture -L`), QEMU (its user-mode binaries).
"""

from __future__ import annotations

import difflib
import enum
from dataclasses import dataclass

from cargoship.errors import PlatformUnknown, UsageError
from cargoship.oci.platform import Platform


class LibcFamily(enum.Enum):
    """The C library that a program is linked with."""

    MUSL = "musl"
    GNU = "gnu"


@dataclass(frozen=True)
class Libc:
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


@dataclass(frozen=True)
class Row:
    """One platform and its names elsewhere."""

    platform: Platform
    musl: str | None
    """Rust triple with musl, where Rust has one that links statically."""
    gnu: str
    """Rust triple with glibc."""
    zig_musl: str
    zig_gnu: str
    gnu_floor: tuple[int, int]
    """The lowest glibc that both Rust's standard library and Zig's glibc stubs for this architecture reach."""
    zig_cpu: str | None
    """`-mcpu` for Zig where its default baseline is not the one of Rust's triple."""
    elf_machine: str
    """pyelftools' name for e_machine."""
    elf_bits: int
    debian: str
    qemu: str
    """QEMU's user-mode binary is qemu-<this>-static."""
    machines: tuple[str, ...]
    """What uname -m says on such a host."""

    @property
    def little_endian(self) -> bool:
        """The order of bytes in its programs."""
        return self.elf_machine != "EM_S390"

    @property
    def multiarch(self) -> str:
        """Debian's folder of libraries, such as x86_64-linux-gnu: Zig's triple, but for 386."""
        return self.zig_gnu.replace("x86-", "i386-", 1) if self.zig_gnu.startswith("x86-") else self.zig_gnu

    def triple(self, libc: Libc) -> str:
        """Rust's triple for this platform and C library; raises PlatformUnknown where there is none."""
        if libc.family is LibcFamily.GNU:
            return self.gnu
        if self.musl is None:
            raise PlatformUnknown(
                f"Rust has no static musl target for {self.platform}",
                hint="leave this platform out, or build it with --libc gnu",
            )
        return self.musl


_LINUX = "linux"

# fmt: off - a table reads better by rows
TABLE: tuple[Row, ...] = (
    Row(
        Platform(_LINUX, "amd64"),
        "x86_64-unknown-linux-musl",
        "x86_64-unknown-linux-gnu",
        "x86_64-linux-musl",
        "x86_64-linux-gnu",
        (2, 17),
        None,
        "EM_X86_64",
        64,
        "amd64",
        "x86_64",
        ("x86_64", "amd64"),
    ),
    Row(
        Platform(_LINUX, "arm64"),
        "aarch64-unknown-linux-musl",
        "aarch64-unknown-linux-gnu",
        "aarch64-linux-musl",
        "aarch64-linux-gnu",
        (2, 17),
        None,
        "EM_AARCH64",
        64,
        "arm64",
        "aarch64",
        ("aarch64", "arm64"),
    ),
    Row(
        Platform(_LINUX, "arm", "v7"),
        "armv7-unknown-linux-musleabihf",
        "armv7-unknown-linux-gnueabihf",
        "arm-linux-musleabihf",
        "arm-linux-gnueabihf",
        (2, 17),
        "generic+v7a+vfp3-d32+thumb2-neon",
        "EM_ARM",
        32,
        "armhf",
        "arm",
        ("armv7l", "armv8l"),
    ),
    Row(
        Platform(_LINUX, "386"),
        "i686-unknown-linux-musl",
        "i686-unknown-linux-gnu",
        "x86-linux-musl",
        "x86-linux-gnu",
        (2, 17),
        "pentium4",
        "EM_386",
        32,
        "i386",
        "i386",
        ("i686", "i386"),
    ),
    Row(
        Platform(_LINUX, "riscv64"),
        "riscv64gc-unknown-linux-musl",
        "riscv64gc-unknown-linux-gnu",
        "riscv64-linux-musl",
        "riscv64-linux-gnu",
        (2, 27),
        "generic_rv64+m+a+f+d+c",
        "EM_RISCV",
        64,
        "riscv64",
        "riscv64",
        ("riscv64",),
    ),
    Row(
        Platform(_LINUX, "ppc64le"),
        "powerpc64le-unknown-linux-musl",
        "powerpc64le-unknown-linux-gnu",
        "powerpc64le-linux-musl",
        "powerpc64le-linux-gnu",
        (2, 19),
        None,
        "EM_PPC64",
        64,
        "ppc64el",
        "ppc64le",
        ("ppc64le",),
    ),
    Row(
        Platform(_LINUX, "s390x"),
        "s390x-unknown-linux-musl",
        "s390x-unknown-linux-gnu",
        "s390x-linux-musl",
        "s390x-linux-gnu",
        (2, 17),
        "z10",
        "EM_S390",
        64,
        "s390x",
        "s390x",
        ("s390x",),
    ),
)
# fmt: on

DEFAULT_PLATFORMS: tuple[Platform, ...] = (TABLE[0].platform, TABLE[1].platform)


def row(platform: Platform | str) -> Row:
    """The table's row for a platform or for any spelling of it; raises PlatformUnknown."""
    wanted = str(platform).strip().lower()
    bare = wanted.removeprefix("linux/")
    for candidate in TABLE:
        names = (
            str(candidate.platform).removeprefix("linux/"),
            *candidate.machines,
            *_ALIASES.get(str(candidate.platform), ()),
        )
        if bare in names:
            return candidate
    known = [str(candidate.platform) for candidate in TABLE]
    close = difflib.get_close_matches(wanted, known, n=1)
    raise PlatformUnknown(
        f"platform {platform} is not known" + (f'; did you mean "{close[0]}"?' if close else ""),
        hint="known platforms: " + ", ".join(known),
    )


# Spellings that containerd's and Docker's own platform parsers accept as the same platform.
_ALIASES: dict[str, tuple[str, ...]] = {
    "linux/amd64": ("amd64/v1",),
    "linux/arm64": ("arm64/v8",),
    "linux/arm/v7": ("arm", "armhf"),
}
