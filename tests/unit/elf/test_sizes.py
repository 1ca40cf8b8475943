"""What a program's bytes are: names of symbols to crates, and every byte counted once, whatever is in the tables."""

from __future__ import annotations

import io
import random
import struct

import pytest

from cargoship.elf.crates import crate_of_symbol, source_of_file_symbol
from cargoship.elf.sizes import Part, PartKind, program_parts
from cargoship.errors import CannotStart

FUNC, OBJECT, FILE, LOCAL, GLOBAL = 2, 1, 4, 0, 1


@pytest.mark.parametrize(
    ("name", "crate"),
    [
        # legacy: a module, an implementation of another crate's trait, of std's, for a type of std's, for a basic type
        ("_ZN4core3fmt5write17h0123456789abcdefE", "core"),
        ("_ZN75_$LT$hyper..body..Incoming$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE", "hyper"),
        ("_ZN60_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$bytes..buf..Buf$GT$3get17h0123456789abcdefE", "bytes"),
        ("_ZN50_$LT$$RF$T$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE", "core"),
        ("_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE", "core"),
        # v0, as the reference of rustc has them
        ("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate"),
        ("_RNvC7mycrate3foo", "mycrate"),
        ("_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3newCs15kBYyAo9fc_7mycrate", "std"),
        ("_RINvNtC3std3mem8align_ofNtNtC3std3mem12DiscriminantE", "std"),
        ("_RNvXCs15kBYyAo9fc_7mycrateNtB2_7ExampleNtB2_5Trait3foo", "mycrate"),
        ("_RNvYhNtC7mycrate5Trait3fooB4_", "mycrate"),
        # of others
        ("_ZN4absl12lts_2024011611string_view4findEcm", None),
        ("sqlite3_exec", None),
        ("_R", None),
        ("_RNvB_3foo", None),
        ("", None),
    ],
)
def test_the_crate_of_a_symbol(name: str, crate: str | None) -> None:
    found = crate_of_symbol(name)
    assert found == crate or (crate is None and not found)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("sqlite3.c", ("sqlite3.c", True)),
        ("serde_json.7rcbfp3g-cgu.0", ("serde_json", False)),
        ("crtstuff.c", ("crtstuff.c", True)),
        ("", None),
        ("a/b.c", None),
    ],
)
def test_what_a_file_of_symbols_is(name: str, source: tuple[str, bool] | None) -> None:
    assert source_of_file_symbol(name) == source


Symbol = tuple[str, int, int, int, int]
"""Name, kind, binding, value, size."""


def program(*symbols: Symbol, text: int = 1000, bits: int = 64, machine: int = 62, order: str = "<") -> bytes:
    """A program with a section of code at address 0x1000, and symbols."""
    names, strings = b"\0.text\0.symtab\0.strtab\0.shstrtab\0", b"\0"
    table = bytes(24 if bits == 64 else 16)
    for name, kind, binding, value, size in symbols:
        section = 0xFFF1 if kind == FILE else 1
        if bits == 64:
            table += struct.pack(f"{order}IBBHQQ", len(strings), binding << 4 | kind, 0, section, value, size)
        else:
            table += struct.pack(f"{order}IIIBBH", len(strings), value, size, binding << 4 | kind, 0, section)
        strings += name.encode() + b"\0"
    start = 64 if bits == 64 else 52
    header = struct.Struct(order + ("2I4Q2I2Q" if bits == 64 else "10I"))
    at, rows = start, [header.pack(*(0,) * 10)]
    contents = [
        (bytes(text), 1, 1, 6, 0x1000, 0),
        (table, 7, 2, 0, 0, 3),
        (strings, 15, 3, 0, 0, 0),
        (names, 23, 3, 0, 0, 0),
    ]
    for content, name_at, kind, flags, address, link in contents:
        rows.append(header.pack(name_at, kind, flags, address, at, len(content), link, 0, 1, 0))
        at += len(content)
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 2 if order == ">" else 1, 1]) + bytes(9)
    width = "Q" if bits == 64 else "I"
    fields = (2, machine, 1, 0, 0, at, 0, start, 0, 0, header.size, len(rows), 4)
    head = ident + struct.pack(f"{order}HHI{width * 3}IHHHHHH", *fields)
    return head + b"".join(content for content, *_ in contents) + b"".join(rows)


SYMBOLS: tuple[Symbol, ...] = (
    ("sqlite3.c", FILE, LOCAL, 0, 0),
    ("sqliteInit", FUNC, LOCAL, 0x1000, 100),
    ("sqliteDone", FUNC, LOCAL, 0x1000 + 200, 50),
    ("sqlite3_exec", FUNC, GLOBAL, 0x1000 + 100, 100),
    ("sqlite3_exec_alias", FUNC, GLOBAL, 0x1000 + 100, 100),
    ("_ZN5serde3abc17h0123456789abcdefE", FUNC, GLOBAL, 0x1000 + 300, 400),
    ("memcpy", FUNC, GLOBAL, 0x1000 + 700, 30),
    ("outside", FUNC, GLOBAL, 0x9000, 30),
)


@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (64, ">"), (32, "<")])
def test_every_byte_is_counted_once(bits: int, order: str) -> None:
    data = program(*SYMBOLS, bits=bits, order=order)
    parts = program_parts(io.BytesIO(data))
    assert sum(part.size_bytes for part in parts) == len(data)
    found = {(part.kind, part.name): part.size_bytes for part in parts}
    # a function of C that lies between others of one file is of that file
    assert found[PartKind.C, "sqlite3.c"] == 250
    assert found[PartKind.CRATE, "serde"] == 400
    assert found[PartKind.C, "C and assembly"] == 30
    assert found[PartKind.SECTION, ".text"] == 1000 - 250 - 400 - 30


def test_code_for_thumb_lies_where_its_lowest_bit_does_not_count() -> None:
    data = program(("_RNvC1a1b", FUNC, GLOBAL, 0x1001, 1000), bits=32, machine=40)
    assert Part(PartKind.CRATE, "a", 1000) in program_parts(io.BytesIO(data))


def test_a_program_without_symbols_has_sections_alone() -> None:
    data = program()
    assert {part.kind for part in program_parts(io.BytesIO(data))} == {PartKind.SECTION, PartKind.HEADERS}


def test_damaged_programs_are_one_error_and_never_more_than_they_are() -> None:
    whole = program(*SYMBOLS)
    generator = random.Random(7)  # noqa: S311 - no secret
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            data[generator.randrange(len(data))] = generator.choice((0, 1, 0x7F, 0xFF, generator.randrange(256)))
        cut = bytes(data[: generator.choice((len(data), generator.randrange(len(data))))])
        try:
            parts = program_parts(io.BytesIO(cut))
        except CannotStart:
            continue
        assert sum(part.size_bytes for part in parts) == len(cut)
