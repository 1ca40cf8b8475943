from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cargoship.elf.facts import read_elf
from cargoship.elf.verify import verify, verify_libc
from cargoship.errors import CannotStart
from cargoship.platforms import TABLE, Libc, Row, row
from support.elf_files import ET_REL, elf_file

_LOADER = "/lib64/ld-linux-x86-64.so.2"


def check(
    path: Path, *, platform: str = "linux/amd64", has_loader: bool | None = False, libc: str = "musl"
) -> str | None:
    """What the refusal says, and what would mend it; None when the program may go."""
    try:
        verify(
            read_elf(path), path,
            platform=row(platform).platform, has_loader=has_loader, base="static", libc=Libc.parse(libc),
        )  # fmt: skip
    except CannotStart as error:
        return f"{error.message} | {error.hint}"
    return None


@pytest.mark.parametrize("each", TABLE, ids=lambda each: str(each.platform))
def test_a_static_program_for_its_own_platform_may_go(tmp_path: Path, each: Row) -> None:
    path = tmp_path / "app"
    path.write_bytes(elf_file(each.elf_machine, bits=each.elf_bits))
    assert check(path, platform=str(each.platform)) is None


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (elf_file("EM_X86_64"), {"platform": "linux/arm64"}, "for linux/amd64, but it is meant for linux/arm64"),
        (elf_file("EM_386", bits=32), {"platform": "linux/amd64"}, "is a program for linux/386"),
        (elf_file("EM_X86_64", interpreter=_LOADER), {}, f"asks for {_LOADER}, which the base 'static' does not have"),
        (elf_file("EM_X86_64", interpreter=_LOADER), {}, "--libc musl"),
        (elf_file("EM_X86_64", kind=ET_REL), {}, "it is an object file"),
        (b"#!/bin/sh\n", {}, "is not a Linux program"),
        (b"\x7fELF", {}, "is not a Linux program"),
        (elf_file("EM_X86_64")[:70], {}, "is not a Linux program"),
        (b"", {}, "is not a Linux program"),
    ],
)  # fmt: skip
def test_what_cannot_start_is_refused_in_words(
    tmp_path: Path, content: bytes, arguments: dict[str, str], words: str
) -> None:
    path = tmp_path / "app"
    path.write_bytes(content)
    if "is not a Linux program" in words:
        with pytest.raises(CannotStart, match=words):
            read_elf(path)
        return
    said = check(path, platform=arguments.get("platform", "linux/amd64"))
    assert said is not None
    assert words in said


def test_a_dynamic_program_may_go_where_a_loader_is_or_may_be(tmp_path: Path) -> None:
    path = tmp_path / "app"
    path.write_bytes(elf_file("EM_X86_64", interpreter=_LOADER))
    assert check(path, has_loader=True) is None
    assert check(path, has_loader=None) is None


def test_a_real_program_is_read() -> None:
    """The C library's version that a program of this machine asks for is held against a floor that is lower."""
    program = Path(shutil.which("ls") or "/bin/ls").resolve()
    facts = read_elf(program)
    assert facts.interpreter is not None
    assert "libc.so.6" in facts.needed
    assert facts.glibc is not None
    here = next(each for each in TABLE if each.elf_machine == facts.machine and each.elf_bits == facts.bits)
    said = check(program, platform=str(here.platform), has_loader=True, libc="gnu:2.1")
    assert said is not None
    assert "above the floor 2.1" in said
    assert check(program, platform=str(here.platform), has_loader=True, libc="gnu:2.99") is None


def test_glibc_on_a_base_without_one_is_refused_before_anything_is_compiled() -> None:
    with pytest.raises(CannotStart, match="no C library"):
        verify_libc(Libc.parse("gnu"), platform=TABLE[0].platform, has_loader=False, base="scratch")
    for has_loader in (True, None):
        verify_libc(Libc.parse("gnu"), platform=TABLE[0].platform, has_loader=has_loader, base="oci:base")
    verify_libc(Libc.parse("musl"), platform=TABLE[0].platform, has_loader=False, base="scratch")
