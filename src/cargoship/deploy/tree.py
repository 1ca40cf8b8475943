"""YAML as a tree in which every part knows where it stands in the text.

libyaml parses; its events become nodes without recursion, so that no document can exhaust the stack, and an anchor's
node stands in the tree as often as it is named, but exists once. A megabyte may have a million nodes: each costs
little, and who looks for a word goes only where it is. Knows YAML and nothing of what documents mean.
Specification: https://yaml.org/spec/1.1/
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

import yaml
from msgspec import Struct

from cargoship.deploy.collecting import uncollected
from cargoship.errors import DocumentInvalid

_MERGE = "<<"
_BRACKETS_MAX = 200
"""Brackets in brackets. libyaml looks through all that are open at each word; nobody writes a tenth of it."""
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


class Form(enum.Enum):
    """What a node is."""

    SCALAR = "scalar"
    LIST = "list"
    TABLE = "table"


_NO_ITEMS: list[YamlNode] = []


class YamlNode:
    """A scalar, list or table; two nodes are equal if they are the same one, and none changes once it is read.

    `start` and `end` count characters from the text's beginning. What a node of its form does not have costs it
    nothing, neither time nor memory, as it would in a dataclass.
    """

    form: Form
    start: int
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
    """While the items of one that has an anchor are being read."""
    by_name: dict[str, tuple[YamlNode, YamlNode]] | None = None
    """A table's own entries by their keys, once somebody asks."""
    _found: dict[str, tuple[YamlNode, YamlNode, YamlNode] | None] | None = None
    _merges: tuple[YamlNode, ...] | None = None

    @property
    def pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        """A table's keys and values, in their order."""
        return zip(self.items[::2], self.items[1::2], strict=False)

    def own(self, key: str) -> tuple[YamlNode, YamlNode] | None:
        """The key and the value of an entry that stands in this very table, the first of that name."""
        named = self.by_name
        return (self._read_names() if named is None else named).get(key)

    def _read_names(self) -> dict[str, tuple[YamlNode, YamlNode]]:
        named: dict[str, tuple[YamlNode, YamlNode]] = {}
        self.by_name = named
        for pair in self.pairs if self.form is Form.TABLE else ():
            if pair[0].form is Form.SCALAR:
                named.setdefault(pair[0].value, pair)
        return named

    @property
    def has_plain_keys(self) -> bool:
        """Whether all keys of a table are scalars, and no two of them are equal."""
        named = self.by_name
        return 2 * len(self._read_names() if named is None else named) == len(self.items)

    def entry(self, key: str) -> tuple[YamlNode, YamlNode, YamlNode] | None:
        """The table, the key and the value of an entry, own or merged in with `<<`."""
        named = self.by_name
        if named is None:
            named = self._read_names()
        own = named.get(key)
        if own is not None:
            return self, *own
        return self._merged_entry(key) if _MERGE in named else None

    def _merged_entry(self, key: str) -> tuple[YamlNode, YamlNode, YamlNode] | None:
        merges = self._merges
        for each in self.merged() if merges is None else merges:
            own = each.own(key)
            if own is not None:
                return each, *own
            if each.own(_MERGE) is not None:
                return self._deeply_merged_entry(key)
        return None

    def _deeply_merged_entry(self, key: str) -> tuple[YamlNode, YamlNode, YamlNode] | None:
        """What is found is kept, for thousands of tables may merge each other: each is looked through once."""
        pending = [self]
        while pending:
            table = pending[-1]
            own = table.own(key)
            below = () if own is not None or key in table.found else table.merged()
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

    def merged(self) -> tuple[YamlNode, ...]:
        """The tables that this one names with `<<`, each once, the strongest first (https://yaml.org/type/merge.html)."""
        if self._merges is None:
            own = self.own(_MERGE)
            of = () if own is None else own[1].items if own[1].form is Form.LIST else (own[1],)
            self._merges = tuple(dict.fromkeys(each for each in of if each.form is Form.TABLE))
        return self._merges

    def tables(self) -> Iterator[YamlNode]:
        """This table, then those that it merges and that these do, the strongest first."""
        pending, seen = [self], set()
        while pending:
            table = pending.pop()
            if table.form is not Form.TABLE or id(table) in seen:
                continue
            seen.add(id(table))
            yield table
            pending.extend(reversed(table.merged()))

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


class _Scalar(YamlNode):
    __slots__ = ("end", "has_word", "start", "style", "tag", "value")
    form = Form.SCALAR


class _List(YamlNode):
    __slots__ = ("has_word", "items", "start")
    form = Form.LIST


class _FlowList(_List):
    __slots__ = ()
    flow = True


class _Table(YamlNode):
    __slots__ = ("by_name", "has_word", "items", "start")
    form = Form.TABLE


class _FlowTable(_Table):
    __slots__ = ()
    flow = True


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
            node: YamlNode = new(_Scalar)
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
                node = new(_FlowTable if kind is table_start else _FlowList)
                brackets += 1
                if brackets > _BRACKETS_MAX:
                    raise DocumentInvalid(f"{_place(event, name)}: this is nested too deeply: brackets in brackets")
            else:
                node = new(_Table if kind is table_start else _List)
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
    above = _List()
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
