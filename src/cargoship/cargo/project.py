"""A Cargo project as cargo itself describes it. Must not read manifests on its own: cargo knows inheritance."""

from __future__ import annotations

import re
import shlex
import signal
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.cargo import metadata
from cargoship.cargo.above import check_owners
from cargoship.cargo.config import cargo_home, configuration_files, read_table, without_colours
from cargoship.cargo.manifest import MANIFEST, find_manifest
from cargoship.cargo.newer import about_old_cargo
from cargoship.decoding import decode_json
from cargoship.errors import ManifestInvalid, ToolchainError
from cargoship.oci.digest import Digest
from cargoship.process import Command, Completed, Runner
from cargoship.reading import is_file, read_file, real_path

_ABSENT = "' is not installed"
"""rustup's words about a toolchain."""
_CARGO_FAILED = 101
_HOMELESS = "couldn't find your home directory"
_TIMEOUT_S = 600.0
"""rustup may fetch a toolchain before cargo starts."""
_MEMORY_BYTES = 4 << 30
_TABLE = "cargoship"
_ALIKE = 0.88
"""How much alike a name is that somebody meant to be it: cargo-ship is, cargo-shim is not."""
_OF_CONFIGURATION = re.compile(
    r"^error: (?:could not load (?:Cargo configuration|config key)|failed to (?:load|parse value from) --config"
    r"|error in (?:environment variable|--config|/[^\n]*/config(?:\.toml)?:)|argument for --color must be"
    r"|cannot set both `term\.|the target directory is set to an empty string)",
    re.MULTILINE,
)
"""cargo's words where no manifest is to blame."""
_NO_MEMBER = re.compile(
    r"failed to load manifest for workspace member `([^`\n]+)`\nreferenced via `[^`\n]*\*[^`\n]*` by"
)
"""cargo's words about a folder that a pattern of `members` matches, and that has no Cargo.toml."""
_LOCKED = re.compile(rb'\[\[package\]\]\r?\nname = "([\w-]+)"\r?\nversion = "([\w.+-]+)"', re.ASCII)


class ManifestRefused(ManifestInvalid):
    """cargo itself cannot load a project, and says why."""


class ConfigurationRefused(ManifestRefused):
    """cargo refuses what its configuration files, or its variables, say; whatever was asked of it ends with 101."""

    exit_code = _CARGO_FAILED


class Binary(Struct, frozen=True):
    """A binary target of a package."""

    name: str
    package: str
    required_features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Package:
    """A member of the workspace, with what it inherits from the workspace filled in."""

    id: str
    """cargo's package id, as its JSON messages carry it."""
    name: str
    version: str
    manifest: Path
    root: Path
    """The folder of the manifest."""
    bins: tuple[Binary, ...] = ()
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Every feature and what it turns on, those of optional dependencies included."""
    dependencies: tuple[str, ...] = ()
    """The keys of its dependency tables, sorted."""
    beside: tuple[Path, ...] = ()
    """The folders of the local packages that it is built with."""
    default_run: str | None = None
    rust_version: str | None = None
    """The oldest Rust that it is for, such as 1.85 (rust-version in its manifest)."""
    authors: tuple[str, ...] = ()
    description: str | None = None
    homepage: str | None = None
    repository: str | None = None
    documentation: str | None = None
    license: str | None = None
    metadata_cargoship: Mapping[str, object] = field(default_factory=dict, hash=False)
    """[package.metadata.cargoship] as it stands in the manifest."""


@dataclass(frozen=True)
class Project:
    """A workspace, or the single package that stands alone."""

    root: Path
    """The folder of the workspace's manifest."""
    folder: Path
    """The folder of the manifest that was asked for; cargo runs here, so that its configuration files count."""
    target_dir: Path
    packages: tuple[Package, ...]
    default_members: tuple[Package, ...]
    """What cargo builds in the workspace's root when no package is named."""
    selected: Package | None
    """The package whose folder was asked for; None in the folder of a virtual workspace."""
    lock: Path | None
    metadata_cargoship: Mapping[str, object] = field(default_factory=dict, hash=False)
    """[workspace.metadata.cargoship] as it stands in the workspace's manifest."""
    said: str = ""
    """A digest of all that cargo said, wherever the workspace is; a target that appears or goes changes it."""
    build_dir: Path | None = None
    """Where cargo keeps what is between, if not in the target directory (build.build-dir)."""
    ambiguous: frozenset[str] = frozenset()
    """NAME@VERSION of which Cargo.lock has several packages, from different sources."""

    @property
    def manifest(self) -> Path:
        """The manifest that was asked for."""
        return self.folder / MANIFEST

    def specification(self, package: Package) -> str:
        """What names a member to cargo's --package, and no release of the same name that something depends on."""
        named = f"{package.name}@{package.version}"
        # cargo reads an id as a URL, and then knows no package whose name is not ASCII, though the id is its own
        if not package.name.isascii():
            return named
        # without a lock file nobody knows yet which releases there will be
        return package.id if named in self.ambiguous or self.lock is None else named


