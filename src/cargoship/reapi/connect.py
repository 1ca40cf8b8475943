"""The client that a user's environment leads to: certificates, headers, and who may be spoken to without TLS."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping

from cargoship.http.budget import Budget
from cargoship.http.certificates import certificates_of
from cargoship.http.metered import Meter
from cargoship.process import Runner
from cargoship.reapi.address import ReapiAddress
from cargoship.reapi.channel import GrpcChannel, certificates_for
from cargoship.reapi.client import ReapiClient
from cargoship.reapi.credentials import EnvironmentHeaders
from cargoship.version import __version__


def open_reapi(
    address: ReapiAddress,
    *,
    env: Mapping[str, str],
    runner: Runner,
    insecure: Collection[str],
    meter: Meter | None = None,
    now_s: Callable[[], float] | None = None,
) -> ReapiClient:
    """A client; nothing is sent before it is used, and who asks for it closes it.

    `insecure` are hosts to speak to without TLS, besides those of this machine. Raises UsageError for an address that
    is not to be used so.
    """
    own = certificates_of(address.place, env)
    secure = address.is_secure(insecure, certificates=own is not None)
    # a build takes as long as it takes
    budget = Budget(math.inf)
    budget.whom = str(address)
    channel = GrpcChannel(
        address.place,
        str(address),
        EnvironmentHeaders(env, runner, address.url, clock=time.monotonic, now_s=now_s),
        budget,
        secure,
        lambda: certificates_for(own, env),
        tool=("cargoship", __version__),
    )
    return ReapiClient(channel, address.instance, meter)
