"""YAML as the values that JSON has, by YAML 1.2's rules: what is written for one reader means the same to the other.

YAML 1.1, which PyYAML reads, takes 0755 for 493, 22:22 for 1342 and `on` for true; no JSON reader would.
Specification: https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re

from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import Page
from cargoship.errors import DocumentInvalid

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NODES_MAX = 100_000
_DEPTH_MAX = 200
_DIGITS_MAX = 300
_OWN_TAGS = {"str", "int", "float", "bool", "null", "map", "seq"}
_CORE = "tag:yaml.org,2002:"


def value_of(node: YamlNode | None, page: Page, *, passes_tags: bool = False) -> object:
    """What a document says; raises DocumentInvalid with the place for what JSON has no word for.

    `passes_tags` is for those who only look: of `!Sub text` they see the text.
    """
    return None if node is None else _Reader(page, passes_tags=passes_tags).read(node, 0)


class _Reader:
    def __init__(self, page: Page, *, passes_tags: bool) -> None:
        self._page = page
        self._left = _NODES_MAX
        self._passes_tags = passes_tags

    def read(self, node: YamlNode, depth: int) -> object:
        self._count(node, depth)
        tag = node.tag.removeprefix(_CORE)
        if tag and tag not in _OWN_TAGS and tag != "!" and not self._passes_tags:
            raise DocumentInvalid(
                f"{self._page.place(node.start)}: the tag {node.tag} means nothing here",
                hint="write the value itself: nobody fills it in before it is handed on",
            )
        match node.form:
            case Form.SCALAR:
                return _scalar(node, tag)
            case Form.LIST:
                return [self.read(each, depth + 1) for each in node.items]
            case Form.TABLE:
                return self._table(node, depth)
        raise AssertionError(node.form)

    def _count(self, node: YamlNode, depth: int) -> None:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH_MAX:
            raise DocumentInvalid(f"{self._page.place(node.start)}: the document holds more than is accepted")

    def _table(self, node: YamlNode, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for table in reversed(list(node.tables())):
            self._count(node, depth)
            for key, each in table.pairs:
                if key.form is not Form.SCALAR:
                    raise DocumentInvalid(f"{self._page.place(key.start)}: a key that is no text")
                if key.value != "<<" or key.style:
                    found[key.value] = self.read(each, depth + 1)
        return found


def _scalar(node: YamlNode, tag: str) -> object:
    if node.style or tag in {"str", "!"}:
        return node.value
    if node.value in _WORDS:
        return _WORDS[node.value]
    if len(node.value) <= _DIGITS_MAX and (match := _NUMBER.fullmatch(node.value)):
        number = int(match[0]) if match[2] is match[3] is None else float(match[0])
        return number if abs(number) != float("inf") else node.value
    return node.value
