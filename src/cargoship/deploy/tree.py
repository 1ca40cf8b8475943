"""YAML as a tree in which every part knows where it stands in the text.

libyaml parses; its events become nodes without recursion, so that no document can exhaust the stack, and an anchor's
node stands in the tree as often as it is named, but exists once. A megabyte may have a million nodes: each costs
little, and who looks for a word goes only where it is. Knows YAML and nothing of what documents mean.
Specification: https://yaml.org/spec/1.1/
"""

from __future__ import annotations

import enum
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import yaml

from cargoship.errors import DocumentInvalid

_MERGE = "<<"
_BRACKETS_MAX = 200
"""Brackets in brackets. libyaml looks through all that are open at each word; nobody writes a tenth of it."""


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


_NO_ITEMS: list[YamlNode] = []


class YamlNode:
    """A scalar, list or table; two nodes are equal if they are the same one, and none changes once it is read.

    `start` and `end` count characters from the text's beginning. What a node does not have costs it
    nothing, as it would in a dataclass.
    """

    end: int = -1
    """Of a scalar only: where it ends."""
    value: str = ""
    style: str = ""
    """Of a scalar: ' or " or | or >, nothing for a plain one."""
    flow: bool = False
    """Of a list or table: in brackets or braces."""
    tag: str = ""
    """As it was written, in full; nothing where none was."""
    items: list[YamlNode] = _NO_ITEMS
    """Of a list its items; of a table keys and values by turns."""
    has_word: bool = False
    """Whether the word that was looked for is in it, or in something below it."""
    is_open: bool = False
    """While its items are being read."""
    _named: dict[str, tuple[YamlNode, YamlNode]] | None = None
    """A table's own entries by their keys, once somebody asks."""
    _found: dict[str, tuple[YamlNode, YamlNode, YamlNode] | None] | None = None

    def __init__(self, form: Form, start: int) -> None:
        self.form = form
        self.start = start

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
        """The table, the key and the value of an entry, own or merged in with `<<`."""
        own = self.own(key)
        if own is not None:
            return self, *own
        return self._merged_entry(key) if self.own(_MERGE) is not None else None

    def _merged_entry(self, key: str) -> tuple[YamlNode, YamlNode, YamlNode] | None:
        """What is found is kept, for thousands of tables may merge each other: each is looked through once."""
        pending = [self]
        while pending:
            table = pending[-1]
            own = table.own(key)
            below = [] if own is not None or key in table.found else list(table.merged())
            # an anchor is never inside of what it names: this ends
            unread = [each for each in below if key not in each.found]
            if unread:
                pending.extend(unread)
                continue
            if key not in table.found:
                merged = (each.found[key] for each in below if each.found[key] is not None)
                table.found[key] = next(merged, None) if own is None else (table, *own)
            pending.pop()
        return self.found[key]

    @property
    def found(self) -> dict[str, tuple[YamlNode, YamlNode, YamlNode] | None]:
        """What `entry` has found in a table that merges, or in those that it merges."""
        if self._found is None:
            self._found = {}
        return self._found

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
        """Every scalar with the word that is part of a key which is itself in braces or brackets.

        So `{{ x }}` of templates reads.
        """
        pending, seen = [(self, False)], set()
        while pending:
            node, inside = pending.pop()
            if (id(node), inside) in seen:
                continue
            seen.add((id(node), inside))
            if node.form is Form.SCALAR:
                if inside and node.has_word:
                    yield node
                continue
            pending.extend((each, inside) for each in node.values() if each.has_word)
            if node.form is Form.TABLE:
                keys = (each for each in node.items[::2] if each.has_word)
                pending.extend((each, inside or each.form is not Form.SCALAR) for each in keys)

    def scalars(self) -> Iterator[YamlNode]:
        """Every scalar with the word that is a value, once, in the order of the text."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if not node.has_word or id(node) in seen:
                continue
            seen.add(id(node))
            if node.form is Form.SCALAR:
                yield node
            else:
                pending.extend(each for each in reversed(node.values()) if each.has_word)

    def values(self) -> list[YamlNode]:
        """A list's items; a table's values."""
        return self.items[1::2] if self.form is Form.TABLE else self.items


@dataclass(frozen=True)
class YamlDocument:
    """One document of a stream: where it starts, and its root (None: it is empty)."""

    start: int
    root: YamlNode | None


def read_documents(text: str, name: str, word: str) -> tuple[YamlDocument, ...]:
    """Parse a stream, and note where a word is; raises DocumentInvalid with file, line and column."""
    mark = 1 if text.startswith("\ufeff") else 0
    with _errors_of(text, name), uncollected():
        return tuple(_documents(text[mark:], name, mark, word))


def count_documents(text: str, name: str) -> int:
    """How many documents a stream has; raises DocumentInvalid as `read_documents`, but for aliases and depth."""
    with _errors_of(text, name):
        return sum(isinstance(event, yaml.DocumentStartEvent) for event in _events(text.removeprefix("\ufeff")))


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


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which would look through hundreds of thousands of nodes again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Tree:
    """One document while it is read."""

    def __init__(self, start: int, name: str) -> None:
        self.start = start
        self.root: YamlNode | None = None
        self._name = name
        self._open: list[YamlNode] = []
        self._brackets = 0
        self._anchors: dict[str, YamlNode] = {}

    def add(self, node: YamlNode, event: yaml.NodeEvent) -> None:
        """Put a node, whose items may follow, where it belongs; raises DocumentInvalid."""
        self.put(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if node.is_open:
            self._open.append(node)
            self._brackets += node.flow
            if self._brackets > _BRACKETS_MAX:
                raise DocumentInvalid(f"{_place(event, self._name)}: this is nested too deeply: brackets in brackets")

    def put(self, node: YamlNode) -> None:
        """Put a node below the one that is open."""
        if not self._open:
            self.root = node
            return
        above = self._open[-1]
        above.items.append(node)
        if node.has_word:
            above.has_word = True

    def close(self) -> None:
        """End the list or table that is open."""
        node = self._open.pop()
        node.is_open = False
        self._brackets -= node.flow
        if node.has_word and self._open:
            self._open[-1].has_word = True

    def named(self, event: yaml.AliasEvent) -> YamlNode:
        """What an alias stands for; raises DocumentInvalid."""
        anchor = event.anchor or ""
        node = self._anchors.get(anchor)
        if node is None:
            raise DocumentInvalid(f"{_place(event, self._name)}: there is no anchor &{anchor} before this")
        if node.is_open:
            place = _place(event, self._name)
            raise DocumentInvalid(f"{place}: *{anchor} is inside of &{anchor}: it would never end")
        return node


def _documents(text: str, name: str, mark: int, word: str) -> Iterator[YamlDocument]:
    tree = _Tree(0, name)
    for event in _events(text):
        match event:
            case yaml.ScalarEvent() | yaml.CollectionStartEvent():
                tree.add(_node(event, mark, word), event)
            case yaml.CollectionEndEvent():
                tree.close()
            case yaml.AliasEvent():
                tree.put(tree.named(event))
            case yaml.DocumentStartEvent():
                tree = _Tree(_index(event.start_mark, 0) + mark, name)
            case yaml.DocumentEndEvent():
                yield YamlDocument(tree.start, tree.root)
            case _:
                pass


def _events(text: str) -> Iterator[yaml.Event]:
    return iter(yaml.CSafeLoader(text).get_event, None)


def _index(mark: Mark | None, otherwise: int) -> int:
    return otherwise if mark is None else mark.index


def _place(event: yaml.Event, name: str) -> str:
    mark = event.start_mark
    return name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"


def _node(event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: int, word: str) -> YamlNode:
    start = _index(event.start_mark, 0) + mark
    if isinstance(event, yaml.ScalarEvent):
        node = YamlNode(Form.SCALAR, start)
        node.end = _index(event.end_mark, start - mark) + mark
        node.value = event.value
        if event.style:
            node.style = event.style
        if word in event.value:
            node.has_word = True
    else:
        node = YamlNode(Form.TABLE if isinstance(event, yaml.MappingStartEvent) else Form.LIST, start)
        node.items, node.flow, node.is_open = [], bool(event.flow_style), True
    if event.tag:
        node.tag = event.tag
    return node
