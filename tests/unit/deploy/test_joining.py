"""Several documents as one stream: who reads it finds all of them."""

from __future__ import annotations

import pytest

from cargoship.deploy.joining import joined

MARK = b"\xef\xbb\xbf"

CASES: dict[str, tuple[tuple[bytes, ...], bytes]] = {
    "none": ((), b""),
    "one": ((MARK + b"a: 1",), MARK + b"a: 1"),
    "one of JSON": ((b'{"a": 1}', b""), b'{"a": 1}'),
    "two": ((b"a: 1\n", b"b: 1"), b"a: 1\n---\nb: 1"),
    "empty ones": ((b"", b"a: 1\n", b"", b"b: 1\n"), b"a: 1\n---\nb: 1\n"),
    "a line that is not ended": ((b"a: 1", b"b: 1\n"), b"a: 1\n---\nb: 1\n"),
    "a line that is not ended before a separator": ((b"a: 1", b"--- \nb: 1\n"), b"a: 1\n--- \nb: 1\n"),
    "what looks like a separator": ((b"a: 1\n", b"---b: 1\n"), b"a: 1\n---\n---b: 1\n"),
    "lines of Windows": ((b"a: 1\r\n", b"---\r\nb: 1\r\n"), b"a: 1\r\n---\r\nb: 1\r\n"),
    "marks": ((MARK + b"a: 1\n", MARK + b"---\nb: 1\n", MARK + b"c: 1"), MARK + b"a: 1\n---\nb: 1\n---\nc: 1"),
    "a directive": ((b"a: 1\n", b"# c\n%YAML 1.1\n---\nb: 1\n"), b"a: 1\n...\n# c\n%YAML 1.1\n---\nb: 1\n"),
    "a directive after an end": ((b"a: 1\n...\n", b"%YAML 1.1\n---\nb: 1\n"), b"a: 1\n...\n%YAML 1.1\n---\nb: 1\n"),
    "JSON alone": ((b'{"a": 1}', b'{"b": 1}{"c": 1}\n'), b'{"a": 1}\n{"b": 1}{"c": 1}\n'),
    "JSON first": ((b'{"a": 1}', b"b: 1\n"), b'---\n{"a": 1}\n---\nb: 1\n'),
    "JSON last": ((b"b: 1\n", b' {"a": 1}\n{"c": 1}\n'), b'b: 1\n---\n{"a": 1}\n---\n{"c": 1}\n'),
    "JSON with escapes that YAML does not have": (
        (b"b: 1\n", b'{"a": "\\/\\u0041 \\ud83d\\ude00 \\ud800", "c\\/": "\\u0041\\n\\u007f\\/\\u007f"}'),
        'b: 1\n---\n{"a": "/A \U0001f600 \ufffd", "c/": "A\\n\\u007f/\\u007f"}'.encode(),
    ),
    "a flow table first": ((b"{a: 1}\n", b"b: 1\n"), b"---\n{a: 1}\n---\nb: 1\n"),
    "no UTF-8": ((b"a: 1\n", b'{"b": "\xff"}'), b'a: 1\n---\n{"b": "\xff"}'),
}


@pytest.mark.parametrize(("documents", "stream"), CASES.values(), ids=list(CASES))
def test_documents_become_one_stream(documents: tuple[bytes, ...], stream: bytes) -> None:
    assert joined(documents) == stream
