"""The settings that say what is compiled; `model` has the others, and what is said there holds here too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cargoship.bom.policy import license_entry, license_reason
from cargoship.oci.platform import Platform
from cargoship.platforms import DEFAULT_PLATFORMS, TABLE, VARIANTS, Libc, LibcFamily
from cargoship.settings import compound, kinds
from cargoship.settings.spec import BUILD, SettingScope, setting


@dataclass(frozen=True)
class BuildSettings:
    """Which programs, for which platforms, and how cargo makes them."""

    platforms: tuple[Platform, ...] = setting(
        compound.PLATFORMS,
        DEFAULT_PLATFORMS,
        group=BUILD,
        scope=SettingScope.BUILD_IN_ANY_ORDER,
        shown='["linux/amd64", "linux/arm64"]',
        example='["linux/amd64", "linux/arm64", "linux/arm/v7"]',
        doc="The platforms that the image is for; `all` means all that are known, `base` those of them that "
        "the base has. One invocation of cargo compiles them, and one more each variant. Known: "
        + ", ".join(str(row.platform) for row in TABLE)
        + "; where they are named, also "
        + ", ".join(str(row.platform) for row in VARIANTS)
        + ", programs for newer processors beside those for all.",
    )
    libc: Libc = setting(  # noqa: RUF009 - dataclasses.field under another name
        compound.LIBC,
        Libc(LibcFamily.MUSL),
        group=BUILD,
        scope=SettingScope.BUILD,
        shown='"musl"',
        example='"gnu:2.17"',
        doc="The C library: `musl` makes static programs that start on any base; `gnu` makes programs for a base with "
        "glibc, and `gnu:2.17` names the lowest version of glibc that they must start on.",
    )
    allocator: str = setting(
        kinds.choice("system", "mimalloc"),
        "system",
        group=BUILD,
        scope=SettingScope.BUILD,
        shown='"system"',
        example='"mimalloc"',
        doc="The memory allocator of static musl programs. `system` is musl's own, which is slow where many threads "
        "allocate; `mimalloc` is linked in without a change of the code. See [platforms.md](platforms.md).",
    )
    profile: str = setting(
        kinds.TEXT,
        "release",
        group=BUILD,
        scope=SettingScope.BUILD,
        shown='"release"',
        example='"dist"',
        doc="The Cargo profile to build with.",
    )
    features: tuple[str, ...] = setting(
        kinds.TEXTS,
        (),
        group=BUILD,
        scope=SettingScope.PACKAGES,
        shown="[]",
        example='["postgres"]',
        doc="Cargo features to turn on, as `feature` or `package/feature`.",
    )
    default_features: bool = setting(
        kinds.FLAG,
        default=True,
        group=BUILD,
        scope=SettingScope.BUILD,
        shown="true",
        example="false",
        doc="Whether the package's default features are on.",
    )
    native_cpu: bool = setting(
        kinds.FLAG,
        default=False,
        group=BUILD,
        scope=SettingScope.BUILD,
        shown="false",
        example="true",
        doc="Whether flags may ask for the processor of the machine that compiles (`-C target-cpu=native`, "
        "`-march=native`). Without it such a build is refused, for its programs end with an illegal instruction where "
        "the processor is another one. In the cache of compiled units `native` counts as what it means here.",
    )
    bins: tuple[str, ...] = setting(
        kinds.TEXTS,
        (),
        group=BUILD,
        scope=SettingScope.IMAGE,
        shown="the package's `default-run` if it has one, else every binary",
        example='["server", "worker"]',
        doc="The binaries that become images, one image each.",
    )
    skip: bool = setting(
        kinds.FLAG,
        default=False,
        group=BUILD,
        scope=SettingScope.IMAGE,
        shown="false",
        example="true",
        doc="Whether a package is passed over, as an `xtask` is. It is built where `--package` or a `bundle` names it.",
    )
    bundle: tuple[str, ...] = setting(
        kinds.TEXTS,
        (),
        group=BUILD,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["server", "migrate"]',
        doc="Binaries that share one image. The first is its entrypoint and gives it its name.",
    )
    allow_licenses: tuple[str, ...] = setting(
        kinds.texts(license_entry, "licences"),
        (),
        group=BUILD,
        scope=SettingScope.BUILD,
        shown="[]",
        example='["MIT", "Apache-2.0", "BSD-*"]',
        doc="The licences (SPDX) that crates may have whose code is in the programs; where the list is empty, any but "
        "those that are denied. What a crate's expression offers counts: of `GPL-2.0-only OR MIT` one has to do, of "
        "`MIT AND Zlib` both. Any other ends the build before it compiles. See [licenses.md](licenses.md).",
    )
    deny_licenses: tuple[str, ...] = setting(
        kinds.texts(license_entry, "licences"),
        (),
        group=BUILD,
        scope=SettingScope.BUILD,
        shown="[]",
        example='["GPL-*", "AGPL-*"]',
        doc="The licences (SPDX) that they must not have. See [licenses.md](licenses.md).",
    )
    license_exceptions: Mapping[str, str] = setting(
        kinds.table(values=license_reason),
        {},
        group=BUILD,
        scope=SettingScope.BUILD,
        shown="{}",
        example='{ "ring" = "read by our lawyers in May" }',
        doc="Crates that both lists do not hold for, as NAME or NAME@VERSION, each with the reason.",
    )
    include_licenses: bool = setting(
        kinds.FLAG,
        default=False,
        group=BUILD,
        scope=SettingScope.IMAGE,
        shown="false",
        example="true",
        doc="Whether the notices of all crates whose code is in the programs, with the texts of their licences, are in "
        "the image: `/licenses/THIRD-PARTY-NOTICES.txt`. See [licenses.md](licenses.md).",
    )
