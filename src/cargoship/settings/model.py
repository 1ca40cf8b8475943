"""The settings of an image: every field once, with its kind, its default, an example and its documentation.

The parsing, the names of the environment variables, the JSON schema and docs/settings.md all follow from this
table. Nothing is read here: `sources` says where values come from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cargoship.debian.suites import SCHEME, DebianSpec, known
from cargoship.oci.platform import Platform
from cargoship.platforms import DEFAULT_PLATFORMS, Libc, LibcFamily
from cargoship.settings import compound, kinds, values
from cargoship.settings.cache import DEFAULT_SIZE, CacheOptions, StoreSpec, size_of
from cargoship.settings.kinds import Kind
from cargoship.settings.values import Healthcheck, Include

ENV_PREFIX = "CARGOSHIP_"


@dataclass(frozen=True)
class Spec:
    """What is known of one setting beside its type."""

    kind: Kind
    doc: str
    example: str
    """A value as it is written in Cargo.toml."""
    shown_default: str
    """The default in words or TOML, for people."""
    group: str


def _setting(kind: Kind, default: object, *, doc: str, example: str, shown: str, group: str) -> Any:  # noqa: ANN401
    spec = Spec(kind, doc, example, shown, group)
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"spec": spec})
    return field(default=default, metadata={"spec": spec})


_BUILD = "What is built"
_IMAGE = "The image"
_RUN = "How it runs"
_FILES = "Files"
_DESCRIPTION = "Description"
_CACHE = "The cache of compiled units"


@dataclass(frozen=True)
class Settings:
    """Everything that can be said about an image, with defaults for what was not said."""

    platforms: tuple[Platform, ...] = _setting(
        compound.PLATFORMS,
        DEFAULT_PLATFORMS,
        group=_BUILD,
        shown='["linux/amd64", "linux/arm64"]',
        example='["linux/amd64", "linux/arm64", "linux/arm/v7"]',
        doc="The platforms that the image is for. All of them are compiled in one invocation of cargo. Known: "
        "linux/amd64, linux/arm64, linux/arm/v7, linux/386, linux/riscv64, linux/ppc64le, linux/s390x.",
    )
    libc: Libc = _setting(  # noqa: RUF009 - dataclasses.field under another name
        compound.LIBC,
        Libc(LibcFamily.MUSL),
        group=_BUILD,
        shown='"musl"',
        example='"gnu:2.17"',
        doc="The C library: `musl` makes static programs that start on any base; `gnu` makes programs for a base with "
        "glibc, and `gnu:2.17` names the lowest version of glibc that they must start on.",
    )
    allocator: str = _setting(
        kinds.choice("system", "mimalloc"),
        "system",
        group=_BUILD,
        shown='"system"',
        example='"mimalloc"',
        doc="The memory allocator of static musl programs. `system` is musl's own, which is slow where many threads "
        "allocate; `mimalloc` is linked in without a change of the code. See [platforms.md](platforms.md).",
    )
    profile: str | None = _setting(
        kinds.TEXT,
        None,
        group=_BUILD,
        shown='"release"',
        example='"dist"',
        doc="The Cargo profile to build with.",
    )
    features: tuple[str, ...] = _setting(
        kinds.TEXTS,
        (),
        group=_BUILD,
        shown="[]",
        example='["postgres"]',
        doc="Cargo features to turn on, as `feature` or `package/feature`.",
    )
    default_features: bool = _setting(
        kinds.FLAG,
        default=True,
        group=_BUILD,
        shown="true",
        example="false",
        doc="Whether the package's default features are on.",
    )
    bins: tuple[str, ...] = _setting(
        kinds.TEXTS,
        (),
        group=_BUILD,
        shown="the package's `default-run` if it has one, else every binary",
        example='["server", "worker"]',
        doc="The binaries that become images, one image each.",
    )
    bundle: tuple[str, ...] = _setting(
        kinds.TEXTS,
        (),
        group=_BUILD,
        shown="[]",
        example='["server", "migrate"]',
        doc="Binaries that share one image. The first is its entrypoint and gives it its name.",
    )
    name: str | None = _setting(
        kinds.text(values.image_name, "an image's name"),
        None,
        group=_IMAGE,
        shown="the binary's name",
        example='"shop"',
        doc="The name of the image: `{name}` in tags, its title, and the folder it is written to.",
    )
    tags: tuple[str, ...] = _setting(
        kinds.TEXTS,
        (),
        group=_IMAGE,
        shown="[]",
        example='["ghcr.io/me/{name}:{version}", "ghcr.io/me/{name}:{latest}"]',
        doc="Full references to publish under. Placeholders: `{name}` the image, `{package}` and `{version}` from "
        "Cargo.toml, `{git.sha}`, `{git.short}`, `{git.branch}` (also `{branch}`) and `{git.tag}` from git, with "
        "`-dirty` after commits and tags where files differ from the commit. `{latest}` is `latest` on a release, "
        "which is an unchanged commit with a tag such as `v1.2.3`, and elsewhere the reference is left out. So it is "
        "where nothing is known for a placeholder with a question mark, such as `{git.tag?}`. Without a tag after "
        "the repository it is `latest`.",
    )
    base: str = _setting(
        kinds.text(values.base, "a base"),
        "static",
        group=_IMAGE,
        shown='"static"',
        example='"debian:12-slim"',
        doc="What the image stands on: `static` (built in: CA certificates, time zones, users, /tmp), `scratch` "
        "(nothing), `deb:bookworm` (Debian packages; with `packages` or `build-packages`, `debian:bookworm` means "
        "it too), an image in a registry such as `gcr.io/distroless/cc-debian12:nonroot`, or `oci:FOLDER`, an OCI "
        "image layout. The last two take a `:tag` or `@digest` after them; with a digest the base stays the same, and "
        "`cargoship base pin` writes it. Layers that the registry of the image has, or can mount, are not downloaded.",
    )
    packages: tuple[str, ...] = _setting(
        kinds.texts(values.debian_package, "Debian packages"),
        (),
        group=_IMAGE,
        shown="[]",
        example='["libpq5", "ca-certificates"]',
        doc="Debian packages that are in the image, with all that they depend on, on a base such as `deb:bookworm`. "
        "`NAME=VERSION` asks for a version. See [debian.md](debian.md).",
    )
    build_packages: tuple[str, ...] = _setting(
        kinds.texts(values.debian_package, "Debian packages"),
        (),
        group=_BUILD,
        shown="[]",
        example='["libpq-dev"]',
        doc="Debian packages with headers and libraries that crates are compiled against, for every platform, of the "
        "same release as the base. What programs then need of them at run time gets into the image by itself. "
        "See [debian.md](debian.md).",
    )
    debian_mirror: str = _setting(
        kinds.text(values.mirror, "an address"),
        "https://deb.debian.org",
        group=_IMAGE,
        shown='"https://deb.debian.org"',
        example='"http://mirror.example.com"',
        doc="Where Debian's packages are fetched from: the folder that has `debian` and `debian-security` in it. "
        "Whatever it is, Debian's own signatures are checked.",
    )
    compression: str = _setting(
        kinds.choice("gzip", "zstd", "none"),
        "gzip",
        group=_IMAGE,
        shown='"gzip"',
        example='"zstd"',
        doc="How layers are compressed. Engines before Docker 23 cannot read `zstd`.",
    )
    entrypoint: tuple[str, ...] = _setting(
        kinds.WORDS,
        (),
        group=_RUN,
        shown="the binary",
        example='["/app/server", "--config", "/etc/server.toml"]',
        doc="The program and its fixed arguments.",
    )
    args: tuple[str, ...] = _setting(
        kinds.WORDS,
        (),
        group=_RUN,
        shown="[]",
        example='["serve"]',
        doc="Arguments that come after the entrypoint, which `docker run IMAGE ...` replaces.",
    )
    env: Mapping[str, str] = _setting(
        kinds.table(values.variable),
        {},
        group=_RUN,
        shown="{}",
        example='{ RUST_LOG = "info" }',
        doc="Environment variables. They are added to those of the base; PATH is always there.",
    )
    expose: tuple[str, ...] = _setting(
        kinds.texts(values.port, "ports", numbers=True),
        (),
        group=_RUN,
        shown="[]",
        example='[8080, "53/udp"]',
        doc="Ports that the program listens on, with `/udp` or `/sctp` for what is not TCP.",
    )
    user: str = _setting(
        kinds.text(values.user, "a user"),
        "nonroot",
        group=_RUN,
        shown='"nonroot"',
        example='"65532:65532"',
        doc="Who the program runs as: a name or number, with `:group` after it if wanted. A name must exist in the "
        "base, but for `nonroot`: it is written as 65532:65532, which any base takes and which Kubernetes' "
        "`runAsNonRoot` accepts.",
    )
    workdir: str = _setting(
        kinds.text(values.folder, "a folder"),
        "/app",
        group=_RUN,
        shown='"/app"',
        example='"/data"',
        doc="The folder that the program starts in.",
    )
    volumes: tuple[str, ...] = _setting(
        kinds.texts(values.folder, "folders"),
        (),
        group=_RUN,
        shown="[]",
        example='["/data"]',
        doc="Folders that hold data which outlives a container.",
    )
    stop_signal: str | None = _setting(
        kinds.text(values.signal, "a signal", numbers=True),
        None,
        group=_RUN,
        shown="the engine's, SIGTERM",
        example='"SIGINT"',
        doc="The signal that asks the program to stop.",
    )
    healthcheck: Healthcheck | None = _setting(  # noqa: RUF009
        compound.HEALTHCHECK,
        None,
        group=_RUN,
        shown="none",
        example='{ command = ["/app/server", "--health"], interval = "30s" }',
        doc="A command that tells whether the program works, as a list of words, or a table with `command` and any of "
        '`interval`, `timeout`, `start-period` (such as "30s") and `retries`. Only Docker reads it: the OCI format '
        "has no such field, and Kubernetes uses probes of its own.",
    )
    smoke: tuple[str, ...] = _setting(
        kinds.WORDS,
        (),
        group=_RUN,
        shown="[]",
        example='["--version"]',
        doc="Arguments for a smoke run: before anything is published, the entrypoint is started once with them on "
        "every platform, in the image's own files, without a network and within limits of time and memory. Another "
        "exit code than 0 refuses the image. A foreign processor takes QEMU; what cannot be run is said.",
    )
    include: tuple[Include, ...] = _setting(
        compound.INCLUDES,
        (),
        group=_FILES,
        shown="[]",
        example='["templates/** -> /app/templates/", { from = "run.sh", to = "/app/run.sh", mode = "0755" }]',
        doc='Files of the project that go into the image, as `"from -> to"` or a table with `from`, `to`, `mode` '
        "(octal digits in quotes) and `owner` (`uid:gid`, `root` or `nonroot`). `from` is a path or glob from the "
        "package's folder and must stay inside the project; `to` is an absolute path, and a folder if it ends in / or "
        "`from` is a glob. What lies below the fixed part of a glob keeps its sub-folders. Without `mode` a file has "
        "0644, or 0755 if its owner may execute it; without `owner` it is root's.",
    )
    labels: Mapping[str, str] = _setting(
        kinds.table(),
        {},
        group=_DESCRIPTION,
        shown="`org.opencontainers.image.*` from Cargo.toml and git",
        example='{ "com.example.team" = "shop" }',
        doc="Labels of the image. They are added to those that come from Cargo.toml and git, and win over them.",
    )
    annotations: Mapping[str, str] = _setting(
        kinds.table(),
        {},
        group=_DESCRIPTION,
        shown="`org.opencontainers.image.*` from Cargo.toml and git",
        example='{ "org.opencontainers.image.vendor" = "Example" }',
        doc="Annotations of the manifests and the index, in the same way.",
    )

    cache: bool = _setting(
        kinds.FLAG,
        default=True,
        group=_CACHE,
        shown="true",
        example="false",
        doc="Whether compiled units are restored from caches and kept in them. See [unit-cache.md](unit-cache.md).",
    )
    cache_from: tuple[str, ...] = _setting(
        kinds.texts(values.cache, "caches"),
        (),
        group=_CACHE,
        shown="[]",
        example='["registry:ghcr.io/me/app:cache"]',
        doc="Caches that are read, beside the folder of this machine: `registry:HOST/REPOSITORY:TAG`, "
        "`s3://BUCKET/PREFIX` (with the extra `s3`), or `dir:PATH` in place of that folder.",
    )
    cache_to: tuple[str, ...] = _setting(
        kinds.texts(values.cache, "caches"),
        (),
        group=_CACHE,
        shown="[]",
        example='["registry:ghcr.io/me/app:cache"]',
        doc="Caches that are read and written, in the same form. A CI job for a pull request from a fork reads them "
        "and writes none, but for one with `?trusted=true` at its end.",
    )
    cache_size: str = _setting(
        kinds.text(values.size, "a size", numbers=True),
        DEFAULT_SIZE,
        group=_CACHE,
        shown='"10GiB"',
        example='"4GB"',
        doc="How large the folder of this machine may become. What was not used for longest goes first.",
    )

    @property
    def caches(self) -> CacheOptions:
        """Where compiled units are kept."""
        return CacheOptions(
            enabled=self.cache,
            read=tuple(StoreSpec.parse(text) for text in self.cache_from),
            written=tuple(StoreSpec.parse(text) for text in self.cache_to),
            bytes_max=size_of(self.cache_size),
        )

    @property
    def debian(self) -> DebianSpec | None:
        """The base, if it is made of Debian packages: with these, debian:bookworm is no image in a registry."""
        scheme, _, name = self.base.removeprefix("docker.io/library/").partition(":")
        if self.base.startswith(SCHEME) or (
            (self.packages or self.build_packages) and scheme == "debian" and known(name) is not None
        ):
            return DebianSpec.parse(SCHEME + name)
        return None


@dataclass(frozen=True)
class Field:
    """One setting: its names and what is known of it."""

    attribute: str
    key: str
    spec: Spec
    default: object

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENV_PREFIX + self.attribute.upper()


FIELDS: tuple[Field, ...] = tuple(
    Field(
        each.name,
        each.name.replace("_", "-"),
        each.metadata["spec"],
        {} if each.default is dataclasses.MISSING else each.default,
    )
    for each in dataclasses.fields(Settings)
)
BY_KEY: Mapping[str, Field] = {each.key: each for each in FIELDS}
