"""For tests, those of cargoship and those of its users: a registry in this process that fails on demand.

::

    with InMemoryRegistry() as registry:
        registry.faults.append(Fault("PUT", r"/blobs/uploads/", status=503, times=2))
        ...  # push to f"{registry.host}/me/app:1"
        assert registry.tags("me/app") == {"1": digest}
        assert [call.path for call in registry.calls if call.method == "PUT"]
"""

from __future__ import annotations

from cargoship.testing.auth import BasicAuth, TokenAuth
from cargoship.testing.exchange import Call, Fault
from cargoship.testing.holdings import Mounts
from cargoship.testing.quirks import QUIRKS
from cargoship.testing.registry import InMemoryRegistry
from cargoship.testing.transport import InMemoryTransport

__all__ = ["QUIRKS", "BasicAuth", "Call", "Fault", "InMemoryRegistry", "InMemoryTransport", "Mounts", "TokenAuth"]
