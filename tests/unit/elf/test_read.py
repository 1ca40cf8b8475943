"""Facts of real programs and of hand-made ones, and what becomes of damaged files."""

from __future__ import annotations

import contextlib
import io
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cargoship.elf.facts import ElfKind, Relro
from cargoship.elf.read import read_elf, read_elf_stream
from cargoship.errors import CannotStart
from cargoship.platforms import TABLE, PlatformSpec
from support.counting import counted
from support.elf_files import ET_EXEC, ET_REL, elf_file

LOADER = "/lib64/ld-linux-x86-64.so.2"
REAL = Path(shutil.which("ls") or "/bin/ls").resolve()
WHOLE = REAL.read_bytes()


@pytest.mark.parametrize("each", TABLE, ids=lambda each: str(each.platform))
def test_machines_of_the_table(tmp_path: Path, each: PlatformSpec) -> None:
    path = tmp_path / "app"
    path.write_bytes(elf_file(each.elf_machine, bits=each.elf_bits))
    facts = read_elf(path)
    assert (facts.machine, facts.bits, facts.little_endian) == (each.elf_machine, each.elf_bits, each.little_endian)
    assert (facts.is_static, facts.form) == (True, "static-pie")


@pytest.mark.parametrize(
    ("content", "form", "interpreter"),
    [
        (elf_file("EM_X86_64", kind=ET_EXEC), "static", None),
        (elf_file("EM_X86_64", interpreter=LOADER), "dynamic-pie", LOADER),
        (elf_file("EM_X86_64", interpreter=LOADER, kind=ET_EXEC), "dynamic", LOADER),
        (elf_file("EM_X86_64", kind=ET_REL), "other", None),
    ],
)
def test_forms(content: bytes, form: str, interpreter: str | None) -> None:
    facts = read_elf_stream(io.BytesIO(content), "app")
    assert (facts.interpreter, facts.form) == (interpreter, form)


def test_a_real_program_and_its_libraries() -> None:
    facts = read_elf(REAL)
    assert facts.is_program
    assert not facts.is_static
    assert "libc.so.6" in facts.needed
    assert facts.glibc is not None
    assert facts.nx
    assert facts.relro is not Relro.NONE
    assert not facts.finds_certificates
    assert facts.interpreter is not None
    loader = read_elf(Path(facts.interpreter).resolve())
    assert loader.loader_folders
    assert all(folder.startswith("/") for folder in loader.loader_folders)
    libc = next(Path(folder, "libc.so.6") for folder in loader.loader_folders if Path(folder, "libc.so.6").exists())
    assert (read_elf(libc).has_glibc or (0, 0)) >= facts.glibc


def test_a_library_is_none_to_be_started() -> None:
    content = bytearray(elf_file("EM_X86_64"))
    content[24:32] = bytes(8)  # e_entry
    assert read_elf_stream(io.BytesIO(bytes(content)), "lib").kind is ElfKind.LIBRARY


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF", WHOLE[:70], WHOLE[:4096]])
def test_what_is_no_elf_file_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "app"
    path.write_bytes(content)
    with pytest.raises(CannotStart, match=r"is not a Linux program|is a damaged ELF file") as caught:
        read_elf(path)
    assert caught.value.hint


CALLS_MAX = 4_000_000
"""Twice what a program takes that says nothing but names without an end, however large it is."""


def bounded(content: bytes) -> None:
    """Reads it to an end, within bounds of work and memory, with no other error than ours."""
    tracemalloc.start()
    try:
        with counted() as work, contextlib.suppress(CannotStart):
            read_elf_stream(io.BytesIO(content), "app")
    finally:
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert work.calls < CALLS_MAX
    assert peak_bytes < (64 << 20) + 4 * len(content)


FUZZED = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZED
@given(st.binary(max_size=400))
def test_any_bytes_after_the_magic(rest: bytes) -> None:
    bounded(b"\x7fELF" + rest)
    bounded(b"\x7fELF\x02\x01\x01" + rest)


# The header, the program headers, and the dynamic section with what it points to.
INTERESTING = st.one_of(
    st.integers(0, 1024),
    st.integers(0, len(WHOLE) - 1),
    st.integers(max(WHOLE.find(b"libc.so.6") - 0x2000, 0), WHOLE.find(b"libc.so.6") + 0x2000),
)
VALUES = st.one_of(st.integers(0, 255), st.sampled_from([0, 0xFF, 0x7F, 0x80]))


@FUZZED
@given(st.lists(st.tuples(INTERESTING, VALUES), max_size=24))
def test_a_real_program_with_damage(changes: list[tuple[int, int]]) -> None:
    content = bytearray(WHOLE)
    for at, value in changes:
        content[at] = value
    bounded(bytes(content))


@FUZZED
@given(st.integers(0, len(WHOLE)))
def test_a_real_program_cut_short(length: int) -> None:
    bounded(WHOLE[:length])


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (56, b"\xff\xff"),  # e_phnum
        (32, b"\xff" * 8),  # e_phoff
        (54, b"\x00\x00"),  # e_phentsize: every segment is the first
        (40, b"\xff" * 8),  # e_shoff
    ],
)
def test_numbers_that_lead_astray(offset: int, value: bytes) -> None:
    bounded(WHOLE[:offset] + value + WHOLE[offset + len(value) :])


@pytest.mark.thorough
def test_strings_without_end_stay_bounded() -> None:
    """Thousands of names that never end, for a table of strings that is a megabyte of one letter."""
    start = WHOLE.find(b"\0libc.so.6\0")
    bounded(WHOLE[: start + 1] + b"A" * (1 << 20))
