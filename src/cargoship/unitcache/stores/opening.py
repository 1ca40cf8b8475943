"""From what a person wrote to a store: a folder of this machine, and what is in front of or behind it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from cargoship.context import Context
from cargoship.errors import CacheUnavailable
from cargoship.events import BytesMoved, Emit, Event, Level, Note
from cargoship.settings.cache import CacheOptions, StoreKind, StoreSpec
from cargoship.unitcache.stores.directory import DirectoryStore
from cargoship.unitcache.stores.store import LocalStore, Store
from cargoship.unitcache.stores.untrusted import untrusted

if TYPE_CHECKING:
    from cargoship.registry.client import RegistryClient
    from cargoship.registry.options import Access

_CACHE = "cache"


def units_folder(context: Context) -> Path:
    """Where this machine keeps units if nobody says otherwise."""
    return context.cache_dir / "units"


@contextlib.contextmanager
def open_stores(options: CacheOptions, context: Context) -> Iterator[LocalStore]:
    """All caches as one. What is wrong with a remote one is a warning, here and in all that is done with it.

    Raises SigningFailed where it is said who is trusted, or who signs, and a key for that cannot be read.
    """
    reason = untrusted(context.env)
    folders = [spec for spec in (*options.written, *options.read) if spec.kind is StoreKind.DIRECTORY]
    first = folders[0] if folders else StoreSpec(StoreKind.DIRECTORY, str(units_folder(context)))
    writes = (not folders or first in options.written) and (reason is None or first.trusted)
    local: LocalStore = DirectoryStore(context.cwd / first.place, options.bytes_max, writable=writes)
    remotes: list[Store] = []
    assumed = {str(spec) for spec in options.written if spec.assumed}
    shared = any(reason is None or spec.trusted for spec in options.written)
    vouching = None
    if options.trust:
        from cargoship.unitcache.stores.vouching import Vouching

        vouching = Vouching.of(options, context, saves=shared)
        local = vouching.folder(local, shared=first in options.written)
    for spec in dict.fromkeys((*options.written, *options.read)):
        if spec == first:
            continue
        from cargoship.unitcache.stores.readonly import ReadOnly

        try:
            remote = open_remote(spec, context)
        except CacheUnavailable as error:
            warn(context, error, quietly=spec.assumed)
            continue
        if spec not in options.written:
            remote = ReadOnly(remote)
        elif reason is not None and not spec.trusted:
            remote = ReadOnly(remote, reason)
        remotes.append(remote if vouching is None else vouching.store(remote))
    if reason is not None and not all(spec.trusted for spec in (first, *options.written)):
        context.emit(Note(f"caches are read and not written: this is {reason}", Level.VERBOSE))
    store: LocalStore = local
    if remotes:
        from cargoship.unitcache.stores.tiered import Tiered

        def warn_of(failed: Store, error: CacheUnavailable) -> None:
            warn(context, error, quietly=failed.name in assumed)

        store = Tiered(local, tuple(remotes), warn_of)
    try:
        yield store
    finally:
        store.close()


@contextlib.contextmanager
def open_store(spec: StoreSpec, context: Context) -> Iterator[Store]:
    """One cache alone, for the commands that look after it. Raises CacheUnavailable."""
    store = open_remote(spec, context)
    try:
        yield store
    finally:
        store.close()


def open_remote(spec: StoreSpec, context: Context) -> Store:
    """The store that `spec` names; raises CacheUnavailable."""
    match spec.kind:
        case StoreKind.DIRECTORY:
            return DirectoryStore(context.cwd / spec.place)
        case StoreKind.REGISTRY:
            from cargoship.unitcache.stores.registry import RegistryStore

            reference = spec.reference
            own = replace(context, emit=_as_cache(context.emit))

            def connect(access: Access) -> RegistryClient:
                return own.connect(reference.registry, access)

            return RegistryStore(reference, connect)
        case StoreKind.S3:
            from cargoship.http.metered import Meter
            from cargoship.unitcache.stores.objects import open_objects

            return open_objects(spec.place, context.env, meter=Meter(context.emit, _CACHE))
        case StoreKind.REAPI:
            return _open_reapi(spec, context)


def _open_reapi(spec: StoreSpec, context: Context) -> Store:
    from cargoship.errors import UsageError
    from cargoship.http.metered import Meter
    from cargoship.reapi.address import ReapiAddress
    from cargoship.reapi.connect import open_reapi
    from cargoship.registry.connect import insecure_hosts
    from cargoship.unitcache.stores.reapi import ReapiStore

    try:
        client = open_reapi(
            ReapiAddress.parse(spec.place),
            env=context.env,
            runner=context.runner,
            insecure=insecure_hosts(context.env),
            meter=Meter(context.emit, _CACHE),
            now_s=context.clock,
        )
    except UsageError as error:
        raise CacheUnavailable(f"the cache {spec.place}: {error.message}", hint=error.hint) from error
    return ReapiStore(client, str(structs.replace(spec, trusted=False)), spec.name or _CACHE)


def _as_cache(emit: Emit) -> Emit:
    """A listener that hears that what travels is the cache's."""

    def emit_as_cache(event: Event) -> None:
        emit(structs.replace(event, what=_CACHE) if isinstance(event, BytesMoved) else event)

    return emit_as_cache


def warn(context: Context, error: CacheUnavailable, *, quietly: bool = False) -> None:
    """One line: the build goes on. `quietly` is of a cache that nobody has asked for."""
    hint = f" ({error.hint})" if error.hint else ""
    level = Level.VERBOSE if quietly else Level.WARNING
    context.emit(Note(f"{error.message}{hint}; going on without it", level))
