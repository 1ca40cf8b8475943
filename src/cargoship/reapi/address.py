"""Where a server of the Remote Execution API is, as a person writes it. Nothing is opened here.

reapi://HOST[:PORT][/INSTANCE]    TLS, but for this machine's own loopback and hosts that are named as insecure
grpcs://...                       always TLS
grpc://...                        never TLS, and so only for such hosts
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection

from msgspec import Struct

from cargoship.errors import UsageError
from cargoship.http.endpoint import is_plain
from cargoship.printable import without_user

_PLACE = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?"
)
_INSTANCE = re.compile(r"[A-Za-z0-9._~@+=-]+(?:/[A-Za-z0-9._~@+=-]+)*")
# words of resource names, which an instance's name must not have: remote_execution.proto, "Resource names"
_RESERVED = frozenset(
    {"blobs", "uploads", "actions", "actionResults", "operations", "capabilities", "compressed-blobs"}
)
_PORT_MAX = 65535
_TLS_PORT = 443
_EXAMPLE = "write reapi://HOST:PORT or reapi://HOST:PORT/INSTANCE"


class ReapiScheme(enum.StrEnum):
    """How a server is spoken to."""

    REAPI = "reapi"
    GRPCS = "grpcs"
    GRPC = "grpc"


class ReapiAddress(Struct, frozen=True):
    """A server, and which of its instances."""

    scheme: ReapiScheme
    place: str
    """`host:port`."""
    instance: str = ""

    @classmethod
    def parse(cls, text: str) -> ReapiAddress:
        """Read what a person wrote; raises UsageError."""
        scheme, mark, rest = text.partition("://")
        place, _, instance = rest.partition("/")
        match = _PLACE.fullmatch(place)
        if not mark or scheme not in set(ReapiScheme):
            raise UsageError(f"{without_user(text)!r} is no address of a Remote Execution server", hint=_EXAMPLE)
        if match is None or int(match["port"] or _TLS_PORT) not in range(1, _PORT_MAX + 1):
            raise UsageError(f"{without_user(text)!r} names no host and port", hint=_EXAMPLE)
        instance = instance.rstrip("/")
        if instance and (not _INSTANCE.fullmatch(instance) or not _RESERVED.isdisjoint(instance.split("/"))):
            raise UsageError(f"{instance!r} cannot be the name of an instance", hint=_EXAMPLE)
        if scheme == ReapiScheme.GRPC and match["port"] is None:
            raise UsageError(f"{without_user(text)!r} names no port", hint=_EXAMPLE)
        return cls(ReapiScheme(scheme), f"{match['host'].lower()}:{int(match['port'] or _TLS_PORT)}", instance)

    def is_secure(self, insecure: Collection[str], *, certificates: bool = False) -> bool:
        """Whether TLS is spoken; `insecure` are hosts to speak to without.

        With `certificates` there are some for this host, which do not mean plain text. Raises UsageError where TLS
        was ruled out by the scheme, and the host is not one for that.
        """
        plain = is_plain(self.place, insecure)
        match self.scheme:
            case ReapiScheme.GRPCS:
                return True
            case ReapiScheme.REAPI:
                return not plain or certificates
            case ReapiScheme.GRPC if plain:
                return False
            case ReapiScheme.GRPC:
                raise UsageError(
                    f"{self} would be spoken to without TLS",
                    hint=f"write grpcs://{self.place}, or name the host in CARGOSHIP_INSECURE_REGISTRIES",
                )

    @property
    def url(self) -> str:
        """What a credential helper is asked for."""
        return f"https://{self.place}"

    def __str__(self) -> str:
        """As it is written."""
        return f"{self.scheme}://{self.place}{f'/{self.instance}' if self.instance else ''}"
