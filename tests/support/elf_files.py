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


def needing(*libraries: str, machine: str = "EM_X86_64") -> bytes:
    """A 64-bit program that needs shared libraries."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in libraries)
    strings += bytes(-len(strings) % 8)
    at = 64 + 56 * 2
    places = [1 + sum(len(each) + 1 for each in libraries[:index]) for index in range(len(libraries))]
    tags = [*((1, place) for place in places), (5, at), (10, len(strings)), (0, 0)]  # NEEDED, STRTAB, STRSZ, NULL
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    size = at + len(strings) + len(dynamic)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", ET_EXEC, _EM[machine], 1, at, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    dynamic_at = at + len(strings)
    table = struct.pack("<IIQQQQQQ", _PT_LOAD, 4, 0, 0, 0, size, size, 1)
    table += struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, dynamic_at, 0, len(dynamic), len(dynamic), 8)
    return header + table + strings + dynamic


def arm_file(attributes: bytes) -> bytes:
    """A program for 32-bit ARM with build attributes: a section of its own, which is not loaded."""
    program = elf_file("EM_ARM", bits=32, kind=ET_EXEC)
    names = b"\0.ARM.attributes\0.shstrtab\0"
    at = len(program)
    sections = [
        (0,) * 10,
        (1, 0x70000003, 0, 0, at, len(attributes), 0, 0, 1, 0),
        (17, 3, 0, 0, at + len(attributes), len(names), 0, 0, 1, 0),
    ]
    table = b"".join(struct.pack("<10I", *each) for each in sections)
    changed = bytearray(program + attributes + names + table)
    struct.pack_into("<I", changed, 0x20, len(changed) - len(table))
    struct.pack_into("<3H", changed, 0x2E, 40, len(sections), 2)
    return bytes(changed)


def arm_attributes(*tags: bytes, vendor: bytes = b"aeabi\0") -> bytes:
    """The content of `.ARM.attributes` with these tags of the whole file."""
    content = b"".join(tags)
    part = b"\x01" + struct.pack("<I", len(content) + 5) + content
    return b"A" + struct.pack("<I", len(vendor) + len(part) + 4) + vendor + part
