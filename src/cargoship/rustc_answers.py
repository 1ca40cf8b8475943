"""What rustc has said of itself, remembered for as long as it is the same rustc, asked in the same circumstances.

    <folder>/<hex>    one small JSON file for each question: the answer, and all files that had a say in it

An answer is remembered with the identity (place, inode, size, times) of the program, of every library that the dynamic
loader gives it, of the folders that those were found in, and, where the program is rustup's proxy, of all that rustup
chooses a toolchain by (the rustup book, "Overrides"). Whatever cannot be known so is asked every time: scripts and
wrappers around rustc, statically linked ones, other systems than Linux.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from cargoship.errors import CargoshipError
from cargoship.oci.files import sweep, write_atomically
from cargoship.process import Command, Completed, Runner, Sink
from cargoship.programs import ProgramFinder
from cargoship.reading import real_path

_QUESTIONS = frozenset({("-vV",), ("--print", "sysroot")})
_SAYS = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
"""Lines of a loader that lists what it loads (ld.so(8), LD_TRACE_LOADED_OBJECTS)."""
_LOADER = ("/etc/ld.so.cache", "/etc/ld.so.preload")
_COUNTS = ("RUST", "CARGO_", "CFG_", "HOME")
"""Beginnings of the variables that rustc or rustup may look at."""
_TOOLCHAIN_FILES = ("rust-toolchain.toml", "rust-toolchain")
_RUSTUP_FALLBACK = "/etc/rustup/settings.toml"
_SETTLED_NS = 2_000_000_000
_IDLE_S = 30 * 24 * 3600
_RECORD_BYTES_MAX = 1 << 20
_ANSWER_BYTES_MAX = 64 << 10

_Identity = tuple[int, int, int, int, int]


class _Record(Struct, frozen=True, forbid_unknown_fields=True):
    stdout: str
    seen: dict[str, _Identity | None]
    """By path; None: nothing was there."""


# made here, by one thread: see `rootfs.layer_cache`
_DECODER = msgspec.json.Decoder(_Record)


class RustcAnswers(Struct, frozen=True):
    """A runner that does not start rustc for what it has said before; all else goes to `runner`."""

    runner: Runner
    folder: Path

    @property
    def programs(self) -> ProgramFinder:
        """See `Runner.programs`."""
        return self.runner.programs

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        """See `Runner.stream`."""
        return self.runner.stream(command, on_stdout=on_stdout, on_stderr=on_stderr, stdin=stdin)

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        """See `Runner.run`."""
        program, env = Path(command.argv[0]), command.env
        if (
            command.argv[1:] not in _QUESTIONS or program.name != "rustc" or not program.is_absolute()
            or env is None or command.cwd is None or any(name.startswith("LD_") for name in env)
        ):  # fmt: skip
            return self.runner.run(command, stdin=stdin, timeout_s=timeout_s)
        place = self.folder / _key(command.argv, command.cwd, env)
        known = _recall(place)
        if known is not None:
            return Completed(0, known.encode(), b"")
        said = self.runner.run(command, stdin=stdin, timeout_s=timeout_s)
        if said.code == 0 and not said.stderr and len(said.stdout) <= _ANSWER_BYTES_MAX:
            # what cannot be remembered costs the next run some time
            with contextlib.suppress(OSError, CargoshipError, UnicodeDecodeError):
                self._remember(place, command, program, said.stdout.decode())
        return said

    def _remember(self, place: Path, command: Command, program: Path, text: str) -> None:
        cwd, env = command.cwd or Path(), command.env or {}
        paths = [str(program), str(real_path(program)), *_LOADER]
        rustc = program
        if (program.parent / "rustup").exists() and program.samefile(program.parent / "rustup"):
            rustc = Path(text.strip(), "bin", "rustc")
            paths += [str(rustc), *_rustups(rustc, cwd, env)]
        libraries = self._libraries(rustc, cwd, env)
        if not any(Path(each).name.startswith("librustc_driver") for each in libraries):
            # a wrapper, or something else that nobody here knows what its words depend on
            return
        paths += libraries
        paths += [str(Path(each).parent) for each in libraries]
        seen = {path: _identity(path) for path in paths}
        # what was looked at may be newer than the answer: this one came in between
        again = self.runner.run(command, timeout_s=60)
        if again.stdout != text.encode() or seen != {path: _identity(path) for path in paths}:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, msgspec.json.encode(_Record(text, seen)))
        written_ns = place.stat().st_mtime_ns
        if any(each is not None and max(each[3:]) + _SETTLED_NS > written_ns for each in seen.values()):
            # it may change once more without another time stamp
            place.unlink()
        sweep(place.parent, written_ns, age_s=_IDLE_S)

    def _libraries(self, rustc: Path, cwd: Path, env: Mapping[str, str]) -> list[str]:
        traced = Command((str(rustc),), cwd=cwd, env={**env, "LD_TRACE_LOADED_OBJECTS": "1"})
        return _SAYS.findall(self.runner.run(traced, timeout_s=60).text)


def _key(argv: Iterable[str], cwd: Path, env: Mapping[str, str]) -> str:
    counting = sorted(f"{name}={value}" for name, value in env.items() if name.startswith(_COUNTS))
    return hashlib.sha256("\0".join((*argv, "", str(cwd), *counting)).encode("utf-8", "surrogateescape")).hexdigest()


def _rustups(rustc: Path, cwd: Path, env: Mapping[str, str]) -> Iterator[str]:
    """What rustup goes by beside the environment: its settings, which toolchains there are, and files of folders."""
    home = Path(env.get("RUSTUP_HOME") or Path(env.get("HOME", "/"), ".rustup"))
    yield from (str(home / "settings.toml"), str(home / "toolchains"), _RUSTUP_FALLBACK)
    yield str(rustc.parent.parent)
    for folder in dict.fromkeys((cwd, *cwd.parents, real_path(cwd), *real_path(cwd).parents)):
        yield from (str(folder / name) for name in _TOOLCHAIN_FILES)


def _recall(place: Path) -> str | None:
    try:
        with place.open("rb") as stream:
            record = _DECODER.decode(stream.read(_RECORD_BYTES_MAX))
        os.utime(place)
    except (OSError, ValueError, RecursionError):
        return None
    same = all(_identity(path) == identity for path, identity in record.seen.items())
    return record.stdout if same else None


def _identity(path: str) -> _Identity | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
    return found.st_dev, found.st_ino, size, found.st_mtime_ns, found.st_ctime_ns
