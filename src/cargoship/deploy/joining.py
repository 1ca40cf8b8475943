"""One stream out of several documents, such that who reads it finds all of them. Pure.

kubectl reads a stream that begins with a brace as JSON to its end, and one of YAML as far as the first value between
two `---` goes: JSON beside YAML, or two values of JSON in one file, would be passed over in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from cargoship.deploy.documents import json_documents

_MARK = b"\xef\xbb\xbf"
_BRACES = (b"{", b"[")
_SEPARATOR = b"---\n"
_BEGINS = re.compile(rb"---(?=[ \t\r\n]|\Z)")
_DIRECTIVE = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\n)*%")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_FOREIGN = re.compile(r"\\(?:/|u[dD][89a-fA-F])")
"""An escape of JSON that YAML 1.1 does not have: a slash's, or half of a character's."""
_UNPRINTABLE = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")


def joined(documents: Sequence[bytes]) -> bytes:
    """All of them as one stream, as kubectl takes it: of JSON if all are, else of YAML, with a line between two.

    What stands alone stays as it is.
    """
    # a mark in the midst is no mark: what stands behind it would not begin a line
    pieces = [*documents[:1], *(each.removeprefix(_MARK) for each in documents[1:])]
    pieces = [each for each in pieces if each]
    if len(pieces) < 2:  # noqa: PLR2004
        return b"".join(pieces)
    read = [_values(each) for each in pieces]
    if None not in read:
        return b"".join(each if each.endswith(b"\n") else each + b"\n" for each in pieces)
    stream: list[bytes] = []
    for piece, values in zip(pieces, read, strict=True):
        for each in (piece,) if values is None else values:
            stream += [_before(each, stream[-1] if stream else None), each]
    return b"".join(stream)


def _before(document: bytes, last: bytes | None) -> bytes:
    """What has to stand between a document of YAML and the last one."""
    if last is None:
        return _SEPARATOR if document[:1] in _BRACES else b""
    line = b"" if last.endswith(b"\n") else b"\n"
    if _BEGINS.match(document):
        return line
    if _DIRECTIVE.match(document):
        # a directive is one only behind the end of the document before it
        return line + (b"" if last.endswith(b"\n...\n") else b"...\n")
    return line + _SEPARATOR


def _values(document: bytes) -> tuple[bytes, ...] | None:
    """The values of a JSON document, as YAML has them; None of what is none."""
    if document.removeprefix(_MARK).lstrip()[:1] not in _BRACES:
        return None
    try:
        text = document.decode().removeprefix("\ufeff")
        starts = [start for start, _ in json_documents(text)]
    except (ValueError, RecursionError):
        return None
    ends = [*starts[1:], len(text)]
    return tuple(_TEXT.sub(_as_yaml, text[start:end]).encode() for start, end in zip(starts, ends, strict=True))


def _as_yaml(match: re.Match[str]) -> str:
    """A text of JSON without such escapes; half of a character is none, and becomes what Go makes of it."""
    if _FOREIGN.search(match[0]) is None:
        return match[0]
    value = json.loads(match[0], strict=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    written = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
