"""What was noted while units were compiled: files of records, as `watch.c` writes them, one for each unit's process."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from cargoship.unitcache.keys.refusal import NotKept

_BYTES_MAX = 64 << 20
_FOR_EDITORS = "/cxxbridge/"
"""Where cxx links headers so that they are found by hand; programs are compiled with those in OUT_DIR."""
_ZEROS = bytes(24)
"""Less than the shortest of the variables that are wiped."""


class Event(Struct, frozen=True):
    """One thing that was read, written, asked for or started; kinds are those that `watch.c` names."""

    kind: str
    text: str


class UnitTrace(Struct, frozen=True):
    """What a unit's process, and all that it started, have done, in that order."""

    began_ns: int
    """When it was started, in ns since 1970."""
    path: Path
    lives_on: bool = False
    """Whether something that it has started has not ended yet."""
    wraps: bool = False
    """Whether it is a wrapper around the compiler, which has a record of its own."""
    links: bool = False
    """Whether it is somebody's own linker, which has one too."""

    def events(self) -> list[Event]:
        """Read it; raises NotKept for one that is too long or not whole, OSError."""
        if self.path.with_name(f"{self.path.name}.lost").exists():
            raise NotKept("what it reads could not be noted: it had too many files open, or a disk was full")
        with self.path.open("rb") as stream:
            data = stream.read(_BYTES_MAX + 1)
        if len(data) > _BYTES_MAX or not data.endswith(b"\0"):
            raise NotKept("what it reads is more than can be noted")
        return [Event(line[:1], line[1:]) for line in os.fsdecode(data[:-1]).split("\0") if line]


ELSEWHERE = "elsewhere-"
"""Names of traces of what was not compiled here begin so."""
WHERE = "p"
"""The kind of the event in them that names the cluster."""


class BuildTrace(Struct, frozen=True):
    """Those of a build."""

    scripts: Mapping[str, Sequence[UnitTrace]] = field(default_factory=dict)
    """Of build scripts, by their OUT_DIR."""
    compilers: Mapping[tuple[str, str, str], Sequence[UnitTrace]] = field(default_factory=dict)
    """Of compilers and wrappers, by the folder that they wrote to, the crate, and its suffix in names of files."""
    questions: Sequence[UnitTrace] = ()
    """Of wrappers that cargo has asked what the compiler can do, which it tells build scripts."""


def read_records(folder: Path) -> BuildTrace:
    """Look through a folder; raises OSError."""
    scripts: dict[str, list[UnitTrace]] = defaultdict(list)
    compilers: dict[tuple[str, str, str], list[UnitTrace]] = defaultdict(list)
    questions: list[UnitTrace] = []
    alive = tuple(_alive(folder))
    for place in folder.iterdir():
        began = place.name.rpartition("-")[2]
        if not began.isdigit():
            continue
        with place.open("rb") as stream:
            first = os.fsdecode(stream.read(1 << 16).partition(b"\0")[0])
        lives_on = any(_is_of(process, place, first) for process in alive)
        # a fourth word, as `watch.c` writes it
        crate, extra, out, *what = first[1:].split("\t") if first.count("\t") > 1 else ("", "", "")
        record = UnitTrace(int(began), place, lives_on, wraps=what == ["wrapper"], links=what == ["linker"])
        if first.startswith("B"):
            scripts[first[1:]].append(record)
        elif first.startswith("K") and out:
            compilers[out, crate, extra].append(record)
        elif record.wraps:
            questions.append(record)
    return BuildTrace(scripts, compilers, questions)


