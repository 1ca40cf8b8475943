# ruff: noqa: E501 - the cases are one line each
"""Images for the machine's other architecture, which its engine runs under QEMU: some of the corpus, and dynamic programs.

The program for arm64 is as long as that for amd64, so that it takes its place in an archive with nothing else changed.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from support.gnu_base import gnu_files
from support.image_corpus import CORPUS, PROGRAM, Blob, Case, Member, file, link, packed, tar
from support.stranger_images import MORE, elf

_AARCH64 = 183
_RISCV = 243
# movz x0, 42; movz x8, 93 (exit); svc 0 (Arm architecture reference manual, A64)
_ENDS = b"\x40\x05\x80\xd2\xa8\x0b\x80\xd2\x01\x00\x00\xd4"
ON_ARM = elf(_AARCH64, _ENDS)
_LOADER = "lib/ld-linux-aarch64.so.1"
_LIBC = "lib/aarch64-linux-gnu/libc.so.6"
_KINDS = {
    "one layer",
    "two layers",
    "script",
    "script for what is not there",
    "hard link in its own layer",
    "hard link to what is not there",
    "a link over a folder",
    "a folder over a link",
    "program taken away",
    "program taken away and put back",
    "folder emptied and filled",
    "a program without the right to be executed",
    "setuid",
    "user by name",
    "user by name that nobody knows",
    "entrypoint by name on the path",
    "program that is cut off",
}


def needing(*libraries: str) -> bytes:
    """A dynamic program for arm64 that ends with 42 when its loader has found its libraries (elf(5))."""
    start, at = 0x400000, 64 + 56 * 3
    interpreter = b"/" + _LOADER.encode() + b"\0"
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in libraries)
    data = _ENDS + interpreter + strings
    data += bytes(-(at + len(data)) % 8)
    names_at = start + at + len(_ENDS) + len(interpreter)
    places = [1 + sum(len(each) + 1 for each in libraries[:index]) for index in range(len(libraries))]
    # NEEDED, STRTAB, SYMTAB, STRSZ, SYMENT, NULL
    tags = [*((1, place) for place in places), (5, names_at), (6, names_at), (10, len(strings)), (11, 24), (0, 0)]
    dynamic_at = at + len(data)
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in tags)
    size = dynamic_at + len(dynamic)

    def segment(kind: int, flags: int, offset: int, length: int, align: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, offset, start + offset, start + offset, length, length, align)

    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, _AARCH64, 1, start + at, 64, 0, 0, 64, 56, 3, 64, 0, 0)
    header += segment(3, 4, at + len(_ENDS), len(interpreter), 1)
    header += segment(1, 7, 0, size, 0x1000)
    header += segment(2, 6, dynamic_at, len(dynamic), 8)
    return header + data + dynamic


def _for_arm(case: Case) -> Case:
    assert not any(isinstance(each, Blob) for each in case.layers)
    layers = [each.replace(PROGRAM, ON_ARM) for each in case.layers if isinstance(each, bytes)]
    return replace(case, layers=layers, architecture="arm64")


def emulated() -> tuple[Case, ...]:
    """The cases; the C library is this machine's for arm64."""
    places = dict(gnu_files("arm64"))
    library = packed(tar(*(file(path, places[path].read_bytes()) for path in (_LOADER, _LIBC))))
    starts = {
        "dynamic": tar(file("app/web", needing("libc.so.6"))),
        "dynamic, of a library by another name": tar(link("lib/libown.so.1", f"/{_LIBC}"), file("app/web", needing("libown.so.1"))),
        "program of the machine itself": tar(file("app/web")),
    }  # fmt: skip
    does_not = {
        "loader that is not there": tar(gone(_LOADER), file("app/web", needing("libc.so.6"))),
        "library that is not there": tar(file("app/web", needing("libc.so.6", "libnone.so.1"))),
        "library of another processor": tar(file("lib/libown.so.1", elf(_RISCV, kind=3)), file("app/web", needing("libown.so.1"))),
        "C library that is not there": tar(gone(_LIBC), file("app/web", needing("libc.so.6"))),
        "program of a third processor": tar(file("app/web", elf(_RISCV))),
    }  # fmt: skip
    known = ("verify: the machine runs it without QEMU, and the image is not for such machines",)
    return (
        *(_for_arm(case) for case in (*CORPUS, *MORE) if case.name in _KINDS),
        *(
            Case(name, [library, layer], {}, name in starts, known if "itself" in name else (), "arm64")
            for name, layer in (starts | does_not).items()
        ),
    )


def gone(path: str) -> Member:
    """A whiteout."""
    folder, _, name = path.rpartition("/")
    return Member(f"{folder}/.wh.{name}")
