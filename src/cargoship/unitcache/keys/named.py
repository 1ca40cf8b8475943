"""Files and programs that settings name: they count by what is in them, for another one may come to stand there.

A linker script in RUSTFLAGS, a wrapper of rustc, a C compiler: a flag says the same words, and means something else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from msgspec import Struct

from cargoship.oci.digest import Digest
from cargoship.programs import ProgramFinder

_BETWEEN_WORDS = re.compile(r"[\s=,\x1f\"']+")
_BEFORE_A_FILE = re.compile(r"^(?:@|-T)")
_BYTES_MAX = 256 << 20
_OF_A_PROCESSOR = frozenset(
    {"vendor_id", "cpu family", "model", "stepping", "flags"}
    | {"CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision", "Features"}
    | {"isa", "uarch", "mvendorid", "marchid", "mimpid", "processor 0", "machine", "cpu"}
)


class NamedFiles(Struct, frozen=True):
    """Looks for what values of settings name: files from some folders, programs on a search path."""

    folders: Sequence[Path] = ()
    search: str = ""

    def files(self, texts: Iterable[str]) -> dict[str, str]:
        """Digests of the files among the words, by their names there."""
        words = {_BEFORE_A_FILE.sub("", word) for text in texts for word in _BETWEEN_WORDS.split(text)}
        found = {}
        for word in sorted(words):
            # a name alone is a library, a level, a program: not a file of a folder
            if "/" in word or "." in word:
                digest = self._digest(folder / word for folder in self.folders)
                if digest is not None:
                    found[word] = digest
        return found

    def programs(self, text: str, folder: Path | None = None) -> dict[str, str]:
        """Digests of the programs among the words of a command, or of the one below a folder that it is a path in."""
        if folder is not None and "/" in text:
            digest = self._digest([folder / text])
            return {} if digest is None else {text: digest}
        found = {}
        for word in text.split():
            place = None if word.startswith("-") else ProgramFinder().find(word, {"PATH": self.search})
            digest = None if place is None else self._digest([place])
            if digest is not None:
                found[word] = digest
        return found

    def _digest(self, places: Iterable[Path]) -> str | None:
        for place in places:
            try:
                if place.is_file() and place.stat().st_size <= _BYTES_MAX:
                    with place.open("rb") as stream:
                        return Digest.of_stream(stream)[0].hex
            except (OSError, ValueError):
                continue
        return None


def processor() -> str:
    """What compilers look at to know this machine's processor; without Linux's file only its name."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as stream:
            # the first processor's; some machines say no more, and end without a blank line
            lines = [line.partition(":")[::2] for line in takewhile(lambda line: line != "\n", stream)]
    except OSError:
        return " ".join(os.uname())
    said = {name.strip(): value.strip() for name, value in lines if name.strip() in _OF_A_PROCESSOR}
    return "\n".join(f"{name}: {value}" for name, value in sorted(said.items()))
