"""YAML as a tree in which every part knows where it stands in the text.

libyaml parses; its events become nodes without recursion, so that no document can exhaust the stack, and an anchor's
node stands in the tree as often as it is named, but exists once. Knows YAML and nothing of what documents mean.
Specification: https://yaml.org/spec/1.1/
"""

from __future__ import annotations

import enum
import gc
from collections.abc import Iterator
from contextlib import contextmanager
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


@dataclass(eq=False, slots=True)
class YamlNode:
    """A scalar, list or table; two nodes are equal if they are the same one, and none changes once it is read.

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
    tag: str = ""
    """As it was written, in full; nothing where none was."""
    items: list[YamlNode] = field(default_factory=list)
    """Of a list its items; of a table keys and values by turns."""
    is_open: bool = False
    """While its items are being read."""
    _named: dict[str, tuple[YamlNode, YamlNode]] | None = None
    """A table's own entries by their keys, once somebody asks."""
    found: dict[str, tuple[YamlNode, YamlNode, YamlNode] | None] = field(default_factory=dict)
    """What `entry` has found in it and in what it merges."""

    @property
    def pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        """A table's keys and values, in their order."""
        return zip(self.items[::2], self.items[1::2], strict=False)

    def own(self, key: str) -> tuple[YamlNode, YamlNode] | None:
        """The key and the value of an entry that stands in this very table, the first of that name."""
        if self._named is None:
            self._named = {}
            for pair in self.pairs if self.form is Form.TABLE else ():
                if pair[0].form is Form.SCALAR:
                    self._named.setdefault(pair[0].value, pair)
        return self._named.get(key)

    def entry(self, key: str) -> tuple[YamlNode, YamlNode, YamlNode] | None:
        """The table, the key and the value of an entry, own or merged in with `<<`.

        What is found is kept, for thousands of tables may merge each other: each is looked through once for a key.
        """
        pending = [self]
        while pending:
            table = pending[-1]
            below = [] if key in table.found or table.own(key) is not None else list(table.merged())
            # an anchor is never inside of what it names: this ends
            unread = [each for each in below if key not in each.found]
            if unread:
                pending.extend(unread)
                continue
            if key not in table.found:
                own = table.own(key)
                merged = (each.found[key] for each in below if each.found[key] is not None)
                table.found[key] = next(merged, None) if own is None else (table, *own)
            pending.pop()
        return self.found[key]

    def get(self, key: str) -> YamlNode | None:
        """The value of an entry, own or merged in."""
        found = self.entry(key)
        return None if found is None else found[2]

    def text(self, key: str) -> str | None:
        """The value of an entry where it is a scalar."""
        found = self.get(key)
        return found.value if found is not None and found.form is Form.SCALAR else None

    def merged(self) -> Iterator[YamlNode]:
        """The tables that this one names with `<<`, the strongest first (https://yaml.org/type/merge.html)."""
        merged = self.own(_MERGE)
        if merged is not None:
            of = merged[1].items if merged[1].form is Form.LIST else [merged[1]]
            yield from (each for each in of if each.form is Form.TABLE)

    def tables(self) -> Iterator[YamlNode]:
        """This table, then those that it merges and that these do, the strongest first."""
        pending, seen = [self], set()
        while pending:
            table = pending.pop()
            if table.form is not Form.TABLE or id(table) in seen:
                continue
            seen.add(id(table))
            yield table
            pending.extend(reversed(list(table.merged())))

    def keys_in_braces(self) -> Iterator[YamlNode]:
        """Every scalar that is part of a key which is itself in braces or brackets: as `{{ x }}` of templates reads."""
        pending, seen = [(self, False)], set()
        while pending:
            node, inside = pending.pop()
            if (id(node), inside) in seen:
                continue
            seen.add((id(node), inside))
            if node.form is Form.SCALAR:
                if inside:
                    yield node
                continue
            for position, each in enumerate(node.items):
                is_key = node.form is Form.TABLE and position % 2 == 0
                pending.append((each, inside or (is_key and each.form is not Form.SCALAR)))

    def scalars(self) -> Iterator[YamlNode]:
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
class YamlDocument:
    """One document of a stream: where it starts, and its root (None: it is empty)."""

    start: int
    root: YamlNode | None


def read_documents(text: str, name: str) -> tuple[YamlDocument, ...]:
    """Parse a stream; raises DocumentInvalid with file, line and column."""
    mark = 1 if text.startswith("\ufeff") else 0
    try:
        with _uncollected():
            return tuple(_documents(text[mark:], name, mark))
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


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles, which would look through hundreds of thousands of nodes again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _documents(text: str, name: str, mark: int) -> Iterator[YamlDocument]:
    start = 0
    root: YamlNode | None = None
    anchors: dict[str, YamlNode] = {}
    open_nodes: list[YamlNode] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        match event:
            case yaml.ScalarEvent() | yaml.CollectionStartEvent():
                node = _node(event, mark)
                if event.anchor is not None:
                    anchors[event.anchor] = node
            case yaml.CollectionEndEvent():
                open_nodes.pop().is_open = False
                continue
            case yaml.AliasEvent():
                node = _named(event, anchors, name)
            case yaml.DocumentStartEvent():
                start, root, anchors = _start(event).index + mark, None, {}
                continue
            case yaml.DocumentEndEvent():
                yield YamlDocument(start, root)
                continue
            case _:
                continue
        if open_nodes:
            open_nodes[-1].items.append(node)
        else:
            root = node
        if node.is_open:
            open_nodes.append(node)


def _start(event: yaml.Event) -> Mark:
    mark = event.start_mark
    if mark is None:  # pragma: no cover - libyaml marks every event
        raise TypeError(event)
    return mark


def _named(event: yaml.AliasEvent, anchors: dict[str, YamlNode], name: str) -> YamlNode:
    anchor = event.anchor or ""
    node = anchors.get(anchor)
    if node is not None and not node.is_open:
        return node
    place = f"{name}:{_start(event).line + 1}:{_start(event).column + 1}"
    if node is None:
        raise DocumentInvalid(f"{place}: there is no anchor &{anchor} before this")
    raise DocumentInvalid(f"{place}: *{anchor} is inside of &{anchor}: it would never end")


def _node(event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: int) -> YamlNode:
    begin = _start(event)
    start, line, column = begin.index + mark, begin.line + 1, begin.column + 1
    if isinstance(event, yaml.ScalarEvent):
        end = event.end_mark
        return YamlNode(Form.SCALAR, start, line, column, start if end is None else end.index + mark, event.value,
                        event.style or "", tag=event.tag or "")  # fmt: skip
    form = Form.TABLE if isinstance(event, yaml.MappingStartEvent) else Form.LIST
    return YamlNode(form, start, line, column, flow=bool(event.flow_style), tag=event.tag or "", is_open=True)
