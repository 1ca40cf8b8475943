"""Which packages are chosen for what is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.debian.index import PackageIndex
from cargoship.debian.relations import parse_request
from cargoship.debian.resolve import resolve_packages
from cargoship.debian.suites import SuiteSource
from cargoship.errors import ContentInvalid, PackageUnresolved

MAIN = SuiteSource("debian", "bookworm")
SECURITY = SuiteSource("debian-security", "bookworm-security")
SNAPSHOT = "20260711T221637Z"


def paragraph(text: str) -> str:
    """`name version; Field: value; ...` as an index has it."""
    head, *fields = text.split("; ")
    name, version = head.split(" ")
    return "\n".join(
        [f"Package: {name}", f"Version: {version}", "Architecture: amd64", *fields,
         f"Filename: pool/main/x/{name}_{version.replace(':', '%3a')}.deb", "Size: 10", f"SHA256: {'0' * 64}", ""]
    )  # fmt: skip


def index_of(*packages: str, security: tuple[str, ...] = ()) -> PackageIndex:
    index = PackageIndex("amd64")
    index.add("\n".join(map(paragraph, packages)).encode(), source=MAIN, snapshot=SNAPSHOT)
    index.add("\n".join(map(paragraph, security)).encode(), source=SECURITY, snapshot=SNAPSHOT)
    return index


def chosen(index: PackageIndex, *names: str) -> list[str]:
    return [f"{each.name} {each.version}" for each in resolve_packages(index, [parse_request(name) for name in names])]


@pytest.mark.parametrize(
    ("packages", "asked", "expected"),
    [
        # what is needed, and what that needs, in circles too
        (["a 1; Depends: b", "b 1; Pre-Depends: c; Depends: a", "c 1", "d 1"], ["a"], ["a 1", "b 1", "c 1"]),
        # neither recommended nor suggested
        (["a 1; Recommends: b; Suggests: c", "b 1", "c 1"], ["a"], ["a 1"]),
        # the first alternative that there is
        (["a 1; Depends: b | c", "b 1", "c 1"], ["a"], ["a 1", "b 1"]),
        (["a 1; Depends: b | c", "c 1"], ["a"], ["a 1", "c 1"]),
        (["a 1; Depends: b (>= 2) | c", "b 1", "c 1"], ["a"], ["a 1", "c 1"]),
        # one that is there already is enough
        (["a 1; Depends: b | c", "b 1", "c 1"], ["a", "c"], ["a 1", "c 1"]),
        # virtual packages: the more important first, then by name
        (["a 1; Depends: v", "x 1; Provides: v", "w 1; Provides: v; Priority: optional"], ["a"], ["a 1", "w 1"]),
        (["a 1; Depends: v", "v 1", "b 1; Provides: v"], ["a"], ["a 1", "v 1"]),
        (["a 1; Depends: v (>= 2)", "b 1; Provides: v", "c 1; Provides: v (= 2.1)"], ["a"], ["a 1", "c 1"]),
        (["b 1; Provides: v"], ["v"], ["b 1"]),
        # older versions where they are asked for
        (["a 1", "a 2", "b 1; Depends: a (= 1)"], ["b"], ["a 1", "b 1"]),
        (["a 1", "a 2"], ["a=1"], ["a 1"]),
        # nothing that only maintainer scripts use, but for those who want it
        (["a 1; Depends: debconf (>= 0.5) | debconf-2.0", "debconf 1"], ["a"], ["a 1"]),
        (["a 1; Depends: debconf", "debconf 1"], ["a", "debconf"], ["a 1", "debconf 1"]),
        (["ca-certificates 1; Depends: openssl", "openssl 1"], ["ca-certificates"], ["ca-certificates 1"]),
        (["a 1; Depends: openssl", "openssl 1"], ["a"], ["a 1", "openssl 1"]),
    ],
)  # fmt: skip
def test_what_is_chosen(packages: list[str], asked: list[str], expected: list[str]) -> None:
    assert chosen(index_of(*packages), *asked) == expected


def test_the_newest_of_all_suites() -> None:
    index = index_of("a 1-1", "b 2", security=("a 1-1+deb12u1", "b 1"))
    assert chosen(index, "a", "b") == ["a 1-1+deb12u1", "b 2"]
    (found,) = resolve_packages(index, [parse_request("a")])
    assert (found.archive, found.snapshot) == ("debian-security", SNAPSHOT)


@pytest.mark.parametrize(
    ("packages", "asked", "says"),
    [
        (["libpq5 1"], ["libpq"], "there is no package libpq for amd64"),
        (["a 1"], ["a=2"], "there is no a (= 2) for amd64"),
        (["a 1; Depends: b (>= 2)", "b 1"], ["a"], "a 1 (amd64) depends on b (>= 2), which there is not"),
        (["a 1; Conflicts: b", "b 1"], ["a", "b"], "a 1 (amd64) and b 1 (amd64) cannot be in one base"),
        (["a 1; Breaks: b (<< 2)", "b 1"], ["a", "b"], "says so of b (<< 2)"),
        (["a 1; Conflicts: v", "b 1; Provides: v"], ["a", "b"], "cannot be in one base"),
        (["a 1", "a 2", "b 1; Depends: a (= 2)"], ["a=1", "b"], "a 1 (amd64) was chosen, but 2 of it"),
    ],
)
def test_what_cannot_be_chosen(packages: list[str], asked: list[str], says: str) -> None:
    with pytest.raises(PackageUnresolved) as caught:
        chosen(index_of(*packages), *asked)
    assert says in caught.value.message
    assert caught.value.hint


def test_a_package_may_conflict_with_what_it_provides_itself() -> None:
    assert chosen(index_of("a 1; Provides: v; Conflicts: v"), "a") == ["a 1"]


def test_what_was_chosen_before_stays() -> None:
    index = index_of("a 1; Depends: b", "a 2; Depends: b", "b 1")
    before = resolve_packages(index, [parse_request("a=1")])
    assert [each.version for each in before] == ["1", "1"]
    assert resolve_packages(index, [parse_request("a")], given=before) == before
    assert [each.name for each in resolve_packages(index, [parse_request("b")], given=before)] == ["b"]


@pytest.mark.parametrize(
    "damage",
    [
        "Version: 1\n",
        "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: ../../etc/passwd.deb\nSize: 1\nSHA256: " + "0" * 64,
        "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: -1\nSHA256: " + "0" * 64,
        "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: x\nSHA256: " + "0" * 64,
        "Package: a\nVersion: 1\nArchitecture: amd64\nFilename: pool/a.deb\nSize: 1\nSHA256: 00",
        "Package: a\nVersion: 1 2\nArchitecture: amd64\nFilename: pool/a.deb\nSize: 1\nSHA256: " + "0" * 64,
        "Package: a\nVersion: 1",
    ],
)
def test_damaged_indexes(damage: str) -> None:
    def read() -> None:
        index = PackageIndex("amd64")
        index.add(damage.encode(), source=MAIN, snapshot=SNAPSHOT)
        index.candidates("a")

    with pytest.raises(ContentInvalid):
        read()


_TOKENS = st.sampled_from(
    [b"Package: a\n", b"Version: 1\n", b"Provides: v (= 1)\n", b"Depends: a | b\n", b"\n", b" x\n", b"\xff", b": \n"]
)


@given(st.lists(_TOKENS | st.binary(max_size=20), max_size=30).map(b"".join))
def test_no_index_breaks_the_search(data: bytes) -> None:
    index = PackageIndex("amd64")
    try:
        index.add(data, source=MAIN, snapshot=SNAPSHOT)
        resolve_packages(index, [parse_request("aa")])
    except (ContentInvalid, PackageUnresolved):
        pass
