"""The Rust toolchain as files of an action: rustc, the libraries that it is linked with, a target's standard library.

What workers have themselves is a C library, and a shell.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.errors import CargoshipError
from cargoship.execution.call import StaysHere
from cargoship.execution.digests import ContentDigests
from cargoship.process import Command, Runner
from cargoship.reapi.actions import Directory, Input

_LINE = re.compile(r"^\s*(?P<name>\S+) => (?P<path>/.+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_HOST = re.compile(r"^host: (?P<triple>[A-Za-z0-9_.-]+)$", re.MULTILINE)
_OF_C_LIBRARY = re.compile(r"(?:ld-linux|ld64|lib(?:c|m|dl|rt|pthread|util|resolv|anl|mvec)\.so)[\w.-]*")
"""glibc's own: it belongs to the loader, which is the worker's."""
_TIMEOUT_S = 60
SOURCES = "lib/rustlib/src/rust"
_SOURCE = f"{SOURCES}/library/std/src/lib.rs"
"""Where it is, rustc knows the files behind the names in the standard library."""


@dataclass
class RustFiles:
    """The files of one rustc. Safe to share between threads."""

    rustc: Path
    runner: Runner
    digests: ContentDigests
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _libraries: dict[str, str] | None = None
    _host_triple: str | None = None
    _made: dict[tuple[str, str], Directory] = field(default_factory=dict, repr=False)

    def folder(self, target: str, sysroot: str | None) -> Directory:
        """The toolchain for a target, whose standard library is in `sysroot`; None: in rustc's own.

        No target is this machine's own. Raises StaysHere, OSError.
        """
        place = self.sysroot(sysroot)
        with self._lock:
            if (target, place) not in self._made:
                self._made[target, place] = self._folder(target or self._host(), place)
                self.digests.write()
            return self._made[target, place]

    def sysroot(self, named: str | None) -> str:
        """Where the standard library is that a call names; None: rustc's own."""
        return named or str(self.rustc.parent.parent)

    def sources(self, named: str | None) -> str:
        """What rustc calls the folder of the standard library's sources, where they are; nothing where they are not."""
        place = self.sysroot(named)
        is_there = os.path.isfile(f"{place}/{_SOURCE}")  # noqa: PTH113
        return os.path.realpath(f"{place}/{SOURCES}") if is_there else ""

    def _folder(self, target: str, place: str) -> Directory:
        made, lib = Directory(), f"{place}/lib"
        made.add("bin/rustc", Input(self.digests.remembered(str(self.rustc)), is_executable=True))
        for name, path in self._linked().items():
            made.add(f"lib/{name}", Input(self.digests.remembered(path)))
        for each in _standard(f"{lib}/rustlib/{target}/lib"):
            made.add(f"lib/rustlib/{target}/lib/{each.name}", Input(self.digests.remembered(str(each))))
        # start files: rustc tells a linker those that are there
        for each in sorted(Path(lib, "rustlib", target, "lib", "self-contained").glob("*")):
            name = f"lib/rustlib/{target}/lib/self-contained/{each.name}"
            made.add(name, Input(self.digests.remembered(str(each))))
        # rustc tells a linker where its own one is, if there is one; it is run here
        host = f"lib/rustlib/{self._host()}/bin/gcc-ld"
        if (self.rustc.parent.parent / host).is_dir():
            made.folder(host)
        if os.path.isfile(f"{place}/{_SOURCE}"):  # noqa: PTH113
            made.add(_SOURCE, Input(self.digests.remembered(f"{place}/{_SOURCE}")))
        return made

    def _host(self) -> str:
        """This machine's target; asked for once, by who holds the lock."""
        if self._host_triple is None:
            self._host_triple = self._asked_host()
        return self._host_triple

    def _asked_host(self) -> str:
        said = self._said(str(self.rustc), "-vV")
        found = _HOST.search(said)
        if found is None:
            raise StaysHere(f"{self.rustc} does not say which machine it is for")
        return found["triple"]

    def _linked(self) -> dict[str, str]:
        """Libraries that rustc is linked with, by their names, as the loader finds them."""
        if self._libraries is None:
            said = self._said("ldd", str(self.rustc))
            found = {each["name"]: each["path"] for each in _LINE.finditer(said)}
            if not any(name.startswith("librustc_driver") for name in found):
                raise StaysHere(f"nobody says what {self.rustc} is linked with")
            self._libraries = {name: path for name, path in found.items() if not _OF_C_LIBRARY.fullmatch(name)}
        return self._libraries

    def _said(self, *words: str) -> str:
        try:
            said = self.runner.run(Command(words), timeout_s=_TIMEOUT_S)
        except CargoshipError as error:
            raise StaysHere(f"nobody says what {self.rustc} is: {error.message}") from error
        return said.text if said.code == 0 else ""


def _standard(folder: str) -> Iterator[Path]:
    found = sorted(path for path in Path(folder).iterdir() if path.suffix in {".rlib", ".rmeta", ".so"})
    if not found:
        raise StaysHere(f"there is no standard library in {folder}")
    return iter(found)
