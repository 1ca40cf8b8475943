"""What compilers have read that cannot be watched, for they are static programs: it is known by what they were given.

A compilation writes the list of its files where `-MF` says; cargoship's own wrappers see to that. A linker reads what
its words name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence

from cargoship.unitcache.keys.refusal import NotKept

_COMPILES = frozenset({"cc", "c++", "clang"})
_THROUGH = frozenset({"cargo-zigbuild"})
_SOURCES = (".c", ".cc", ".cpp", ".cxx", ".C", ".S", ".s", ".m", ".h", ".hpp")
_BYTES_MAX = 16 << 20
_VALUE_FOLLOWS = frozenset(
    {"-o", "-MF", "-MT", "-MQ", "--output", "-target", "-Map", "-soname", "-h", "--dependency-file"}
)
_NAMED = re.compile(r"(?:-T|--script=|--version-script=|--dynamic-list=|-Wl,.*[,=])?(?P<path>.+)")


def read_by_compiler(text: str, trusted: Collection[str]) -> Iterator[tuple[str, str]]:
    """Kinds and paths of what an invocation reads; raises NotKept for a program that is not known, OSError."""
    program, *said = text.split("\n")
    if not said:
        raise NotKept("what it reads cannot be seen: a note of it is not whole")
    cwd, *words = said
    if os.path.realpath(program) not in trusted:
        raise NotKept(f"what it reads cannot be seen: {program} is a program that cannot be watched")
    if os.path.basename(program) in _THROUGH:  # noqa: PTH119 - text all the way
        return
    if words and words[0] in _COMPILES:
        listed = _value_after("-MF", words)
        if listed is not None:
            files = list(_listed(os.path.join(cwd, listed), cwd))  # noqa: PTH118
            yield from (("O", path) for path in files)
            yield from (("A", path) for path in _passed_over(words, files, cwd))
        elif any(word.endswith(_SOURCES) for word in words) or "-" in words:
            raise NotKept("what it reads cannot be seen: a C compiler that was not asked which files it reads")
    yield from _named(words[1:], cwd)


def _named(words: Sequence[str], cwd: str) -> Iterator[tuple[str, str]]:
    folders, libraries = [], []
    skipped = False
    for number, word in enumerate(words):
        if skipped:
            skipped = False
            continue
        if word in _VALUE_FOLLOWS:
            skipped = True
        elif word.startswith("-L"):
            folders.append(word[2:] or "".join(words[number + 1 : number + 2]))
        elif word.startswith("-l") and len(word) > 2:  # noqa: PLR2004 - a library, by its name
            libraries.append(word[2:])
        else:
            match = _NAMED.fullmatch(word.removeprefix("@"))
            path = os.path.join(cwd, match["path"]) if match else ""  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                yield "O", path
    for folder in folders:
        for name in libraries:
            for file in (f"lib{name}.so", f"lib{name}.a"):
                path = os.path.join(cwd, folder, file)  # noqa: PTH118
                yield ("O" if os.path.isfile(path) else "A"), path  # noqa: PTH113


def _value_after(flag: str, words: Sequence[str]) -> str | None:
    found = None
    for number, word in enumerate(words):
        if word == flag and number + 1 < len(words):
            found = words[number + 1]
        elif word.startswith(flag) and word != flag:
            found = word[len(flag) :]
    return found


def _passed_over(words: Sequence[str], files: Sequence[str], cwd: str) -> Iterator[str]:
    """Where headers were looked for that were found in a later folder, or would be found beside a source."""
    folders = [os.path.normpath(os.path.join(cwd, each)) for each in _folders(words)]  # noqa: PTH118
    sources = [os.path.dirname(os.path.join(cwd, word)) for word in words if word.endswith(_SOURCES)]  # noqa: PTH118, PTH120
    for path in map(os.path.normpath, files):
        for number, folder in enumerate(folders):
            if path.startswith(f"{folder}/"):
                below = path[len(folder) + 1 :]
                others = (os.path.normpath(f"{other}/{below}") for other in (*sources, *folders[:number]))
                yield from (other for other in others if other != path)
                break


def _folders(words: Sequence[str]) -> Iterator[str]:
    for number, word in enumerate(words):
        for flag in ("-I", "-iquote", "-isystem", "-idirafter"):
            if word == flag and number + 1 < len(words):
                yield words[number + 1]
            elif word.startswith(flag) and word != flag:
                yield word[len(flag) :]


def _listed(place: str, cwd: str) -> Iterator[str]:
    """The files of a list for make."""
    try:
        with open(place, "rb") as stream:  # noqa: PTH123
            data = stream.read(_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NotKept("what it reads cannot be seen: a C compiler's list of files is gone") from error
    if len(data) > _BYTES_MAX:
        raise NotKept("what it reads is more than can be noted")
    text = os.fsdecode(data).replace("\\\n", " ")
    for line in text.splitlines():
        _, colon, files = line.partition(": ")
        for word in re.findall(r"(?:\\.|[^\s\\])+", files if colon else ""):
            yield os.path.join(cwd, re.sub(r"\\(.)|\$(\$)", r"\1\2", word))  # noqa: PTH118
