"""Image references: `registry/repository[:tag][@digest]`.

Grammar and Docker Hub's short names as in distribution/reference (reference.go, normalize.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.digest import Digest

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:\[[0-9a-fA-F:]+\]|{_LABEL}(?:\.{_LABEL})*)(?::[0-9]{{1,5}})?")
"""As distribution/reference has it; no part of a name is longer than 63 characters (RFC 1035 section 2.3.4)."""
_LOGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*@(?!\w+:\w*$)|[^/@:]*:.*@(?!\w+:\w*$)", re.DOTALL)
"""Up to an @ behind which no digest stands."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_REPOSITORY_MAX = 255
_PORT_MAX = 65535
DOCKER_HUB = "docker.io"


class Reference(Struct, frozen=True, order=True):
    """A name in a registry. `registry` is host[:port] (Docker Hub is `docker.io`)."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference, completing Docker Hub's short names; raises UsageError saying what is wrong."""
        _refuse_addresses(text)
        if "," in text:
            # ko takes several with commas between them
            several = " ".join(f"-t {one}" for one in text.split(",") if one)
            each = f"one reference has no comma: give each by itself, as in {several}"
            raise UsageError(f"{text!r} is not an image reference: it has a comma", hint=each)
        rest, at, digest_text = text.partition("@")
        try:
            digest = Digest.parse(digest_text) if at else None
        except ContentInvalid as error:
            raise UsageError(f"{text!r} is not an image reference: {error.message}") from error
        first, slash, remainder = rest.partition("/")
        if slash and (_is_host(first.lower()) or first != first.lower()):
            # A host is the same in either case. One that its capitals alone tell from a namespace of Docker Hub's keeps
            # them: what is printed must not mean another image.
            registry, path = first.lower() if _is_host(first.lower()) else first, remainder
        else:
            registry, path = DOCKER_HUB, rest
        name, colon, tag = path.rpartition(":")
        if not colon:
            name, tag = path, ""
        if registry in {DOCKER_HUB, "index.docker.io", "registry-1.docker.io"}:
            registry = DOCKER_HUB
            if name and "/" not in name:
                name = "library/" + name
        _check_host(registry, text)
        if not _REPOSITORY.fullmatch(name) or len(name) > _REPOSITORY_MAX:
            hint = "repository names are lower case" if name != name.lower() else None
            raise UsageError(f"{text!r} is not an image reference: {name!r} is not a repository name", hint=hint)
        if colon and not _TAG.fullmatch(tag):
            hint = f"a tag has letters, digits and _ . - alone; here it may be {re.sub(r'[^A-Za-z0-9_.-]', '_', tag)}"
            raise UsageError(
                f"{text!r} is not an image reference: {tag!r} is not a tag", hint=hint if "+" in tag else None
            )
        return cls(registry, name, tag or None, digest)

    @property
    def name(self) -> str:
        """registry/repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """The reference as Docker shows it: Docker Hub's host and `library/` left out."""
        text = str(self)
        if self.registry == DOCKER_HUB:
            text = text.removeprefix(DOCKER_HUB + "/").removeprefix("library/")
        return text

    def with_tag(self, tag: str) -> Reference:
        """The same repository under another tag, without a digest; raises UsageError for a bad tag."""
        if not _TAG.fullmatch(tag):
            raise UsageError(f"{tag!r} is not a tag")
        return replace(self, tag=tag, digest=None)

    def tagged_by(self, digest: Digest) -> Reference:
        """The same repository under a tag that says what is there, for engines have no digests of their own."""
        return self.with_tag(f"cargoship-{digest.hex[:12]}")

    def at(self, digest: Digest) -> Reference:
        """The same repository by digest alone."""
        return replace(self, tag=None, digest=digest)

    def __str__(self) -> str:
        """The full form."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return self.name + tag + digest


def _refuse_addresses(text: str) -> None:
    """Raise UsageError for what has something before its host."""
    if _LOGIN.match(text) is not None:
        # nothing of it is repeated: a password may have any character
        raise UsageError(
            "a name and a password before a host are no part of an image reference",
            hint="write it without them, and log in with cargoship login HOST; after an @ stands a digest, sha256:...",
        )
    if (address := _SCHEME.match(text)) is not None:
        without = f"write it without {address[0]}: {text[address.end() :]}"
        raise UsageError(f"{text!r} is not an image reference: it has none of an address's schemes", hint=without)


def _check_host(registry: str, text: str) -> None:
    """Raise UsageError for what names no host, or a port that there is not; `text` is all of the reference."""
    if not _HOST.fullmatch(registry):
        scheme, colon, bare = text.partition("://")
        hint = f"write it without {scheme}://, as {bare}" if colon else None
        raise UsageError(f"{text!r} is not an image reference: {registry!r} is not a host name", hint=hint)
    port = registry.rpartition(":")[2]
    if port.isdigit() and int(port) > _PORT_MAX:
        raise UsageError(f"{text!r} is not an image reference: there is no port {port}")


def _is_host(first: str) -> bool:
    return "." in first or ":" in first or first == "localhost"


def is_tag(text: str) -> bool:
    """Whether a text can be a tag."""
    return _TAG.fullmatch(text) is not None


def tags_by_repository(references: Iterable[Reference]) -> dict[Reference, tuple[str, ...]]:
    """The repositories that are named, in order, each with its tags; no tag means `latest`."""
    tags: dict[Reference, dict[str, None]] = {}
    for reference in references:
        repository = Reference(reference.registry, reference.repository)
        tags.setdefault(repository, {})[reference.tag or "latest"] = None
    return {repository: tuple(names) for repository, names in tags.items()}
