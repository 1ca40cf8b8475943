"""What stands under a tag that several writers add to: lists of referrers, cosign's signatures of one image.

No registry can be asked to write only where nothing has changed since it was read. What is done about it is said at
`settle`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from cargoship.errors import RegistryError, RegistryRefused
from cargoship.http.budget import Budget
from cargoship.http.retry import CONTENTION
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.registry.refusals import IMMOVABLE

_LOOKS = 2
"""How often in a row an entry has to be seen where others are seen to write, before it is there for good."""
_LOCKS = tuple(threading.Lock() for _ in range(64))
"""Writers of one process take turns at a list; only other machines are left to quarrel with."""

T = TypeVar("T")


class Shared(Protocol[T]):
    """A manifest under a tag, as one writer wants to have it."""

    def read(self) -> T:
        """What is there now; raises RegistryError's family, ContentInvalid."""
        ...

    def entries(self, found: T) -> Sequence[Descriptor]:
        """What it has."""
        ...

    def mended(self, found: T) -> T | None:
        """What it should be, with all that others have put there; None where it is right."""
        ...

    def write(self, made: T) -> None:
        """Put it there; raises as `read` does."""
        ...


def settle(shared: Shared[T], budget: Budget, *, subject: Digest, what: str) -> None:
    """Make a shared manifest be right; `what` it is, is for the error of one that never comes to rest.

    It is read, added to, written, and read again after a pause that is longer than such a round takes: a writer that
    read it before ours was there has written by then, and ours is added again. Where it is another one than was
    written, somebody else is at it, and it has to be right twice. Raises RegistryError's family, ContentInvalid.
    """
    with _LOCKS[int(subject.hex[:8], 16) % len(_LOCKS)]:
        for wait_s in _waits(shared, budget, what):
            budget.sleep(wait_s)


def _waits(shared: Shared[T], budget: Budget, what: str) -> Iterator[float]:
    """Seconds to wait between looks; ends when it has been right often enough."""
    seen = 0
    written: list[object] | None = None
    is_alone = True
    slowest_s = CONTENTION.first_s
    for _ in range(CONTENTION.tries):
        began = budget.clock()
        found = shared.read()
        if written is not None:
            is_alone = is_alone and written == _names(shared.entries(found))
        made = shared.mended(found)
        if made is None:
            seen += 1
            # nobody quarrels about what was right before anything was written, or is as it was written
            if written is None or is_alone or seen >= _LOOKS:
                return
        else:
            seen = 0
            written = _names(shared.entries(made))
            _write(shared, made)
        slowest_s = max(slowest_s, budget.clock() - began)
        # those who collided should not meet again
        yield min(slowest_s * (2.0 + 2.0 * budget.jitter()), CONTENTION.longest_s)
    raise RegistryError(
        f"{what} is changed by others all the time", hint="try again when fewer runs attach things to this image"
    )


def _write(shared: Shared[T], made: T) -> None:
    try:
        shared.write(made)
    except RegistryRefused as error:
        if error.hint != IMMOVABLE:
            raise
        hint = (
            "what is said about an image stands under a tag of its own here, which moves when more is said: let tags "
            'that begin with sha256- be moved, or do without: attest = "none" or "index", and no signatures'
        )
        raise RegistryRefused(error.message, hint=hint) from error


def _names(entries: Sequence[Descriptor]) -> list[object]:
    """What tells entries apart: the same document may be there with several signatures beside it."""
    return [(entry.digest, dict(entry.annotations)) for entry in entries]
