"""ELF files made by hand: as little as a loader looks at (gABI, chapters 4 and 5)."""

from __future__ import annotations

import struct

_EM = {"EM_386": 3, "EM_ARM": 40, "EM_X86_64": 62, "EM_S390": 22, "EM_PPC64": 21, "EM_AARCH64": 183, "EM_RISCV": 243}
_PT_LOAD, _PT_INTERP = 1, 3
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3


def elf_file(machine: str, *, bits: int = 64, interpreter: str | None = None, kind: int = ET_DYN) -> bytes:
    """A program for `machine` (pyelftools' name), dynamic when it has an interpreter."""
    order = ">" if machine == "EM_S390" else "<"
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 2 if order == ">" else 1, 1]) + bytes(9)
    header_size, entry_size = (64, 56) if bits == 64 else (52, 32)
    text = (interpreter or "").encode() + b"\0"
    entries = [_PT_LOAD, *([_PT_INTERP] if interpreter else [])]
    offset = header_size + entry_size * len(entries)
    address = "Q" if bits == 64 else "I"
    fields = (kind, _EM[machine], 1, offset, header_size, 0, 0, header_size, entry_size, len(entries), 0, 0, 0)
    header = ident + struct.pack(f"{order}HHI{address * 3}IHHHHHH", *fields)
    table = b""
    for segment in entries:
        size = len(text)
        if bits == 64:
            table += struct.pack(f"{order}IIQQQQQQ", segment, 4, offset, 0, 0, size, size, 1)
        else:
            table += struct.pack(f"{order}IIIIIIII", segment, offset, 0, 0, size, size, 4, 1)
    return header + table + text
