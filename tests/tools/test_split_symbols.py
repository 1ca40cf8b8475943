"""Symbols apart from a program, for every class and byte order, as binutils, pyelftools and QEMU see both files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from cargoship.elf.lines import DebugFile
from cargoship.elf.read import read_elf
from cargoship.elf.split import BUILD_ID, split_symbols
from cargoship.errors import CannotStart, ContentInvalid
from support import bare_programs
from support.bare_programs import EXIT
from support.programs import run

pytestmark = pytest.mark.tools

SOURCE = """int number = 1;
__attribute__((noinline)) int twice(int number) {
    return 2 * number;
}
"""
START = "void _start(void) { number = twice(number); leave(2 * number); }\n"
RUNNERS: dict[str, tuple[str, ...]] = {"x86_64-linux-musl": (), "aarch64-linux-musl": ("qemu-aarch64-static",)}
TARGETS = (*RUNNERS, "arm-linux-musleabihf", "x86-linux-musl", "s390x-linux-musl")

VERSIONS = {"arm-linux-musleabihf": 7}


def compiled(target: str, folder: Path, *flags: str) -> Path:
    # what ends it stands below, so that lines are those of the source alone
    before = "static void leave(long code);\n"
    (folder / "twice.c").write_text(SOURCE + before + START + EXIT)
    return bare_programs.compiled(folder / "twice.c", target, folder / "twice", "-g", *flags)


def section(elf: ELFFile, name: str) -> Any:  # noqa: ANN401 - of a library without types
    return elf.get_section_by_name(name)


@pytest.mark.parametrize("target", TARGETS)
def test_it_runs_as_before_and_its_symbols_name_lines(target: str, tmp_path: Path) -> None:
    program = compiled(target, tmp_path)
    build_id = split_symbols(program, tmp_path / "stripped", tmp_path / "debug")
    if target in RUNNERS:
        assert run(*RUNNERS[target], tmp_path / "stripped", check=False).returncode == 4
    assert (tmp_path / "stripped").stat().st_mode == program.stat().st_mode
    with program.open("rb") as was, (tmp_path / "stripped").open("rb") as stream:
        before, after = ELFFile(was), ELFFile(stream)
        loads = [(each.header, each.data()) for each in before.iter_segments("PT_LOAD")]
        assert len(loads) == len(list(after.iter_segments("PT_LOAD")))
        for (header, data), each in zip(loads, after.iter_segments("PT_LOAD"), strict=True):
            # the first one has the file's own header, which says where sections are
            start = 64 if not header["p_offset"] else 0
            assert (dict(header), data[start:]) == (dict(each.header), each.data()[start:])
        assert after.get_section_by_name(".symtab") is None
        assert after.get_section_by_name(".debug_info") is None
        address = next(each["st_value"] for each in section(before, ".symtab").iter_symbols() if each.name == "twice")
    # what it says of the processor that it needs stays
    assert read_elf(tmp_path / "stripped").arm_version == read_elf(program).arm_version == VERSIONS.get(target)
    for name in ("stripped", "debug"):
        assert f"Build ID: {build_id}" in run("readelf", "-n", tmp_path / name).stdout
    with (tmp_path / "debug").open("rb") as stream:
        elf = ELFFile(stream)
        assert section(elf, ".text")["sh_type"] == "SHT_NOBITS"
        assert section(elf, ".debug_info").compressed
        assert elf.get_section_by_name(BUILD_ID) is not None
        read = DebugFile(stream, tmp_path / "debug")
        function, place = read.function_at(address), read.place_of(address)
    assert function is not None
    assert function.name == "twice"
    assert place is not None
    # its first instruction is that of its head or of its body
    assert (Path(place.file).name, place.line) in {("twice.c", 2), ("twice.c", 3)}
    if target in RUNNERS:
        # without its content it is smaller than what it was taken from
        assert (tmp_path / "debug").stat().st_size < program.stat().st_size


def test_a_linkers_build_id_is_kept(tmp_path: Path) -> None:
    program = compiled("x86_64-linux-musl", tmp_path, "-Wl,--build-id=0x0123456789abcdef")
    assert split_symbols(program, tmp_path / "stripped", tmp_path / "debug") == "0123456789abcdef"
    assert run("readelf", "-n", tmp_path / "stripped").stdout.count("Build ID: 0123456789abcdef") == 1


def test_binutils_take_one_for_the_symbols_of_the_other(tmp_path: Path) -> None:
    program = compiled("x86_64-linux-musl", tmp_path)
    split_symbols(program, tmp_path / "stripped", tmp_path / "debug")
    address = next(line.split()[0] for line in run("nm", program).stdout.splitlines() if line.endswith(" twice"))
    assert "twice.c:2" in run("addr2line", "-e", tmp_path / "debug", address).stdout
    run("objcopy", "--add-gnu-debuglink=debug", "stripped", "linked", cwd=tmp_path)
    assert "twice.c:2" in run("addr2line", "-e", "linked", address, cwd=tmp_path).stdout


@pytest.mark.parametrize("size", [0, 3, 63, 64, 200, 2_000])
def test_a_program_that_is_cut_is_named_as_damaged(size: int, tmp_path: Path) -> None:
    program = compiled("x86_64-linux-musl", tmp_path)
    program.write_bytes(program.read_bytes()[:size])
    with pytest.raises(CannotStart, match="damaged"):
        split_symbols(program, tmp_path / "stripped", tmp_path / "debug")


def test_debug_information_that_unpacks_to_more_than_is_read_is_refused(tmp_path: Path) -> None:
    program = compiled("x86_64-linux-musl", tmp_path)
    split_symbols(program, tmp_path / "stripped", tmp_path / "debug")
    data = bytearray((tmp_path / "debug").read_bytes())
    with (tmp_path / "debug").open("rb") as stream:
        at = section(ELFFile(stream), ".debug_info")["sh_offset"]
    data[at + 8 : at + 16] = (1 << 40).to_bytes(8, "little")
    (tmp_path / "debug").write_bytes(data)
    with (tmp_path / "debug").open("rb") as stream, pytest.raises(ContentInvalid, match="more debug information"):
        DebugFile(stream, tmp_path / "debug").place_of(0x1000)
