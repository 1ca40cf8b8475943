"""The rules of the two loaders, each as a table of root file systems."""

from __future__ import annotations

import struct

import pytest

from cargoship.checks.finding import Severity
from cargoship.checks.loaders import parse_cache
from cargoship.checks.program import ProgramContext, check_program
from cargoship.elf.facts import ElfFacts
from cargoship.oci.platform import Platform
from cargoship.rootfs.item import Item, ItemKind
from support.roots import MUSL_LOADER, elf, facts, glibc, library, link, root, text

GLIBC = "/lib64/ld-linux-x86-64.so.2"
MUSL = f"/{MUSL_LOADER}"


def problems(*items: Item, env: dict[str, str] | None = None, variant: str | None = None) -> list[str]:
    """What keeps /app/app from starting on linux/amd64, with the hints."""
    made = root(*items)
    found = made.find("/app/app")
    assert found is not None
    place = ProgramContext(Platform("linux", "amd64", variant), env or {})
    found_errors = [each for each in check_program(found, made, place) if each.severity is Severity.ERROR]
    return [f"{each.text} | {each.hint}" for each in found_errors]


def app(of: ElfFacts) -> Item:
    return elf("app/app", of)


def needs(*needed: str, interpreter: str = GLIBC, runpath: tuple[str, ...] = (), rpath: tuple[str, ...] = ()) -> Item:
    return app(facts(interpreter=interpreter, needed=needed, runpath=runpath, rpath=rpath))


PQ = "libpq.so.5"


@pytest.mark.parametrize(
    ("program", "where", "env"),
    [
        (needs(PQ), "lib", {}),
        (needs(PQ), "usr/lib", {}),
        (needs(PQ), "opt/pq", {"LD_LIBRARY_PATH": "/nowhere:/opt/pq"}),
        (needs(PQ, runpath=("$ORIGIN/../lib64",)), "lib64", {}),
        (needs(PQ, runpath=("${ORIGIN}",)), "app", {}),
        (needs(PQ, rpath=("/opt/pq",)), "opt/pq", {}),
        (needs(PQ, runpath=("/opt/$LIB",)), "opt/lib/x86_64-linux-gnu", {}),
        (needs("/opt/pq/libpq.so.5"), "opt/pq", {}),
    ],
)
def test_glibc_finds_a_library(program: Item, where: str, env: dict[str, str]) -> None:
    library_there = library(f"{where}/{PQ}", needed=["libc.so.6"])
    assert problems(program, *glibc(), library_there, env=env) == []
    (said,) = problems(program, *glibc(), env=env)
    assert "/app/app (linux/amd64) needs" in said
    assert "libpq.so.5" in said


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([needs(PQ), library(f"opt/pq/{PQ}")], "which is at /opt/pq/libpq.so.5, where its loader does not look"),
        ([needs(PQ), text("etc/ld.so.conf", "/opt/pq\n"), library(f"opt/pq/{PQ}")], "needs ldconfig run"),
        ([needs(PQ), library(f"lib/{PQ}", "linux/arm64")], "/lib/libpq.so.5 is for another machine (AARCH64, 64 bits)"),
        ([needs(PQ), library(f"lib/{PQ}", "linux/386")], "is for another machine"),
        ([needs(PQ), text(f"lib/{PQ}", "")], "/lib/libpq.so.5 is not a valid library"),
        ([needs(PQ), link(f"lib/{PQ}", "libpq.so.5.15")], "and its image does not have it"),
        ([needs(PQ)], "add the package that has libpq.so.5 to packages"),
        # what a RUNPATH finds is not for what its libraries need: RPATH is
        ([needs("liba.so", runpath=("/opt",)), library("opt/liba.so", needed=[PQ]), library(f"opt/{PQ}")],
         "needs libpq.so.5, which is at /opt/libpq.so.5"),
        ([needs("liba.so"), library("lib/liba.so", needed=["libb.so"])], "needs libb.so, which /lib/liba.so needs,"),
    ],
)  # fmt: skip
def test_glibc_does_not_find_a_library(items: list[Item], says: str) -> None:
    (said,) = problems(*items, *glibc())
    assert says in said


