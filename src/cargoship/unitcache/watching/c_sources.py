"""What a C compilation has read, or looked for, beside the files that its list for make names.

Such a list has what `#include` and `#embed` have found. It lacks what the assembler reads (`.incbin`, `.include`: GNU
as, chapter 7), what `__has_include` and `__has_embed` have asked for (C23, section 6.10.1), and the folders in
which a header was looked for in vain. All of it stands in the texts that were read: they are searched for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property

from msgspec import Struct, field

from cargoship.unitcache.keys.refusal import NotKept

ASSEMBLER = (".s", ".asm")
"""Sources that no preprocessor reads: compilers make no list for them."""
_SOURCES = (
    *(".c", ".cc", ".cpp", ".cxx", ".c++", ".C", ".S", ".sx", ".m", ".mm", ".h", ".hh", ".hpp", ".cu"),
    *ASSEMBLER,
)
_VALUE_FOLLOWS = frozenset(
    {
        "-o",
        "-I",
        "-D",
        "-U",
        "-include",
        "-include-pch",
        "-imacros",
        "-isystem",
        "-iquote",
        "-idirafter",
        "-x",
        "-Xclang",
    }
    | {"-Xassembler", "-Xlinker", "-MF", "-MT", "-MQ", "-mllvm", "-L", "-l", "-T", "-u", "-z", "-target", "-arch"}
)
_BYTES_MAX = 32 << 20
_JOINED = re.compile(rb"\\\r?\n")
# in a string of C, the letter of a `\n` or a `\t` may stand before the directive
_STARTS = rb"(?:(?<!\w)|(?<=\\[nt]))\."
_ASSEMBLED = re.compile(rb"incbin|" + _STARTS + rb"include\b", re.IGNORECASE)
_ASSEMBLED_FILE = re.compile(
    _STARTS + rb"(?:incbin|include)[ \t]*(?:\\t)*[ \t]*(?P<quote>\\?\")(?P<name>[^\"\\\n]+)(?P=quote)", re.IGNORECASE
)
_ASKS = re.compile(rb"\b__has_(?:include(?:_next)?|embed)\s*\(")
_ASKS_FOR = re.compile(rb"\b__has_(?:include(?:_next)?|embed)\s*\(\s*(?:<(?P<angle>[^>\n]+)>|\"(?P<quote>[^\"\n]+)\")")
_INCLUDES = re.compile(rb"^[ \t]*#[ \t]*(?:include(?:_next)?|import|embed)[ \t]*\"([^\"\n]+)\"", re.MULTILINE)
_DATES = re.compile(rb"\b__(?:DATE|TIME)__\b")
_DATES_ALLOWED = re.compile(r"-Wno-(?:error=)?date-time|-Wno-error|-w")
_OPTIMIZES = re.compile(r"-O(?:[1-9sgz]|fast)?")
"""Then, and without such a flag, Zig refuses to compile what uses these macros (-Werror=date-time)."""
_NAMES = (_ASSEMBLED_FILE, _ASKS_FOR, _INCLUDES)
_FOLDERS = ("-I", "-iquote", "-isystem", "-idirafter", "--embed-dir=", "-cxx-isystem")
_PREFIXES = ("-include", "-include-pch", "-imacros")


class _Text(Struct, frozen=True):
    """What one text may make a compiler read."""

    assembled: tuple[str, ...] = ()
    asked_beside: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    included: tuple[str, ...] = ()
    dated: bool = False
    """Whether it says __DATE__ or __TIME__."""
    allows_dates: bool = False
    """Whether it tells a compiler to take them where that would refuse them."""
    unclear: str = ""
    """What it reads by a name that only a compiler knows; empty where there is nothing such."""


class CSources(Struct):
    """Texts of C, C++ and assembler, each searched once. `is_covered` tells paths that keys know anyhow."""

    is_covered: Callable[[str], bool]
    is_dated: bool = False
    """Whether SOURCE_DATE_EPOCH says what time it is."""
    _texts: dict[str, _Text] = field(default_factory=dict)
    _lists: dict[str, Sequence[str]] = field(default_factory=dict)

    def takes_list(self, place: str, words: Sequence[str]) -> None:
        """Note that a compilation with these words has written the list at `place`.

        Raises NotKept where another has done so too: it is read when both have ended, and tells of the last alone.
        """
        if self._lists.setdefault(place, words) != words:
            raise NotKept(f"what it reads cannot be seen: two compilations have written {place}, a list of files")

    def beyond(self, words: Sequence[str], files: Sequence[str], cwd: str) -> Iterator[tuple[str, str]]:
        """Kinds ("O": read, "A": not there) and paths of what `files` are not; raises NotKept, OSError.

        `words` are those of a compilation in the folder `cwd` that has read `files`.
        """
        search = _Search(words, cwd)
        plain = list(dict.fromkeys(map(os.path.normpath, files)))
        own = [path for path in plain if not self.is_covered(path)]
        if any(flag in words for flag in ("-MM", "-MMD")) and not all(map(self.is_covered, search.system)):
            raise NotKept("what it reads cannot be seen: a C compiler that lists no headers of -isystem folders")
        yield from search.prefixes()
        yield from search.passed_over(plain)
        read = set(plain)
        for path in own:
            text = self._text(path)
            if text.unclear:
                raise NotKept(f"what it reads cannot be seen: {text.unclear} in {path}")
            if text.dated and not self.is_dated and (text.allows_dates or _allow_dates(words)):
                raise NotKept(f"it looks at the clock, which no digest can hold (__DATE__ or __TIME__ in {path})")
            beside = os.path.dirname(path)  # noqa: PTH120 - text all the way: there are many
            yield from search.before(text.included, beside, read)
            for name in text.assembled:
                yield from search.until_found(name, (cwd, *search.folders))
            for name in text.asked_beside:
                yield from search.until_found(name, (beside, *search.folders))
            for name in text.asked:
                yield from search.until_found(name, search.folders)

    def _text(self, path: str) -> _Text:
        if path not in self._texts:
            self._texts[path] = _searched(path)
        return self._texts[path]


class _Search:
    """Where a compilation looks for files."""

    def __init__(self, words: Sequence[str], cwd: str) -> None:
        self._cwd = cwd
        self._words = words
        found = [(flag, os.path.normpath(os.path.join(cwd, each))) for flag, each in _values(words, _FOLDERS)]  # noqa: PTH118
        self.folders = tuple(dict.fromkeys(each for _, each in found))
        self.system = tuple(each for flag, each in found if "system" in flag or flag == "-idirafter")

    @cached_property
    def _beside_sources(self) -> tuple[str, ...]:
        paths = (os.path.join(self._cwd, word) for word in sources_in(self._words))  # noqa: PTH118
        return tuple(dict.fromkeys(os.path.dirname(path) for path in paths))  # noqa: PTH120

    def prefixes(self) -> Iterator[tuple[str, str]]:
        """Compiled headers that would be read in the place of those that `-include` names."""
        for _, name in _values(self._words, _PREFIXES):
            for folder in (self._cwd, *self.folders):
                path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
                for compiled in (f"{path}.pch", f"{path}.gch"):
                    yield ("O" if os.path.isfile(compiled) else "A"), compiled  # noqa: PTH113

    def passed_over(self, files: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Where headers were looked for that were found in a later folder, or would be found beside a source."""
        for path in files:
            for number, folder in enumerate(self.folders):
                if path.startswith(f"{folder}/"):
                    below = path[len(folder) + 1 :]
                    others = (
                        os.path.normpath(f"{other}/{below}")
                        for other in (*self._beside_sources, *self.folders[:number])
                    )
                    yield from (("A", other) for other in others if other != path)
                    break

    def before(self, names: Sequence[str], beside: str, read: Collection[str]) -> Iterator[tuple[str, str]]:
        """Where `names` were looked for, from a text in the folder `beside`, before they were found among `read`."""
        for name in names:
            passed: list[tuple[str, str]] = []
            for folder in (beside, *self.folders):
                path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
                if path in read:
                    yield from passed
                    break
                passed.append(("A", path))

    def until_found(self, name: str, folders: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Where a name was looked for, to the first place that has it."""
        for folder in folders:
            path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                yield "O", path
                return
            yield "A", path


def sources_in(words: Sequence[str]) -> list[str]:
    """What a compiler's command compiles, by the endings of its words."""
    pairs = zip(("", *words), words, strict=False)
    return [
        word
        for before, word in pairs
        if word.endswith(_SOURCES) and not word.startswith("-") and before not in _VALUE_FOLLOWS
    ]


def _allow_dates(words: Sequence[str]) -> bool:
    """Whether Zig compiles __DATE__ and __TIME__."""
    return any(map(_DATES_ALLOWED.fullmatch, words)) or not any(map(_OPTIMIZES.fullmatch, words))


def _values(words: Sequence[str], flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, word in enumerate(words):
        for flag in flags:
            if word == flag:
                yield from ((flag, each) for each in words[number + 1 : number + 2])
                break
            if word.startswith(flag) and flag not in _PREFIXES:
                yield flag, word[len(flag) :]
                break


def _searched(path: str) -> _Text:
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            data = stream.read(_BYTES_MAX + 1)
    except FileNotFoundError:
        # what a build script has made for a question and removed; anything else that is gone is refused elsewhere
        return _Text()
    if len(data) > _BYTES_MAX:
        return _Text(unclear="a text of more bytes than are searched")
    text = _JOINED.sub(b"", data)
    assembled = [os.fsdecode(match["name"]) for match in _ASSEMBLED_FILE.finditer(text)]
    asked = list(_ASKS_FOR.finditer(text))
    unclear = ""
    if len(_ASSEMBLED.findall(text)) > len(assembled):
        unclear = "a file that the assembler reads (.incbin, .include), of which the name is not plain,"
    elif len(_ASKS.findall(text)) > len(asked):
        unclear = "__has_include of what is not plain"
    elif b"\0" in text and any(b"\0" in match[0] for each in _NAMES for match in each.finditer(text)):
        unclear = "a name with a zero byte"
    return _Text(
        tuple(dict.fromkeys(assembled)),
        tuple(dict.fromkeys(os.fsdecode(match["quote"]) for match in asked if match["quote"])),
        tuple(dict.fromkeys(os.fsdecode(match["angle"]) for match in asked if match["angle"])),
        tuple(dict.fromkeys(map(os.fsdecode, _INCLUDES.findall(text)))),
        _DATES.search(text) is not None,
        b"-Wdate-time" in text,
        unclear,
    )
