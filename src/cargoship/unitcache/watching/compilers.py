"""What compilers have read that cannot be watched, for they are static programs: it is known by what they were given.

A compilation writes the list of its files where `-MF` says; cargoship's own wrappers see to that. A linker reads what
its words name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence

from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.watching.c_sources import ASSEMBLER, CSources, sources_in
from cargoship.unitcache.watching.linked import read_by_linker

_COMPILES = frozenset({"cc", "c++", "clang"})
_LINKS = frozenset({"ld.lld", "ar", "ranlib", "lib", "dlltool", "objcopy", "rc", "ld64.lld", "lld-link", "wasm-ld"})
_ANSWERS = frozenset({"version", "env", "targets", "help", "libc", "zen", "--help", "-h"})
_THROUGH = frozenset({"cargo-zigbuild"})
_BYTES_MAX = 16 << 20


def read_by_compiler(text: str, trusted: Collection[str], sources: CSources) -> Iterator[tuple[str, str]]:
    """Kinds and paths of what an invocation reads; raises NotKept for a program that is not known, OSError."""
    program, *said = text.split("\n")
    if not said:
        raise NotKept("what it reads cannot be seen: a note of it is not whole")
    cwd, *words = said
    if os.path.realpath(program) not in trusted:
        raise NotKept(f"what it reads cannot be seen: {program} is a program that cannot be watched")
    name = os.path.basename(program)  # noqa: PTH119 - text all the way
    if name in _THROUGH:
        return
    if words and words[0] in _COMPILES:
        yield from _compiled(words, cwd, sources)
    elif name.startswith("zig") and words and words[0] not in _LINKS | _ANSWERS:
        raise NotKept(f"what it reads cannot be seen: zig {words[0]}")
    elif words[:1] == ["ar"] and any(word.lstrip("-").startswith("M") for word in words[1:2]):
        raise NotKept("what it reads cannot be seen: an archiver that follows a script")
    yield from read_by_linker(words[1:], cwd)


def _compiled(words: Sequence[str], cwd: str, sources: CSources) -> Iterator[tuple[str, str]]:
    compiled = sources_in(words[1:])
    listed = _value_after("-MF", words)
    files: list[str] = []
    if compiled and all(word.endswith(ASSEMBLER) for word in compiled) and "-x" not in words:
        files = [os.path.join(cwd, word) for word in compiled]  # noqa: PTH118
    elif listed is not None and len(compiled) <= 1:
        place = os.path.normpath(os.path.join(cwd, listed))  # noqa: PTH118
        sources.takes_list(place, (cwd, *words))
        files = list(_listed(place, cwd))
        if any(os.path.normpath(os.path.join(cwd, word)) not in map(os.path.normpath, files) for word in compiled):  # noqa: PTH118
            raise NotKept("what it reads cannot be seen: a C compiler's list of files is of another source")
    elif listed is not None:
        raise NotKept("what it reads cannot be seen: a C compiler that lists the files of one of its sources alone")
    elif compiled or not {"-", "-x"}.isdisjoint(words):
        raise NotKept("what it reads cannot be seen: a C compiler that was not asked which files it reads")
    yield from (("O", path) for path in files)
    yield from sources.beyond(words, files, cwd)


def _value_after(flag: str, words: Sequence[str]) -> str | None:
    found = None
    for number, word in enumerate(words):
        if word == flag and number + 1 < len(words):
            found = words[number + 1]
        elif word.startswith(flag) and word != flag:
            found = word[len(flag) :]
    return found


def _listed(place: str, cwd: str) -> Iterator[str]:
    """The files of a list for make."""
    try:
        with open(place, "rb") as stream:  # noqa: PTH123
            data = stream.read(_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NotKept("what it reads cannot be seen: a C compiler's list of files is gone") from error
    if len(data) > _BYTES_MAX:
        raise NotKept("what it reads is more than can be noted")
    if b"\0" in data:
        raise NotKept(f"what it reads cannot be seen: {place} is no list of files")
    text = os.fsdecode(data).replace("\\\n", " ")
    for line in text.splitlines():
        _, colon, files = line.partition(": ")
        for word in re.findall(r"(?:\\.|[^\s\\])+", files if colon else ""):
            yield os.path.join(cwd, re.sub(r"\\(.)|\$(\$)", r"\1\2", word))  # noqa: PTH118