def test_an_rpath_is_for_the_libraries_of_libraries_too() -> None:
    items = [needs("liba.so", rpath=("/opt",)), library("opt/liba.so", needed=[PQ]), library(f"opt/{PQ}"), *glibc()]
    assert problems(*items) == []


def test_a_library_for_another_machine_is_passed_over() -> None:
    other, right = library(f"lib/{PQ}", "linux/386"), library(f"usr/lib/{PQ}")
    assert problems(needs(PQ), other, right, *glibc()) == []


def of_level(level: int, folder: str = "usr/lib", needed: tuple[str, ...] = (), name: str = PQ) -> Item:
    return library(f"{folder}/glibc-hwcaps/x86-64-v{level}/{name}", needed=needed)


@pytest.mark.parametrize(
    ("variant", "items", "says"),
    [
        # what lies in such a folder alone is found by the processors that it is for
        ("v2", [needs(PQ), of_level(2)], None),
        ("v4", [needs(PQ), of_level(2)], None),
        ("v3", [needs(PQ, runpath=("/opt",)), of_level(3, "opt")], None),
        (None, [needs(PQ), of_level(4)],
         "has it for processors of x86-64-v4 alone: /usr/lib/glibc-hwcaps/x86-64-v4/libpq.so.5 | put one for every"),
        ("v1", [needs(PQ), of_level(2)], "for processors of x86-64-v2 alone"),
        ("v3", [needs(PQ), of_level(4)], "for processors of x86-64-v4 alone"),
        # and must not keep the others from starting, nor those that find it
        (None, [needs(PQ), library(f"lib/{PQ}"), of_level(3)], None),
        (None, [needs(PQ), library(f"lib/{PQ}"), of_level(3, "lib", ("libb.so",))],
         "/app/app (linux/amd64), on processors of x86-64-v3, needs libb.so, which /lib/glibc-hwcaps/x86-64-v3/"),
        (None, [needs(PQ), library(f"usr/lib/{PQ}"), of_level(4, needed=("libb.so",)), of_level(2, name="libb.so")],
         None),
        # a folder by another name is nobody's
        ("v4", [needs(PQ), library(f"usr/lib/glibc-hwcaps/x86-64-v5/{PQ}")], "for processors of x86-64-v5 alone"),
    ],
)  # fmt: skip
def test_levels_of_processors(variant: str | None, items: list[Item], says: str | None) -> None:
    # in each folder the best level comes first, then the folder itself, then the next folder
    said = problems(*items, *glibc(), variant=variant)
    assert bool(said) == (says is not None), said
    assert says is None or says in said[0]
    assert len(said) <= 1


def test_a_glibc_that_knows_no_levels_is_not_asked_for_them() -> None:
    items = [needs(PQ), library(f"lib/{PQ}", needed=["libc.so.6"]), of_level(3, "lib", needed=("libb.so",))]
    assert problems(*items, *glibc(version="2.32")) == []


def test_libraries_in_circles_end() -> None:
    items = [needs("liba.so"), library("lib/liba.so", needed=["libb.so"]), library("lib/libb.so", needed=["liba.so"])]
    assert problems(*items, *glibc()) == []


@pytest.mark.parametrize(
    ("asks", "has", "says"),
    [
        ({"libc.so.6": ["GLIBC_2.34"]}, "2.36", None),
        ({"libc.so.6": ["GLIBC_2.34", "GLIBC_2.38"]}, "2.36", "asks for GLIBC_2.38, and its image has glibc 2.36 | "),
        ({"libc.so.6": ["GLIBC_ABI_DT_RELR"]}, "2.31", "asks for GLIBC_ABI_DT_RELR of libc.so.6"),
        ({"libnot.so": ["X_1"]}, "2.36", None),
    ],
)  # fmt: skip
def test_versions(asks: dict[str, list[str]], has: str, says: str | None) -> None:
    program = app(facts(interpreter=GLIBC, needed=["libc.so.6"], requires=asks))
    said = problems(program, *glibc(version=has))
    assert bool(said) == (says is not None)
    assert says is None or says in said[0]
    assert says is None or "--libc gnu:2.36; or choose a base with glibc 2.38" in said[0] or "RELR" in said[0]


