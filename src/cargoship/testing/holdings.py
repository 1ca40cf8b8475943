"""What the in-memory registry holds, and how it differs from others of its kind."""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cargoship.testing.exchange import Reply

DIGEST_PATTERN = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
DIGEST = re.compile(DIGEST_PATTERN)


def digest_of(data: bytes, like: str) -> str:
    """The digest of a content by an algorithm, or by the one of another digest."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


class Mounts(enum.Enum):
    """What is done when a blob is to be mounted and nobody says from where."""

    NAMED = "named"
    """An upload begins, as if nothing had been said."""
    ALL = "all"
    """It is mounted from any repository that has it."""
    STRICT = "strict"
    """That is refused."""


@dataclass
class Repository:
    """One repository: the digests of its blobs, its manifests with their media types, its tags."""

    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)


@dataclass
class Holdings:
    """Everything in a registry. Not safe for threads by itself.

    `immutable_tags` refuses to move a tag; `create_first` refuses repositories that are not in `repositories` yet;
    `single_post` stores the body of a POST with a digest (else 202: go on with PUT, as Debian's registry answers).
    `mounts` is what happens when nobody says where a blob is to be mounted from. `chunks` False refuses uploads in
    pieces; `chunk_bytes_min` is the smallest piece but the last that is taken; `keeps_partial` keeps what arrived of a
    piece whose connection was cut. `referrers` has the referrers API (distribution-spec 1.1), and `referrers_page` is
    how many it gives at a time; `digest_tags` takes the tag `sha256-<hex>`, where there is none, for the digest.
    `algorithm` (sha256, sha512) names what is pushed under a tag. `location` makes an upload's address from its path
    (absolute ones, say).
    """

    immutable_tags: bool = False
    create_first: bool = False
    single_post: bool = True
    mounts: Mounts = Mounts.NAMED
    chunks: bool = True
    chunk_bytes_min: int | None = None
    keeps_partial: bool = True
    referrers: bool = True
    digest_tags: bool = False
    algorithm: str = "sha256"
    referrers_page: int | None = None
    location: Callable[[str], str] = lambda path: path
    blobs: dict[str, bytes] = field(default_factory=dict, repr=False)
    repositories: dict[str, Repository] = field(default_factory=dict)

    def repository(self, name: str) -> Repository | None:
        """The repository to write to, made on the way unless it has to be there first."""
        if self.create_first:
            return self.repositories.get(name)
        return self.repositories.setdefault(name, Repository())

    def no_repository(self, name: str) -> Reply:
        """The refusal where `repository` gives None."""
        return Reply.error(404, "NAME_UNKNOWN", f"The repository with name '{name}' does not exist in the registry")

    def store(self, repository: Repository, name: str, digest: str, data: bytes) -> Reply:
        """Keep a blob that has this digest."""
        if DIGEST.fullmatch(digest) is None or digest != digest_of(data, digest):
            return Reply.error(400, "DIGEST_INVALID", "the digest is not that of the content")
        self.blobs[digest] = data
        repository.blobs.add(digest)
        return self.created(f"/v2/{name}/blobs/{digest}", digest)

    def created(self, path: str, digest: str) -> Reply:
        """201 for what is at `path` now."""
        return Reply(201, {"Location": self.location(path), "Docker-Content-Digest": digest})
