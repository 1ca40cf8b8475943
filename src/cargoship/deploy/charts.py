"""Values of Helm charts: a registry, a repository, a tag and a digest that the chart's templates put together.

How they do is the chart's own affair, so that nothing is refused here; what hardly any chart makes an image of is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cargoship.deploy.containers import values_in
from cargoship.deploy.documents import ScannedFile
from cargoship.deploy.places import FOUND, SCHEME, ReferencePart
from cargoship.events import Level, Note

_REPOSITORY = "repository"
_TAG = "tag"
_BESIDE = ("registry", _TAG, "digest")
_DIGEST = f"#{ReferencePart.DIGEST.value}"
_NAME = f"#{ReferencePart.NAME.value}"


def doubtful(found: ScannedFile) -> Iterator[Note]:
    """Warn of values that a chart's templates would hardly make the image of that was built."""
    if not found.spots or _REPOSITORY not in found.page.text:
        return
    for document in values_in(found):
        tables = list(_tables(document))
        digests = {text for _, table in _tables(document, every=True) for text in _digests(table)}
        for way, table in tables:
            for key, why in _doubts(table, digests):
                yield Note(f"{found.source.name}: {'.'.join((*way, key))} {why}", Level.WARNING)


def _tables(document: object, *, every: bool = False) -> Iterator[tuple[tuple[str, ...], Mapping[str, object]]]:
    """The tables that say a repository, or all of them, with the keys that lead to each."""
    left: list[tuple[tuple[str, ...], object]] = [((), document)]
    while left:
        way, value = left.pop()
        if isinstance(value, dict):
            if every or isinstance(value.get(_REPOSITORY), str):
                yield way, value
            left += [((*way, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            left += [(way, each) for each in value]


def _digests(table: Mapping[str, object]) -> Iterator[str]:
    """The names of images whose digests are wanted in a table."""
    for each in table.values():
        found = FOUND.search(each) if isinstance(each, str) else None
        if found is not None and found[0].endswith(_DIGEST):
            yield found[0].removesuffix(_DIGEST)


def _doubts(table: Mapping[str, object], digests: set[str]) -> Iterator[tuple[str, str]]:
    """What is doubtful in a table; `digests` are wanted somewhere in the document."""
    repository, tag = str(table[_REPOSITORY]), table.get(_TAG)
    wanted = FOUND.search(repository)
    if wanted is not None:
        name = wanted[0].partition("#")[0]
        beside = next((key for key in _BESIDE if key in table), None)
        others = set(_digests(table)) - {name}
        if not wanted[0].endswith(_NAME):
            if beside is not None:
                yield _REPOSITORY, f"is a whole reference, to which charts add the {beside}: write {name}{_NAME}"
        elif others:
            yield _REPOSITORY, f"has the digest of another image beside it: write {name}{_DIGEST}"
        elif name not in (digests if beside is None else set(_digests(table))):
            yield _REPOSITORY, f"has no digest beside it, and the image could be any: write digest: {name}{_DIGEST}"
        if table.get("registry"):
            yield "registry", 'would come before a name that has its registry: write registry: ""'
    if isinstance(tag, str) and tag.startswith(SCHEME):
        hint = f'write digest: {tag}, or tag: "any@{tag}" where the chart knows no digest'
        yield _TAG, f"is a digest, before which charts put a colon: {hint}"
