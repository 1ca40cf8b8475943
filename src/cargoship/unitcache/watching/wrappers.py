"""What counts of the record of a wrapper around rustc: as of a build script's, but for what it needs to run at all.

A wrapper may change any crate, and so its reads are inputs of units of all packages. Its own content is in keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.unitcache.keys.variables import PRIMARY_PACKAGE
from cargoship.unitcache.keys.wrapping import is_transparent
from cargoship.unitcache.watching.records import Event
from cargoship.unitcache.watching.shells import SHELLS, uses, variables_used

AROUND = "the wrapper around the compiler: "
"""How reasons begin for which a unit is not kept because of its wrapper."""
DRIVER = "d"
"""The kind of the event that names the compiler's library, in the record of a rustc that a wrapper has started."""
ITSELF = "w"
"""The kind of the event that names the wrapper."""
_OF_SHELLS = "s"
_LOG = "J"
_TEXT_MAX = 1 << 20
_TELLS = frozenset({"date", "uuidgen"})
"""Programs that are started for the time, or for random numbers, and for nothing else."""


def that_count(events: Sequence[Event]) -> Iterator[Event]:
    """Those of a wrapper's record, without what is its own business; raises OSError.

    Its own files come as ITSELF: they must not have changed. What it has written to and not read, such as a log, is
    as it was for all that reads it later.
    """
    shells = _Shells.of(events)
    own = {event.text for event in events if event.kind == ITSELF}
    logs = {event.text for event in events if event.kind == _LOG}
    for event in events:
        kind, text = event.kind, event.text
        program = os.path.basename(text.partition("\n")[0])  # noqa: PTH119 - text all the way
        if kind in "EICRHPt" and program in SHELLS:
            yield from shells.answers(event, program)
        elif not (
            kind in {_OF_SHELLS, _LOG}
            or (kind in "OSXQ" and text in own)
            or (kind == "W" and text in logs)
            # where there is a wrapper, keys say it
            or (kind == "V" and text == PRIMARY_PACKAGE)
            or (kind == "Z" and is_transparent(program))
            or (kind in "CRte" and program not in _TELLS)
        ):
            yield event


class _Shells(Struct):
    """The commands that all shells of a wrapper were given."""

    texts: list[str]
    unclear: bool
    """There are others, that nobody knows."""

    @classmethod
    def of(cls, events: Sequence[Event]) -> _Shells:
        found, unclear = [], False
        for source in dict.fromkeys(event.text for event in events if event.kind == _OF_SHELLS):
            kind, what = source[:1], source[1:]
            if kind == "c":
                found.append(what)
            elif kind == "f" and Path(what).stat().st_size <= _TEXT_MAX:
                found.append(Path(what).read_text("utf-8", "surrogateescape"))
            else:
                unclear = True
        return cls(found, unclear)

    def answers(self, event: Event, shell: str) -> Iterator[Event]:
        """What a shell's look at something means: the variables that its commands use, for all of them."""
        if event.kind in "EI":
            names = None if self.unclear else variables_used(self.texts, bash=shell != "dash")
            if names is not None:
                yield from (Event("V", name) for name in sorted(names) if name != PRIMARY_PACKAGE)
            else:
                yield event
        elif uses(event.kind, self.texts) or (self.unclear and event.kind in "HP"):
            yield event
