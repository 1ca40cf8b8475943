"""What is asked for and what will be done, as values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from cargoship.bom.formats import SbomFormat
from cargoship.cargo.command import CargoBuild
from cargoship.cargo.git import GitFacts
from cargoship.cargo.project import Binary, Package
from cargoship.errors import UsageError
from cargoship.events import Note
from cargoship.execution.address import ClusterAddress
from cargoship.oci import target
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.platforms import Libc
from cargoship.settings.attach import Attach
from cargoship.settings.cache import CacheOptions
from cargoship.settings.model import Settings
from cargoship.suggest import did_you_mean

BIN_DIR = "/app"
"""Where binaries are in an image."""


class OutputKind(enum.Enum):
    """The forms of a file or folder that an image can be written to."""

    OCI = target.LAYOUT
    """An OCI image layout, a folder; it can hold several images."""
    OCI_ARCHIVE = target.OCI_ARCHIVE
    """The same as a tar file."""
    DOCKER_ARCHIVE = target.DOCKER_ARCHIVE
    """A tar file for `docker load` and `podman load`."""
    ROOTFS = "rootfs"
    """The files as a container sees them, in a folder for each platform."""
    WASM = "wasm"
    """The program for wasi/wasm as an artifact of its own, in an image layout."""

    @property
    def form(self) -> str:
        """How an output of this kind is written."""
        return f"{self.value}:{'FILE' if self in {OutputKind.OCI_ARCHIVE, OutputKind.DOCKER_ARCHIVE} else 'FOLDER'}"


*_FIRST, _LAST = (kind.form for kind in OutputKind)
_FORMS = f"{', '.join(_FIRST)} or {_LAST}"


class Output(Struct, frozen=True):
    """A file or folder to write. `{name}` in the path stands for the image's name."""

    kind: OutputKind
    path: Path

    @classmethod
    def parse(cls, text: str, *, cwd: Path) -> Output:
        """Parse `KIND:PATH`, with paths from `cwd`; raises UsageError."""
        known = [kind.value for kind in OutputKind]
        word, colon, path = text.partition(":")
        if text.startswith("type=") or text in {"docker", "registry", "local", "tar"}:
            raise UsageError(f"output {text!r} is in Buildx's words", hint=_buildx(text))
        if not colon or word not in known:
            meant = did_you_mean(word, known) if colon else ""
            raise UsageError(
                f"output {text!r} is not KIND:PATH{meant}",
                hint=f"use {_FORMS}",
            )
        if not path:
            raise UsageError(f"output {text!r} has no path", hint=f"write {word}:PATH")
        if path.startswith("//"):
            # oras and Helm write so what is in a registry
            name = path.lstrip("/")
            raise UsageError(
                f"output {text!r} is the address of nothing that is written here",
                hint=f"for a registry write -t {name} --push; a folder begins with one slash",
            )
        return cls(OutputKind(word), cwd / path)

    def for_image(self, name: str) -> Output:
        """Return the output with `{name}` filled in."""
        return Output(self.kind, Path(str(self.path).replace("{name}", name)))

    @property
    def is_per_image(self) -> bool:
        """Whether every image gets a path of its own."""
        return "{name}" in str(self.path)

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.kind.value}:{self.path}"


class ClusterTool(enum.Enum):
    """What runs clusters on this machine, by the name of its program."""

    KIND = "kind"
    MINIKUBE = "minikube"
    K3D = "k3d"


_CLUSTERS = {ClusterTool.KIND: "kind", ClusterTool.MINIKUBE: "minikube", ClusterTool.K3D: "k3s-default"}
"""What each calls a cluster that nobody has named."""


class Cluster(Struct, frozen=True):
    """A cluster on this machine."""

    tool: ClusterTool
    name: str

    @classmethod
    def parse(cls, text: str) -> Cluster:
        """Parse `kind`, `kind:NAME` and so on; raises UsageError."""
        word, colon, name = text.partition(":")
        known = [tool.value for tool in ClusterTool]
        if word not in known or (colon and not name) or name.startswith("-"):
            raise UsageError(
                f"{text!r} is no local cluster{did_you_mean(word, known)}",
                hint="write kind, minikube or k3d, or kind:NAME",
            )
        tool = ClusterTool(word)
        return cls(tool, name or _CLUSTERS[tool])

    @property
    def kubectl_context(self) -> str:
        """What its tool calls it in kubectl's configuration."""
        return self.name if self.tool is ClusterTool.MINIKUBE else f"{self.tool.value}-{self.name}"

    def __str__(self) -> str:
        """As it is written on the command line."""
        return f"{self.tool.value}:{self.name}"


def _buildx(text: str) -> str:
    """What does here the work of an output of Buildx."""
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    kind, place = fields.get("type", text), fields.get("dest", "")
    words = {
        "docker": f"-o docker-archive:{place}" if place else "--load",
        "oci": f"-o oci-archive:{place or 'FILE'}",
        "registry": "--push",
        "image": "--push" if fields.get("push") == "true" else "-o oci:FOLDER",
        "local": f"-o rootfs:{place or 'FOLDER'}",
    }
    return f"write {words.get(kind, f'-o {_FORMS}')}"


