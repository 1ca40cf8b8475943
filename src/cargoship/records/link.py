"""How fast bytes travel between this machine and a cluster: as a person says it, or as it is measured."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.context import Context

_TEXT = re.compile(r"(?P<rate>\d{1,6}(?:\.\d{1,3})?) ?(?P<unit>[kMG])bit(?:/s)? ?, ?(?P<ms>\d{1,5}(?:\.\d{1,3})?) ?ms")
_UNITS = {"k": 1e3, "M": 1e6, "G": 1e9}
_ADDRESSES = ("reapi://", "grpcs://", "grpc://")
_HINT = "write 100Mbit,20ms (bits per second, and how long an answer takes), or reapi://HOST:PORT to measure it"
_ROUNDS = 5
_SAMPLE_BYTES = 4 << 20


class Link(Struct, frozen=True):
    """Bytes per second in each direction, and seconds for a question and its answer."""

    sent_bytes_s: float
    received_bytes_s: float
    round_trip_s: float

    @classmethod
    def parse(cls, text: str) -> Link:
        """Read `100Mbit,20ms`; raises UsageError."""
        match = _TEXT.fullmatch(text.strip())
        if match is None or not float(match["rate"]):
            raise UsageError(f"{text!r} is no link", hint=_HINT)
        bytes_s = float(match["rate"]) * _UNITS[match["unit"]] / 8
        return cls(bytes_s, bytes_s, float(match["ms"]) / 1e3)


LOCAL_NETWORK = Link.parse("1Gbit,1ms")
"""What counts where nobody says more."""


def link_of(text: str | None, context: Context) -> Link:
    """What a person wrote, or measured with a server; raises UsageError, RemoteFailed, ToolMissing."""
    if text is None:
        return LOCAL_NETWORK
    return _measured(text, context) if text.startswith(_ADDRESSES) else Link.parse(text)


def _measured(text: str, context: Context) -> Link:
    """Ask some questions, and send some bytes there and back that nobody has seen before."""
    from cargoship.oci.descriptor import BytesBlob  # noqa: PLC0415 - seldom needed
    from cargoship.reapi.address import ReapiAddress  # noqa: PLC0415
    from cargoship.reapi.client import OCTETS  # noqa: PLC0415
    from cargoship.reapi.connect import open_reapi  # noqa: PLC0415
    from cargoship.registry.connect import insecure_hosts  # noqa: PLC0415

    client = open_reapi(
        ReapiAddress.parse(text),
        env=context.env,
        runner=context.runner,
        insecure=insecure_hosts(context.env),
        now_s=context.clock,
    )
    try:
        client.capabilities()
        sample = BytesBlob.of(OCTETS, os.urandom(_SAMPLE_BYTES))
        trips = [_seconds(lambda: client.missing([sample.descriptor])) for _ in range(_ROUNDS)]
        round_trip = min(trips)
        sent = _seconds(lambda: client.upload([sample]))
        received = _seconds(lambda: client.read(sample.descriptor))
    finally:
        client.close()
    # sending asks first whether the bytes are there
    return Link(
        _SAMPLE_BYTES / max(sent - 2 * round_trip, 1e-3), _SAMPLE_BYTES / max(received - round_trip, 1e-3), round_trip
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
