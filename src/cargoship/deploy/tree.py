"""YAML as a tree in which every part knows where it stands in the text.

libyaml parses; its events become nodes without recursion, so that no document can exhaust the stack, and an anchor's
node stands in the tree as often as it is named, but exists once. Knows YAML and nothing of what documents mean.
Specification: https://yaml.org/spec/1.1/
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from cargoship.errors import DocumentInvalid

_MERGE = "<<"


class Mark(Protocol):
    """Where something begins or ends, as libyaml says it: counted from 0."""

    index: int
    line: int
    column: int


class Form(enum.Enum):
    """What a node is."""

    SCALAR = "scalar"
    LIST = "list"
    TABLE = "table"


@dataclass(frozen=True, eq=False)
class Node:
    """A scalar, list or table; two nodes are equal if they are the same one.

    `start` and `end` count characters from the text's beginning; `line` and `column` count from 1.
    """

    form: Form
    start: int
    line: int
    column: int
    end: int = -1
    """Of a scalar only: where it ends."""
    value: str = ""
    style: str = ""
    """Of a scalar: ' or " or | or >, nothing for a plain one."""
    flow: bool = False
    """Of a list or table: in brackets or braces."""
    items: list[Node] = field(default_factory=list)
    """Of a list its items; of a table keys and values by turns."""

    @property
    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """A table's keys and values, in their order."""
        return zip(self.items[::2], self.items[1::2], strict=False)

    def own(self, key: str) -> tuple[Node, Node] | None:
        """The key and the value of an entry that stands in this very table."""
        return next((pair for pair in self.pairs if pair[0].form is Form.SCALAR and pair[0].value == key), None)

    def entry(self, key: str) -> tuple[Node, Node, Node] | None:
        """The table, the key and the value of an entry, own or merged in with `<<`."""
        for table in self.tables():
            found = table.own(key)
            if found is not None:
                return (table, *found)
        return None

    def get(self, key: str) -> Node | None:
        """The value of an entry, own or merged in."""
        found = self.entry(key)
        return None if found is None else found[2]

    def text(self, key: str) -> str | None:
        """The value of an entry where it is a scalar."""
        found = self.get(key)
        return found.value if found is not None and found.form is Form.SCALAR else None

    def tables(self) -> Iterator[Node]:
        """This table, then those that it merges, the strongest first (https://yaml.org/type/merge.html)."""
        pending, seen = [self], set()
        while pending:
            table = pending.pop(0)
            if table.form is not Form.TABLE or id(table) in seen:
                continue
            seen.add(id(table))
            yield table
            merged = table.own(_MERGE)
            if merged is not None:
                pending = [*(merged[1].items if merged[1].form is Form.LIST else [merged[1]]), *pending]

    def scalars(self) -> Iterator[Node]:
        """Every scalar that is a value, once, in the order of the text."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if node.form is Form.SCALAR:
                yield node
            else:
                below = node.items[1::2] if node.form is Form.TABLE else node.items
                pending.extend(reversed(below))


@dataclass(frozen=True)
class Document:
    """One document of a stream: where it starts, and its root (None: it is empty)."""

    start: int
    root: Node | None


def read_documents(text: str, name: str) -> tuple[Document, ...]:
    """Parse a stream; raises DocumentInvalid with file, line and column."""
    mark = 1 if text.startswith("\ufeff") else 0
    try:
        return tuple(_documents(text[mark:], name, mark))
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        place = name if where is None else f"{name}:{where.line + 1}:{where.column + 1}"
        about = " ".join(part for part in (error.context, error.problem) if part)
        raise DocumentInvalid(f"{place}: this is no YAML: {about}") from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        raise DocumentInvalid(f"{place}: this is no YAML: {error.reason}") from error
    except yaml.YAMLError as error:
        raise DocumentInvalid(f"{name}: this is no YAML: {error}") from error


def _documents(text: str, name: str, mark: int) -> Iterator[Document]:
    start = 0
    root: Node | None = None
    anchors: dict[str, Node] = {}
    open_nodes: list[Node] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        match event:
            case yaml.DocumentStartEvent():
                start, root, anchors = _start(event).index + mark, None, {}
                continue
            case yaml.DocumentEndEvent():
                yield Document(start, root)
                continue
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                open_nodes.pop()
                continue
            case yaml.AliasEvent():
                node = _named(event, anchors, open_nodes, name)
            case yaml.NodeEvent():
                node = _node(event, mark)
                if event.anchor is not None:
                    anchors[event.anchor] = node
            case _:
                continue
        if open_nodes:
            open_nodes[-1].items.append(node)
        else:
            root = node
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(node)


def _start(event: yaml.Event) -> Mark:
    mark = event.start_mark
    if mark is None:  # pragma: no cover - libyaml marks every event
        raise TypeError(event)
    return mark


def _named(event: yaml.AliasEvent, anchors: dict[str, Node], open_nodes: list[Node], name: str) -> Node:
    anchor = event.anchor or ""
    node = anchors.get(anchor)
    place = f"{name}:{_start(event).line + 1}:{_start(event).column + 1}"
    if node is None:
        raise DocumentInvalid(f"{place}: there is no anchor &{anchor} before this")
    if node in open_nodes:
        raise DocumentInvalid(f"{place}: *{anchor} is inside of &{anchor}: it would never end")
    return node


def _node(event: yaml.NodeEvent, mark: int) -> Node:
    begin = _start(event)
    start, line, column = begin.index + mark, begin.line + 1, begin.column + 1
    if isinstance(event, yaml.ScalarEvent) and event.end_mark is not None:
        return Node(Form.SCALAR, start, line, column, event.end_mark.index + mark, event.value, event.style or "")
    form = Form.TABLE if isinstance(event, yaml.MappingStartEvent) else Form.LIST
    flow = isinstance(event, yaml.CollectionStartEvent) and bool(event.flow_style)
    return Node(form, start, line, column, flow=flow)
