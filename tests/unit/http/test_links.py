from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.http.links import next_page

_URLS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="<>"), min_size=1)


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ('</v2/r/tags/list?n=2&last=b>; rel="next"', "/v2/r/tags/list?n=2&last=b"),
        ("</v2/r/tags/list?n=2>;rel=next", "/v2/r/tags/list?n=2"),
        ('<a>; rel="prev", <b>; rel="next"', "b"),
        ('<a,b;c>; title="x, <y>; rel=next"; rel="last next"', "a,b;c"),
        ('<a>; title="a \\"quoted\\" thing"; rel=NEXT', "a"),
        ('<a>; rel="nextish"', None),
        ("<a>; rel=prev; rel=next", None),
        ('/v2/r/tags/list?n=2&last=b; rel="next"', "/v2/r/tags/list?n=2&last=b"),
        ("<a>", None),
        ("<a>; rel", None),
        ("<a>; rel; rel=next", None),
        ("", None),
        ("no link", None),
        ("<a", None),
        ('<a>; rel="next', None),
    ],
)
def test_the_next_page_is_found(header: str, target: str | None) -> None:
    assert next_page(header) == target


@given(st.text())
def test_any_header_is_read_without_an_error(header: str) -> None:
    next_page(header)


@given(st.lists(st.tuples(_URLS, st.sampled_from(["prev", "first", "last"])), max_size=3), _URLS)
def test_a_next_page_among_others_is_found(others: list[tuple[str, str]], target: str) -> None:
    links = [f'<{url}>; title="t"; rel="{relation}"' for url, relation in others]
    assert next_page(", ".join([*links, f'<{target}>; rel="next"'])) == target
