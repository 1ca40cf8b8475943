"""Cargo.lock: read, masked, cut down to what is reachable, and written as cargo writes it.

Format: https://doc.rust-lang.org/cargo/reference/resolver.html and cargo's own `resolver::encode`. The file that cargo
itself writes is read by its shape, twenty times faster than as any TOML; everything else is read as TOML.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cargoship.recipe.document import as_texts, canonical, parse, tables

MASKED = "0.0.1"
"""The version that every local package has in a recipe; cargo-chef's."""

_ENTRY = re.compile(
    r'\[\[package\]\]\nname = "(?P<name>[^"\\\n]*)"\nversion = "(?P<version>[^"\\\n]*)"\n'
    r'(?:source = "(?P<source>[^"\\\n]*)"\n)?(?:checksum = "(?P<checksum>[^"\\\n]*)"\n)?'
    r"(?:dependencies = \[\n(?P<dependencies>(?: \"[^\"\\\n]*\",\n)*)\]\n)?"
    r'(?:replace = "(?P<replace>[^"\\\n]*)"\n)?\n?'
)
_HEAD = re.compile(r"(?:#[^\n]*\n)*(?:version = (?P<version>\d+)\n)?\n?")


class LockedPackage(Struct, frozen=True):
    """A package in the lock file."""

    name: str
    version: str
    source: str | None = None
    checksum: str | None = None
    dependencies: tuple[str, ...] = ()
    """Each a name, with a version and a source where the name alone could be two."""
    replace: str | None = None
    """The package that [replace] has put in its place, written like a dependency."""

    @property
    def is_local(self) -> bool:
        """Whether it is a package of the workspace, or one that is named by its path."""
        return self.source is None


class CargoLock(Struct, frozen=True):
    """A lock file; `rest` has what only old or unusual ones hold."""

    version: int | None
    entries: tuple[LockedPackage, ...]
    rest: tuple[tuple[str, Any], ...] = ()

    def text(self) -> str:
        """As cargo writes it, so that cargo leaves it as it is."""
        parts = [] if self.version is None else [f"version = {self.version}\n"]
        parts += [_written(entry) for entry in self.entries]
        if self.rest:
            parts.append(canonical(dict(self.rest)))
        return "\n".join(parts)


def parse_cargo_lock(text: str, path: Path) -> CargoLock:
    """Read a lock file; raises ManifestInvalid."""
    head = _HEAD.match(text)
    position = head.end() if head is not None else 0
    entries = []
    while match := _ENTRY.match(text, position):
        listed = match["dependencies"] or ""
        dependencies = tuple(line[2:-2] for line in listed.splitlines())
        entries.append(
            LockedPackage(
                match["name"], match["version"], match["source"], match["checksum"], dependencies, match["replace"]
            )
        )
        position = match.end()
    if head is not None and position == len(text):
        return CargoLock(None if head["version"] is None else int(head["version"]), tuple(entries))
    return _read_any(text, path)


def _read_any(text: str, path: Path) -> CargoLock:
    document = parse(text, path)
    version = document.pop("version", None)
    entries = tuple(
        LockedPackage(
            str(each.get("name", "")),
            str(each.get("version", "")),
            each.get("source"),
            each.get("checksum"),
            tuple(as_texts(each.get("dependencies"))),
            each.get("replace"),
        )
        for each in tables(document.pop("package", None))
    )
    return CargoLock(version if isinstance(version, int) else None, entries, tuple(sorted(document.items())))


def mask(lock: CargoLock, *, keep: Collection[str]) -> CargoLock:
    """Give every local package the version MASKED, but those whose names are to keep theirs."""
    masked = {(each.name, each.version) for each in lock.entries if each.is_local and each.name not in keep}
    if not masked:
        return lock

    def reference(text: str) -> str:
        name, _, version = text.partition(" ")
        return f"{name} {MASKED}" if (name, version) in masked else text

    entries = (
        replace(
            entry,
            version=MASKED if entry.is_local and (entry.name, entry.version) in masked else entry.version,
            dependencies=tuple(reference(each) for each in entry.dependencies),
            replace=None if entry.replace is None else reference(entry.replace),
        )
        for entry in lock.entries
    )
    # where a name is there twice, the order must not follow the version that has gone
    return replace(lock, entries=tuple(sorted(entries, key=lambda each: (each.name, each.version, each.source or ""))))


def ambiguous(lock: CargoLock) -> frozenset[str]:
    """Names that several local packages share: their versions are what tells them apart."""
    local = [entry.name for entry in lock.entries if entry.is_local]
    return frozenset(name for name in local if local.count(name) > 1) if len(set(local)) < len(local) else frozenset()


def reachable(lock: CargoLock, starts: Iterable[str]) -> CargoLock:
    """Keep what the local packages of these names need, directly or not."""
    by_name: dict[str, list[LockedPackage]] = {}
    for entry in lock.entries:
        by_name.setdefault(entry.name, []).append(entry)
    pending = [entry for name in starts for entry in by_name.get(name, ()) if entry.is_local]
    found: set[LockedPackage] = set()
    while pending:
        entry = pending.pop()
        if entry not in found:
            found.add(entry)
            needed = (*entry.dependencies, *([] if entry.replace is None else [entry.replace]))
            pending += (each for text in needed for each in _meant(text, by_name))
    rest = tuple((key, value) for key, value in lock.rest if key != "patch")
    return CargoLock(lock.version, tuple(entry for entry in lock.entries if entry in found), rest)


def is_part_of(part: CargoLock, whole: CargoLock) -> bool:
    """Whether a lock file holds nothing that another does not: packages, and what each of them needs."""

    def needs(lock: CargoLock) -> dict[tuple[str, str, str | None], set[tuple[str, str]]]:
        by_name: dict[str, list[LockedPackage]] = {}
        for entry in lock.entries:
            by_name.setdefault(entry.name, []).append(entry)
        return {
            (entry.name, entry.version, entry.source): {
                (each.name, each.version) for text in entry.dependencies for each in _meant(text, by_name)
            }
            for entry in lock.entries
        }

    known = needs(whole)
    return all(package in known and needed <= known[package] for package, needed in needs(part).items())


def standing_on_local(lock: CargoLock) -> tuple[str, ...]:
    """Names of foreign packages that need a local one ([patch] makes it so): a dummy will not do for them."""
    by_name: dict[str, list[LockedPackage]] = {}
    for entry in lock.entries:
        by_name.setdefault(entry.name, []).append(entry)
    return tuple(
        entry.name
        for entry in lock.entries
        if not entry.is_local and any(each.is_local for text in entry.dependencies for each in _meant(text, by_name))
    )


def _meant(text: str, by_name: dict[str, list[LockedPackage]]) -> list[LockedPackage]:
    name, _, rest = text.partition(" ")
    version, _, source = rest.partition(" ")
    return [
        entry
        for entry in by_name.get(name, ())
        if version in {"", entry.version} and source.strip("()") in {"", entry.source}
    ]


def _written(entry: LockedPackage) -> str:
    lines = ["[[package]]", f'name = "{entry.name}"', f'version = "{entry.version}"']
    if entry.source is not None:
        lines.append(f'source = "{entry.source}"')
    if entry.checksum is not None:
        lines.append(f'checksum = "{entry.checksum}"')
    if entry.dependencies:
        lines += ["dependencies = [", *(f' "{each}",' for each in entry.dependencies), "]"]
    if entry.replace is not None:
        lines.append(f'replace = "{entry.replace}"')
    return "\n".join(lines) + "\n"
