"""Looking after caches of compiled units: what is in one, whether it is whole, what can go, and one as a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cargoship.cargo.project import load_project
from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.oci.digest import Digest
from cargoship.settings.cache import StoreKind, StoreSpec
from cargoship.unitcache.care import cache_folder
from cargoship.unitcache.care.archive import export, import_file
from cargoship.unitcache.care.cache_folder import CacheFolder
from cargoship.unitcache.care.collection import Collected, Rules, collect
from cargoship.unitcache.care.integrity import Verified, check_store, mend
from cargoship.unitcache.explain.account import BuildAccount, read_record
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.opening import open_store, units_folder
from cargoship.unitcache.stores.store import Store

if TYPE_CHECKING:
    from cargoship.unitcache.stores.signers import CacheSigners


class Stats(Struct, frozen=True):
    """What is in a cache. Sizes are bytes; `seconds` is what compiling all of it took."""

    cache: str
    units: int
    packs: int
    plans: int
    size: int
    live: int
    """Bytes of packs that belong to a unit."""
    unpacked: int
    seconds: float
    folders: tuple[CacheFolder, ...] = ()
    """What else is kept on this machine; only with its own cache."""


class Gone(Struct, frozen=True):
    """What `collect_garbage` has removed: from the cache, and bytes of what else was kept on this machine."""

    collected: Collected
    freed: int


class Moved(Struct, frozen=True):
    """A cache that was written to a file, or read from one."""

    cache: str
    path: Path
    units: int
    packs: int
    size: int


def stats(spec: StoreSpec | None, context: Context) -> Stats:
    """What is in a cache, by default in that of this machine. Raises CacheUnavailable, as all of these do."""
    with _store(spec, context) as store:
        index = store.load()
        folders = (
            cache_folder.cache_folders(context.cache_dir, leave_out=units_folder(context).name) if spec is None else ()
        )
        return Stats(
            cache=store.name,
            units=len(index.entries),
            packs=len(index.packs),
            plans=len(index.plans),
            size=index.size,
            live=sum(index.live_bytes().values()),
            unpacked=sum(entry.unpacked for entry in index.entries.values()),
            seconds=round(sum(entry.seconds for entry in index.entries.values()), 1),
            folders=folders,
        )


def cache_signers(spec: StoreSpec | None, trusted: Sequence[str], context: Context) -> CacheSigners:
    """Who has signed what in a cache; `trusted` is as `cache-trust` has it. Also raises SigningFailed, UsageError."""
    from cargoship.unitcache.stores.signers import signers_in  # noqa: PLC0415 - what the other commands do not need
    from cargoship.unitcache.stores.trust import open_trust  # noqa: PLC0415 - as above

    trust = open_trust(trusted, env=context.env, cwd=context.cwd)
    with _store(spec, context) as store:
        return signers_in(store.name, store.load(), trust)


def verify_units(spec: StoreSpec | None, context: Context, *, fix: bool) -> tuple[str, Verified, Mapping[Digest, str]]:
    """Look at every unit of a cache; `fix` forgets those that are damaged. Its name, what was found, units' names."""
    with _store(spec, context) as store:
        index = store.load()
        found = check_store(store, index)
        if fix and found.damaged:
            mend(store, found.damaged, index)
        return store.name, found, {key: index.entries[key].name or str(key) for key in found.damaged}


def collect_garbage(spec: StoreSpec | None, context: Context, rules: Rules, *, days: int) -> Gone:
    """Bound a cache, and with that of this machine also what else is kept there and was not used for so many days."""
    with _store(spec, context) as store, _scratch(context) as scratch:
        used = store.last_used(store.load().packs)
        collected = collect(store, rules, scratch=scratch, used=used)
    freed = cache_folder.remove_unused(context.cache_dir, days=days) if spec is None else 0
    return Gone(collected, freed)


def export_cache(spec: StoreSpec | None, path: Path, context: Context) -> Moved:
    """Write a cache to a file; also raises OutputError, ContentInvalid."""
    with _store(spec, context) as store:
        index = export(store, path)
        return Moved(store.name, path, len(index.entries), len(index.packs), index.size)


def import_cache(spec: StoreSpec | None, path: Path, context: Context) -> Moved:
    """Add what is in a file to a cache; also raises ContentInvalid."""
    with _store(spec, context) as store, _scratch(context) as scratch:
        saved = import_file(store, path, scratch=scratch)
        return Moved(store.name, path, len(saved.index.entries), saved.packs, saved.size)


@contextlib.contextmanager
def _store(spec: StoreSpec | None, context: Context) -> Iterator[Store]:
    with open_store(spec or StoreSpec(StoreKind.DIRECTORY, str(units_folder(context))), context) as store:
        yield store


@contextlib.contextmanager
def _scratch(context: Context) -> Iterator[Path]:
    yield DirectoryStore(units_folder(context)).scratch


def last_build(path: Path, context: Context) -> BuildAccount:
    """What the last build of the project at `path` said of its units; raises ProjectError's family, UsageError."""
    cargo = Path(context.env.get("CARGO") or "cargo")
    project = load_project(context.runner, cargo, path, env=context.env)
    record = read_record(project.build_dir or project.target_dir)
    if record is None:
        raise UsageError(
            "no build has left an account of its units here",
            hint="build with cargoship build or cargoship cargo",
        )
    return record
