"""YAML's nodes: what a document says, part by part, each knowing where it stands in the text, and what is merged in.

A megabyte may have a million of them: each costs little, who looks for a word goes only where it is, and what thousands
of tables merge is looked through once. Knows YAML and nothing of what documents mean.
Specification: https://yaml.org/spec/1.1/, https://yaml.org/type/merge.html
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

_MERGE = "<<"
_FEW = 4
"""So many tables that are merged at once are looked through each time: to keep what was found costs more."""


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
        merged = self._read_names()[_MERGE][1] if self.by_name is None else self.by_name[_MERGE][1]
        few: list[YamlNode] | tuple[YamlNode] = merged.items if merged.form is Form.LIST else (merged,)
        if len(few) > _FEW:
            return self._deeply_merged_entry(key)
        for each in few:
            own = each.own(key)
            if own is not None:
                return each, *own
            if each.own(_MERGE) is not None:
                return self._deeply_merged_entry(key)
        return None

    def _deeply_merged_entry(self, key: str) -> tuple[YamlNode, YamlNode, YamlNode] | None:
        """What is found is kept, for thousands of tables may merge each other, or one long list of others."""
        pending: list[YamlNode] = [self]
        while pending:
            node = pending[-1]
            if key in node.found:
                pending.pop()
                continue
            own = node.own(key)
            if own is not None:
                node.found[key] = (node, *own)
                continue
            below = node._merging()  # noqa: SLF001 - of its own kind
            # an anchor is never inside of what it names: this ends
            unread = [each for each in below if key not in each.found]
            pending.extend(unread)
            if not unread:
                node.found[key] = next((each.found[key] for each in below if each.found[key] is not None), None)
        return self.found[key]

    def _merging(self) -> list[YamlNode]:
        """Of a table what it names with `<<`, a table or a list of them; of such a list the tables in it."""
        if self.form is Form.LIST:
            return [each for each in self.items if each.form is Form.TABLE]
        merge = self.own(_MERGE)
        return [] if merge is None or merge[1].form is Form.SCALAR else [merge[1]]

    @property
    def found(self) -> dict[str, tuple[YamlNode, YamlNode, YamlNode] | None]:
        """What `entry` has found in a table that merges, in those that it merges, or in a list of them."""
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

    def scalars(self, *, every: bool = False) -> Iterator[YamlNode]:
        """Every scalar that is a value, once, in the order of the text: those with the word, or all of them."""
        pending, seen = [self], set()
        while pending:
            node = pending.pop()
            if not (every or node.has_word) or id(node) in seen:
                continue
            seen.add(id(node))
            if node.form is Form.SCALAR:
                yield node
            else:
                pending.extend(each for each in reversed(node.values()) if every or each.has_word)

    def values(self) -> list[YamlNode]:
        """A list's items; a table's values."""
        return self.items[1::2] if self.form is Form.TABLE else self.items


class Scalar(YamlNode):
    """A word, a number, a text of many lines."""

    __slots__ = ("end", "has_word", "start", "style", "tag", "value")
    form = Form.SCALAR


class List(YamlNode):
    """One that is written line by line."""

    __slots__ = ("has_word", "items", "start")
    form = Form.LIST


class FlowList(List):
    """One in brackets."""

    __slots__ = ()
    flow = True


class Table(YamlNode):
    """One that is written line by line."""

    __slots__ = ("by_name", "has_word", "items", "start")
    form = Form.TABLE


class FlowTable(Table):
    """One in braces."""

    __slots__ = ()
    flow = True
