"""Calls that the compiler has inlined: which of them an address lies in, by DWARF's tree of functions.

DWARF 5, sections 3.3.8 ("Inlinable and Inlined Subroutines") and 2.17.3 ("Non-Contiguous Address Ranges").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DEPTH_MAX = 256
UNIT_BYTES_MAX = 64 << 20
"""Larger units are left alone: reading their tree takes minutes."""


@dataclass(frozen=True)
class InlinedCall:
    """A function whose code was put into its caller's: its name, as a linker would have it, and where it was called."""

    name: str
    file: int
    """The number in the unit's table of files."""
    line: int
    column: int


@dataclass(frozen=True)
class _Scope:
    spans: tuple[tuple[int, int], ...]
    call: InlinedCall | None
    inside: tuple[_Scope, ...]

    def has(self, address: int) -> bool:
        return any(start <= address < end for start, end in self.spans)


def scopes_of(unit: Any, dwarf: Any) -> tuple[_Scope, ...]:  # noqa: ANN401 - of a library without types
    """The functions of a unit that have inlined calls, with them; raises what pyelftools does."""
    if unit["unit_length"] > UNIT_BYTES_MAX:
        return ()
    return tuple(_scopes(unit.get_top_DIE(), unit, dwarf, 0))


def calls_at(scopes: tuple[_Scope, ...], address: int) -> Iterator[InlinedCall]:
    """The inlined calls that an address lies in, the outermost first."""
    while True:
        scope = next((each for each in scopes if each.has(address)), None)
        if scope is None:
            return
        if scope.call is not None:
            yield scope.call
        scopes = scope.inside


def _scopes(die: Any, unit: Any, dwarf: Any, depth: int) -> Iterator[_Scope]:  # noqa: ANN401
    if depth > _DEPTH_MAX:
        return
    for child in die.iter_children():
        inside = tuple(_scopes(child, unit, dwarf, depth + 1)) if child.has_children else ()
        match child.tag:
            case "DW_TAG_inlined_subroutine":
                yield _Scope(_spans(child, unit, dwarf), _call(child), inside)
            case "DW_TAG_subprogram" if inside:
                yield _Scope(_spans(child, unit, dwarf), None, inside)
            case _:
                # blocks, namespaces and types are where functions lie, and no matter here
                yield from inside


def _spans(die: Any, unit: Any, dwarf: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401
    low, high = (die.attributes.get(f"DW_AT_{name}_pc") for name in ("low", "high"))
    if low is not None and high is not None:
        end = high.value if high.form.startswith("DW_FORM_addr") else low.value + high.value
        return ((low.value, end),)
    ranges = die.attributes.get("DW_AT_ranges")
    lists = dwarf.range_lists() if ranges is not None else None
    if ranges is None or lists is None:
        return ()
    first = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    base = 0 if first is None else first.value
    found = []
    for entry in lists.get_range_list_at_offset(ranges.value, unit):
        if hasattr(entry, "base_address"):
            base = entry.base_address
        else:
            start = 0 if getattr(entry, "is_absolute", False) else base
            found.append((start + entry.begin_offset, start + entry.end_offset))
    return tuple(found)


def _call(die: Any) -> InlinedCall:  # noqa: ANN401
    origin = die
    # what is inlined names what was written, which may name what was declared
    for reference in ("DW_AT_abstract_origin", "DW_AT_specification"):
        if "DW_AT_linkage_name" not in origin.attributes and reference in origin.attributes:
            origin = origin.get_DIE_from_attribute(reference)
    names = (origin.attributes.get(f"DW_AT_{kind}") for kind in ("linkage_name", "name"))
    name = next((each.value for each in names if each is not None), b"?")
    file, line, column = (
        0 if (each := die.attributes.get(f"DW_AT_call_{part}")) is None else int(each.value)
        for part in ("file", "line", "column")
    )
    return InlinedCall(name.decode("utf-8", "replace"), file, line, column)
