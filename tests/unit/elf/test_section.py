"""A section more in a finished program."""

from __future__ import annotations

import io
import struct
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from cargoship.elf.read import read_elf
from cargoship.elf.section import copy_with_section, has_section, section_of
from cargoship.errors import CannotStart
from support.elf_files import elf_file, needing

CONTENT = b"what is in it"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("machine", "bits"),
    [("EM_X86_64", 64), ("EM_AARCH64", 64), ("EM_386", 32), ("EM_ARM", 32), ("EM_S390", 64), ("EM_PPC64", 64)],
)
def test_every_class_and_byte_order(tmp_path: Path, machine: str, bits: int) -> None:
    program = written(tmp_path / "program", elf_file(machine, bits=bits, interpreter="/lib/ld.so"))
    copy_with_section(program, tmp_path / "copy", ".note", CONTENT)
    with (tmp_path / "copy").open("rb") as stream:
        elf = ELFFile(stream)
        section = elf.get_section_by_name(".note")
        assert section is not None
        assert section.data() == CONTENT
        assert (section["sh_type"], section["sh_flags"], section["sh_addr"]) == ("SHT_PROGBITS", 0, 0)
        assert section_of(stream, ".note", size_max=100) == CONTENT
    # all that is loaded is what it was, but for three fields of the header
    assert (tmp_path / "copy").read_bytes()[64 : len(program.read_bytes())] == program.read_bytes()[64:]
    assert read_elf(tmp_path / "copy") == read_elf(program)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o755


def test_a_second_one(tmp_path: Path) -> None:
    copy_with_section(written(tmp_path / "program", needing("libc.so.6")), tmp_path / "one", ".one", b"1")
    copy_with_section(tmp_path / "one", tmp_path / "two", ".two", b"22")
    with (tmp_path / "two").open("rb") as stream:
        assert [section_of(stream, name, size_max=9) for name in (".one", ".two", ".three")] == [b"1", b"22", None]
    assert has_section(tmp_path / "two", ".one")
    assert not has_section(tmp_path / "one", ".two")


def test_the_same_twice(tmp_path: Path) -> None:
    program = written(tmp_path / "program", elf_file("EM_X86_64"))
    for name in ("one", "other"):
        copy_with_section(program, tmp_path / name, ".note", CONTENT)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def _with_table(count: int, *, size: int = 64, names_at: int = 1, offset: int = 64) -> bytes:
    data = bytearray(elf_file("EM_X86_64"))
    struct.pack_into("<Q", data, 0x28, offset)
    struct.pack_into("<3H", data, 0x3A, size, count, names_at)
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + b"\xff" * 60, b"MZ" + bytes(62),
        _with_table(3, size=63), _with_table(3, names_at=3), _with_table(3, offset=1 << 63), _with_table(65535),
        _with_table(2, names_at=0),
    ],
)  # fmt: skip
def test_damaged(tmp_path: Path, data: bytes) -> None:
    program = written(tmp_path / "program", data)
    with pytest.raises(CannotStart):
        copy_with_section(program, tmp_path / "copy", ".note", CONTENT)
    with pytest.raises(CannotStart):
        section_of(io.BytesIO(data), ".note", size_max=9)


def test_too_large(tmp_path: Path) -> None:
    copy_with_section(written(tmp_path / "program", elf_file("EM_X86_64")), tmp_path / "copy", ".note", bytes(10))
    with (tmp_path / "copy").open("rb") as stream, pytest.raises(CannotStart, match="larger than 9 bytes"):
        section_of(stream, ".note", size_max=9)


@pytest.mark.tools
def test_binutils_keep_it_and_the_program_runs(tmp_path: Path) -> None:
    copy_with_section(Path("/bin/true"), tmp_path / "copy", ".note", CONTENT)
    subprocess.run(["strip", "-o", tmp_path / "stripped", tmp_path / "copy"], check=True)
    for name in ("copy", "stripped"):
        subprocess.run([tmp_path / name], check=True)
        subprocess.run(["objcopy", "--dump-section", f".note={tmp_path / 'note'}", tmp_path / name], check=True)
        assert (tmp_path / "note").read_bytes() == CONTENT
