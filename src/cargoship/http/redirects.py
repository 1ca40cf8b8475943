"""Redirects (RFC 9110 section 15.4): where an answer sends its request, and how often that may happen. Pure.

Whether the address is one to go to is decided by the client, which knows what it would send there.
"""

from __future__ import annotations

from cargoship.http.exchange import Response

REDIRECTS_MAX = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
_READS = frozenset({"GET", "HEAD"})


def redirect_of(method: str, response: Response) -> str | None:
    """What the Location of a redirect says, as it is given: absolute or relative; None for any other answer.

    A request that sends something is repeated elsewhere for the two statuses alone that say so.
    """
    if response.status not in _REDIRECTS or (method not in _READS and response.status not in _SAME_METHOD):
        return None
    return response.headers.get("location")
