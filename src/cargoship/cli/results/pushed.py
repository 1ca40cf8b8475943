"""What was put into registries, in a line for each repository."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cargoship.cli.render import words

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.destinations import Published


def pushed_lines(published: Iterable[Published], paint: Paint) -> list[str]:
    """One line for each repository that something was pushed to."""
    return [words.fitting("Pushed", *_pushed(each), paint) for each in published]


def _pushed(published: Published) -> tuple[str, str]:
    """Where to, and what that took."""
    tags = ", ".join(published.tags) or "by digest"
    along = f" with {words.count(published.referrers, 'referrer')}" if published.referrers else ""
    where = f"{published.reference.name} ({tags}){along}"
    if not (published.pushed or published.mounted):
        return where, "everything is already there"
    blobs = f"{words.count(published.pushed, 'blob')} pushed ({words.size(published.pushed_bytes)})"
    if published.mounted:
        blobs += f", {published.mounted} mounted"
    if published.skipped:
        blobs += f", {published.skipped} already there"
    return where, blobs
