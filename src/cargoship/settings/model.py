"""The settings of an image: every field once, with its kind, its default, an example and its documentation.

Parsing, variables, the JSON schema and docs/settings.md follow from it. `sources` says where values come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cargoship.bom.formats import SbomFormat
from cargoship.settings import compound, kinds, values
from cargoship.settings.attach import Attach
from cargoship.settings.attesting import parse_signer
from cargoship.settings.cache import DEFAULT_SIZE, CacheOptions
from cargoship.settings.health import Healthcheck
from cargoship.settings.image import ImageSettings
from cargoship.settings.spec import BUILD, CACHE, DESCRIPTION, FILES, RUN, SettingScope, setting
from cargoship.settings.values import Include
from cargoship.version import PAGES


@dataclass(frozen=True)
class Settings(ImageSettings):
    """Everything that can be said about an image, with defaults for what was not said."""

    entrypoint: tuple[str, ...] = setting(
        kinds.WORDS,
        (),
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="the binary",
        example='["/app/server", "--config", "/etc/server.toml"]',
        doc="The program and its fixed arguments.",
    )
    args: tuple[str, ...] = setting(
        kinds.WORDS,
        (),
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["serve"]',
        doc="Arguments that come after the entrypoint, which `docker run IMAGE ...` replaces.",
    )
    env: Mapping[str, str] = setting(
        kinds.table(values.parse_variable),
        {},
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="{}",
        example='{ RUST_LOG = "info" }',
        doc="Environment variables. They are added to those of the base; PATH is always there.",
    )
    expose: tuple[str, ...] = setting(
        kinds.texts(values.parse_port, "ports", numbers=True),
        (),
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='[8080, "53/udp"]',
        doc="Ports that the program listens on, with `/udp` or `/sctp` for what is not TCP.",
    )
    user: str = setting(
        kinds.text(values.parse_user, "a user"),
        "nonroot",
        group=RUN,
        scope=SettingScope.IMAGE,
        shown='"nonroot"',
        example='"65532:65532"',
        doc="Who the program runs as: a name or number, with `:group` after it if wanted. A name must exist in the "
        "base, but for `nonroot`: it becomes 65532:65532, which any base takes, and Kubernetes' `runAsNonRoot` too.",
    )
    workdir: str = setting(
        kinds.text(values.parse_folder, "a folder"),
        "/app",
        group=RUN,
        scope=SettingScope.IMAGE,
        shown='"/app"',
        example='"/data"',
        doc="The folder that the program starts in.",
    )
    volumes: tuple[str, ...] = setting(
        kinds.texts(values.parse_folder, "folders"),
        (),
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["/data"]',
        doc="Folders that hold data which outlives a container.",
    )
    stop_signal: str | None = setting(
        kinds.text(values.parse_signal, "a signal", numbers=True),
        None,
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="the engine's, SIGTERM",
        example='"SIGINT"',
        doc="The signal that asks the program to stop.",
    )
    healthcheck: Healthcheck | None = setting(  # noqa: RUF009
        compound.HEALTHCHECK,
        None,
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="none",
        example='{ http = "/health", port = 8080, interval = "30s" }',
        doc="How an engine finds out whether the program works. A table with one of `http` (a path) and `port`; `tcp` "
        '(a port); `grpc` (a service of grpc.health.v1, or "") and `port`; `file` and `newer-than` (such as "30s"); '
        "`command` (a list of words, which may also stand alone), and any of `interval`, `timeout`, `start-period` and "
        "`retries`. All but `command` put a static probe into the image, `/app/cargoship-probe`: no shell is needed. "
        f"Docker reads it from the image; {PAGES}/health/ is about Kubernetes, Compose and Amazon ECS.",
    )
    smoke: tuple[str, ...] = setting(
        kinds.WORDS,
        (),
        group=RUN,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["--version"]',
        doc="Arguments for a smoke run: before anything is published, the entrypoint is started once with them on "
        "every platform, in the image's own files, without a network and within limits of time and memory. Another "
        "exit code than 0 refuses the image. A foreign processor takes QEMU; what cannot be run is said.",
    )
    include: tuple[Include, ...] = setting(
        compound.INCLUDES,
        (),
        group=FILES,
        scope=SettingScope.IMAGE,
        shown="[]",
        example='["templates/** -> /app/templates/", { from = "run.sh", to = "/app/run.sh", mode = "0755" }]',
        doc='Files of the project that go into the image, as `"from -> to"` or a table with `from`, `to`, `mode` '
        "(octal digits in quotes) and `owner` (`uid:gid`, `root` or `nonroot`). `from` is a path or glob from the "
        "package's folder and must stay inside the project; `to` is an absolute path, and a folder if it ends in / or "
        "`from` is a glob. What lies below the fixed part of a glob keeps its sub-folders. The target directory is "
        "passed over, unless a folder in it is named (`target/site/**`). Without `mode` a file has 0644, or "
        "0755 if its owner may execute it; without `owner` it is root's.",
    )
    labels: Mapping[str, str] = setting(
        kinds.table(),
        {},
        group=DESCRIPTION,
        scope=SettingScope.IMAGE,
        shown="`org.opencontainers.image.*` from Cargo.toml and git",
        example='{ "com.example.team" = "shop" }',
        doc="Labels of the image. They are added to those that come from Cargo.toml and git, and win over them.",
    )
    annotations: Mapping[str, str] = setting(
        kinds.table(),
        {},
        group=DESCRIPTION,
        scope=SettingScope.IMAGE,
        shown="`org.opencontainers.image.*` from Cargo.toml and git",
        example='{ "org.opencontainers.image.vendor" = "Example" }',
        doc="Annotations of the manifests and the index, in the same way.",
    )
    provenance_labels: str = setting(
        kinds.choice("none", "index", "image"),
        "none",
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown='"none"',
        example='"index"',
        doc="Where `org.opencontainers.image.revision` and `.created` are written, which each commit changes. `none`: "
        "nowhere, so that the same content has the same digest, and what deploys digests restarts nothing for a change "
        "of the README. `index`: in annotations of the index alone, whose digest then changes with every commit. "
        "`image`: in labels and annotations of all, and files have the commit's time. See [digests.md](digests.md).",
    )

    auditable: bool = setting(
        kinds.FLAG,
        default=True,
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown="true",
        example="false",
        doc="Whether programs carry the list of their crates, which `cargo audit bin`, Trivy and others read (cargo-"
        "auditable's section `.dep-v0`, a few kilobytes). See [sbom.md](sbom.md).",
    )
    debug_symbols: str = setting(
        kinds.choice("profile", "split"),
        "profile",
        group=BUILD,
        scope=SettingScope.BUILD,
        shown='"profile"',
        example='"split"',
        doc="What becomes of debug information. `profile`: programs are as the profile of Cargo.toml makes them. "
        "`split`: programs in images have none, and no symbols; both go into an artifact that refers to the image, for "
        "`cargoship symbols`, `cargoship symbolicate` and debuggers. See [symbols.md](symbols.md).",
    )
    sbom: tuple[SbomFormat, ...] = setting(
        kinds.texts(values.parse_sbom, "kinds of SBOMs", options=[each.value for each in SbomFormat]),
        default=(SbomFormat.CYCLONEDX,),
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown='["cyclonedx"]',
        example='["cyclonedx-1.5", "spdx"]',
        doc="SBOMs that are attached to images: `cyclonedx` (1.6), `cyclonedx-1.5`, "
        "`cyclonedx-1.7`, `spdx` (2.3), `spdx-3` (3.0.1); `[]` for none. See [sbom.md](sbom.md).",
    )
    sbom_creator: str | None = setting(
        kinds.text(values.parse_contact, "a mail address or URL"),
        None,
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown="none",
        example='"security@example.com"',
        doc="Who answers for the image and its SBOMs: a mail address, or the URL of a page, as BSI "
        "TR-03183-2 wants it. It is written into every SBOM. See [sbom.md](sbom.md#bsi-tr-03183-2).",
    )
    attest: str = setting(
        kinds.choice(*Attach),
        Attach.REFERRERS.value,
        group=DESCRIPTION,
        scope=SettingScope.BUILD,
        shown='"referrers"',
        example='"index"',
        doc="How what is said about images goes with them. `referrers`: as manifests that refer to them, in "
        "registries, layouts (`oci:`) and OCI archives; a layout has one entry for each image all the same, which is "
        "what most tools want. `entries`: the same, but in layouts and archives each is an entry, as oras reads them. "
        "`index`: as BuildKit does it, inside the index, whose digest changes with it. `both`: `referrers` and "
        "`index`. `none`: not at all. See [sbom.md](sbom.md).",
    )

    cache: bool = setting(
        kinds.FLAG,
        default=True,
        group=CACHE,
        scope=SettingScope.BUILD,
        shown="true",
        example="false",
        doc="Whether compiled units are restored from caches and kept in them. See [unit-cache.md](unit-cache.md).",
    )
    cache_from: tuple[str, ...] = setting(
        kinds.texts(values.parse_store, "caches"),
        (),
        group=CACHE,
        scope=SettingScope.BUILD,
        shown="[]",
        example='["registry:ghcr.io/me/app:cache"]',
        doc="Caches that are read, beside the folder of this machine: `registry:HOST/REPOSITORY:TAG`, "
        "`s3://BUCKET/PREFIX` (with the extra `s3`), `reapi://HOST:PORT/INSTANCE` (with the extra `remote`), or "
        "`dir:PATH` in place of that folder.",
    )
    cache_to: tuple[str, ...] = setting(
        kinds.texts(values.parse_store, "caches"),
        (),
        group=CACHE,
        scope=SettingScope.BUILD,
        shown="[]",
        example='["registry:ghcr.io/me/app:cache"]',
        doc="Caches that are read and written, in the same form. A CI job for a pull request from a fork reads them "
        "and writes none, but for one with `?trusted=true` at its end.",
    )
    cache_size: str = setting(
        kinds.text(values.parse_size, "a size", numbers=True),
        DEFAULT_SIZE,
        group=CACHE,
        scope=SettingScope.BUILD,
        shown='"10GiB"',
        example='"4GB"',
        doc="How large the folder of this machine may become. What was not used for longest goes first.",
    )

    cache_trust: tuple[str, ...] = setting(
        kinds.texts(values.trusted_text, "keys and identities"),
        (),
        group=CACHE,
        scope=SettingScope.BUILD,
        shown="[]",
        example='["cosign.pub"]',
        doc="Whose units are taken from caches: public keys (a file, `env://NAME`, or PEM itself) and identities of CI "
        "jobs (`IDENTITY by ISSUER`). Units that none of them has signed are compiled. Without it, everyone who may "
        "write a cache is trusted. See [unit-cache.md](unit-cache.md#caches-that-strangers-share).",
    )
    cache_sign: str | None = setting(
        kinds.text(parse_signer, "a key"),
        None,
        group=CACHE,
        scope=SettingScope.BUILD,
        shown="with cache-trust: what sign says",
        example='"env://COSIGN_PRIVATE_KEY"',
        doc="Who signs units that are written to `cache-to`, in the form of `sign`; it takes `cache-trust`.",
    )

    @property
    def caches(self) -> CacheOptions:
        """Where compiled units are kept."""
        options = CacheOptions.parse(self.cache_from, self.cache_to, self.cache_size, enabled=self.cache)
        sign = self.cache_sign if self.cache_sign is not None or not self.cache_trust else self.sign
        return options.with_trust(self.cache_trust, sign)