def test_versions_of_other_libraries_and_of_none() -> None:
    program = app(facts(interpreter=GLIBC, needed=["libstdc++.so.6"], requires={"libstdc++.so.6": ["GLIBCXX_3.4.30"]}))
    old = library("lib/libstdc++.so.6", defines=["GLIBCXX_3.4.29"])
    (said,) = problems(program, old, *glibc())
    assert "asks for GLIBCXX_3.4.30 of libstdc++.so.6, which /lib/libstdc++.so.6 does not have" in said
    # ld.so warns of a library without versions, and goes on
    assert problems(program, library("lib/libstdc++.so.6"), *glibc()) == []


def test_what_a_library_asks_for_is_held_against_the_image_too() -> None:
    newer = library("lib/liba.so", needed=["libc.so.6"], requires={"libc.so.6": ["GLIBC_2.38"]})
    (said,) = problems(needs("liba.so"), newer, *glibc())
    assert "asks for GLIBC_2.38 (through /lib/liba.so)" in said


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([], None),
        ([library("usr/local/lib/libz.so.1")], None),
        ([library("usr/lib/libz.so.1")], None),
        ([library("opt/libz.so.1")], "which is at /opt/libz.so.1"),
        ([library("opt/libz.so.1"), text("etc/ld-musl-x86_64.path", "/lib\n/opt\n")], None),
        (
            [library("usr/lib/libz.so.1"), text("etc/ld-musl-x86_64.path", "/lib:/opt")],
            "which is at /usr/lib/libz.so.1",
        ),
    ],
)
def test_musl_looks_where_musl_looks(items: list[Item], says: str | None) -> None:
    # libc and its kin are the loader itself, and versions are not its business
    needed = ["libc.musl-x86_64.so.1", "libm.so", *(["libz.so.1"] if items else [])]
    program = app(facts(interpreter=MUSL, needed=needed, requires={"libz.so.1": ["ZLIB_1.2.9"]}))
    said = problems(program, *items, elf(MUSL_LOADER, facts()))
    assert bool(said) == (says is not None)
    assert says is None or says in said[0]


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([], "asks for /lib64/ld-linux-x86-64.so.2, which its image does not have"),
        ([elf(MUSL_LOADER, facts())], "its C library is musl (/lib/ld-musl-x86_64.so.1) | build with --libc musl"),
        ([link("lib64", "usr/lib64"), *glibc("linux/arm64")], "is none for linux/amd64"),
    ],
)
def test_a_loader_that_is_not_there_or_not_for_this_machine(items: list[Item], says: str) -> None:
    (said,) = problems(needs("libc.so.6"), *items)
    assert says in said


def test_merged_usr() -> None:
    """/lib64 and /lib as links, as distributions have them."""
    items = [link("lib64", "usr/lib64"), link("lib", "usr/lib"), Item("usr/lib64", ItemKind.FOLDER), *glibc()]
    assert problems(needs("libc.so.6"), *items) == []


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_loaders_cache_is_read_and_damage_is_passed_over(order: str) -> None:
    strings = b"libpq.so.5\0/opt/pq/libpq.so.5\0"
    at = 48 + 24
    header = b"glibc-ld.so.cache1.1" + struct.pack(f"{order}II", 1, len(strings)) + bytes(20)
    data = header + struct.pack(f"{order}iIIIQ", 0x303, at, at + 11, 0, 0) + strings
    for whole in (data, b"ld.so-1.7.0\0" + bytes(4) + data):
        assert parse_cache(whole, little_endian=order == "<") == {"libpq.so.5": ("/opt/pq/libpq.so.5",)}
    for length in range(len(data)):
        parse_cache(data[:length], little_endian=order == "<")
    assert parse_cache(b"", little_endian=True) == {}
