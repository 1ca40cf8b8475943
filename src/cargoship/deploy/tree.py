"""YAML as a tree in which every part knows where it stands in the text.

libyaml parses; its events become nodes without recursion, so that no document can exhaust the stack, and an anchor's
node stands in the tree as often as it is named, but exists once. A megabyte may have a million nodes: each costs
little, and who looks for a word goes only where it is. Knows YAML and nothing of what documents mean.
Specification: https://yaml.org/spec/1.1/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

import yaml
from msgspec import Struct

from cargoship.deploy.collecting import uncollected
from cargoship.deploy.nodes import FlowList, FlowTable, List, Scalar, Table, YamlNode
from cargoship.errors import DocumentInvalid

_BRACKETS_MAX = 64
"""Brackets in brackets. libyaml looks through all that are open at each word; the schemas of Kubernetes have 30."""
_DIRECTIVES_MAX = 100
_LINE = re.compile(r"(?:^|[\r\x85\u2028\u2029])(?:(%TAG)|[ \t]*[^\s#])", re.MULTILINE)
"""One that is neither empty nor a comment, and whether it is such a directive."""


class Mark(Protocol):
    """Where something begins or ends, as libyaml says it: counted from 0."""

    index: int
    line: int
    column: int


class YamlEvent(Protocol):
    """What libyaml has read, with what every kind of it may have."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    style: str | None
    flow_style: bool | None


class YamlDocument(Struct, frozen=True):
    """One document of a stream: where it starts, and its root (None: it is empty)."""

    start: int
    root: YamlNode | None


def read_documents(text: str, name: str, word: str) -> tuple[YamlDocument, ...]:
    """Parse a stream, and note where a word is; raises DocumentInvalid with file, line and column."""
    mark = 1 if text.startswith("\ufeff") else 0
    _refuse_directives(text, name)
    with _errors_of(text, name), uncollected():
        return tuple(_documents(text[mark:], name, mark, word))


def count_documents(text: str, name: str) -> int:
    """How many documents a stream has; raises DocumentInvalid as `read_documents`, but for aliases and depth."""
    with _errors_of(text, name):
        events = iter(yaml.CSafeLoader(text.removeprefix("\ufeff")).get_event, None)
        return sum(isinstance(event, yaml.DocumentStartEvent) for event in events)


def _refuse_directives(text: str, name: str) -> None:
    """For each that a document begins with libyaml looks through all before it."""
    in_row = 0
    for match in _LINE.finditer(text) if text.count("%TAG") > _DIRECTIVES_MAX else ():
        in_row = in_row + 1 if match[1] else 0
        if in_row > _DIRECTIVES_MAX:
            line = text.count("\n", 0, match.start(1)) + 1
            raise DocumentInvalid(
                f"{name}:{line}:1: a document begins with more than {_DIRECTIVES_MAX} directives %TAG"
            )


@contextmanager
def _errors_of(text: str, name: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        place = name if where is None else f"{name}:{where.line + 1}:{where.column + 1}"
        about = " ".join(part for part in (error.context, error.problem) if part)
        # libyaml's own limit of 1,000 levels, without which open brackets take time in their square
        what = "this is nested too deeply" if "nesting depth" in about else "this is no YAML"
        raise DocumentInvalid(f"{place}: {what}: {about}") from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        raise DocumentInvalid(f"{place}: this is no YAML: {error.reason}") from error
    except yaml.YAMLError as error:
        raise DocumentInvalid(f"{name}: this is no YAML: {error}") from error


def _documents(  # noqa: C901, PLR0912, PLR0915 - the one loop of which every step counts: a megabyte may be a million of them
    text: str, name: str, mark: int, word: str
) -> Iterator[YamlDocument]:
    next_event = cast("Callable[[], YamlEvent | None]", yaml.CSafeLoader(text).get_event)
    scalar_event, alias_event = yaml.ScalarEvent, yaml.AliasEvent
    table_start, list_start = yaml.MappingStartEvent, yaml.SequenceStartEvent
    table_end, list_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
    # nodes are filled in here: to call something for each costs as much as all the rest
    new = object.__new__
    start, brackets = 0, 0
    anchors: dict[str, YamlNode] = {}
    # the root is the only item of what is open first
    above: YamlNode = _root_above()
    opened: list[YamlNode] = []
    items: list[YamlNode] = above.items
    while (event := next_event()) is not None:
        kind: type = event.__class__
        if kind is scalar_event:
            node: YamlNode = new(Scalar)
            node.start = event.start_mark.index + mark
            node.end = event.end_mark.index + mark
            node.value = value = event.value
            node.style = event.style or ""
            node.tag = event.tag or ""
            items.append(node)
            if word in value:
                node.has_word = above.has_word = True
            else:
                node.has_word = False
            if event.anchor is not None:
                anchors[event.anchor] = node
        elif kind is list_end or kind is table_end:
            if above.is_open:
                above.is_open = False
            if above.flow:
                brackets -= 1
            if above.has_word:
                above = opened.pop()
                above.has_word = True
            else:
                above = opened.pop()
            items = above.items
        elif kind is list_start or kind is table_start:
            if event.flow_style:
                node = new(FlowTable if kind is table_start else FlowList)
                brackets += 1
                if brackets > _BRACKETS_MAX:
                    raise DocumentInvalid(f"{_place(event, name)}: this is nested too deeply: brackets in brackets")
            else:
                node = new(Table if kind is table_start else List)
            node.start = event.start_mark.index + mark
            node.has_word = False
            if kind is table_start:
                node.by_name = None
            items.append(node)
            opened.append(above)
            above = node
            node.items = items = []
            if event.tag is not None:
                node.tag = event.tag
            if event.anchor is not None:
                anchors[event.anchor] = node
                node.is_open = True
        elif kind is alias_event:
            node = _named(event, anchors, name)
            items.append(node)
            if node.has_word:
                above.has_word = True
        elif kind is yaml.DocumentStartEvent:
            start, anchors, above = event.start_mark.index + mark, {}, _root_above()
            items = above.items
        elif kind is yaml.DocumentEndEvent:
            yield YamlDocument(start, items[0] if items else None)


def _root_above() -> YamlNode:
    """What a document's root is the only item of."""
    above = List()
    above.items = []
    above.has_word = False
    return above


def _named(event: YamlEvent, anchors: dict[str, YamlNode], name: str) -> YamlNode:
    """What an alias stands for; raises DocumentInvalid."""
    node = anchors.get(event.anchor or "")
    if node is None:
        raise DocumentInvalid(f"{_place(event, name)}: there is no anchor &{event.anchor} before this")
    if node.is_open:
        place = _place(event, name)
        raise DocumentInvalid(f"{place}: *{event.anchor} is inside of &{event.anchor}: it would never end")
    return node


def _place(event: YamlEvent, name: str) -> str:
    return f"{name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"
