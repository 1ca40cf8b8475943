"""When the server of a store is not asked any more: once it was down, or the run was stopped."""

from __future__ import annotations

from cargoship.errors import CacheUnavailable


class Outage:
    """Why a server is not asked any more, if it is not; several threads may look and say so."""

    def __init__(self) -> None:
        self._reason: CacheUnavailable | None = None

    def check(self) -> None:
        """Raise CacheUnavailable where it is not asked any more."""
        if self._reason is not None:
            raise self._reason

    def begin(self, reason: CacheUnavailable) -> None:
        """Ask it nothing from now on."""
        self._reason = reason

    def stop(self, name: str) -> None:
        """The same, for the run that uses the cache called `name` was stopped."""
        self.begin(CacheUnavailable(f"the cache {name} is not used any more: the run was stopped"))
