"""Where compiled units are kept, as a person writes it.

    dir:PATH
    registry:HOST/REPOSITORY:TAG
    s3://BUCKET/PREFIX
    reapi://HOST:PORT/INSTANCE      (and grpcs://, grpc://)

Options may follow, as in `registry:ghcr.io/me/app:cache?trusted=true`; of `?name=shop` there is one for the last kind.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from cargoship.errors import UsageError
from cargoship.oci.reference import Reference

_EXAMPLE = "write dir:PATH, registry:HOST/REPOSITORY[:TAG], s3://BUCKET[/PREFIX] or reapi://HOST:PORT[/INSTANCE]"
_S3 = "s3://"
_REAPI = ("reapi://", "grpcs://", "grpc://")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_SIZE = re.compile(r"(\d{1,12}) ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB|)")
_UNITS = {"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    f"{letter}iB": 1 << 10 * (power + 1) for power, letter in enumerate("KMGT")
}
DEFAULT_SIZE = "10GiB"


class StoreKind(enum.StrEnum):
    """What a cache is kept in."""

    DIRECTORY = "dir"
    REGISTRY = "registry"
    S3 = "s3"
    REAPI = "reapi"
    """A server of the Remote Execution API."""


class StoreSpec(Struct, frozen=True):
    """Which cache is meant.

    `place` is a path, a reference, `bucket/prefix`, or an address with its scheme. `trusted` says that it may be
    written even by a CI job for somebody else's changes. `name` is that of one of several caches of a server. Of one
    that is `assumed` nobody has asked for, it came with something else.
    """

    kind: StoreKind
    place: str
    trusted: bool = False
    name: str = ""
    assumed: bool = False

    @classmethod
    def parse(cls, text: str) -> StoreSpec:
        """Read what a person wrote; raises UsageError."""
        where, mark, words = text.strip().partition("?")
        kind, place = _split(where, text)
        trusted, name = False, ""
        for option in words.split("&") if mark else ():
            key, _, value = option.partition("=")
            if key == "trusted" and value in {"true", "false"}:
                trusted = value == "true"
            elif key == "name" and kind is StoreKind.REAPI and _NAME.fullmatch(value):
                name = value
            else:
                known = "?trusted=true, and ?name=NAME" if kind is StoreKind.REAPI else "?trusted=true alone"
                raise UsageError(f"{text!r} has an unknown option {option!r}", hint=f"there is {known}")
        return cls(kind, place, trusted, name)

    @property
    def reference(self) -> Reference:
        """Of a cache in a registry."""
        return Reference.parse(self.place)

    def __str__(self) -> str:
        """As it is written."""
        schemes = {StoreKind.S3: _S3, StoreKind.REAPI: ""}
        where = schemes.get(self.kind, f"{self.kind}:") + self.place
        options = ["trusted=true"] * self.trusted + [f"name={self.name}"] * bool(self.name)
        return f"{where}?{'&'.join(options)}" if options else where


class CacheOptions(Struct, frozen=True):
    """Whether units are kept, and where: what `read` names is read, what `written` names is read and written.

    The folder of this machine is always used, unless another one is named: then that takes its place, of which packs
    may have `bytes_max` together.
    """

    enabled: bool = True
    read: tuple[StoreSpec, ...] = ()
    written: tuple[StoreSpec, ...] = ()
    bytes_max: int = 10 << 30
    trust: tuple[str, ...] = ()
    """Whose units are taken, as `trust.parse_trusted` reads it; of nobody in particular where it is empty."""
    sign: str | None = None
    """Who signs what is written elsewhere than on this machine."""

    @classmethod
    def parse(cls, read: Iterable[str], written: Iterable[str], bytes_max: str, *, enabled: bool) -> CacheOptions:
        """From what settings hold; raises UsageError."""
        return cls(enabled, _stores(read), _stores(written), size_of(bytes_max))

    def beside(self, server: str) -> CacheOptions:
        """With a cache at the server whose workers compile, where no cache is named: it keeps what they have compiled.

        The next machine then takes units whole, where it would ask for each action and do here what workers do not.
        """
        if self.read or self.written:
            return self
        return replace(self, written=(StoreSpec(StoreKind.REAPI, server, assumed=True),))

    def with_trust(self, trust: Sequence[str], sign: str | None) -> CacheOptions:
        """With who is trusted, and who signs; raises UsageError for a signer that trusts nobody."""
        if sign is not None and not trust:
            raise UsageError(
                "cache-sign without cache-trust would vouch for what is made of anybody's units",
                hint="name in cache-trust whose units this job may build on; its own key is taken in any case",
            )
        return replace(self, trust=tuple(trust), sign=sign)


def _stores(texts: Iterable[str]) -> tuple[StoreSpec, ...]:
    return tuple(StoreSpec.parse(text) for text in texts)


def size_of(text: str) -> int:
    """Bytes of `10GiB`, `500 MB` or a number; raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size", hint="write 10GiB, 500MB, or a number of bytes")
    return int(match[1]) * _UNITS[match[2]]


def _split(where: str, text: str) -> tuple[StoreKind, str]:
    if where.startswith(_S3):
        bucket, _, prefix = where.removeprefix(_S3).partition("/")
        if not bucket or any(part in {".", ".."} for part in prefix.split("/")):
            raise UsageError(f"{text!r} names no bucket", hint=_EXAMPLE)
        return StoreKind.S3, f"{bucket}/{prefix}".strip("/")
    if where.startswith(_REAPI):
        from cargoship.reapi.address import ReapiAddress  # noqa: PLC0415 - seldom needed

        return StoreKind.REAPI, str(ReapiAddress.parse(where))
    name, _, place = where.partition(":")
    if name == StoreKind.DIRECTORY and place:
        return StoreKind.DIRECTORY, place
    if name == StoreKind.REGISTRY and place:
        if Reference.parse(place).digest is not None:
            raise UsageError(f"{text!r} names a digest, and a cache changes", hint="give it a tag")
        return StoreKind.REGISTRY, place
    raise UsageError(f"{text!r} names no place for a cache", hint=_of_buildx(text) or _EXAMPLE)


def _of_buildx(text: str) -> str | None:
    """What to write for a cache in Buildx's words (docs.docker.com/build/cache/backends); None for other words."""
    words = dict(part.partition("=")[::2] for part in text.split(","))
    match words.get("type"):
        case "registry" if words.get("ref"):
            return f"write registry:{words['ref']}"
        case "local" if words.get("dest") or words.get("src"):
            return f"write dir:{words.get('dest') or words['src']}"
        case "s3" if words.get("bucket"):
            return f"write s3://{words['bucket']}"
        case "gha":
            return "write registry:REPOSITORY-cache, as the workflow of cargoship init --ci github has it"
        case _:
            return None
