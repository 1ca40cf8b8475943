"""What rustc and its procedural macros were seen to ask for on a worker: whether all of it is the same here. Pure.

Macros may look at anything, and tell nobody. The library that sees it here (`unitcache.watching`) goes along, and what
it has noted comes back. It is put down as if it had been seen here, so that the unit is kept for what it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from cargoship.execution.call import RustcCall, StaysHere
from cargoship.execution.script import FILES, LINKED, LINKER, RUST, SEEN, TEMPORARY, linker_of
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.keys.variables import counts
from cargoship.unitcache.watching.frames import takes_all
from cargoship.unitcache.watching.pseudo_files import read_from
from cargoship.unitcache.watching.records import Event

_EVENTS_MAX = 50_000
_PRESENT = frozenset("OSLQYo")
_OF_RUSTC = frozenset({"C", "R", "e", "t"})
"""The clock and random numbers: for names of files, hash tables. A macro's hash tables take such numbers as well."""
_OF_LINKING = re.compile(
    rf"{re.escape(LINKER)}/.+|{re.escape(LINKED)}(?:/.+)?|{re.escape(TEMPORARY)}/rustc[A-Za-z0-9]{{6}}(?:/.+)?"
)
"""What rustc writes for a linker, and what takes a linker's place. A macro's temporary files are the machine's."""


def seen_there(
    data: bytes, call: RustcCall, *, root: str, files: Collection[str], given: Mapping[str, str], pinned: bool
) -> tuple[Event, ...]:
    """Read a record, as it would have been written here.

    `root` is where the action ran, `files` have been sent, `given` are the variables it had, `pinned` says whether its
    sources are such that cannot change. Raises StaysHere where something was asked for that may be otherwise here.
    """
    if not data.endswith(b"\0") or data.count(b"\0") > _EVENTS_MAX:
        raise StaysHere("what it looked at was not noted as a whole")
    lines = [line for line in os.fsdecode(data[:-1]).split("\0") if line]
    folders = {parent for path in files for parent in _parents(path)} | set(_parents(f"{call.out_dir}/"))
    judge = _Judge(call, f"{root}/", frozenset(files), folders, given, pinned)
    events = dict.fromkeys(event for line in lines for event in judge.event(line[:1], line[1:]))
    return tuple(Event(kind, text) for kind, text in events)


class _Judge(Struct):
    call: RustcCall
    root: str
    files: frozenset[str]
    folders: Collection[str]
    given: Mapping[str, str]
    pinned: bool

    def event(self, kind: str, text: str) -> Iterator[tuple[str, str]]:
        """What it would be here."""
        if kind == "K" or (kind in _OF_RUSTC and text == "rustc"):
            return
        if kind in "XZ" and text.partition("\n")[0] == f"{self.root}{linker_of(self.call)}":
            return
        if kind == "V":
            # it is not given to them: who asks may be one that logs in somewhere
            if counts(text, pinned=self.pinned, of_script=False) and text in self.call.env and text not in self.given:
                raise StaysHere(f"a macro of it looks at {text}")
            yield kind, text
        elif kind == "G":
            macro = self._here(text)
            if macro is None or macro not in self.files or takes_all(macro):
                raise StaysHere("a macro of it may look at all variables")
            yield "G", macro
        elif kind in _PRESENT or kind in "ADWT":
            yield from self._path(kind, os.path.normpath(text))
        else:
            raise StaysHere("a macro of it looks at what is otherwise on each machine")

    def _path(self, kind: str, path: str) -> Iterator[tuple[str, str]]:
        here = self._here(path)
        if here is None:
            if self._is_nothing(path):
                return
            # rustc asks so for the sources of std, whose names are of the machine that has made it
            if kind != "A" or path.startswith(self.root) or os.path.lexists(path):
                raise StaysHere("a macro of it looks at files of the machine")
            yield kind, path
        elif kind in "WT":
            if os.path.dirname(here) != self.call.out_dir and not here.startswith(f"{self.call.out_dir}/"):  # noqa: PTH120 - text
                raise StaysHere("a macro of it writes files")
        elif kind == "A":
            if os.path.lexists(here):
                raise StaysHere("a macro of it looks for a file that is here alone")
            yield kind, here
        elif here in self.files or (kind in "SLQ" and here in self.folders):
            yield kind, here
        elif not here.startswith(f"{self.call.out_dir}/"):
            raise StaysHere("a macro of it looks into folders")

    def _here(self, path: str) -> str | None:
        before = f"{self.root}{FILES}"
        return path.removeprefix(before) if path.startswith(f"{before}/") else None

    def _is_nothing(self, path: str) -> bool:
        """Whether it is of the toolchain, of this action alone, or tells nothing."""
        own = path.removeprefix(self.root) if path.startswith(self.root) else ""
        if own.startswith((f"{RUST}/", SEEN)) or _OF_LINKING.fullmatch(own):
            return True
        try:
            return read_from(path) is None
        except NotKept as error:
            raise StaysHere("a macro of it looks at what is otherwise on each machine") from error


def _parents(path: str) -> Sequence[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: number + 1]) or "/" for number in range(len(parts))]
