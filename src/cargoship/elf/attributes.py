"""What a 32-bit ARM program says of the processor that it needs: build attributes.

Compilers write them, linkers put them together; strip(1) keeps them. Neither the kernel nor a loader looks at them.
Source: Addenda to, and Errata in, the ABI for the Arm Architecture, "Build Attributes" (`Tag_CPU_arch`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.sections import ARMAttributesSubsection
from elftools.elf.structs import ELFStructs

from cargoship.elf.bounded_reader import BoundedReader, ReadLimitExceeded
from cargoship.elf.section import section_table
from cargoship.errors import CannotStart

SHT_ARM_ATTRIBUTES = 0x70000003
_BYTES_MAX = 64 << 10
# Tag_CPU_arch: v4 and before, v4T, v5 (three), v6, v6KZ, v6T2, v6K, v7, v6-M (two), v7E-M; all after it are v8 or newer
_VERSIONS = (4, 4, 4, 5, 5, 5, 6, 6, 6, 6, 7, 6, 6, 7)
_NEWEST = 8


def arm_version(stream: BinaryIO, structs: ELFStructs) -> int | None:
    """The version of the architecture that a file was compiled for, 4 to 8 (and newer); None where it says nothing.

    Damage is silence: what nobody reads keeps nothing from starting.
    """
    try:
        for header in section_table(stream, "the program").headers:
            if header[1] == SHT_ARM_ATTRIBUTES and header[5] <= _BYTES_MAX:
                stream.seek(header[4])
                number = next(_numbers(stream.read(header[5]), structs), None)
                return None if number is None else _VERSIONS[number] if number < len(_VERSIONS) else _NEWEST
    # pyelftools lets errors of its own parsers through on damaged files
    except (
        CannotStart, ReadLimitExceeded, ELFError, ConstructError, LookupError, ValueError, TypeError, AttributeError,
        ArithmeticError,
    ):  # fmt: skip
        pass
    return None


def _numbers(content: bytes, structs: ELFStructs) -> Iterator[int]:
    """The values of Tag_CPU_arch: one, for a finished program."""
    reader = cast("BinaryIO", BoundedReader(io.BytesIO(content), bytes_max=_BYTES_MAX, reads_max=4096))
    at = 1  # after the version of the format
    while at < len(content):
        vendor = ARMAttributesSubsection(reader, structs, at)
        if vendor["vendor_name"] == "aeabi":
            for part in vendor.iter_subsubsections("TAG_FILE"):
                yield from (int(each.value) for each in part.iter_attributes("TAG_CPU_ARCH"))
        at += int(vendor["length"])
