"""What a linker or an archiver reads, by the words that it was given: lld's rules, which are those of GNU ld.

Objects and libraries are named by words, by files of words (`@FILE`), by linker scripts (INPUT, GROUP, INCLUDE,
SEARCH_DIR: GNU ld, section 3.4), and by thin archives, whose members lie beside them.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from cargoship.unitcache.keys.refusal import NotKept

_BYTES_MAX = 16 << 20
_FILES_MAX = 20_000
_DEPTH_MAX = 16
_FOLLOWS = {
    **dict.fromkeys(("-o", "-MF", "-MT", "-MQ", "--output", "-target", "-Map", "-soname", "-h"), "written"),
    "--dependency-file": "written",
    **dict.fromkeys(("-L", "--library-path", "-library-path"), "folder"),
    **dict.fromkeys(("-l", "--library", "-library"), "library"),
    **dict.fromkeys(("-T", "--script", "-dT", "--default-script"), "script"),
}
"""What the word after an option is."""
_WRITES = ("-o=", "--output=", "-Map=", "--Map=", "-soname=", "--soname=", "--dependency-file=", "-MF")
_GLUED = {
    "folder": ("--library-path=", "-library-path=", "-L"),
    "library": ("--library=", "-library=", "-l"),
    "script": ("--script=", "--default-script=", "-T"),
}
_THIN = b"!<thin>\n"
_BINARY = (b"!<arch>\n", b"\x7fELF", b"BC\xc0\xde", b"\xde\xc0\x17\x0b", b"\xcf\xfa\xed\xfe", b"\0asm")
_HEADER = 60
_COMMENT = re.compile(r"/\*.*?\*/|#[^\n]*", re.DOTALL)
_TOKEN = re.compile(r'"[^"\n]*"|[(){};,]|[^\s(){};,"]+')
_LISTS = frozenset({"INPUT", "GROUP", "STARTUP"})


def read_by_linker(words: Sequence[str], cwd: str) -> Iterator[tuple[str, str]]:
    """Kinds ("O": read, "A": not there) and paths of what a linker with these words reads in the folder `cwd`.

    Raises NotKept for what has no bounds, OSError.
    """
    run = _Linking(cwd)
    yield from run.words(words)


class _Linking(Struct):
    cwd: str
    folders: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def words(self, given: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What all words name. Folders are known before libraries are looked for: their order among words is free."""
        responses: list[tuple[str, str]] = []
        words = list(self._expanded(given, responses, 0))
        yield from responses
        found = list(_meant(words))
        for kind, name in found:
            if kind == "folder":
                self._searched(name)
        for kind, name in found:
            if kind in {"script", "file"}:
                yield from self._input(name, is_script=kind == "script")
        for kind, name in found:
            if kind == "library":
                yield from self._library(name)

    def _expanded(self, given: Sequence[str], responses: list[tuple[str, str]], depth: int) -> Iterator[str]:
        for word in given:
            path = os.path.join(self.cwd, word[1:])  # noqa: PTH118 - text all the way: there are many
            if word.startswith("@") and len(word) > 1 and os.path.isfile(path):  # noqa: PTH113
                if depth > _DEPTH_MAX:
                    raise NotKept("what it reads is more than can be noted")
                responses.append(("O", path))
                text = os.fsdecode(_content(path))
                try:
                    inner = shlex.split(text)
                except ValueError as error:
                    raise NotKept(f"what it reads cannot be seen: {path} is no list of words ({error})") from error
                yield from self._expanded(inner, responses, depth + 1)
            elif word.startswith("-Wl,"):
                yield from self._expanded(word.split(",")[1:], responses, depth + 1)
            elif word not in {"-Xlinker", "-Xclang"}:
                yield word

    def _searched(self, folder: str) -> None:
        self.folders.append(os.path.join(self.cwd, folder))  # noqa: PTH118

    def _input(self, name: str, *, is_script: bool = False, beside: str = "") -> Iterator[tuple[str, str]]:
        """A file that is named: in the working folder; a script's also beside it, and where libraries are."""
        places = [self.cwd, *([beside] if beside else []), *(self.folders if is_script or beside else ())]
        missed: list[tuple[str, str]] = []
        for place in places:
            path = os.path.normpath(os.path.join(place, name))  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                yield from missed
                yield from self._file(path)
                return
            if os.path.isdir(path):  # noqa: PTH112
                return
            missed.append(("A", path))
        if is_script or beside:
            yield from missed

    def _library(self, name: str) -> Iterator[tuple[str, str]]:
        names = (name[1:],) if name.startswith(":") else (f"lib{name}.so", f"lib{name}.a")
        for folder in self.folders:
            for each in names:
                path = os.path.normpath(os.path.join(folder, each))  # noqa: PTH118
                if os.path.isfile(path):  # noqa: PTH113
                    yield from self._file(path)
                else:
                    yield "A", path

    def _file(self, path: str) -> Iterator[tuple[str, str]]:
        if path in self._seen:
            return
        self._seen.add(path)
        if len(self._seen) > _FILES_MAX:
            raise NotKept("what it reads is more than can be noted")
        yield "O", path
        with open(path, "rb") as stream:  # noqa: PTH123
            head = stream.read(len(_THIN))
        beside = os.path.dirname(path)  # noqa: PTH120
        if head == _THIN:
            for name in _members(path):
                yield from self._file(os.path.normpath(os.path.join(beside, name)))  # noqa: PTH118
        elif head and not head.startswith(_BINARY) and b"\0" not in head:
            yield from self._script(path, beside)

    def _script(self, path: str, beside: str) -> Iterator[tuple[str, str]]:
        data = _content(path)
        if not any(word in data for word in (b"INPUT", b"GROUP", b"INCLUDE", b"SEARCH_DIR", b"STARTUP")):
            return
        tokens = [part.strip('"') for part in _TOKEN.findall(_COMMENT.sub(" ", os.fsdecode(data)))]
        if "SEARCH_DIR" in tokens:
            self.folders += [
                os.path.join(self.cwd, tokens[at + 2].lstrip("="))  # noqa: PTH118
                for at, part in enumerate(tokens[:-2])
                if part == "SEARCH_DIR"
            ]
        for name in _named_by(tokens):
            if name.startswith("-l"):
                yield from self._library(name[2:])
            else:
                yield from self._input(name.lstrip("="), beside=beside)


