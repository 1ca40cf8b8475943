"""What a failed build script said that did not find a tool or library: which it is, and what brings it."""

from __future__ import annotations

import re

from cargoship.cargo.tools.table import LIBRARIES, TOOLS, Library

_NOT_FOUND = re.compile(
    r"The system library `(?P<name>[^`\s]+)` required by crate `(?P<crate>[^`\s]+)` was not found"
    r"|Package '?(?P<package>[\w.+-]+)'?,? (?:was not found in the pkg-config search path|required by)"
)
_CROSS = "pkg-config has not been configured to support cross-compilation"
_CROSS_CRATE = re.compile(r"error: failed to run custom build command for `(?P<crate>[\w-]+) v")
_OF_TARGETS = (
    "a dependency looks for a C library of the system, which is not there for the target; see whether the crate has a "
    "feature to compile it (vendored, bundled), or name Debian's package for it in build-packages"
)


_OF_THIS_MACHINE = re.compile(r"in archive (?P<folder>/(?:usr/)?lib(?:32|64)?(?:/[\w-]+-linux-gnu\w*)?)/lib[\w+.-]+\.a")
"""What LLVM's linker says of a symbol that a library of Debian or Fedora needs (lld, "undefined symbol")."""


def known_need(stderr: str) -> str | None:
    """What a failed cargo lacked, and the commands or settings that bring it; None where its words tell of nothing."""
    for tool in TOOLS:
        if any(re.search(words, stderr) for words in tool.words):
            return f"a build script wants {tool.name}: {tool.ways}"
    if match := _NOT_FOUND.search(stderr):
        library = _library(match["name"] or match["package"], match["crate"])
        return _OF_TARGETS if library is None else advice(library)
    for library in LIBRARIES:
        if any(re.search(words, stderr) for words in library.words):
            return advice(library)
    if _CROSS in stderr:
        crate = _CROSS_CRATE.search(stderr)
        library = None if crate is None else _library("", crate["crate"])
        return _OF_TARGETS if library is None else advice(library)
    if match := _OF_THIS_MACHINE.search(stderr):
        named = next((each for each in LIBRARIES if f'"-l{each.name.removeprefix("lib")}"' in stderr), None)
        way_out = _OF_TARGETS if named is None else advice(named)
        folder = match["folder"]
        return f"the linker was sent to {folder}, where libraries of this machine are, not the target's: {way_out}"
    return None


def advice(library: Library) -> str:
    """How a program gets a library of the system."""
    own = f"turn on the feature {library.way_out!r} of {library.crate}, or " if library.way_out else ""
    return f'{own}set build-packages = ["{library.debian}"], with libc = "gnu" and base = "deb:bookworm"'


def _library(name: str, crate: str | None) -> Library | None:
    of_crate = (each for each in LIBRARIES if each.crate == crate)
    by_name = (each for each in LIBRARIES if each.name == name)
    return next(by_name, None) or next(of_crate, None)
