"""What a static compiler or linker has read is known by its words and by the texts that it was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.watching.c_sources import CSources
from cargoship.unitcache.watching.compilers import read_by_compiler

Found = set[tuple[str, str]]
Reads = Callable[..., Found]


@pytest.fixture
def reads(tmp_path: Path) -> Reads:
    """What the words of Zig read in the folder of a test: kinds, and paths below it."""
    zig = tmp_path.parent / f"{tmp_path.name}-tools" / "zig"
    zig.parent.mkdir()
    zig.write_bytes(b"")

    def reads(*words: str, covered: str = "", is_dated: bool = False) -> Found:
        sources = CSources(lambda path: bool(covered) and path.startswith(str(tmp_path / covered)), is_dated)
        text = "\n".join([str(zig), str(tmp_path), *words])
        found = read_by_compiler(text, {str(zig.resolve())}, sources)
        return {(kind, str(Path(path).relative_to(tmp_path))) for kind, path in found if str(tmp_path) + "/" in path}

    return reads


def write(place: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = place / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def compiled(place: Path, text: str, *headers: str) -> tuple[str, ...]:
    """Words that compile `a.c` with this text, of which the list names `headers` too."""
    write(place, a_dot_c=text, list=f"a.o: {' '.join(['a.c', *headers])}\n")
    return ("cc", "-c", "a.c", "-o", "a.o", "-MD", "-MF", "list")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (r'__asm__(".incbin \"data\"\n");', {("O", "data")}),
        (r'__asm__("blob:\n.incbin \"data\"\n");', {("O", "data")}),
        (r'__asm__("blob:\n\t.INCBIN\t\"data\", 4, 5");', {("O", "data")}),
        ('.incbin "data"', {("O", "data")}),
        ('.include "one/part"', {("O", "one/part")}),
        ('.include "part"', {("A", "part"), ("O", "one/part")}),
        ('#if __has_include("data")\n#endif', {("O", "data")}),
        ('#if __has_include("absent.h")\n#endif', {("A", "absent.h"), ("A", "one/absent.h"), ("A", "two/absent.h")}),
        ("#if __has_include( <part> )\n#endif", {("O", "one/part")}),
        ("#if defined(X) && \\\n __has_include(<absent.h>)\n#endif", {("A", "one/absent.h"), ("A", "two/absent.h")}),
        ('#if __has_embed("data" limit(3))\n#endif', {("O", "data")}),
        ("#ifdef __has_include\n#endif", set()),
        ("int x; /* no assembler.include here */", set()),
    ],
)
def test_what_a_list_for_make_lacks(text: str, wanted: Found, reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, data="", one__part="", two__x="")
    words = compiled(tmp_path, text)
    assert reads(*words, "-Ione", "-isystem", "two") - {("O", "a.c")} == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('#define INCBIN(name, file) __asm__(".incbin \\"" file "\\"")', "the assembler reads"),
        ('__asm__(".include " NAME);', "the assembler reads"),
        ("#if __has_include(CONFIG)\n#endif", "__has_include"),
        ('#if __has_include("a\0b")\n#endif', "zero byte"),
        ('#include "a\0b"\n', "zero byte"),
    ],
)
def test_what_only_a_compiler_can_resolve_is_not_kept(text: str, why: str, reads: Reads, tmp_path: Path) -> None:
    with pytest.raises(NotKept, match=why):
        reads(*compiled(tmp_path, text))


def test_a_list_with_a_zero_byte_is_not_kept(reads: Reads, tmp_path: Path) -> None:
    """No matter who wrote it: no path of a system has one."""
    with pytest.raises(NotKept, match="no list of files"):
        reads(*compiled(tmp_path, "", "a\0b"))


def test_a_list_that_another_compilation_has_written_over_is_not_taken(reads: Reads, tmp_path: Path) -> None:
    words = compiled(tmp_path, "", "a.h")
    write(tmp_path, b_dot_c="", list="b.o: b.c b.h\n")
    with pytest.raises(NotKept, match="of another source"):
        reads(*words)


def test_a_list_tells_of_one_compilation(tmp_path: Path) -> None:
    """Of one source with two flags, the list of the last is there."""
    zig = tmp_path / "zig"
    zig.write_bytes(b"")
    words = compiled(tmp_path, "", "a.h")
    sources = CSources(lambda _: False)

    def found(*more: str) -> list[tuple[str, str]]:
        return list(read_by_compiler("\n".join([str(zig), str(tmp_path), *words, *more]), {str(zig)}, sources))

    assert found() == found() != []
    with pytest.raises(NotKept, match="two compilations"):
        found("-DOTHER")


def test_a_member_with_a_zero_byte_is_not_kept(reads: Reads, tmp_path: Path) -> None:
    thin(tmp_path / "thin.a", "a\0b")
    with pytest.raises(NotKept, match="no archive"):
        reads("ld.lld", "thin.a")


def test_a_header_is_looked_for_beside_the_text_that_names_it(reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, one__sub__outer_dot_h='#include "inner.h"\n', two__inner_dot_h="")
    words = compiled(tmp_path, '#include "sub/outer.h"\n', "one/sub/outer.h", "two/inner.h")
    found = reads(*words, "-Ione", "-Itwo")
    assert {("A", "one/sub/inner.h"), ("A", "one/inner.h"), ("A", "sub/outer.h")} <= found
    assert ("O", "two/inner.h") in found


def test_texts_that_keys_know_are_not_searched(reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, zig__asm_dot_h=".include NAME")
    assert reads(*compiled(tmp_path, "", "zig/asm.h"), covered="zig") == {("O", "a.c"), ("O", "zig/asm.h")}


def test_a_text_that_was_removed_asks_for_nothing(reads: Reads, tmp_path: Path) -> None:
    """As the cc crate does to learn which compiler it has."""
    words = compiled(tmp_path, "")
    (tmp_path / "a.c").unlink()
    assert reads(*words) == {("O", "a.c")}


def test_a_compiled_header_would_be_read_in_the_place_of_one(reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, all_dot_h="")
    found = reads(*compiled(tmp_path, "", "all.h"), "-include", "all.h")
    assert {("A", "all.h.pch"), ("A", "all.h.gch")} <= found


def test_assembler_is_compiled_without_a_list(reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, a_dot_s='.incbin "data"\n', data="")
    assert reads("cc", "-c", "a.s", "-o", "a.o") == {("O", "a.s"), ("O", "data")}


@pytest.mark.parametrize(
    "words",
    [
        ("cc", "-c", "a.c", "b.c", "-MD", "-MF", "list"),
        ("cc", "-c", "a.c", "-MMD", "-MF", "list", "-isystem", "include"),
        ("cc", "-x", "c", "a.inc", "-o", "a"),
        ("cc", "a.c", "-o", "a"),
        ("build-obj", "a.zig"),
        ("ar", "-M"),
    ],
)
def test_what_says_too_little_is_not_kept(words: tuple[str, ...], reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, a_dot_c="", b_dot_c="", list="b.o: b.c\n")
    with pytest.raises(NotKept, match="cannot be seen"):
        reads(*words)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("x.o",), {"x.o"}),
        (("@args",), {"args", "x.o"}),
        (("-Wl,@args",), {"args", "x.o"}),
        (("thin.a",), {"thin.a", "x.o", "a_member_with_a_long_name.o"}),
        (("-Llib", "-lthin"), {"lib/libthin.a", "lib/y.o"}),
        (("-l", "thin", "-L", "lib"), {"lib/libthin.a", "lib/y.o"}),
        (("-Llib", "-l:named.bin"), {"lib/named.bin"}),
        (("--library-path=lib", "--library=scripted"), {"lib/libscripted.so", "lib/y.o", "lib/libthin.a"}),
        (("-Llib", "in.ld"), {"in.ld", "x.o", "lib/libthin.a", "lib/y.o"}),
        (("-Llib", "-T", "sections.ld"), {"lib/sections.ld", "lib/more.ld"}),
        (("-Wl,-T,in.ld",), {"in.ld", "x.o"}),
        (("-Wl,--version-script=exports,--dynamic-list=x.o",), {"exports", "x.o"}),
        (("--add-section", ".text=x.o"), {"x.o"}),
        (("-o", "x.o", "-MF", "exports"), set()),
    ],
)
def test_what_linkers_are_given(words: tuple[str, ...], wanted: set[str], reads: Reads, tmp_path: Path) -> None:
    for name in ("x.o", "lib/y.o", "lib/named.bin", "a_member_with_a_long_name.o"):
        write(tmp_path, **{name.replace("/", "__"): "\x7fELF"})
    write(tmp_path, args="x.o\n", exports="{ global: main; local: *; };", in_dot_ld="INPUT ( x.o, AS_NEEDED(-lthin) )")
    write(tmp_path, lib__sections_dot_ld='/* INPUT(a) */ INCLUDE "more.ld"\nSECTIONS { .x : { *(.x) } }')
    write(tmp_path, lib__more_dot_ld="", lib__libscripted_dot_so="GROUP ( y.o libthin.a )")
    thin(tmp_path / "thin.a", "x.o", "a_member_with_a_long_name.o")
    thin(tmp_path / "lib" / "libthin.a", "y.o")
    found = reads("ld.lld", *words)
    assert {path for kind, path in found if kind == "O"} == wanted


def thin(path: Path, *members: str) -> None:
    """A thin archive, as `ar rcsT` writes it."""
    table = "".join(f"{name}/\n" for name in members)
    table += "\n" * (len(table) % 2)
    data = b"!<thin>\n" + header("//", len(table)) + table.encode()
    at = 0
    for name in members:
        data += header(f"/{at}", 4)
        at += len(name) + 2
    path.write_bytes(data)


def header(name: str, size: int) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{size:<10}`\n".encode()


def test_words_that_name_themselves_come_to_an_end(reads: Reads, tmp_path: Path) -> None:
    write(tmp_path, args="@args", in_dot_ld="INCLUDE in.ld")
    assert reads("ld.lld", "in.ld") == {("O", "in.ld")}
    with pytest.raises(NotKept, match="more than can be noted"):
        reads("ld.lld", "@args")


@pytest.mark.parametrize(
    ("text", "flags", "refused"),
    [
        ("char *a = __DATE__;", (), True),
        ("char *a = __TIME__;", ("-O2", "-Wno-date-time"), True),
        ("char *a = __TIME__;", ("-O2", "-w"), True),
        ('#pragma clang diagnostic ignored "-Wdate-time"\nchar *a = __DATE__;', ("-O2",), True),
        # Zig compiles no such thing: it is in a part that is left out
        ("#ifdef OLD\nchar *a = __DATE__;\n#endif", ("-O2",), False),
        ("char *a = MY__DATE__;", (), False),
    ],
)
def test_a_text_with_the_time_in_it_is_not_kept(
    reads: Reads, tmp_path: Path, text: str, flags: tuple[str, ...], *, refused: bool
) -> None:
    words = (*compiled(tmp_path, text), *flags)
    if refused:
        with pytest.raises(NotKept, match="looks at the clock"):
            reads(*words)
        # SOURCE_DATE_EPOCH says what time it is
        assert ("O", "a.c") in reads(*words, is_dated=True)
    else:
        assert ("O", "a.c") in reads(*words)