def load_project(
    runner: Runner,
    cargo: Path,
    path: Path,
    *,
    env: Mapping[str, str],
    offline: bool = False,
    cwd: Path | None = None,
    configuring: Iterable[str] = (),
) -> Project:
    """Ask cargo about the project at `path`: an absolute folder, any folder below it, or its Cargo.toml.

    Where cargo runs elsewhere than in the project's folder, `cwd` says where: configuration is looked for there.
    `configuring` are the words of an invocation that change it.

    Neither the network nor Cargo.lock is needed: dependencies are not resolved. Raises ManifestNotFound,
    ManifestInvalid (ManifestRefused with cargo's own words), ForeignFile where cargo would obey a stranger,
    ToolMissing without cargo, and ToolchainError where rustup's proxy cannot start cargo.
    """
    manifest = find_manifest(path)
    check_owners(path.parent if is_file(path) else path, env)
    question = ("metadata", "--no-deps", "--format-version", "1", "--manifest-path", str(manifest))
    argv = (str(cargo), *question, *(("--offline",) if offline else ()), *configuring)
    # cargo's lines become part of an error, which is shown with or without colours by anybody who catches it
    where = cwd or manifest.parent
    plain = without_colours(env, map(read_table, configuration_files(where, cargo_home(env))))
    done = runner.run(Command(argv, where, plain, _MEMORY_BYTES), timeout_s=_TIMEOUT_S)
    if done.code == -signal.SIGKILL:
        raise ManifestInvalid(
            f"cargo was ended while it read {manifest}: that took more than {_TIMEOUT_S:.0f} s, or said too much",
            hint=f"see what `{shlex.join(argv)}` does",
        )
    if done.code != 0:
        raise _refusal(done, manifest, cargo, runner, env)
    try:
        raw = metadata.decode_metadata(done.stdout)
        return replace(_project(raw, manifest), said=_said(done.stdout, raw.workspace_root))
    except UnicodeEncodeError as error:
        raise ToolchainError(
            f"the locale has no name for files of {manifest.parent}: {error}",
            hint="set LC_ALL=C.UTF-8, or PYTHONUTF8=1",
        ) from error
    except ValueError as error:  # Undecodable, or a path with a NUL in it
        raise ToolchainError(f"{cargo} gave metadata that cannot be read: {error}") from error


def _said(answer: bytes, root: str) -> str:
    metadata_of_cargo = decode_json(answer, dict[str, Any])
    for name in ("target_directory", "build_directory"):
        metadata_of_cargo.pop(name, None)
    # cargo's ids have a package's name only where its folder is called otherwise
    names = {each["id"]: f"{each['manifest_path']} {each['version']}" for each in metadata_of_cargo["packages"]}
    metadata_of_cargo["packages"] = [{**each, "id": names[each["id"]]} for each in metadata_of_cargo["packages"]]
    for name in ("workspace_members", "workspace_default_members"):
        metadata_of_cargo[name] = [names.get(each, each) for each in metadata_of_cargo.get(name) or ()]
    text = msgspec.json.encode(metadata_of_cargo, order="deterministic")
    return Digest.of(text.replace(msgspec.json.encode(root).strip(b'"'), b"")).hex


