"""Which credentials cargo may want for what Cargo.lock names: written as mounts, so that no layer ever has them.

cargo's sources: https://doc.rust-lang.org/cargo/reference/pkgid-spec.html; mounts:
https://docs.docker.com/reference/dockerfile/#run---mount. A mount whose secret or agent is not given when the image is
built is not there, and nothing fails for that: a repository over HTTPS may be a public one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from posixpath import normpath
from typing import Any

from msgspec import Struct

from cargoship.cargo.registries import is_crates_io, is_of_registry
from cargoship.cargo.sources import named_indexes, origin_of, registry_address
from cargoship.recipe.document import Table, as_table
from cargoship.recipe.gather import dependency_tables, patch_tables
from cargoship.recipe.lock import parse_cargo_lock

_SSH = ("git+ssh://", "registry+ssh://")
_GIT = ("git+https://", "git+http://")
_HOME = "/root"
_ELSEWHERE = ("git", "registry", "registry-index")
"""Keys of a dependency that is neither crates.io's nor in a folder."""


class PrivateSources(Struct, frozen=True):
    """What a Cargo.lock has beside crates.io and the project's own folders."""

    ssh: bool = False
    """Repositories that are reached over SSH."""
    git: bool = False
    """Repositories over HTTP(S): some of them may want a login."""
    registries: tuple[str, ...] = ()
    """The indexes of other registries, as the lock file has them, without what cargo puts before the URL."""
    token: bool = False
    """Crates are fetched from a registry that cargo may have a token for."""
    by_program: bool = False
    """git and ssh are started as programs (`net.git-fetch-with-cli`); else cargo speaks both itself."""
    folders: tuple[str, ...] = ()
    """Folders with crates that are in the place of a registry or repository, as cargo's configuration names them."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What the builder's distribution must have for it; Debian and Alpine call both the same."""
        return ("git", "openssh-client") if self.by_program else ()

    @property
    def given(self) -> str:
        """The options of `docker build` that give what is surely wanted, with a space after each."""
        ssh = "--ssh default " if self.ssh else ""
        return ssh + ("--secret id=cargo,src=$HOME/.cargo/credentials.toml " if self.token else "")

    def mounts(self, cargo_home: str) -> Iterator[str]:
        """The mounts of a step that runs cargo."""
        if self.ssh:
            yield "--mount=type=ssh"
            yield f"--mount=type=secret,id=known_hosts,target={_HOME}/.ssh/known_hosts"
        if self.git or self.ssh:
            yield f"--mount=type=secret,id=gitconfig,target={_HOME}/.gitconfig"
        if self.token:
            yield f"--mount=type=secret,id=cargo,target={cargo_home}/credentials.toml"


NO_PRIVATE_SOURCES = PrivateSources()


def private_sources(lock: str | None, config: dict[str, Any] | None) -> PrivateSources:
    """What a workspace's Cargo.lock, given as its text, wants credentials for; raises ManifestInvalid.

    `config` is cargo's configuration in the workspace: a source that it replaces is not asked for anything, and what it
    is replaced with is.
    """
    found = {each.source for each in parse_cargo_lock(lock or "", Path("Cargo.lock")).entries if each.source}
    origins = {source: origin_of(source, config) for source in found}
    remote = {each.remote for each in origins.values() if each.remote is not None and not is_crates_io(each.remote)}
    own = {registry_address(each) for each in found if _is_other_registry(each)}
    fetched = {registry_address(each) for each in remote if _is_other_registry(each)}
    net = (config or {}).get("net")
    return PrivateSources(
        ssh=any(source.startswith(_SSH) for source in remote),
        git=any(source.startswith(_GIT) for source in remote),
        registries=tuple(sorted(own)),
        # a mirror that no [registries] names is a public one: cargo would have no token for it
        token=bool(fetched & (own | named_indexes(config))),
        by_program=bool(remote) and isinstance(net, dict) and net.get("git-fetch-with-cli") is True,
        folders=tuple(sorted({normpath(each.folder) for each in origins.values() if each.folder is not None})),
    )


def undefined_registries(private: PrivateSources, config: dict[str, Any] | None) -> tuple[str, ...]:
    """The indexes that the workspace's own configuration does not name: cargo in a container knows no other."""
    known = named_indexes(config)
    return tuple(each for each in private.registries if each not in known)


def has_unlocked_sources(manifests: Iterable[Table], lock: str | None, config: dict[str, Any] | None) -> bool:
    """Whether credentials may be wanted and nothing says which: a Cargo.lock would, and there is none."""
    if lock is not None:
        return False
    if config and not config.keys().isdisjoint({"source", "registries"}):
        return True
    tables = (
        table
        for manifest in manifests
        for table in (
            *(table for _, table in dependency_tables(manifest)),
            *(table for _, table in dependency_tables(as_table(manifest.get("workspace")))),
            *patch_tables(manifest),
        )
    )
    return any(key in as_table(each) for table in tables for each in table.values() for key in _ELSEWHERE)


def _is_other_registry(source: str) -> bool:
    return is_of_registry(source) and not is_crates_io(source)
