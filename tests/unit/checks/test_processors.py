"""What a program says of the processor that it needs, against what a platform promises."""

from __future__ import annotations

import io
import struct

import pytest
from msgspec.structs import replace

from cargoship.checks.finding import Severity
from cargoship.checks.processors import check_library_processors, check_processor
from cargoship.elf.facts import ElfFacts, ElfKind
from cargoship.elf.properties import x86_level
from cargoship.elf.read import read_elf_stream
from cargoship.oci.platform import Platform, promised_arm, promised_level
from support.elf_files import arm_attributes, arm_file

AMD64 = Platform("linux", "amd64")
FACTS = ElfFacts("EM_X86_64", 64, little_endian=True, kind=ElfKind.PROGRAM)
NEEDED, USED, FEATURES = 0xC0008002, 0xC0010002, 0xC0000002


def note(*properties: tuple[int, int], kind: int = 5, name: bytes = b"GNU\0") -> bytes:
    array = b"".join(struct.pack("<4I", each, 4, value, 0) for each, value in properties)
    return struct.pack("<3I", len(name), len(array), kind) + name + array


@pytest.mark.parametrize(
    ("data", "level"),
    [
        (note((NEEDED, 0b1)), 1),
        (note((FEATURES, 3), (NEEDED, 0b111), (USED, 0b1111)), 3),
        (note((NEEDED, 0b1000)), 4),
        (note((USED, 0b1111)), None),
        (note((NEEDED, 0)), None),
        (note((NEEDED, 0xFFFF0002)), 2),
        (note((1, 1), name=b"XYZ\0") + note((NEEDED, 2)), 2),
        (note((NEEDED, 2), kind=1), None),
        (note((NEEDED, 2))[:-9], None),
        (note((NEEDED, 2)) + b"\0\0", 2),
        (struct.pack("<3I", 0xFFFFFFFF, 0xFFFFFFFF, 5), None),
        (b"", None),
    ],
)
def test_what_is_read(data: bytes, level: int | None) -> None:
    assert x86_level(io.BytesIO(b"xx" + data), 2, len(data), bits=64) == level


@pytest.mark.parametrize(
    ("platform", "level"),
    [
        (AMD64, 1), (Platform("linux", "amd64", "v1"), 1), (Platform("linux", "amd64", "v3"), 3),
        (Platform("linux", "amd64", "x"), 1), (Platform("linux", "arm64", "v8"), None),
    ],
)  # fmt: skip
def test_what_is_promised(platform: Platform, level: int | None) -> None:
    assert promised_level(platform) == level


@pytest.mark.parametrize(
    ("attributes", "version"),
    [
        (arm_attributes(b"\x05cortex-a7\0", b"\x06\x0a", b"\x07A"), 7),
        (arm_attributes(b"\x43" + b"2.09\0", b"\x06\x06"), 6),
        (arm_attributes(b"\x06\x09"), 6),
        (arm_attributes(b"\x06\x03"), 5),
        (arm_attributes(b"\x06\x0e"), 8),
        (arm_attributes(b"\x06\x7f"), 8),
        (arm_attributes(b"\x08\x01"), None),
        (arm_attributes(b"\x06\x0a", vendor=b"other\0"), None),
        (arm_attributes(b"\x06\x0a", vendor=b"other\0") + arm_attributes(b"\x06\x06")[1:], 6),
        # damaged in one way or another
        (arm_attributes(b"\x06\x0a")[:-1], None),
        (b"A" + bytes(9), None),
        (b"A\xff\xff\xff\xffaeabi\0\x01\xff\xff\xff\xff", None),
        (b"A", None),
        (b"", None),
    ],
)
def test_what_arm_programs_say(attributes: bytes, version: int | None) -> None:
    assert read_elf_stream(io.BytesIO(arm_file(attributes)), "app").arm_version == version


def test_an_arm_program_without_sections() -> None:
    content = bytearray(arm_file(arm_attributes(b"\x06\x0a")))
    content[0x2E:0x34] = bytes(6)
    assert read_elf_stream(io.BytesIO(content), "app").arm_version is None


@pytest.mark.parametrize(
    ("variant", "needs", "refused"),
    [("v6", 7, True), ("v6", 6, False), ("v6", None, False), (None, 7, False), ("v7", 8, True), ("v8", 8, False)],
)
def test_a_program_for_arm(variant: str | None, needs: int | None, *, refused: bool) -> None:
    platform, facts = Platform("linux", "arm", variant), replace(FACTS, machine="EM_ARM", bits=32, arm_version=needs)
    found = list(check_processor(facts, "/app/app", platform))
    assert [each.severity for each in found] == ([Severity.ERROR] if refused else [])
    if found:
        promises = f"ARMv{promised_arm(platform)}"
        assert f"needs a processor of ARMv{needs}, and {platform} promises {promises}" in found[0].text
    (warning,) = check_library_processors([("/lib/a.so", replace(facts, arm_version=9))], "/app/app", platform)
    assert "loads /lib/a.so, which needs a processor of ARMv9" in warning.text


@pytest.mark.parametrize(
    ("needs", "variant", "refused"),
    [(3, None, True), (3, "v2", True), (3, "v3", False), (3, "v4", False), (1, None, False), (None, None, False)],
)
def test_a_program(needs: int | None, variant: str | None, *, refused: bool) -> None:
    platform = Platform("linux", "amd64", variant)
    found = list(check_processor(replace(FACTS, x86_level=needs), "/app/app", platform))
    assert [each.severity for each in found] == ([Severity.ERROR] if refused else [])
    if found:
        assert f"/app/app ({platform}) needs a processor of x86-64-v3, and {platform} promises" in found[0].text
        assert f"compile it for x86-64{f'-{variant}' if variant else ''}: look at" in (found[0].hint or "")


def test_the_highest_of_its_libraries_is_a_warning() -> None:
    libraries = [(f"/lib/{level}.so", replace(FACTS, x86_level=level)) for level in (2, 3, 1)]
    (found,) = check_library_processors(libraries, "/app/app (linux/amd64)", AMD64)
    assert found.severity is Severity.WARNING
    assert "/app/app (linux/amd64) loads /lib/3.so, which needs a processor of x86-64-v3" in found.text
    assert not list(check_library_processors(libraries, "x", replace(AMD64, variant="v3")))
    assert not list(check_library_processors(libraries, "x", Platform("linux", "arm64")))
