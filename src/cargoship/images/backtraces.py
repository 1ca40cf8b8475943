"""Backtraces of programs without symbols, with functions and lines: those that Rust prints with RUST_BACKTRACE=full.

Such a backtrace has addresses alone, of a program that the kernel has put anywhere. Where it was is found by the
frames that every Rust program has: those of the standard library that make the backtrace and that call `main`. Pages
are 4,096 bytes, so of each address the last twelve bits are known, and one place alone makes all frames fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from cargoship.elf.lines import DebugFile, Function, Place

_FRAME = re.compile(
    r"^(?P<before>.*?)\b(?P<number>\d{1,9}):(?P<gap>\s+)0x(?P<address>[0-9a-f]{1,16}) - <unknown>(?P<after>\s*)$"
)
_HASH = re.compile(r"::h[0-9a-f]{16}$")
_PANIC = "panicked at "
_PLACE = re.compile(r"(?P<file>\S+):(?P<line>\d+):\d+")
_PAGE = 4096
_FRAMES_MAX = 512
_ANCHOR = re.compile(
    r"9panicking|12backtrace_rs9backtrace|3sys9backtrace|10sys_common9backtrace|rust_begin_unwind|10lang_start"
    r"|short_backtrace|^main$|^_start(?:_c)?$|libc_start_main"
)
"""Names, as the linker knows them, of functions that are in every backtrace of Rust's."""
_BASES_MAX = 20_000
_LEAST = 3
"""So many frames of the standard library must fit."""


class PlacedProgram(Struct, frozen=True):
    """A program, and where it was in memory."""

    file: DebugFile
    base: int


def symbolicated(lines: Iterable[str], files: Sequence[DebugFile], base: int | None = None) -> Iterator[str]:
    """The lines of a log, each frame with its function and, in a line of its own, file and line.

    `base` is where the program was, where that is known (the first address of /proc/PID/maps). What is no frame, or
    cannot be found, stays as it is. Raises ContentInvalid for damaged symbols.
    """
    trace: list[tuple[str, re.Match[str]]] = []
    said: re.Match[str] | None = None
    for line in lines:
        match = _FRAME.match(line.rstrip("\n"))
        if match is not None and (not trace or int(match["number"]) > int(trace[-1][1]["number"])):
            trace.append((line, match))
            if len(trace) < _FRAMES_MAX:
                continue
        yield from _resolved(trace, files, base, said)
        trace = []
        said = _place_of_panic(line) or said
        if match is not None and len(trace) < _FRAMES_MAX and int(match["number"]) == 0:
            trace.append((line, match))
        elif match is None:
            yield line
    yield from _resolved(trace, files, base, said)


def _place_of_panic(line: str) -> re.Match[str] | None:
    """Where a panic was: it stands before the message, which has a line of its own since Rust 1.73, or after it."""
    said = line.partition(_PANIC)[2]
    return _PLACE.match(said.rpartition("', ")[2] if said.startswith("'") else said)


def _resolved(
    trace: Sequence[tuple[str, re.Match[str]]],
    files: Sequence[DebugFile],
    base: int | None,
    said: re.Match[str] | None,
) -> Iterator[str]:
    addresses = [int(match["address"], 16) for _, match in trace]
    found = _loaded(addresses, files, base, said) if trace else None
    for number, (line, match) in enumerate(trace):
        known = None if found is None else _frame(found, addresses[number], is_call=bool(number))
        if known is None:
            yield line
            continue
        end = line[len(line.rstrip("\n")) :]
        head = line.rstrip().removesuffix("<unknown>")
        gap = f"{match['before']}{' ' * (len(head) - len(match['before']))}"
        for position, (name, place) in enumerate(known):
            yield f"{gap if position else head}{name}{end or chr(10)}"
            if place:
                yield f"{gap[:-3]}at {place}{end or chr(10)}"


def _frame(found: PlacedProgram, address: int, *, is_call: bool) -> list[tuple[str, str]] | None:
    """The functions that an address lies in with their places, the innermost first: all but the last are inlined."""
    # a frame has the address after a call; the first has that of the place itself, or of a call too
    own = address - found.base - 1 if is_call or found.base + 1 <= address else address - found.base
    function = found.file.function_at(own)
    if function is None:
        return None
    names, places = [function.name], []
    for name, called in found.file.calls_at(own):
        names.append(name)
        places.append(called)
    places.append(found.file.place_of(own))
    return [(_readable(name), _shown(place)) for name, place in zip(reversed(names), reversed(places), strict=True)]


def _readable(name: str) -> str:
    from rust_demangler import demangle  # noqa: PLC0415 - late: few commands name functions

    try:
        # the older mangling ends with a hash
        return _HASH.sub("", demangle(name))
    except Exception:  # noqa: BLE001 - of a library that raises what it likes for what is no name of Rust's
        return name


def _shown(place: Place | None) -> str:
    return "" if place is None else f"{place.file}:{place.line}:{place.column}"


def _loaded(
    addresses: Sequence[int], files: Sequence[DebugFile], base: int | None, said: re.Match[str] | None
) -> PlacedProgram | None:
    """The program that most frames fit to; of several that are laid out alike the one with the place of the panic."""
    best: dict[int, tuple[tuple[int, int], PlacedProgram]] = {}
    for number, file in enumerate(files):
        anchors = [each for each in file.functions if _ANCHOR.search(each.name)]
        # a program that is not moved is where it says
        bases = {base} if base is not None else _bases(addresses, anchors) if file.moves else {0}
        known = {each.start for each in anchors}
        for one in bases:
            functions = [file.function_at(each - one - 1) for each in addresses]
            fits = sum(each is not None and each.start in known for each in functions)
            score = (fits, sum(each is not None for each in functions))
            if fits >= _LEAST and (number not in best or score > best[number][0]):
                best[number] = (score, PlacedProgram(file, one))
    most = max((score for score, _ in best.values()), default=None)
    alike = [placed for score, placed in best.values() if score == most]
    if len(alike) > 1:
        # reading lines is expensive: only where there is a choice
        return next((each for each in alike if _has_panic(each, addresses, said)), alike[0])
    if alike:
        return alike[0]
    return PlacedProgram(files[0], base) if base is not None and files else None


def _has_panic(placed: PlacedProgram, addresses: Sequence[int], said: re.Match[str] | None) -> bool:
    """Whether one of the frames is where the message above the backtrace says that the panic was."""
    if said is None:
        return False
    for address in addresses:
        own = address - placed.base - 1
        for place in (placed.file.place_of(own), *(called for _, called in placed.file.calls_at(own))):
            if place is not None and str(place.line) == said["line"] and f"/{place.file}".endswith(f"/{said['file']}"):
                return True
    return False


def _bases(addresses: Sequence[int], anchors: Sequence[Function]) -> set[int]:
    """Where the program may have been: its first and last frames are functions of the standard library."""
    found: set[int] = {0}
    for address in (*addresses[:3], *addresses[-4:]):
        for each in anchors:
            first = address - 1 - each.start
            base = first - first % _PAGE
            while base >= 0 and address - 1 - base < each.end and len(found) < _BASES_MAX:
                found.add(base)
                base -= _PAGE
    return found
