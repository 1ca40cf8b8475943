"""What a quirk of a registry is: a function between a request and the answer that it would get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cargoship.testing.content_api import ContentApi
from cargoship.testing.exchange import Call, Reply


class QuirkyRegistry(Protocol):
    """What a quirk may ask of the registry that has it."""

    contents: ContentApi

    @property
    def host(self) -> str:
        """Its host and port."""
        ...

    @property
    def url(self) -> str:
        """Its address."""
        ...

    @property
    def storage_url(self) -> str:
        """The address that it redirects to for content."""
        ...


Answer = Callable[[Call], Reply]
Quirk = Callable[[QuirkyRegistry, Call, Answer], Reply]
"""Answers a request; the last argument is how the registry would."""
