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
from cargoship.oci.platform import Platform, promised_level

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
