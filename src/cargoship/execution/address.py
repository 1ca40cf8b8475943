"""A cluster, as a person writes it: a server of the Remote Execution API, how much it does at once, and which workers.

reapi://HOST[:PORT][/INSTANCE][?slots=N&PROPERTY=VALUE&...]    also grpcs:// and grpc://, as reapi.address has them
"""

from __future__ import annotations

from urllib.parse import unquote

from msgspec import Struct

from cargoship.errors import UsageError
from cargoship.reapi.address import ReapiAddress

SLOTS = 16
_SLOTS_MAX = 1000
_PROPERTIES_MAX = 50


class ClusterAddress(Struct, frozen=True):
    """Where units are compiled."""

    server: ReapiAddress
    slots: int = SLOTS
    """How many units are there at once, at most."""
    platform: tuple[tuple[str, str], ...] = ()
    """Properties of workers that can run programs for x86-64 Linux with glibc, as their operators name them."""

    @classmethod
    def parse(cls, text: str) -> ClusterAddress:
        """Read what a person wrote; raises UsageError."""
        place, _, query = text.partition("?")
        server = ReapiAddress.parse(place)
        slots, platform = SLOTS, []
        for part in query.split("&") if query else ():
            name, mark, value = (unquote(each) for each in part.partition("="))
            if not mark or not name:
                raise UsageError(f"{part!r} is no property of workers", hint=f"write {place}?slots=8&OSFamily=linux")
            if name != "slots":
                platform.append((name, value))
            elif value.isascii() and value.isdigit() and 0 < int(value[:5]) <= _SLOTS_MAX and len(value) <= 4:  # noqa: PLR2004
                slots = int(value)
            else:
                raise UsageError(f"slots={value} is no number from 1 to {_SLOTS_MAX}", hint=f"write {place}?slots=8")
        if len(platform) > _PROPERTIES_MAX:
            raise UsageError(f"workers have {_PROPERTIES_MAX} properties at most")
        return cls(server, slots, tuple(sorted(platform)))

    def check(self, *, offline: bool) -> None:
        """Raises UsageError where nobody is to be asked."""
        if offline:
            raise UsageError("--remote asks a cluster, and --offline asks nobody", hint="leave one of them out")

    def __str__(self) -> str:
        """As people know it: without what workers are called."""
        return str(self.server)
