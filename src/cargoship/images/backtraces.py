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
    r"^(?P<before>.*?)\b(?P<number>\d+):(?P<gap>\s+)0x(?P<address>[0-9a-f]+) - <unknown>(?P<after>\s*)$"
)
_HASH = re.compile(r"::h[0-9a-f]{16}$")
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
    for line in lines:
        match = _FRAME.match(line.rstrip("\n"))
        if match is not None and (not trace or int(match["number"]) > int(trace[-1][1]["number"])):
            trace.append((line, match))
            if len(trace) < _FRAMES_MAX:
                continue
        yield from _resolved(trace, files, base)
        trace = []
        if match is not None and len(trace) < _FRAMES_MAX and int(match["number"]) == 0:
            trace.append((line, match))
        elif match is None:
            yield line
    yield from _resolved(trace, files, base)


def _resolved(
    trace: Sequence[tuple[str, re.Match[str]]], files: Sequence[DebugFile], base: int | None
) -> Iterator[str]:
    addresses = [int(match["address"], 16) for _, match in trace]
    found = _loaded(addresses, files, base) if trace else None
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


def _loaded(addresses: Sequence[int], files: Sequence[DebugFile], base: int | None) -> PlacedProgram | None:
    best: tuple[int, int] = (_LEAST - 1, 0)
    found = None
    for file in files:
        anchors = [each for each in file.functions if _ANCHOR.search(each.name)]
        # a program that is not moved is where it says
        bases = {base} if base is not None else _bases(addresses, anchors) if file.moves else {0}
        known = {each.start for each in anchors}
        for one in bases:
            functions = [file.function_at(each - one - 1) for each in addresses]
            fits = sum(each is not None and each.start in known for each in functions)
            score = (fits, sum(each is not None for each in functions))
            if score > best:
                best, found = score, PlacedProgram(file, one)
    if base is not None and found is None and files:
        return PlacedProgram(files[0], base)
    return found


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
