"""Which other places hold what a registry has, as values. Pure; `files.py` reads who says so.

The rules are those of containers-registries.conf(5): the longest prefix of a name chooses one of them, its mirrors are
tried in turn, and the registry itself comes last.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from cargoship.errors import RegistryRefused, UsageError
from cargoship.oci.reference import Reference


class Takes(enum.Enum):
    """Which pulls go to a mirror (`pull-from-mirror`)."""

    ALL = "all"
    DIGESTS = "digest-only"
    TAGS = "tag-only"

    def fits(self, *, by_digest: bool) -> bool:
        """Whether such a pull goes there."""
        return self is Takes.ALL or (self is Takes.DIGESTS) is by_digest


class Mirror(Struct, frozen=True):
    """A place that has the same images: `path` in the registry `registry` (host[:port]); `plain`: without TLS."""

    registry: str
    path: str = ""
    plain: bool = False
    takes: Takes = Takes.ALL

    @classmethod
    def parse(cls, text: str) -> Mirror:
        """Parse `[http[s]://]HOST[:PORT][/PATH]`; raises UsageError."""
        scheme, found, rest = text.partition("://")
        registry, _, path = (rest if found else text).strip("/").partition("/")
        registry = registry.lower()
        try:
            # the parser of references knows what hosts and repositories look like
            named = Reference.parse(f"{registry}/{path or 'x'}").registry
        except UsageError:
            named = ""
        known = scheme in {"http", "https"} if found else True
        if not known or not registry or named != registry:
            raise UsageError(
                f"{text!r} is no place of a registry", hint="such as mirror.example.com or https://host/path"
            )
        return cls(registry, path, plain=found != "" and scheme == "http")


class Rule(Struct, frozen=True):
    """What is said of the names that begin with `prefix`: host[:port][/path], or *.domain.

    `instead` is where they really are: the registry of the name is not asked then. `blocked` names who forbids to pull
    them.
    """

    prefix: str
    mirrors: tuple[Mirror, ...] = ()
    instead: Mirror | None = None
    blocked: str | None = None

    def rest(self, registry: str, repository: str) -> str | None:
        """What is left of a name after the prefix; None where it does not begin with it."""
        if self.prefix.startswith("*."):
            return repository if registry.endswith(self.prefix[1:]) else None
        name = f"{registry}/{repository}"
        if name == self.prefix:
            return ""
        return name.removeprefix(self.prefix + "/") if name.startswith(self.prefix + "/") else None


class PullSource(Struct, frozen=True):
    """A repository, and the registry in which it is to be read."""

    mirror: Mirror
    repository: str


class Route(Struct, frozen=True):
    """Where something is read, in this order; `own`: at last in the registry itself."""

    places: tuple[PullSource, ...] = ()
    own: bool = True


class Mirrors(Struct, frozen=True):
    """All rules."""

    rules: tuple[Rule, ...] = ()

    def concern(self, registry: str) -> bool:
        """Whether anything is said of a registry at all."""
        return any(rule.prefix.partition("/")[0] == registry or rule.rest(registry, "x") for rule in self.rules)

    def route(self, registry: str, repository: str, *, by_digest: bool) -> Route:
        """Where a repository is read; raises RegistryRefused where that is forbidden."""
        chosen = max(
            (rule for rule in self.rules if rule.rest(registry, repository) is not None),
            key=lambda rule: len(rule.prefix),
            default=None,
        )
        if chosen is None:
            return Route()
        if chosen.blocked is not None:
            raise RegistryRefused(
                f"{registry}/{repository} is blocked by {chosen.blocked}",
                hint="the administrator of this machine knows why",
            )
        rest = chosen.rest(registry, repository) or ""
        fitting = [mirror for mirror in chosen.mirrors if mirror.takes.fits(by_digest=by_digest)]
        last = [] if chosen.instead is None else [chosen.instead]
        return Route(tuple(_places([*fitting, *last], rest)), own=chosen.instead is None)

    def plain_hosts(self) -> Iterator[str]:
        """The hosts that are to be spoken to without TLS."""
        for rule in self.rules:
            yield from (each.registry for each in (*rule.mirrors, *filter(None, [rule.instead])) if each.plain)


def _places(mirrors: list[Mirror], rest: str) -> Iterator[PullSource]:
    for mirror in mirrors:
        repository = "/".join(part for part in (mirror.path, rest) if part)
        if repository:
            yield PullSource(mirror, repository)


def digests_alone(mirror: Mirror) -> Mirror:
    """The same mirror for pulls by digest."""
    return replace(mirror, takes=Takes.DIGESTS)
