"""cargo's JSON messages on standard output.

Format: https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages. Reasons and fields that are not
known are passed over, and so newer cargos are understood; a line that is no message (a procedural macro may print)
comes back as it is.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, field

from cargoship.decoding import Undecodable, decode_json
from cargoship.events import ToolOutput


class _Target(msgspec.Struct, frozen=True):
    name: str = ""
    kind: tuple[str, ...] = ()


class _Profile(msgspec.Struct, frozen=True):
    opt_level: str = ""
    debuginfo: int | str | None = None
    debug_assertions: bool = False
    overflow_checks: bool = False
    test: bool = False


class _Line(msgspec.Struct, frozen=True):
    reason: str
    package_id: str = ""
    manifest_path: str = ""
    target: _Target = _Target()
    profile: _Profile = _Profile()
    features: tuple[str, ...] = ()
    fresh: bool = False
    executable: str | None = None
    filenames: tuple[str, ...] = ()
    success: bool = False
    out_dir: str | None = None
    linked_libs: tuple[str, ...] = ()
    linked_paths: tuple[str, ...] = ()


class Profile(Struct, frozen=True):
    """What a message says of the profile of a unit."""

    opt_level: str = ""
    debuginfo: str = "0"
    debug_assertions: bool = False
    overflow_checks: bool = False
    test: bool = False


class Artifact(Struct, frozen=True):
    """A unit that is done: what it produced, and whether cargo found it already there."""

    package_id: str
    target_name: str
    kinds: tuple[str, ...]
    """bin, lib, proc-macro, custom-build, ..."""
    fresh: bool
    executable: Path | None
    filenames: tuple[Path, ...]
    features: tuple[str, ...] = ()
    profile: Profile = field(default_factory=Profile)
    manifest: Path | None = None

    @property
    def package(self) -> str:
        """The name of the package."""
        return package_name(self.package_id)

    @property
    def is_binary(self) -> bool:
        """Whether it is a program of the package, no build script, test or example."""
        return self.executable is not None and "bin" in self.kinds


class BuildScriptRun(Struct, frozen=True):
    """A package's build script has run, or its result was still good."""

    package_id: str
    out_dir: Path | None = None
    linked_libs: tuple[str, ...] = ()
    """Native libraries that it asks for: name, or kind=name."""
    linked_paths: tuple[str, ...] = ()
    """Where to look for them: path, or kind=path."""

    @property
    def package(self) -> str:
        """The name of the package."""
        return package_name(self.package_id)


class BuildFinished(Struct, frozen=True):
    """The last message."""

    success: bool


Message = Artifact | BuildScriptRun | BuildFinished | ToolOutput


def is_local(package_id: str) -> bool:
    """Whether it names a package by its path: one of the workspace, or a path dependency."""
    return package_id.startswith("path+") or "(path+" in package_id


def package_name(package_id: str) -> str:
    """Take the name from a package id specification (or from the form that cargo had before 1.77)."""
    if "#" not in package_id:
        return package_id.partition(" ")[0]
    url, _, fragment = package_id.rpartition("#")
    name, at, _ = fragment.partition("@")
    # Where the name is the last part of the URL, the fragment is the version alone
    return name if at else url.partition("?")[0].rstrip("/").rpartition("/")[2]


def package_version(package_id: str) -> str:
    """Take the version from a package id in either form; empty where it has none."""
    if "#" not in package_id:
        # NAME VERSION (SOURCE), as cargo wrote it before 1.77
        return package_id.split(" ")[1] if " " in package_id else ""
    return package_id.rpartition("#")[2].rpartition("@")[2]


def read_message(line: bytes) -> Message | None:
    """Read one line; None for reasons that cargoship has no use for, and for empty lines."""
    if not line.strip():
        return None
    try:
        raw = decode_json(line, _Line)
    except Undecodable:
        return ToolOutput(line.decode("utf-8", "replace").rstrip("\r\n"))
    match raw.reason:
        case "compiler-artifact":
            return Artifact(
                package_id=raw.package_id,
                target_name=raw.target.name,
                kinds=raw.target.kind,
                fresh=raw.fresh,
                executable=Path(raw.executable) if raw.executable else None,
                filenames=tuple(Path(name) for name in raw.filenames),
                features=raw.features,
                profile=_profile(raw.profile),
                manifest=Path(raw.manifest_path) if raw.manifest_path else None,
            )
        case "build-script-executed":
            out_dir = Path(raw.out_dir) if raw.out_dir else None
            return BuildScriptRun(raw.package_id, out_dir, raw.linked_libs, raw.linked_paths)
        case "build-finished":
            return BuildFinished(raw.success)
        case _:
            return None


def _profile(raw: _Profile) -> Profile:
    return Profile(raw.opt_level, str(raw.debuginfo or 0), raw.debug_assertions, raw.overflow_checks, raw.test)


class MessageReader:
    """Takes cargo's standard output in pieces as they come."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [message for line in lines if (message := read_message(line)) is not None]

    def finish(self) -> list[Message]:
        """Return what a last line without an end holds."""
        return self.feed(b"\n")
