"""From a workspace's files to its recipe. `make_recipe` is pure: `gather_workspace` has read everything."""

from __future__ import annotations

from typing import Literal

import msgspec
import tomli

from cargoship.decoding import Undecodable, decode_toml
from cargoship.recipe import closure
from cargoship.recipe.document import canonical, parse
from cargoship.recipe.gather import WorkspaceSources
from cargoship.recipe.lock import mask, parse_cargo_lock, reachable, standing_on_local
from cargoship.recipe.manifest import Making, Only
from cargoship.recipe.model import Recipe, Skeleton


def make_recipe(sources: WorkspaceSources, *, member: str | None = None) -> Recipe:
    """The recipe of a workspace, or of what one of its packages or binaries needs.

    Its bytes change when dependencies, features, profiles, targets, the toolchain file or cargo's configuration change,
    and do not when versions of local packages, code, comments, formatting or descriptions do. Raises BinaryUnknown for
    an unknown `member`, ManifestInvalid for what cargo would refuse too.
    """
    lock = None if sources.lock is None else parse_cargo_lock(sources.lock, sources.root / "Cargo.lock")
    making = Making.of(sources, lock)
    partial = False
    manifests = {folder: making.manifest(local) for folder, local in sources.locals.items()}
    if member is not None:
        start = closure.find_member(sources, manifests, member)
        wanted = closure.closure_of(start, sources, lock)
        lock = None if lock is None else reachable(lock, [str(start.name)])
        partial = any(
            local.member and local.name is not None and local.folder not in wanted for local in sources.locals.values()
        )
        only = Only(wanted, None if lock is None else frozenset(entry.name for entry in lock.entries))
        manifests = {
            folder: making.manifest(sources.locals[folder], only)
            for folder in wanted | closure.support_of(wanted, sources)
        }
    return Recipe(
        Skeleton(
            manifests=tuple(sorted(manifests.values(), key=lambda each: each.relative_path)),
            config_file=None if sources.config is None else canonical(sources.config),
            lock_file=None if lock is None else mask(lock, keep=making.kept_names).text(),
            rust_toolchain_file=_toolchain(sources),
            files=sources.named or msgspec.UNSET,
        ),
        partial=partial or msgspec.UNSET,
    )


def doubts(sources: WorkspaceSources) -> tuple[str, ...]:
    """Sentences about what will not be cooked as it will be built; raises ManifestInvalid."""
    if sources.lock is None:
        return (f"{sources.root} has no Cargo.lock: what is cooked may not be what is built later",)
    if not sources.stand_ins:
        return ()  # nothing foreign knows of a local crate
    lock = parse_cargo_lock(sources.lock, sources.root / "Cargo.lock")
    return tuple(
        f"{name} needs a local crate, of which a recipe has only a dummy: it cannot be cooked"
        for name in standing_on_local(lock)
    )


def _toolchain(sources: WorkspaceSources) -> tuple[Literal["Bare", "Toml"], str] | None:
    if sources.toolchain is None:
        return None
    kind, text = sources.toolchain
    if kind == "Toml":
        return kind, canonical(parse(text, sources.root / "rust-toolchain.toml"))
    # the older file holds the name of a channel, or a document as well
    try:
        return kind, canonical(decode_toml(text, loads=tomli.loads))
    except Undecodable:
        return kind, text.strip() + "\n"
