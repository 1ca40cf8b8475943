"""The files that a call of rustc reads, as far as they can be known before it is made.

- Of a package that cannot change, of a registry or of git: all of its folder, as it was published.
- Of a package of the workspace: Rust sources beside and below where the crate begins, files that these include by
  name, and what rustc said the last time. Nothing else of the user's leaves this machine.
- Crates that it depends on: a crate's metadata names all others that it needs, by the ends of their files' names.
- What its build script has written.

What is not among it is not there when the crate is compiled elsewhere: rustc says so, and it is compiled here.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.config import cargo_home
from cargoship.execution.call import RustcCall, StaysHere
from cargoship.execution.crate_reads import reads_of_crate
from cargoship.reading import read_file, real_path

_FILES_MAX = 6_000
_BYTES_MAX = 256 << 20
_PROGRAM_BYTES_MAX = 1 << 30
_TEXT_BYTES_MAX = 8 << 20
_METADATA_BYTES_MAX = 512 << 20
_SUFFIX = re.compile(rb"-[0-9a-f]{16}")
_INCLUDED = re.compile(rb'\binclude(?:_str|_bytes)?!\s{0,50}[(\[{]\s{0,50}"([^"\\\n]{1,500})"')
_SKIPPED = frozenset({".git", "target"})
_LINKED = (".o", ".a", ".d", ".so", ".obj", ".lib")
"""What build scripts leave for linkers."""
_VARIABLES = re.compile(
    r"CARGO_PKG_[A-Z_]+|CARGO_(?:CRATE_NAME|MANIFEST_DIR|MANIFEST_PATH|MANIFEST_LINKS|PRIMARY_PACKAGE)|OUT_DIR|CARGO_BIN_NAME"
    r"|RUSTC_BOOTSTRAP|RUST_MIN_STACK|SOURCE_DATE_EPOCH"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SET_BY_SCRIPT = re.compile(r"^cargo::?rustc-env=([^=\n]+)=", re.MULTILINE)


class SourceFolders(Struct, frozen=True):
    """Where sources are that may leave this machine; absolute folders, with a slash at their ends."""

    pinned: tuple[str, ...]
    """Of registries and of git: what is in them cannot change."""
    workspace: tuple[str, ...]

    @classmethod
    def of(cls, env: Mapping[str, str], root: Path) -> SourceFolders:
        """Those of cargo and of a workspace, by all the names that they have."""
        home = cargo_home(env).absolute()
        pinned = (home / "registry" / "src", home / "git" / "checkouts")
        return cls(_both(*pinned), _both(root))


def _both(*paths: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{each}/" for path in paths for each in (path, real_path(path))))


@dataclass
class CallInputs:
    """Finds the inputs of calls; what crates need is remembered. Safe to share between threads."""

    sources: SourceFolders
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _needed: dict[tuple[str, int, int], frozenset[str]] = field(default_factory=dict)

    def files(self, call: RustcCall) -> dict[str, None]:
        """Absolute paths of all that the call may read but the toolchain; raises StaysHere, OSError."""
        found = dict.fromkeys(self._crates(call))
        if self.is_pinned(call):
            found |= dict.fromkeys(self._package(call))
        elif not call.source.startswith(self.sources.workspace):
            raise StaysHere("its sources are not in the workspace, nor from a registry")
        else:
            found |= dict.fromkeys(self._workspace(call))
        found |= dict.fromkeys(_generated(call))
        found |= dict.fromkeys(_natives(call))
        if len(found) > _FILES_MAX:
            raise StaysHere(f"it may read more than {_FILES_MAX} files")
        most = _PROGRAM_BYTES_MAX if call.is_program else _BYTES_MAX
        if sum(os.stat(path).st_size for path in found) > most:  # noqa: PTH116 - text all the way
            raise StaysHere(f"it may read more than {most >> 20} MiB")
        return found

    def is_pinned(self, call: RustcCall) -> bool:
        """Whether the sources of a call cannot change."""
        return call.source.startswith(self.sources.pinned)

    def _crates(self, call: RustcCall) -> Iterator[str]:
        """The crates that it names, and those that they need."""
        there: dict[str, list[str]] = {}
        for folder in dict.fromkeys(call.folders):
            for entry in os.scandir(folder) if Path(folder).is_dir() else ():
                stem, _, kind = entry.name.rpartition(".")
                if kind in {"rmeta", "rlib", "so"}:
                    there.setdefault(stem[-17:], []).append(entry.path)
        yield from call.externs
        needed: set[str] = set()
        for path in call.externs:
            if path.endswith((".rmeta", ".rlib")):
                needed |= self._needs(path)
        named = {os.path.basename(path).rpartition(".")[0][-17:] for path in call.externs}  # noqa: PTH119
        for suffix in needed - named:
            paths = there.get(suffix, ())
            metadata = [path for path in paths if path.endswith(".rmeta")]
            # metadata is enough, but for a program: rustc looks into libraries for what a linker is to be given
            yield from ([path for path in paths if path not in metadata] if call.is_program else metadata) or paths

    def _package(self, call: RustcCall) -> Iterator[str]:
        root = call.env.get("CARGO_MANIFEST_DIR", "")
        if os.path.normpath(root) != root or not root.startswith(self.sources.pinned):
            raise StaysHere("cargo does not say which folder its package has")
        yield from _below(root)
        if not call.source.startswith(f"{root}/"):
            yield call.source

    def _workspace(self, call: RustcCall) -> Iterator[str]:
        folder = os.path.dirname(call.source)  # noqa: PTH120 - text all the way
        package = call.env.get("CARGO_MANIFEST_DIR", folder)
        for path in _below(folder):
            if path.endswith(".rs"):
                yield path
                yield from _included(path, package)
        try:
            earlier = reads_of_crate(read_file(Path(call.dep_info), _TEXT_BYTES_MAX))
        except OSError:
            return
        for name in earlier.files:
            path = os.path.normpath(os.path.join(call.cwd, name))  # noqa: PTH118
            is_own = path.startswith(self.sources.workspace) and not path.startswith(self.sources.pinned)
            if is_own and os.path.isfile(path):  # noqa: PTH113
                yield path

    def _needs(self, path: str) -> frozenset[str]:
        status = os.stat(path)  # noqa: PTH116
        key = (path, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._needed.get(key)
        if known is None:
            data = read_file(Path(path), _METADATA_BYTES_MAX)
            known = frozenset(each.decode() for each in _SUFFIX.findall(data))
            with self._lock:
                self._needed[key] = known
        return known


def variables(call: RustcCall) -> dict[str, str]:
    """What of the environment the call may look at: what cargo says of the package, and its build script.

    Raises StaysHere.
    """
    env = call.env
    names = {name for name in env if _VARIABLES.fullmatch(name)}
    out_dir = env.get("OUT_DIR")
    if out_dir:
        said = Path(out_dir).parent / "output"
        try:
            text = read_file(said, _TEXT_BYTES_MAX).decode("utf-8", "replace")
        except OSError:
            text = ""
        names |= {name for name in _SET_BY_SCRIPT.findall(text) if name in env}
    if not all(map(_NAME.fullmatch, names)):
        raise StaysHere("its build script sets a variable that no shell can set")
    return {name: env[name] for name in sorted(names)}


def _included(path: str, package: str) -> Iterator[str]:
    for name in _INCLUDED.findall(read_file(Path(path), _TEXT_BYTES_MAX)):
        included = os.path.normpath(os.path.join(os.path.dirname(path), os.fsdecode(name)))  # noqa: PTH118, PTH120
        if included.startswith(f"{package}/") and os.path.isfile(included) and not os.path.islink(included):  # noqa: PTH113, PTH114
            yield included


def _generated(call: RustcCall) -> Iterator[str]:
    out_dir = call.env.get("OUT_DIR", "")
    if not out_dir:
        return
    # `<profile>/deps` and `<profile>/build/<unit>/out`, or both below `<profile>/build`
    profile, new = os.path.dirname(call.out_dir), call.out_dir.rpartition("/build/")[0]  # noqa: PTH120
    folders = (f"{profile}/build/", *([f"{new}/build/"] if new and call.out_dir.endswith("/out") else []))
    if os.path.normpath(out_dir) != out_dir or not out_dir.startswith(folders) or not out_dir.endswith("/out"):
        raise StaysHere("what its build script has written is not where cargo puts it")
    yield from (path for path in _below(out_dir) if not path.endswith(_LINKED))


def _natives(call: RustcCall) -> Iterator[str]:
    for name in call.natives:
        places = [f"{folder}/lib{name}.a" for folder in call.native_folders]
        found = next((path for path in places if os.path.isfile(path)), None)  # noqa: PTH113
        if found is None:
            raise StaysHere(f"its library {name} is not found")
        yield found


def _below(folder: str) -> Iterator[str]:
    """Files of a folder and those in it; a link leads to somebody else's."""
    number = 0
    for place, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in _SKIPPED]
        for name in names:
            path = f"{place}/{name}"
            if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
                number += 1
                yield path
        if number > _FILES_MAX:
            raise StaysHere(f"it may read more than {_FILES_MAX} files")


def moved_variables(found: Mapping[str, str]) -> frozenset[str]:
    """The names of those whose values are paths of what goes along."""
    folders = tuple(f"{found[name]}/" for name in ("CARGO_MANIFEST_DIR", "OUT_DIR") if found.get(name))
    return frozenset(name for name, value in found.items() if folders and f"{value}/".startswith(folders))
