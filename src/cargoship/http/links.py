"""Link headers (RFC 8288), by which registries say where the next page of a list is. Pure."""

from __future__ import annotations

import re

# some leave the brackets out, and skopeo does not miss them
_TARGET = re.compile(r"[\s,]*(?:<([^>]*)>|([^\s,;<>\"]+))")
_PARAMETER = re.compile(r"\s*;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\*?(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*)))?")


def next_page(header: str) -> str | None:
    """The target of the first link whose relation is `next`; None without one, or where the header is no such thing."""
    position = 0
    while (target := _TARGET.match(header, position)) is not None:
        position = target.end()
        relations: list[str] | None = None
        while (parameter := _PARAMETER.match(header, position)) is not None:
            position = parameter.end()
            # of several the first counts
            if parameter[1].lower() == "rel" and relations is None:
                quoted, bare = parameter[2], parameter[3]
                relations = (quoted or bare or "").lower().split()
        if relations is not None and "next" in relations:
            return target[2] if target[1] is None else target[1]
    return None
