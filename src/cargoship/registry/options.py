"""What a client of a registry works with, as one value that is handed in together."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass, field

from cargoship.events import Emit, ignore
from cargoship.http.budget import Budget
from cargoship.http.exchange import Transport
from cargoship.http.retry import RetryPolicy
from cargoship.registry.auth.credentials import Credentials
from cargoship.registry.chunks import STANDARD, Chunks


class Access(enum.Enum):
    """What a client asks for; a token for PUSH also reads, so that a push needs a single one."""

    PULL = "pull"
    PUSH = "push"


@dataclass(frozen=True)
class ClientOptions:
    """Everything that a client has beside the name of its registry."""

    credentials: Credentials = field(repr=False)
    transport: Transport
    emit: Emit = ignore
    access: Access = Access.PULL
    insecure: Collection[str] = ()
    """Hosts to speak plain http to, besides loopback addresses, unless they turn out to speak TLS."""
    budget: Budget = field(default_factory=Budget)
    """Bounds the time that all requests together may take."""
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    chunks: Chunks = STANDARD
    """How large blobs are cut for their upload."""
    secure: bool = False
    """Whether it is known to speak TLS, a loopback address too."""
