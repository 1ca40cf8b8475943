"""The settings that say what an image is called and what it stands on; `model` has the others."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from cargoship.debian.suites import DebianSpec
from cargoship.oci.compress import Codec
from cargoship.settings import compound, kinds, values
from cargoship.settings.attesting import AttestSettings
from cargoship.settings.base import BaseSpec, parse_base_spec
from cargoship.settings.spec import BUILD, IMAGE, SettingScope, setting


@dataclass(frozen=True)
class ImageSettings(AttestSettings):
    """Names, the base with the packages on it, and how layers are kept."""

    name: str | None = setting(
        kinds.text(values.parse_image_name, "an image's name"),
        None,
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown="the binary's name",
        example='"shop"',
        doc="The name of the image: `{name}` in tags, its title, and the folder it is written to.",
    )
    tags: tuple[str, ...] = setting(
        kinds.TEXTS,
        (),
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["ghcr.io/me/{name}:{version}", "ghcr.io/me/{name}:{latest}"]',
        doc="Full references to publish under. Placeholders: `{name}` the image, `{package}` and `{version}` from "
        "Cargo.toml, `{git.sha}`, `{git.short}`, `{git.branch}` (also `{branch}`) and `{git.tag}` from git, with "
        "`-dirty` after commits and tags where files differ from the commit. `{latest}` is `latest` on a release, "
        "which is an unchanged commit with a tag such as `v1.2.3`, and elsewhere the reference is left out. So it is "
        "where nothing is known for a placeholder with a question mark, such as `{git.tag?}`. Without a tag after "
        "the repository it is `latest`.",
    )
    repository: str | None = setting(
        kinds.text(values.repository, "a repository"),
        None,
        personal=True,
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown="none",
        example='"ghcr.io/me"',
        doc="Where images are pushed to that have no tags: `ghcr.io/me` means `ghcr.io/me/{name}:latest`. A tag that "
        "begins with a colon, such as `:{version}`, is one there. `CARGOSHIP_REPO` means the same.",
    )
    base: str = setting(
        kinds.text(values.parse_base, "a base"),
        "static",
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown='"static"',
        example='"debian:12-slim"',
        doc="What the image stands on: `static` (built in: CA certificates, time zones, users, /tmp), `scratch` "
        "(nothing), `deb:bookworm` (Debian packages; with `packages` or `build-packages`, `debian:bookworm` means "
        "it too), an image in a registry such as `gcr.io/distroless/cc-debian12:nonroot`, or `oci:FOLDER`, an OCI "
        "image layout. The last two take a `:tag` or `@digest` after them; with a digest the base stays the same, and "
        "`cargoship base pin` writes it. Layers that the registry of the image has, or can mount, are not downloaded.",
    )
    packages: tuple[str, ...] = setting(
        kinds.texts(values.parse_debian_package, "Debian packages"),
        (),
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["libpq5", "ca-certificates"]',
        doc="Debian packages that are in the image, with all that they depend on, on a base such as `deb:bookworm`. "
        "`NAME=VERSION` asks for a version. See [debian.md](debian.md).",
    )
    build_packages: tuple[str, ...] = setting(
        kinds.texts(values.parse_debian_package, "Debian packages"),
        (),
        group=BUILD,
        scope=SettingScope.BUILD_IN_ANY_ORDER,
        shown="[]",
        example='["libpq-dev"]',
        doc="Debian packages with headers and libraries that crates are compiled against, for every platform, of the "
        "base's release. What programs need of them at run time is put into the image. See [debian.md](debian.md).",
    )
    debian_mirror: str = setting(
        kinds.text(values.parse_mirror, "an address"),
        "https://deb.debian.org",
        personal=True,
        group=IMAGE,
        scope=SettingScope.BUILD,
        shown='"https://deb.debian.org"',
        example='"http://mirror.example.com"',
        doc="Where Debian's packages are fetched from: the folder that has `debian` and `debian-security` in it. "
        "Whatever it is, Debian's own signatures are checked.",
    )
    compression: Codec = setting(  # noqa: RUF009 - dataclasses.field under another name
        compound.CODEC,
        Codec.GZIP,
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown='"gzip"',
        example='"zstd"',
        doc="How layers are compressed. Engines before Docker 23 cannot read `zstd`.",
    )
    keep_blobs: bool = setting(
        kinds.FLAG,
        default=False,
        group=IMAGE,
        scope=SettingScope.IMAGE,
        shown="false",
        example="true",
        doc="Whether a layout (`-o oci:FOLDER`) that is written again keeps the layers of images that nothing in it "
        "names any more. Without it those go that cargoship itself has put there.",
    )

    @functools.cached_property
    def base_spec(self) -> BaseSpec:
        """What `base` means beside the other settings: with packages, debian:bookworm is no image in a registry."""
        return parse_base_spec(self.base, packages=bool(self.packages or self.build_packages))

    @property
    def debian(self) -> DebianSpec | None:
        """The base, if it is made of Debian packages."""
        return self.base_spec if isinstance(self.base_spec, DebianSpec) else None
