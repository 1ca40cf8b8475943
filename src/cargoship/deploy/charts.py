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
        for way, table in _tables(document):
            for key, why in _doubts(table):
                yield Note(f"{found.source.name}: {'.'.join((*way, key))} {why}", Level.WARNING)


def _tables(document: object) -> Iterator[tuple[tuple[str, ...], Mapping[str, object]]]:
    """The tables that say a repository, with the keys that lead to each."""
    left: list[tuple[tuple[str, ...], object]] = [((), document)]
    while left:
        way, value = left.pop()
        if isinstance(value, dict):
            if isinstance(value.get(_REPOSITORY), str):
                yield way, value
            left += [((*way, key), each) for key, each in value.items()]
        elif isinstance(value, list):
            left += [(way, each) for each in value]


def _doubts(table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    repository, tag = str(table[_REPOSITORY]), table.get(_TAG)
    wanted = FOUND.search(repository)
    if wanted is not None and any(key in table for key in _BESIDE):
        name = wanted[0].partition("#")[0]
        if not wanted[0].endswith(_NAME):
            beside = next(key for key in _BESIDE if key in table)
            yield _REPOSITORY, f"is a whole reference, to which charts add the {beside}: write {name}{_NAME}"
        elif not any(isinstance(each, str) and each.endswith(_DIGEST) for each in table.values()):
            yield _REPOSITORY, f"has no digest beside it, and the image could be any: write digest: {name}{_DIGEST}"
        if table.get("registry"):
            yield "registry", 'would come before a name that has its registry: write registry: ""'
    if isinstance(tag, str) and tag.startswith(SCHEME):
        hint = f'write digest: {tag}, or tag: "any@{tag}" where the chart knows no digest'
        yield _TAG, f"is a digest, before which charts put a colon: {hint}"
