"""Programs whose code was generated elsewhere: what a linker was given there, it is given here.

On a worker a program that has a linker's name keeps its words, and the files that rustc has just made for it. All else
that the words name is here: libraries, start files, what a user wants linked. A worker says no more than rustc would:
a word that rustc does not tell linkers, and a file that is not among those, make the call one that stays here.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.errors import CargoshipError, Stopped
from cargoship.execution.call import RustcCall, StaysHere
from cargoship.execution.script import FILES, RUST, TEMPORARY, names_worker
from cargoship.process import Command, Runner

WORDS = "words"
"""As `unlinked.c` writes them, and"""
NAMES = "files"
_WORDS_MAX = 20_000
_NAMES_MAX = 5_000
_TIMEOUT_S = 3600.0
_PLAIN = frozenset(
    {
        *("--as-needed", "--no-as-needed", "-Bstatic", "-Bdynamic", "--whole-archive", "--no-whole-archive"),
        *("--push-state", "--pop-state", "--start-group", "--end-group", "--eh-frame-hdr", "--gc-sections"),
        *("--no-gc-sections", "-static", "-pie", "-no-pie", "--no-dynamic-linker", "-O0", "-O1", "-O2"),
        *("--strip-debug", "--strip-all", "--export-dynamic", "--discard-all", "-nostdlib", "--build-id=none"),
    }
)
"""What rustc tells a plain linker for Linux (rustc_codegen_ssa, `back/linker.rs`), or one behind a compiler."""
_TO_COMPILER = frozenset({"-m64", "-m32", "-static-pie", "-nodefaultlibs", "-nostartfiles", "-fuse-ld=lld"})
_SETTING = re.compile(r"-z(?:[a-z-]{1,40})?")
_VALUE = re.compile(r"[a-z][a-z-]{0,40}")
_LIBRARY = re.compile(r"-l:?[A-Za-z0-9_.+-]{1,200}")
_OWN_FOLDER = re.compile(r"rustc[A-Za-z0-9]{6}")
_LINKED = (".rlib", ".a", ".so", ".o")
"""Ends of names of what is linked: any other file a linker would take for a script."""
_RAW = "raw-dylibs"
_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,300}")


class Unlinked(Struct, frozen=True):
    """What a linker is to be given here."""

    words: tuple[str, ...]
    files: Mapping[str, bytes]
    """By their absolute paths, which nothing has yet: all are below the folder that the call writes to."""
    folders: tuple[str, ...] = ()
    """Those that libraries are looked for in, and that have none."""


def unlinked(
    call: RustcCall,
    words: bytes,
    names: bytes,
    contents: Sequence[bytes],
    *,
    root: str,
    sysroot: str,
    inputs: Collection[str],
) -> Unlinked:
    """Read what a worker has kept in an action that ran in `root`.

    `inputs` are the files that were sent, `sysroot` is where rustc's own libraries are here.

    Raises StaysHere where a word, or a file, is none that this call would give to a linker here.
    """
    paths = _texts(names, _NAMES_MAX)
    if len(paths) != len(contents):
        raise StaysHere("what its linker was given was not kept as a whole")
    libraries = frozenset(path for path in inputs if path.endswith(_LINKED))
    place = _Place(call, root, libraries, sysroot, own_folder=f"rustc{secrets.token_hex(3)}")
    files = dict(zip(map(place.made, paths), contents, strict=True))
    if any(map(names_worker, contents)):
        raise StaysHere("a path of the worker's would be in it")
    said = tuple(place.words(_texts(words, _WORDS_MAX), files))
    return Unlinked(said, files, tuple(place.empty(said)))


def link(call: RustcCall, given: Unlinked, *, runner: Runner, env: Mapping[str, str]) -> None:
    """Have the linker of a call make its program here.

    Raises StaysHere where that fails, or it has something to say: that is for rustc to tell. OSError, Stopped.
    """
    linker = Path(call.linker) if "/" in call.linker else runner.programs.find(call.linker, env)
    if linker is None:
        raise StaysHere(f"{call.linker} is not found")
    made = f"{call.out_dir}/{call.crate}{call.suffix}"
    with contextlib.suppress(FileNotFoundError):
        # it may be an earlier program's under a second name, which stays
        os.unlink(made)  # noqa: PTH108 - text all the way
    with _placed(given):
        command = Command((str(linker), *given.words), cwd=Path(call.cwd), env={**env, "LC_ALL": "C"})
        try:
            done = runner.run(command, timeout_s=_TIMEOUT_S)
        except Stopped:
            raise
        except CargoshipError as error:
            raise StaysHere(f"its linker does not start here: {error.message}") from error
    if done.code or done.stdout or done.stderr:
        raise StaysHere("its linker has something to say")
    if not os.path.isfile(made):  # noqa: PTH113
        raise StaysHere("its linker has made nothing")


class _Place(Struct):
    """Where what a worker names is here."""

    call: RustcCall
    root: str
    inputs: frozenset[str]
    sysroot: str
    own_folder: str
    """In place of the folder that rustc has made there for a linker alone: one that nobody has here."""

    def made(self, path: str) -> str:
        """A file that rustc has made there; raises StaysHere for one that would not be among its own."""
        below = self._here(path).removeprefix(f"{self.call.out_dir}/")
        folder, _, name = below.rpartition("/")
        is_own = name.startswith(f"{self.call.crate}{self.call.suffix}.") and name.endswith(".o")
        if not _NAME.fullmatch(name) or not (_OWN_FOLDER.fullmatch(folder) or (not folder and is_own)):
            raise StaysHere("its linker was given a file of which nobody knows what it is")
        return f"{self.call.out_dir}/{below}"

    def words(self, given: Sequence[str], made: Collection[str]) -> Iterator[str]:
        """All of them, as they are here; raises StaysHere."""
        own = frozenset(self.call.link_args)
        if given.count("-o") != 1:
            raise StaysHere("its linker was not told once where its program goes")
        before = ""
        for word in given:
            text = f"-B{self._here(word[2:])}" if word.startswith("-B/") else self._here(word)
            if before == "-o":
                good = text == f"{self.call.out_dir}/{self.call.crate}{self.call.suffix}"
            elif before == "-L":
                good = self._is_folder(text)
            elif before == "-z":
                good = _VALUE.fullmatch(text) is not None
            else:
                good = word in own or self._is_plain(text, made) or self._is_to_compiler(text)
            if not good:
                raise StaysHere("its linker was told something that rustc does not say here")
            yield text
            before = word if word in {"-o", "-L", "-z"} and word != before else ""
        if before:
            raise StaysHere("what its linker was given was not kept as a whole")

    def empty(self, words: Sequence[str]) -> Iterator[str]:
        """Folders that rustc has made for libraries of another system, of which there are none."""
        for word in words:
            folder, _, name = word.removeprefix(f"{self.call.out_dir}/").partition("/")
            if _OWN_FOLDER.fullmatch(folder) and name == _RAW:
                yield word

    def _here(self, text: str) -> str:
        places = {FILES: "", RUST: self.sysroot, TEMPORARY: self.call.out_dir}
        for name, here in places.items():
            there = f"{self.root}/{name}"
            if f"{text}/".startswith(f"{there}/"):
                return self._in_own_folder(here + text.removeprefix(there))
        return text

    def _in_own_folder(self, path: str) -> str:
        below = path.removeprefix(f"{self.call.out_dir}/")
        folder, slash, name = below.partition("/")
        is_own = below != path and slash and _OWN_FOLDER.fullmatch(folder)
        return f"{self.call.out_dir}/{self.own_folder}/{name}" if is_own else path

    def _is_plain(self, text: str, made: Collection[str]) -> bool:
        if text in _PLAIN or text in {"-o", "-L"} or _SETTING.fullmatch(text) or _LIBRARY.fullmatch(text):
            return True
        return text in self.inputs or text in made or self._is_of_rust(text)

    def _is_to_compiler(self, text: str) -> bool:
        if text.startswith("-Wl,"):
            parts = text.split(",")[1:]
            values = {number for number, part in enumerate(parts) if number and parts[number - 1] == "-z"}
            return parts[-1] != "-z" and all(
                _VALUE.fullmatch(part) if number in values else part in _PLAIN or part == "-z"
                for number, part in enumerate(parts)
            )
        # where rustc's own linker lies, which cargo-zigbuild has no use for
        place = text.removeprefix("-B")
        return text in _TO_COMPILER or (place != text and self._is_of_rust(place))

    def _is_of_rust(self, text: str) -> bool:
        return text.startswith(f"{self.sysroot}/lib/rustlib/") and os.path.normpath(text) == text

    def _is_folder(self, text: str) -> bool:
        known = (*self.call.folders, *self.call.native_folders)
        return text in known or self._is_of_rust(text) or any(self.empty([text]))


@contextlib.contextmanager
def _placed(given: Unlinked) -> Iterator[None]:
    """Files and folders in their places, as long as a linker reads them; raises OSError."""
    wanted = {os.path.dirname(path) for path in (*given.files, *given.folders)} | set(given.folders)  # noqa: PTH120 - text all the way
    # all but the one that cargo has made
    made = [folder for folder in sorted(wanted) if not os.path.isdir(folder)]  # noqa: PTH112
    try:
        for folder in made:
            os.mkdir(folder)  # noqa: PTH102
        for path, data in given.files.items():
            with open(path, "wb") as stream:  # noqa: PTH123
                stream.write(data)
        yield
    finally:
        for path in given.files:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106


def _texts(data: bytes, most: int) -> list[str]:
    if data and not data.endswith(b"\0"):
        raise StaysHere("what its linker was given was not kept as a whole")
    if data.count(b"\0") > most:
        raise StaysHere("its linker was given more than can be kept")
    return [os.fsdecode(each) for each in data.split(b"\0")[:-1]]