def _meant(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What each word names: a "folder" with libraries, a "library", a "script", a "file"."""
    following = ""
    for word in words:
        kind, following = following, ""
        if kind:
            yield kind, word
            continue
        following = _FOLLOWS.get(word, "")
        if following or word.startswith(_WRITES):
            continue
        for kind, prefixes in _GLUED.items():
            name = _after(prefixes, word)
            if name is not None:
                yield kind, name
                break
        else:
            yield from (("file", each) for each in _files_in(word))


def _named_by(tokens: Sequence[str]) -> Iterator[str]:
    """Files and libraries that a linker script names."""
    depth = 0
    is_list = False
    for before, part in zip(("", *tokens), tokens, strict=False):
        if before == "INCLUDE":
            yield part
        elif part == "(":
            is_list = is_list or (before in _LISTS and not depth)
            depth += 1
        elif part == ")":
            depth -= 1
            is_list = is_list and depth > 0
        elif is_list and part not in {",", "AS_NEEDED"}:
            yield part


def _members(path: str) -> Iterator[str]:
    """Names of a thin archive's members, relative to its folder (GNU ar's form: names in a table, `/OFFSET`)."""
    data = _content(path)
    at = len(_THIN)
    table = b""
    while at + _HEADER <= len(data):
        header = data[at : at + _HEADER]
        name, size = header[:16].rstrip(), header[48:58].strip()
        at += _HEADER
        if not size.isdigit():
            raise NotKept(f"what it reads cannot be seen: {path} is no archive")
        if name in {b"/", b"//", b"/SYM64/"}:
            # tables alone have their content in a thin archive
            table = data[at : at + int(size)] if name == b"//" else table
            at += int(size) + int(size) % 2
        elif name.startswith(b"/") and name[1:].isdigit():
            yield _member(table[int(name[1:]) :].partition(b"\n")[0], path)
        else:
            yield _member(name, path)


def _member(name: bytes, archive: str) -> str:
    if b"\0" in name:
        raise NotKept(f"what it reads cannot be seen: {archive} is no archive")
    return os.fsdecode(name.rstrip(b"/"))


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:  # noqa: PTH123
        data = stream.read(_BYTES_MAX + 1)
    if len(data) > _BYTES_MAX:
        raise NotKept("what it reads is more than can be noted")
    return data


def _after(prefixes: Sequence[str], word: str) -> str | None:
    return next((word[len(each) :] for each in prefixes if word.startswith(each) and word != each), None)


def _files_in(word: str) -> tuple[str, ...]:
    """A word that may be a file's name, or have one after its `=`: `--version-script=FILE`, `--add-section=.a=FILE`."""
    parts = word.split("=")
    if len(parts) == 1:
        return (word,)
    return (word, *("=".join(parts[number:]) for number in range(1, len(parts))))
