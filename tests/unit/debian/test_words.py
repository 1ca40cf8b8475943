"""Versions, relations, control files: what Debian's files say, and what anything else in their place does."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.debian.control import paragraphs, parse_paragraph
from cargoship.debian.relations import parse_relations, parse_request
from cargoship.debian.suites import DebianSpec
from cargoship.debian.versions import Version
from cargoship.errors import ContentInvalid

# each before the next: Debian Policy 5.6.12, and what dpkg's own tests have
ORDERED = [
    "0~~", "0~~a", "0~", "0", "0a", "0.0", "1.0~rc1", "1.0", "1.0-1", "1.0-1+deb12u1", "1.0-1+deb12u2", "1.0-1.1",
    "1.0-2", "1.0+b1", "1.0.1", "1.2", "1.10", "2.36-9", "1:0.1", "2:0~",
]  # fmt: skip


@pytest.mark.parametrize(("older", "newer"), list(itertools.pairwise(ORDERED)))
def test_versions_have_debians_order(older: str, newer: str) -> None:
    one, other = Version.parse(older), Version.parse(newer)
    assert one < other
    assert not other <= one


@pytest.mark.parametrize(("one", "same"), [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("1.", "1.0")])
def test_versions_that_are_the_same(one: str, same: str) -> None:
    assert Version.parse(one) == Version.parse(same)
    assert hash(Version.parse(one)) == hash(Version.parse(same))


@pytest.mark.parametrize("text", ["", "1 0", "a:1", "1_0", "1\n", "9" * 300, ":"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ContentInvalid):
        Version.parse(text)


@pytest.mark.parametrize(
    ("relation", "version", "admits"),
    [
        ("a", "1", True),
        ("a (>= 1.0)", "1.0-1", True),
        ("a (>> 1.0-1)", "1.0-1", False),
        ("a (= 1.0)", "1.0-0", True),
        ("a (<< 2.0)", "2.0~rc1", True),
        ("a(<=1)", "1.1", False),
        ("a (> 1)", "1", True),  # an old spelling of >=
    ],
)
def test_relations_bound_versions(relation: str, version: str, admits: bool) -> None:  # noqa: FBT001
    ((only,),) = parse_relations(relation)
    assert only.admits(Version.parse(version)) is admits
    assert only.admits(None) is (only.version is None)


def test_alternatives_and_qualifiers() -> None:
    found = parse_relations("a:any (>= 1) | b,\n c (= 2:3~x-1+b2),")
    assert [[str(each) for each in group] for group in found] == [["a (>= 1)", "b"], ["c (= 2:3~x-1+b2)"]]


@pytest.mark.parametrize("text", ["a (1)", "a (>= )", "a (>= 1", "(>= 1)", "a b", "|", "a (=> 1)"])
def test_what_is_no_relation(text: str) -> None:
    with pytest.raises(ContentInvalid):
        parse_relations(text)


@pytest.mark.parametrize("text", ["", "A", "../x", "a/b", "lib pq", "libpq5=", "libpq5=1 2", "-x"])
def test_what_nobody_can_ask_for(text: str) -> None:
    with pytest.raises(ContentInvalid):
        parse_request(text)


def test_paragraphs_keep_their_lines() -> None:
    fields = parse_paragraph("Package: a\nDescription: short\n long\n .\n more\nX-Y:\n z\n", what="it")
    assert fields == {"package": "a", "description": "short\n long\n .\n more", "x-y": "\n z"}
    assert list(paragraphs(b"a\n\nb\nc\n\n\nd")) == [(0, 1), (3, 6), (9, 10)]


@pytest.mark.parametrize("text", [" x: y", "no field", "a: 1\nA: 2", ": x", "-a: x", "a b: x"])
def test_what_is_no_paragraph(text: str) -> None:
    with pytest.raises(ContentInvalid):
        parse_paragraph(text, what="it")


@given(st.text(max_size=200))
def test_nothing_that_is_read_here_breaks(text: str) -> None:
    for read in (Version.parse, parse_relations, parse_request, lambda text: parse_paragraph(text, what="it")):
        with contextlib.suppress(ContentInvalid):
            read(text)
    for start, end in paragraphs(text.encode(errors="replace")):
        assert start < end


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("deb:bookworn", 'did you mean "deb:bookworm"?'),
        ("deb:12", 'did you mean "deb:bookworm"?'),
        ("deb:", "known: bullseye, bookworm, trixie"),
        ("deb:bookworm@yesterday", "snapshot.debian.org"),
        ("deb:bookworm@../../x", "snapshot.debian.org"),
    ],
)
def test_a_base_that_there_is_not(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        DebianSpec.parse(text)
    assert says in str(caught.value)


def test_a_base_and_its_time() -> None:
    spec = DebianSpec.parse("deb:trixie@20260711T221637Z")
    assert (spec.release.codename, spec.snapshot, str(spec)) == (
        "trixie",
        "20260711T221637Z",
        "deb:trixie@20260711T221637Z",
    )