def _refusal(
    done: Completed, manifest: Path, cargo: Path, runner: Runner, env: Mapping[str, str]
) -> ManifestInvalid | ToolchainError:
    # of RUST_BACKTRACE, which is meant for other programs than rustup and cargo
    lines = done.error_text.partition("\nStack backtrace:")[0].strip("\n")
    if done.code != _CARGO_FAILED:
        # rustup's proxy ends with 1 where rust-toolchain.toml names a toolchain that is not there
        hint = "cargoship doctor --fix installs it, or `rustup toolchain install`" if _ABSENT in lines else None
        return ToolchainError(f"cargo could not be run (exit code {done.code})", details=lines, hint=hint)
    if _OF_CONFIGURATION.search(lines):
        return ConfigurationRefused("cargo refuses its configuration", details=lines)
    if _HOMELESS in lines:
        return ToolchainError("cargo has no home", details=lines, hint="set HOME, or CARGO_HOME to a folder of yours")
    hint = _about_no_member(lines) or about_old_cargo(lines, cargo, manifest.parent, runner, env)
    return ManifestRefused(f"cargo cannot load {manifest}", details=lines, hint=hint)


def _about_no_member(lines: str) -> str | None:
    """`members = ["*"]` matches target/ too, which the first build makes, and folders such as .github."""
    found = _NO_MEMBER.search(lines)
    if found is None or (Path(found[1]) / MANIFEST).exists():
        return None
    name = Path(found[1]).name
    excluded = ", ".join(f'"{each}"' for each in dict.fromkeys((name, "target")))
    return f"a pattern in `members` matches {name}, which is no package: add exclude = [{excluded}] to [workspace]"


def _project(raw: metadata.RawMetadata, manifest: Path) -> Project:
    root = Path(raw.workspace_root)
    packages = tuple(sorted((_package(package) for package in raw.packages), key=lambda package: package.name))
    defaults = raw.workspace_members if raw.workspace_default_members is None else raw.workspace_default_members
    real = real_path(manifest)
    lock = root / "Cargo.lock"
    return Project(
        root=root,
        folder=manifest.parent,
        target_dir=Path(raw.target_directory),
        packages=packages,
        default_members=tuple(package for package in packages if package.id in defaults),
        selected=next((package for package in packages if real_path(package.manifest) == real), None),
        # an empty one is what is left where cargo was killed just as it wrote its first; cargo writes it anew
        lock=lock if is_file(lock) and lock.stat().st_size else None,
        ambiguous=_ambiguous(lock),
        metadata_cargoship=_cargoship_table(raw.metadata, root / MANIFEST, "workspace.metadata"),
        build_dir=None if raw.build_directory is None else Path(raw.build_directory),
    )


def _ambiguous(lock: Path) -> frozenset[str]:
    try:
        found = Counter(_LOCKED.findall(read_file(lock)))
    except OSError:
        return frozenset()
    return frozenset(f"{name.decode()}@{version.decode()}" for (name, version), count in found.items() if count > 1)


def _package(raw: metadata.RawPackage) -> Package:
    manifest = Path(raw.manifest_path)
    bins = sorted((target for target in raw.targets if "bin" in target.kind), key=lambda target: target.name)
    return Package(
        id=raw.id,
        name=raw.name,
        version=raw.version,
        manifest=manifest,
        root=manifest.parent,
        bins=tuple(Binary(target.name, raw.name, target.required_features) for target in bins),
        features=raw.features,
        dependencies=tuple(sorted({dependency.rename or dependency.name for dependency in raw.dependencies})),
        beside=tuple(sorted({Path(each.path) for each in raw.dependencies if each.path and each.kind != "dev"})),
        default_run=raw.default_run,
        rust_version=raw.rust_version,
        authors=raw.authors,
        description=raw.description,
        homepage=raw.homepage,
        repository=raw.repository,
        documentation=raw.documentation,
        license=raw.license,
        metadata_cargoship=_cargoship_table(raw.metadata, manifest, "package.metadata"),
    )


def _cargoship_table(values: object, manifest: Path, section: str) -> Mapping[str, object]:
    tables = values if isinstance(values, dict) else {}
    table = tables.get(_TABLE)
    if table is None:
        if tables:
            _check_spelling(tables, manifest, section)
        return {}
    if not isinstance(table, dict):
        raise ManifestInvalid(f"{manifest}: {section}.{_TABLE} must be a table")
    return table


def _check_spelling(tables: Mapping[str, object], manifest: Path, section: str) -> None:
    from difflib import get_close_matches  # noqa: PLC0415 - seldom needed

    if meant := get_close_matches(_TABLE, tables, n=1, cutoff=_ALIKE):
        raise ManifestInvalid(
            f"{manifest}: nobody reads [{section}.{meant[0]}]", hint=f"settings are in [{section}.{_TABLE}]"
        )
