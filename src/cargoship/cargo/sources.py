"""Where cargo takes crates from, once its configuration has put one source into the place of another. Pure.

https://doc.rust-lang.org/cargo/reference/source-replacement.html. What crates there are, and whether the other source
has them, is cargo's affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

from msgspec import Struct

from cargoship.cargo.config import Table
from cargoship.cargo.registries import index_address, is_crates_io, is_of_registry

_CRATES_IO = "crates-io"
_REFERENCES = ("branch", "tag", "rev")


class Origin(Struct, frozen=True):
    """Where the crates of one source come from: a folder, or what is reached over a network."""

    remote: str | None = None
    """As Cargo.lock spells a source (`sparse+https://...`, `git+ssh://...`); None where it is a folder."""
    folder: str | None = None
    """A folder of vendored crates, or a local registry, as the configuration writes it."""


def origin_of(source: str, config: Table | None) -> Origin:
    """Where the crates of a source come from, which is written as in Cargo.lock.

    A replacement that leads nowhere, or in a circle, is refused by cargo: the source itself is returned.
    """
    tables = _tables(config, "source")
    name = next((name for name, table in tables.items() if _is(source, name, table)), None)
    if name is None:
        return Origin(source)
    last = [*_replacements(name, tables)][-1]
    table = tables.get(last)
    if table is None:
        index = _tables(config, "registries").get(last, {}).get("index")
        return Origin(_spelled(index)) if isinstance(index, str) else Origin(source)
    for key in ("directory", "local-registry"):
        if isinstance(folder := table.get(key), str):
            return Origin(folder=folder)
    if isinstance(registry := table.get("registry"), str):
        return Origin(_spelled(registry))
    if isinstance(git := table.get("git"), str):
        return Origin(f"git+{git}")
    return Origin(source)


def registry_address(source: str) -> str:
    """The address of a registry's index, without what cargo puts before it and a slash at its end."""
    return index_address(source).rstrip("/")


def named_indexes(config: Table | None) -> frozenset[str]:
    """The addresses of the indexes that [registries] names."""
    found = (table.get("index") for table in _tables(config, "registries").values())
    return frozenset(registry_address(each) for each in found if isinstance(each, str))


def _replacements(name: str, tables: Mapping[str, Table]) -> Iterator[str]:
    """A source by its name, and what is in its place, one after the other."""
    seen = set()
    while name not in seen:
        seen.add(name)
        yield name
        after = tables.get(name, {}).get("replace-with")
        name = after if isinstance(after, str) else name


def _is(source: str, name: str, table: Table) -> bool:
    """Whether a table of [source] speaks of a source."""
    if not is_of_registry(source):
        git = table.get("git")
        return isinstance(git, str) and _repository(source) == (_plain(git), _reference(table))
    registry = table.get("registry")
    if isinstance(registry, str):
        return registry_address(registry) == registry_address(source)
    return name == _CRATES_IO and is_crates_io(source)


def _repository(source: str) -> tuple[str, tuple[str, str] | None]:
    """The address of a repository in Cargo.lock, and what of it is taken."""
    url, _, query = source.removeprefix("git+").partition("#")[0].partition("?")
    given = parse_qs(query)
    return _plain(url), next(((key, given[key][0]) for key in _REFERENCES if key in given), None)


def _reference(table: Table) -> tuple[str, str] | None:
    return next(((key, str(table[key])) for key in _REFERENCES if key in table), None)


def _plain(url: str) -> str:
    return url.rstrip("/").removesuffix(".git")


def _spelled(index: str) -> str:
    return index if index.startswith("sparse+") else f"registry+{index}"


def _tables(config: Table | None, name: str) -> dict[str, Table]:
    tables = (config or {}).get(name)
    found = tables if isinstance(tables, dict) else {}
    return {key: table for key, table in found.items() if isinstance(table, dict)}
