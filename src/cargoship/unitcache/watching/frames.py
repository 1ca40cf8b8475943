"""Why a Rust program has read all variables: to look at them, or to give them on to a program that it starts.

`std::process::Command` copies the environment where one variable is changed for the program. What that program reads
is seen there. Which of both it was, the functions say that were being called; their names are in the program.
"""

from __future__ import annotations

import bisect
import re
from functools import lru_cache
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_READS = ("3std3env", "3std3sys3env", "3std3sys3pal")
_STARTS = "3std3sys7process"
_TAKES_ALL = re.compile(r".*3std3env\d+(?:vars|vars_os)(?![a-z_]).*|_{0,2}environ")
_SYMBOLS_MAX = 1_000_000


def passes_on(text: str) -> bool:
    """Whether the variables were only given on; `text` has the program, and below it the addresses in it."""
    program, _, addresses = text.partition("\n")
    try:
        names = [_name_at(program, int(address, 16)) for address in addresses.split()]
    except (OSError, ELFError, ValueError):
        return False
    outside = next((name for name in names if not any(part in name for part in _READS)), "")
    return _STARTS in outside


def _name_at(program: str, address: int) -> str:
    starts, names = _symbols(program)
    # an address is that after the call
    at = bisect.bisect_right(starts, address - 1) - 1
    return names[at] if at >= 0 else ""


@lru_cache(maxsize=16)
def _symbols(program: str) -> tuple[list[int], list[str]]:
    with Path(program).open("rb") as stream:
        elf = ELFFile(stream)
        table = elf.get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection) or table.num_symbols() > _SYMBOLS_MAX:
            return [], []
        found = sorted(
            (symbol["st_value"], symbol.name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        )
    return [address for address, _ in found], [name for _, name in found]


@lru_cache(maxsize=1024)
def takes_all(library: str) -> bool:
    """Whether a procedural macro has a use for all variables at once: it asks Rust's library, or libc, for them."""
    try:
        with Path(library).open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".dynsym")
            if not isinstance(table, SymbolTableSection) or table.num_symbols() > _SYMBOLS_MAX:
                return True
            return any(
                symbol["st_shndx"] == "SHN_UNDEF" and _TAKES_ALL.fullmatch(symbol.name)
                for symbol in table.iter_symbols()
            )
    except (OSError, ELFError):
        return True
