"""WWW-Authenticate, parsed (RFC 9110 section 11.6.1), and token scopes (distribution's token specification). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's "token", a piece of grammar
_BETWEEN = re.compile(r"[\s,]*")
_SCHEME = re.compile(rf"({_TOKEN})(?=[\s,]|$)(?!\s*=)")
_TOKEN68 = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")
# the grammar wants quotes around an address, and not all who send one know that
_PARAMETER = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^\s,"]+))')
_HEADER_CHARACTERS = 16 * 1024


class Challenge(Struct, frozen=True):
    """One way in which a registry wants to be convinced. `scheme` and the parameters' names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """All challenges of one header value (several headers are joined by commas), in their order.

    What is not understood is left out, never an error.
    """
    challenges: list[Challenge] = []
    header = header[:_HEADER_CHARACTERS]
    position = _after(_BETWEEN, header, 0)
    while position < len(header):
        match = _SCHEME.match(header, position)
        if match is None:
            comma = header.find(",", position)
            position = len(header) if comma < 0 else _after(_BETWEEN, header, comma)
            continue
        scheme, position = match[1].lower(), _after(_TOKEN68, header, match.end())
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, position)) is not None:
            quoted, bare = parameter[2], parameter[3]
            # of two the first counts
            parameters.setdefault(parameter[1].lower(), bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
            position = parameter.end()
        challenges.append(Challenge(scheme, parameters))
        position = _after(_BETWEEN, header, position)
    return tuple(challenges)


def can_be_answered(header: str) -> bool:
    """Whether a header has a challenge of a kind that is known here."""
    return any(challenge.scheme in {"basic", "bearer"} for challenge in parse_challenges(header))


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where a match ends; the same place where there is none."""
    match = pattern.match(text, position)
    return position if match is None else match.end()


class Scope(Struct, frozen=True, order=True):
    """Actions on a resource, such as repository:me/app:pull,push."""

    kind: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def pull(cls, repository: str) -> Scope:
        """Reading of a repository."""
        return cls("repository", repository, ("pull",))

    @classmethod
    def push(cls, repository: str) -> Scope:
        """Reading and writing of a repository."""
        return cls("repository", repository, ("pull", "push"))

    @classmethod
    def delete(cls, repository: str) -> Scope:
        """Reading of a repository, and taking things out of it."""
        return cls("repository", repository, ("delete", "pull"))

    def __str__(self) -> str:
        """As it is written in a token request."""
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


def parse_scopes(text: str) -> tuple[Scope, ...]:
    """Parse a space-separated list of scopes; a repository's name may hold colons (its registry's port)."""
    scopes = []
    for word in text.split():
        kind, colon, rest = word.partition(":")
        name, second, actions = rest.rpartition(":")
        if colon and second and name:
            scopes.append(Scope(kind, name, tuple(sorted(set(actions.split(","))))))
    return tuple(scopes)


def merge_scopes(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """One scope for each resource with all of its actions, sorted, so that equal wishes are equal values."""
    actions: dict[tuple[str, str], set[str]] = {}
    for scope in scopes:
        actions.setdefault((scope.kind, scope.name), set()).update(scope.actions)
    return tuple(Scope(kind, name, tuple(sorted(names))) for (kind, name), names in sorted(actions.items()))


def covers(have: Iterable[Scope], want: Iterable[Scope]) -> bool:
    """Whether a token for `have` also serves for `want`."""
    held = {(scope.kind, scope.name): set(scope.actions) for scope in have}
    return all(set(scope.actions) <= held.get((scope.kind, scope.name), set()) for scope in want)