def write_trace(
    folder: Path, began_ns: int, *, crate: str, suffix: str, out_dir: str, events: Sequence[Event], where: str
) -> Path:
    """Note what compiling a crate at a cluster has read, as `watch.c` would have noted it here; raises OSError."""
    noted = (Event(WHERE, where), *events)
    lines = [f"K{crate}\t{suffix}\t{out_dir}", *(f"{event.kind}{event.text}" for event in noted)]
    handle, made = tempfile.mkstemp(prefix=ELSEWHERE, suffix=f"-{began_ns}.new", dir=folder)
    with os.fdopen(handle, "wb") as stream:
        stream.write(b"".join(os.fsencode(line) + b"\0" for line in lines))
    return Path(made).rename(made.removesuffix(".new"))


def seen_as_part_of(trace: Path) -> dict[str, str]:
    """Variables by which what a linker of cargoship's own reads is noted with what a crate has read."""
    return {"CARGOSHIP_WATCH_UNIT": str(trace), "CARGOSHIP_WATCH_QUIET": "1"}


def written_sources(folder: Path, root: Path, *, but: Sequence[Path]) -> tuple[str, ...]:
    """What units have written below `root`, apart from what is in `but`, by the records in a folder; raises OSError."""
    own = tuple(f"{path}/" for path in but)
    found: set[str] = set()
    for place in folder.iterdir():
        with place.open("rb") as stream:
            data = stream.read(_BYTES_MAX)
        # most of all records are of reads
        for line in re.findall(b"\0W(" + re.escape(os.fsencode(root)) + b"/[^\0]+)", data):
            path = os.path.normpath(os.fsdecode(line))
            if not path.startswith(own) and path.startswith(f"{root}/"):
                found.add(path)
    return tuple(sorted(found))


def left_by_script(trace: BuildTrace, out_dir: str, folders: Sequence[Path]) -> str:
    """A file that the run of a build script has put into one of some folders, and not into its own; or nothing.

    Raises NotKept, OSError.
    """
    own, below = f"{os.path.dirname(out_dir)}/", tuple(f"{each}/" for each in folders)  # noqa: PTH120 - text
    events = (event for each in trace.scripts.get(out_dir, ()) for event in each.events())
    written = (event.text for event in events if event.kind == "W" and event.text.startswith(below))
    left = (path for path in written if not path.startswith(own) and _FOR_EDITORS not in path)
    return next((path for path in left if os.path.isfile(path)), "")  # noqa: PTH113


class _Process(Struct, frozen=True):
    """One that was started in this build, and has not ended."""

    env: frozenset[str]
    records: frozenset[str]
    """Names of those that it has mapped."""


def _alive(folder: Path) -> Iterator[_Process]:
    wanted = f"CARGOSHIP_WATCH={folder}"
    # the kernel knows no links on the way
    real = os.path.realpath(folder)
    for place in Path("/proc").glob("[0-9]*/environ"):
        # of another user, or just gone
        with contextlib.suppress(OSError):
            data = place.read_bytes()
            env = frozenset(os.fsdecode(data).split("\0"))
            # where a watched program has no variables of ours, its library has put zeros in their place
            mapped = _mapped(place.with_name("maps"), real) if _ZEROS in data else frozenset()
            if mapped or wanted in env:
                yield _Process(env, mapped)


def _mapped(maps: Path, folder: str) -> frozenset[str]:
    """Names of the files of a folder that a process has mapped (proc(5), /proc/pid/maps)."""
    lines = os.fsdecode(maps.read_bytes()).splitlines()
    found = (line.partition(f" {folder}/")[2] for line in lines)
    return frozenset(name for name in found if name and "/" not in name)


def _is_of(process: _Process, place: Path, first: str) -> bool:
    """Whether a process is a unit's: a program that it has started, or one that it has become."""
    env = process.env
    if place.name in process.records or f"CARGOSHIP_WATCH_UNIT={place}" in env:
        return True
    if f"CARGOSHIP_WATCH={place.parent}" not in env:
        return False
    if first.startswith("B"):
        return f"OUT_DIR={first[1:]}" in env and not any(each.startswith("CARGO_CRATE_NAME=") for each in env)
    return f"CARGO_CRATE_NAME={first[1:].partition(chr(9))[0]}" in env