class Selection(Struct, frozen=True):
    """What is asked for on the command line or by a library user; empty or None: not said."""

    path: Path
    """Absolute: a folder, or a Cargo.toml."""
    also: tuple[Path, ...] = ()
    """Further folders of packages in the same workspace."""
    packages: tuple[str, ...] = ()
    """Names, or patterns with `*`, `?` and `[...]`."""
    workspace: bool = False
    """All packages of the workspace."""
    exclude: tuple[str, ...] = ()
    """Packages to leave out, by name or pattern."""
    changed_since: str | None = None
    """Build only what a change since this commit, branch or tag may have changed."""
    bins: tuple[str, ...] = ()
    profile: str | None = None
    features: tuple[str, ...] = ()
    all_features: bool = False
    no_default_features: bool = False
    locked: bool | None = None
    """None: where there is a Cargo.lock."""
    offline: bool = False
    frozen: bool = False
    jobs: int | None = None
    remote: ClusterAddress | None = None
    """Compile libraries on this cluster."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """Settings by their key in Cargo.toml, as flags give them; they win over every other source."""
    push: bool = False
    push_by_digest: bool = False
    """Push to the repositories of the tags, and let no tag name what is there."""
    load: bool = False
    clusters: tuple[Cluster, ...] = ()
    """Clusters of this machine whose nodes get the images."""
    outputs: tuple[Output, ...] = ()
    require_clean: bool = False
    """Refuse a tree that differs from its commit."""

    @property
    def is_offline(self) -> bool:
        """Whether only what is on this machine may be used."""
        return self.offline or self.frozen

    def caches_of(self, settings: Settings) -> CacheOptions:
        """Where compiled units are kept: where the settings say, or else beside the workers that compile too."""
        return settings.caches if self.remote is None else settings.caches.beside(str(self.remote))


class ImagePlan(Struct, frozen=True):
    """One image: for every platform of the plan it holds the same binaries and has the same settings."""

    name: str
    package: Package
    """The package of the first binary."""
    bins: tuple[Binary, ...]
    """The first is the entrypoint. Those of a bundle may come from several packages."""
    settings: Settings
    references: tuple[Reference, ...]
    """What it is published as; each has a tag."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """Of the manifests."""
    index_annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the index."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where its settings come from, by their keys; what nobody has set is left out."""

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The program that starts, with its fixed arguments."""
        return self.settings.entrypoint or (f"{BIN_DIR}/{self.bins[0].name}",)


class Plan(Struct, frozen=True):
    """Everything that is decided before the first process that costs time."""

    root: Path
    """The workspace's folder: nothing outside it goes into an image."""
    target_dir: Path
    build_dir: Path
    """Where cargo keeps what is between; the target directory, if not set apart (build.build-dir)."""
    images: tuple[ImagePlan, ...]
    platforms: tuple[Platform, ...]
    libc: Libc
    cargo: CargoBuild
    epoch: int
    """The time of everything in the images, in seconds since 1970."""
    created: str
    """`epoch` as RFC 3339."""
    further: tuple[CargoBuild, ...] = ()
    """Builds of their own for binaries with a name that another one has: cargo would put both into one file."""
    allocator: str = "system"
    auditable: bool = True
    """Whether programs carry the list of their crates."""
    splits_symbols: bool = False
    """Whether programs have no symbols, which are an artifact beside the image."""
    sboms: tuple[SbomFormat, ...] = ()
    """The SBOMs that go with the images."""
    sbom_creator: str = ""
    """A mail address or URL of who answers for them."""
    attest: Attach = Attach.REFERRERS
    """How they do, and what else is said about the images."""
    provenance: bool = True
    """Whether registries get the provenance of the images."""
    sign: str | None = None
    """Who signs what is pushed, as the setting says it."""
    signature_formats: tuple[str, ...] = ("bundle",)
    source: GitFacts | None = None
    """What git knows of the commit, and whether files differ from it."""
    revision: str | None = None
    """The commit, with -dirty after it where files differ from it."""
    outputs: tuple[Output, ...] = ()
    push: bool = False
    """Whether anything goes to registries."""
    push_by_digest: bool = False
    """Whether it goes there without a tag."""
    load: bool = False
    clusters: tuple[Cluster, ...] = ()
    cache: CacheOptions = field(default_factory=CacheOptions)
    """Where compiled units are kept."""
    remote: ClusterAddress | None = None
    """The cluster that compiles libraries; None: this machine compiles everything."""
    offline: bool = False
    """Whether only what is on this machine may be used: for cargo, for bases, for Debian's packages."""
    insist: bool = False
    """Whether lock files hold as they are: Debian's packages are those that cargoship.lock has, or none."""
    project: str = ""
    """A digest of what cargo says of the workspace, wherever that is."""
    notes: tuple[Note, ...] = ()
    """What a person should know: binaries left out, unknown variables."""

    @property
    def keeps_attestations(self) -> bool:
        """Whether anything that the images go to can hold what is said about them."""
        if self.attest is Attach.NONE:
            return False
        kinds = {output.kind for output in self.outputs}
        alone = not (self.outputs or self.load or self.clusters)
        return self.push or alone or bool(kinds & {OutputKind.OCI, OutputKind.OCI_ARCHIVE})

    @property
    def keeps_files(self) -> bool:
        """Whether it is written to layouts or archives that somebody has asked for, and that hold more than images."""
        kinds = {output.kind for output in self.outputs}
        return self.attest is not Attach.NONE and bool(kinds & {OutputKind.OCI, OutputKind.OCI_ARCHIVE})

    @property
    def asks_to_sign(self) -> bool:
        """Whether the command itself names who signs, and not the settings alone."""
        return any(image.origins.get("sign") in {"--sign", "--set"} for image in self.images)

    @property
    def signs_files(self) -> bool:
        """Whether what is in them is signed: where that was asked for in this very run."""
        return self.keeps_files and self.asks_to_sign

    @property
    def builds(self) -> tuple[CargoBuild, ...]:
        """All invocations of cargo, in their order."""
        return (self.cargo, *self.further)
