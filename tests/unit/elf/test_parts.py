"""Where two binaries differ."""

from __future__ import annotations

import pytest

from cargoship.elf.parts import differing_parts


def archive(**members: bytes) -> bytes:
    """As GNU's ar writes it, all names in the table of long ones."""
    names = b"".join(name.replace("_", ".").encode() + b"/\n" for name in members)
    table = f"{'//':<48}{len(names):<10}`\n".encode() + names + b"\n" * (len(names) % 2)
    data, at = b"!<arch>\n" + table, 0
    for name, content in members.items():
        data += f"{f'/{at}':<48}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
        at += len(name) + 2
    return data


def test_nothing_differs() -> None:
    assert differing_parts(b"same", b"same") == ()


def test_members_of_archives() -> None:
    one = archive(first_o=b"one", lib_rmeta=b"notes", gone_o=b"")
    other = archive(first_o=b"two", lib_rmeta=b"notes")
    assert differing_parts(one, other) == ("member first.o", "member gone.o")


@pytest.mark.parametrize(
    ("one", "other", "at"),
    [
        (b"abc", b"abd", 2),
        (b"abc", b"ab", 2),
        (b"", b"x", 0),
        (bytes(100_000) + b"a", bytes(100_000) + b"b", 100_000),
        (b"\x7fELF" + bytes(60), b"\x7fELF" + bytes(59) + b"1", 63),
        (b"!<arch>\n" + b"?" * 60, b"!<arch>\n" + b"?" * 59 + b"!", 67),
    ],
    ids=["byte", "shorter", "empty", "far", "damaged ELF", "damaged archive"],
)
def test_what_cannot_be_taken_apart_is_reported_by_its_byte(one: bytes, other: bytes, at: int) -> None:
    assert differing_parts(one, other) == (f"byte {at}",)
