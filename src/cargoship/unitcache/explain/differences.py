"""What differs between what is wanted and what a cache has, in words for people. No value of a variable is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cargoship.oci.digest import Digest
from cargoship.unitcache.configuration import names_told_otherwise
from cargoship.unitcache.key import differing
from cargoship.unitcache.local import ALL, BUILD_DIR, FILES, NEVER, VARIABLE, WORKSPACE, Contents

_SHOWN = 5
_SHORT = 100
# texts of names with digests of values
_NAMES = ("settings", "environment")
_OF_A_VERSION = ("source", "checksum", "manifest")
_SAID = {
    "format": "the format in which units are kept",
    "checksum": "the package's checksum in Cargo.lock",
    "manifest": "what Cargo.toml says of the package",
    "profile": "the profile",
}


def parts_in_words(now: Mapping[str, str], then: Mapping[str, str]) -> tuple[str, ...]:
    """The parts of a key that are not as they were."""
    names = differing(now, then)
    if "package" in names:
        # another version lies elsewhere and has another checksum: that says nothing more
        names = tuple(name for name in names if name not in _OF_A_VERSION)
    return tuple(dict.fromkeys(said for name in names for said in _part(name, now.get(name), then.get(name))))


def _part(name: str, now: str | None, then: str | None) -> tuple[str, ...]:
    kind, _, of = name.partition(" ")
    if kind in _NAMES:
        return _listed(f"{each}{f' for {of}' if of else ''}" for each in names_told_otherwise(now or "", then or ""))
    match kind:
        case "dependency":
            said = _dependency(of, now, then)
        case "package":
            said = _told("version", _version(now), _version(then))
        case "rustc":
            # of all that rustc says of itself, the first line says enough, mostly
            one, two = ((text or "").partition("\n")[0] for text in (now, then))
            said = _told("rustc", one, two) if one != two else "rustc's build"
        case "features":
            said = _features(now or "", then or "")
        case "standard":
            said = f"the {name}"
        case _:
            said = _SAID.get(name) or _told(name, now, then)
    return (said,)


def inputs_in_words(inputs: Mapping[str, Digest], contents: Contents) -> tuple[str, ...]:
    """The files and variables that are not as they were."""
    other = [path for path, digest in inputs.items() if contents.digest(path) != digest]
    files = [path for path in other if not path.startswith(":")]
    told = [_input(path) for path in other if path != NEVER and not _is_told_by(path, files)]
    return _listed(dict.fromkeys(told))


def _listed(told: Iterable[str]) -> tuple[str, ...]:
    names = list(told)
    more = len(names) - _SHOWN
    return (*names[:_SHOWN], *((f"{more} more",) if more > 0 else ()))


def _told(name: str, now: str | None, then: str | None) -> str:
    if not now or not then:
        return f"{name}: {now} now, nothing then" if now and len(now) <= _SHORT else f"{name}: nothing now, {then} then"
    # digests and long texts say nothing to a person
    return f"{name}: {now} now, {then} then" if max(len(now), len(then)) <= _SHORT else f"{name} differs"


def _version(package: str | None) -> str:
    """Of a package id."""
    return (package or "").rpartition("#")[2].rpartition("@")[2]


def _dependency(name: str, now: str | None, then: str | None) -> str:
    known_as, _, package = name.partition(" ")
    shown = package if known_as == package.replace("-", "_") or not package else f"{package} (as {known_as})"
    if now is None or then is None:
        return f"it depends on {shown} {'no more' if now is None else 'now'}"
    return f"{shown}, which it depends on, came out otherwise"


def _features(now: str, then: str) -> str:
    one, two = (frozenset(filter(None, text.split(","))) for text in (now, then))
    said = [f"{name} is on now" for name in sorted(one - two)] + [f"{name} is off now" for name in sorted(two - one)]
    return f"features: {', '.join(said)}"


def _input(path: str) -> str:
    kind, _, rest = path.partition(" ")
    match f"{kind} ":
        case value if value in {FILES, ALL}:
            where = "the workspace that belong to no package" if rest == "." else f"the package in {rest}"
            return f"files of {where}, which a macro or a build script may read"
        case value if value == VARIABLE:
            return f"the variable {rest}"
    if path in {BUILD_DIR, WORKSPACE}:
        return f"the path of the {path.removeprefix(':')}, which is compiled in"
    return f"the file {path}"


def _is_told_by(path: str, files: list[str]) -> bool:
    """Whether a folder differs, and files in it that are told by their names: they are the reason, most likely."""
    kind, _, folder = path.partition(" ")
    inside = "" if folder == "." else f"{folder}/"
    return f"{kind} " in {FILES, ALL} and any(file.startswith(inside) and not file.startswith("/") for file in files)
