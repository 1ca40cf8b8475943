"""What an address in a program is: function, file and line, by the symbols that were kept apart from it.

pyelftools reads DWARF; only those compilation units are read that an address lies in.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from cargoship.elf.inlined import InlinedCall, calls_at, scopes_of
from cargoship.errors import ContentInvalid

_FUNCTION = "STT_FUNC"
_SYMBOLS_MAX = 4_000_000
_DWARF_BYTES_MAX = 4 << 30
"""Of a whole browser's debug information, unpacked, there is less."""


@dataclass(frozen=True)
class Function:
    """A function: where it begins and ends, and its name as the linker knows it."""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class Place:
    """A line of a source file."""

    file: str
    line: int
    column: int


@dataclass
class DebugFile:
    """A file with symbols; close its stream when it is no longer read."""

    stream: BinaryIO
    path: Path
    _lines: dict[int, list[tuple[int, int, Place | None]]] = field(default_factory=dict)
    _scopes: dict[int, Any] = field(default_factory=dict)

    @cached_property
    def _elf(self) -> Any:  # noqa: ANN401 - of a library without types
        from elftools.common.exceptions import ELFError  # noqa: PLC0415 - late, as its users need it
        from elftools.elf.elffile import ELFFile  # noqa: PLC0415

        try:
            return ELFFile(self.stream)
        except (ELFError, ValueError, OverflowError) as error:
            raise self._damaged() from error

    def _damaged(self) -> ContentInvalid:
        return ContentInvalid(f"{self.path} is a damaged file of symbols")

    @property
    def moves(self) -> bool:
        """Whether the program may be put anywhere in memory; raises ContentInvalid."""
        return bool(self._elf["e_type"] != "ET_EXEC")

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        """All of them, by their addresses; raises ContentInvalid for a damaged file."""
        from elftools.common.exceptions import ELFError  # noqa: PLC0415
        from elftools.construct import ConstructError  # noqa: PLC0415

        try:
            table = self._elf.get_section_by_name(".symtab")
            if table is None:
                return ()
            if table.num_symbols() > _SYMBOLS_MAX:
                raise self._damaged()
            found = [
                Function(each["st_value"], each["st_value"] + each["st_size"], each.name)
                for each in table.iter_symbols()
                if each["st_info"]["type"] == _FUNCTION and each["st_shndx"] != "SHN_UNDEF"
            ]
        except (ELFError, ConstructError, ValueError, KeyError, OverflowError, UnicodeError) as error:
            raise self._damaged() from error
        return tuple(sorted(found, key=lambda each: (each.start, each.end)))

    @cached_property
    def _starts(self) -> list[int]:
        return [each.start for each in self.functions]

    def function_at(self, address: int) -> Function | None:
        """The function that an address lies in; raises ContentInvalid."""
        number = bisect_right(self._starts, address) - 1
        # of several that begin at one address the last is the longest
        if number >= 0 and address < max(self.functions[number].end, self.functions[number].start + 1):
            return self.functions[number]
        return None

    def place_of(self, address: int) -> Place | None:
        """The line that an address was compiled from, None where nobody says; raises ContentInvalid."""
        from elftools.common.exceptions import DWARFError, ELFError  # noqa: PLC0415
        from elftools.construct import ConstructError  # noqa: PLC0415

        try:
            for offset in self._units_at(address):
                for start, end, place in self._lines_of(offset):
                    if start <= address < end:
                        return place
        except (ELFError, DWARFError, ConstructError, ValueError, KeyError, IndexError, OverflowError) as error:
            raise self._damaged() from error
        return None

    def calls_at(self, address: int) -> list[tuple[str, Place | None]]:
        """The inlined calls that an address lies in, the outermost first: names as linkers have them, and where called.

        Raises ContentInvalid.
        """
        from elftools.common.exceptions import DWARFError, ELFError  # noqa: PLC0415
        from elftools.construct import ConstructError  # noqa: PLC0415

        found: list[tuple[str, Place | None]] = []
        try:
            for offset in self._units_at(address):
                unit = self._dwarf.get_CU_at(offset)
                if offset not in self._scopes:
                    self._scopes[offset] = scopes_of(unit, self._dwarf)
                program = self._dwarf.line_program_for_CU(unit)
                found = [
                    (call.name, _called(call, program, _folder_of(unit)))
                    for call in calls_at(self._scopes[offset], address)
                ]
                if found:
                    break
        except (
            ELFError, DWARFError, ConstructError, ValueError, KeyError, IndexError, OverflowError, AttributeError,
        ) as error:  # fmt: skip
            raise self._damaged() from error
        return found

    @cached_property
    def _dwarf(self) -> Any:  # noqa: ANN401
        if not self._elf.has_dwarf_info():
            return None
        # it is anybody's, and unpacked whole: what it says of its sizes is never exceeded
        sections = (each for each in self._elf.iter_sections() if each.name.startswith((".debug_", ".zdebug_")))
        if sum(each.data_size for each in sections) > _DWARF_BYTES_MAX:
            raise ContentInvalid(
                f"{self.path} has more debug information than is read: over {_DWARF_BYTES_MAX >> 20} MiB"
            )
        return self._elf.get_dwarf_info(follow_links=False)

    @cached_property
    def _ranges(self) -> Any:  # noqa: ANN401
        return self._dwarf.get_aranges()

    def _units_at(self, address: int) -> list[int]:
        if self._dwarf is None:
            return []
        offset = None if self._ranges is None else self._ranges.cu_offset_at_addr(address)
        # where nobody says which units have an address, all are looked at
        return [offset] if offset is not None else [each.cu_offset for each in self._dwarf.iter_CUs()]

    def _lines_of(self, offset: int) -> list[tuple[int, int, Place | None]]:
        if offset not in self._lines:
            unit = self._dwarf.get_CU_at(offset)
            program = self._dwarf.line_program_for_CU(unit)
            self._lines[offset] = [] if program is None else list(_rows(unit, program))
        return self._lines[offset]


def _folder_of(unit: Any) -> str:  # noqa: ANN401
    folder = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    return folder.value.decode("utf-8", "replace") if folder is not None else ""


def _called(call: InlinedCall, program: Any, within: str) -> Place | None:  # noqa: ANN401
    if not call.line or program is None:
        return None
    return Place(_file(program, call.file, within), call.line, call.column)


def _rows(unit: Any, program: Any) -> Any:  # noqa: ANN401
    within = _folder_of(unit)
    names: dict[int, str] = {}
    before = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if before is not None and state.address > before.address:
            if before.file not in names:
                names[before.file] = _file(program, before.file, within)
            place = Place(names[before.file], before.line, before.column) if before.line else None
            yield before.address, state.address, place
        before = None if state.end_sequence else state


def _file(program: Any, number: int, within: str) -> str:  # noqa: ANN401
    header = program.header
    is_5 = header["version"] >= 5  # noqa: PLR2004 - DWARF 5 counts from zero
    files = header["file_entry"]
    place = number if is_5 else number - 1
    if not 0 <= place < len(files):
        return "?"
    entry = files[place]
    folders = [each.decode("utf-8", "replace") for each in header["include_directory"]]
    at = entry.dir_index if is_5 else entry.dir_index - 1
    folder = folders[at] if 0 <= at < len(folders) else within
    name = entry.name.decode("utf-8", "replace")
    path = name if name.startswith("/") or not folder else f"{folder}/{name}"
    return path if path.startswith("/") or not within else f"{within}/{path}"
