"""The list of a repository's tags: page after page, each bounded and checked, for it is what a registry says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from cargoship.errors import ContentInvalid, RegistryError
from cargoship.events import Emit, Level, Note
from cargoship.http.links import next_page
from cargoship.oci.reference import is_tag
from cargoship.registry.auth.challenge import Scope
from cargoship.registry.http_client import NamedRequest
from cargoship.registry.session import RegistrySession

_OK = 200
_NOT_FOUND = 404
_TAGS_BYTES = 8 << 20
_PAGES_MAX = 10_000
_TAGS_MAX = 1_000_000


def read_tags(session: RegistrySession, repository: str, scopes: Sequence[Scope], emit: Emit) -> Iterator[str]:
    """See `RegistryClient.tags`; raises RegistryError's family, ContentInvalid."""
    url = f"/v2/{repository}/tags/list"
    seen: set[str] = {session.base + url}
    count = 0
    for _ in range(_PAGES_MAX):
        ask = NamedRequest("GET", url, f"the tags of {repository}")
        response, data = session.content(ask, scopes, limit_bytes=_TAGS_BYTES, ok=(_OK, _NOT_FOUND))
        if response.status == _NOT_FOUND:
            return
        page = _tags_in(data)
        if page is None:
            raise ContentInvalid(f"{session.registry} gave no list of tags for {repository}")
        yield from page
        count += len(page)
        following = next_page(response.headers.get("link", ""))
        if following is None:
            return
        url = session.follow(following, asked=url, what=ask.what, sends=False)
        if url in seen:
            emit(Note(f"{session.registry} leads {ask.what} back to where it was: some may be missing", Level.WARNING))
            return
        seen.add(url)
        if count > _TAGS_MAX:
            break
    raise RegistryError(f"{session.registry} gives the tags of {repository} in too many pages")


def _tags_in(data: bytes) -> list[str] | None:
    """The tags of a page, those alone that are some; None for what is no page."""
    try:
        page = json.loads(data)["tags"] or []
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return [tag for tag in page if isinstance(tag, str) and is_tag(tag)] if isinstance(page, list) else None
