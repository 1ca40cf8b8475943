"""Every name that the table of platforms has for Zig is one that Zig knows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from cargoship.platforms import TABLE, PlatformSpec
from support.programs import run

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.platform))
@pytest.mark.parametrize("libc", ["musl", "gnu"])
def test_zig_compiles_for_it(row: PlatformSpec, libc: str, tmp_path: Path) -> None:
    source = tmp_path / "one.c"
    source.write_text("int one(void) { return 1; }\n")
    target = row.zig_musl if libc == "musl" else row.zig_gnu
    cpu = () if row.zig_cpu is None else (f"-mcpu={row.zig_cpu}",)
    run(sys.executable, "-m", "ziglang", "cc", "-target", target, *cpu, "-c", source, "-o", tmp_path / "one.o")
    with (tmp_path / "one.o").open("rb") as stream:
        header = ELFFile(stream).header
    assert header.e_machine == row.elf_machine
    assert header["e_ident"]["EI_CLASS"] == f"ELFCLASS{row.elf_bits}"
