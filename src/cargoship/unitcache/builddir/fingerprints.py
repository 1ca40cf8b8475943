"""What cargo remembers of the files that a unit was made from: its fingerprint, and the encoded dep-info.

Formats: cargo's src/cargo/core/compiler/fingerprint, in two generations. What cannot be read is not guessed: the unit
is not kept then.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cargoship.decoding import Undecodable, decode_json
from cargoship.unitcache.keys.refusal import NotKept

_MARK = 0xFF
_KNOWN = frozenset({"Precalculated", "CheckDepInfo", "RerunIfChanged", "RerunIfEnvChanged"})


class _Fingerprint(msgspec.Struct, frozen=True):
    deps: tuple[tuple[int, str, bool, int], ...] = ()
    local: tuple[dict[str, Any], ...] = ()


class Fingerprint(Struct, frozen=True):
    """What cargo compares: of the parts of it that concern other units and files."""

    hash: int
    dependencies: tuple[tuple[str, int], ...]
    """The name of each, and its hash."""
    dep_infos: tuple[str, ...]
    """Files of dep-info, relative to the build directory."""
    changed: tuple[str, ...]
    """What rerun-if-changed names: relative to the package's folder, or absolute."""
    variables: tuple[str, ...]
    """Of the environment, that a build script has named (rerun-if-env-changed)."""
    by_time: bool
    """Whether cargo takes the time of the package's newest file for its content (build scripts that name nothing)."""


class DepInfo(Struct, frozen=True):
    """The files that a compiler has read."""

    package: tuple[str, ...]
    """Relative to the package's folder, or absolute."""
    build: tuple[str, ...]
    """Relative to the build directory."""
    variables: tuple[str, ...] = ()
    """Of the environment, that were read."""


def read_fingerprint(folder: Path) -> Fingerprint:
    """Read the fingerprint in a folder; raises NotKept for one that is not there or not understood, OSError."""
    found = sorted(folder.glob("*.json"))
    if len(found) != 1:
        raise NotKept("it has no fingerprint")
    try:
        raw = decode_json(found[0].read_bytes(), _Fingerprint)
        # cargo writes the bytes of the number as they lie in memory
        own = int.from_bytes(bytes.fromhex(found[0].with_suffix("").read_text()), "little")
    except (ValueError, OSError) as error:
        raise NotKept("its fingerprint cannot be read") from error
    dep_infos: list[str] = []
    changed: list[str] = []
    variables: list[str] = []
    by_time = False
    for each in raw.local:
        if len(each) != 1 or not each.keys() <= _KNOWN:
            raise NotKept("its fingerprint is of a kind that is not known")
        match each:
            case {"CheckDepInfo": {"dep_info": str(name)}}:
                dep_infos.append(name)
            case {"RerunIfChanged": {"paths": [*paths]}} if all(isinstance(path, str) for path in paths):
                changed += paths
            case {"Precalculated": _}:
                by_time = True
            case {"RerunIfEnvChanged": {"var": str(variable)}}:
                variables.append(variable)
            case _:
                raise NotKept("its fingerprint is of a kind that is not known")
    dependencies = tuple((name, value) for _, name, _, value in raw.deps)
    return Fingerprint(own, dependencies, tuple(dep_infos), tuple(changed), tuple(variables), by_time)


def without_values(fingerprint: bytes) -> bytes:
    """The notes of a fingerprint without what variables have held: cargo compares their hash, and has no use for them.

    Raises NotKept.
    """
    try:
        parsed = decode_json(fingerprint, dict[str, Any])
    except Undecodable as error:
        raise NotKept("its fingerprint cannot be read") from error
    named = [each["RerunIfEnvChanged"] for each in parsed.get("local", ()) if "RerunIfEnvChanged" in each]
    for each in named:
        each["val"] = None
    return msgspec.json.encode(parsed) if named else fingerprint


def read_dep_info(data: bytes) -> DepInfo:
    """Decode a file of dep-info; raises NotKept."""
    try:
        return _decoded(data)
    except (IndexError, ValueError) as error:
        raise NotKept("its dep-info is of a kind that is not known") from error


def environment_read(dep_file: bytes) -> dict[str, str]:
    r"""The variables that a compiler has read, from rustc's own file (`# env-dep:NAME=VALUE`, with \n, \r, \\)."""
    found = {}
    for line in dep_file.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("# env-dep:"):
            name, _, value = line.removeprefix("# env-dep:").partition("=")
            found[name] = value
    return found


def relocated(data: bytes, package: str, root: str) -> bytes:
    """The same dep-info, with paths of files below `root` relative to the package's folder, from wherever they are.

    cargo names files outside of the package's folder by absolute paths; of another checkout they are not there.
    Raises NotKept.
    """
    try:
        return _relocated(data, package, root)
    except (IndexError, ValueError) as error:
        raise NotKept("its dep-info is of a kind that is not known") from error


def _relocated(data: bytes, package: str, root: str) -> bytes:
    reader = _Reader(data)
    versioned = _is_versioned(data)
    made = bytearray(reader.skip(6) if versioned else b"")
    count = reader.number()
    made += count.to_bytes(4, "little")
    for _ in range(count):
        kind, path = reader.byte(), reader.text()
        if kind and path.startswith(root + "/"):
            kind, path = 0, os.path.relpath(path, package)
        encoded = path.encode()
        made += bytes((kind,)) + len(encoded).to_bytes(4, "little") + encoded
        if versioned:
            has_checksum = reader.byte()
            made.append(has_checksum)
            if has_checksum:
                made += reader.skip(8)
                checksum = reader.text().encode()
                made += len(checksum).to_bytes(4, "little") + checksum
    return bytes(made) + reader.rest()


def _is_versioned(data: bytes) -> bool:
    return len(data) > 4 and data[4] == _MARK  # noqa: PLR2004


def _decoded(data: bytes) -> DepInfo:
    reader = _Reader(data)
    versioned = _is_versioned(data)
    if versioned:
        reader.number()
        reader.byte()
        if reader.byte() != 1:
            raise ValueError
    package: list[str] = []
    build: list[str] = []
    for _ in range(reader.number()):
        kind = reader.byte()
        path = reader.text()
        if kind not in {0, 1}:
            raise ValueError
        # cargo has no other kind for what is neither in the package nor in the build directory
        (build if kind and not path.startswith("/") else package).append(path)
        if versioned and reader.byte():
            reader.skip(8)
            reader.text()
    variables = []
    for _ in range(reader.number()):
        variables.append(reader.text())
        if reader.byte():
            reader.text()
    if not reader.at_end:
        raise ValueError
    return DepInfo(tuple(package), tuple(build), tuple(variables))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def skip(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ValueError
        self._at += count
        return self._data[self._at - count : self._at]

    def rest(self) -> bytes:
        return self._data[self._at :]

    def number(self) -> int:
        return int.from_bytes(self.skip(4), "little")

    def text(self) -> str:
        return self.skip(self.number()).decode("utf-8", "strict")
