"""Bases by digest: what a tag stands for now, written into the settings in Cargo.toml and nothing else changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cargoship.bases.distributions import lock_name_of, open_package_base
from cargoship.bases.remote import RemoteBases
from cargoship.cargo.manifest import MANIFEST
from cargoship.cargo.project import Package, Project, load_project
from cargoship.context import Context
from cargoship.decoding import Undecodable, decode_toml
from cargoship.errors import SettingsInvalid, UsageError
from cargoship.oci.files import atomic_file, writing
from cargoship.oci.reference import Reference
from cargoship.plan import Selection, choose_packages
from cargoship.reading import real_path
from cargoship.settings.base import RegistryBase, distribution_of, parse_base_spec
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_settings


class PinnedBase(Struct, frozen=True):
    """A base in the settings of a manifest: as it was written, and as it is written now."""

    manifest: Path
    before: str
    after: str
    renewed: bool = False
    """The base is of Debian packages, and the lock file has others now; `manifest` is that file."""


class _Place(Struct, frozen=True):
    """A `base` setting: in `[package.metadata.cargoship]` or `[workspace.metadata.cargoship]` of a manifest."""

    manifest: Path
    section: str
    spec: str


def pin_base(selection: Selection, context: Context) -> tuple[PinnedBase, ...]:
    """Give the bases of the chosen packages the digests that their tags stand for now, in Cargo.toml.

    Bases of Debian packages get the newest ones, in the project's cargoship.lock. A base that has a tag and a digest
    gets a new digest, one that has a digest alone stays. Raises ProjectError's family, SettingsInvalid, UsageError
    where there is no such base, RegistryError's family, OutputError, and for Debian packages PackageUnresolved,
    MirrorUnreachable and ContentInvalid.
    """
    cargo = Path(context.env.get("CARGO") or "cargo")
    project = load_project(context.runner, cargo, selection.path, env=context.env)
    packages = choose_packages(project, selection)
    settings, _ = load_settings(project, packages, env=context.env, overrides={})
    locked = _lock_packages([settings[package.name] for package in packages], project.root, context)
    elsewhere = [package for package in packages if distribution_of(settings[package.name].base_spec) is None]
    places = list(dict.fromkeys(place for package in elsewhere for place in _places(project, package)))
    if not places:
        if locked:
            return locked
        raise UsageError(
            "no base in Cargo.toml is an image in a registry, or made of Debian packages",
            hint='set one in [package.metadata.cargoship], such as base = "debian:12-slim"',
        )
    with RemoteBases(open_client=context.connect, cache=context.cache_dir / "bases", emit=context.emit) as bases:
        pinned = [PinnedBase(place.manifest, place.spec, _pinned(place.spec, bases)) for place in places]
    for place, found in zip(places, pinned, strict=True):
        if found.after != found.before:
            _write(place, found.after)
    return (*locked, *pinned)


def with_base(text: str, section: str, spec: str) -> str:
    """The text of a manifest with another `base` in its settings, and every other byte as it was. Pure.

    Raises SettingsInvalid for a base that is spelled in a way that this does not find.
    """
    expected: dict[str, Any] = decode_toml(text)
    table = expected[section]["metadata"]["cargoship"]
    before, table["base"] = table["base"], spec
    # The name may stand in several places. In the right one it gives exactly the document that is wanted, whatever way
    # the tables are written in; libraries that edit TOML put some tables elsewhere.
    for match in re.finditer(re.escape(before), text):
        changed = text[: match.start()] + spec + text[match.end() :]
        try:
            if decode_toml(changed) == expected:
                return changed
        except Undecodable:
            continue
    raise SettingsInvalid("the base cannot be found in its manifest", hint=f'write it yourself: base = "{spec}"')


def _places(project: Project, package: Package) -> Iterator[_Place]:
    """Where a package's base is written, if it is an image in a registry."""
    own = _Place(package.manifest, "package", str(package.metadata_cargoship.get("base", "")))
    shared = _Place(project.root / MANIFEST, "workspace", str(project.metadata_cargoship.get("base", "")))
    place = own if own.spec else shared
    if place.spec and isinstance(parse_base_spec(place.spec), RegistryBase):
        yield place


def _lock_packages(settings: Sequence[Settings], root: Path, context: Context) -> tuple[PinnedBase, ...]:
    wanted = [each for each in settings if distribution_of(each.base_spec) is not None]
    if not wanted:
        return ()
    with open_package_base(wanted[0], context) as bases:
        renewed = bases.renew(wanted, root=root)
    locks = {str(each.base_spec): lock_name_of(each.base_spec) for each in wanted}
    return tuple(PinnedBase(root / lock, name, name, renewed=renewed) for name, lock in locks.items() if lock)


def _pinned(spec: str, bases: RemoteBases) -> str:
    reference = Reference.parse(spec)
    if reference.digest is not None and reference.tag is None:
        return spec
    digest = bases.digest_of(replace(reference, digest=None))
    written = spec.partition("@")[0]
    return f"{written}{'' if reference.tag else ':latest'}@{digest}"


def _write(place: _Place, spec: str) -> None:
    # a manifest may be a link, and has the rights that its owner gave it
    path = real_path(place.manifest)
    with writing(path):
        text = path.read_bytes().decode()
        mode = path.stat().st_mode
    changed = with_base(text, place.section, spec)
    with atomic_file(path) as stream:
        stream.write(changed.encode())
        os.fchmod(stream.fileno(), mode)
