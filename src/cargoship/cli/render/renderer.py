"""The interface of those who show events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cargoship.cli.failing.failures import Failure
    from cargoship.events import Event


class Renderer(Protocol):
    """Shows events on standard error."""

    def emit(self, event: Event) -> None:
        """Show an event; never raises, for a closed terminal must not end a build."""
        ...

    def close(self, *, failed: bool) -> None:
        """The work is over: settle what is on the terminal."""
        ...

    def fail(self, failure: Failure) -> None:
        """Show the error that ended the run."""
        ...
