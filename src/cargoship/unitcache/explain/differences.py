"""What differs between what is wanted and what a cache has, in words for people. No value of a variable is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cargoship.oci.digest import Digest
from cargoship.unitcache.keys.configuration import names_that_differ
from cargoship.unitcache.keys.file_digests import ALL, BUILD_DIR, MANIFEST, NEVER, VARIABLE, WORKSPACE, FileDigests
from cargoship.unitcache.keys.key import differing
from cargoship.unitcache.keys.probes import (
    ENVIRONMENT,
    HOST,
    LEADS,
    LINK,
    LISTED,
    PROCESSOR,
    PROGRAM,
    SEEN,
    UNSET,
    USER,
    set_now,
)

_SHOWN = 5
_SHORT = 100
# texts of names with digests of values
_NAMES = ("settings", "environment")
_OF_A_VERSION = ("source", "checksum", "manifest")
_ASKED = {
    SEEN: "whether there is {}",
    LISTED: "the names in the folder {}",
    LINK: "where the link {} leads",
    LEADS: "where {} leads",
    ENVIRONMENT: "some variable: it looks at all of them",
    PROGRAM: "the program {}",
    HOST: "the machine's name or its kernel",
    USER: "the user",
    PROCESSOR: "the processor",
}
_SAID = {
    "format": "the format in which units are kept",
    "checksum": "the package's checksum in Cargo.lock",
    "manifest": "what Cargo.toml says of the package",
    "profile": "the profile",
    "processor": "the processor, which native means",
    "paths": "whether what is compiled names folders of the machine",
    "targets": "the target that CARGO_BUILD_TARGET or build.target names",
}


def parts_in_words(now: Mapping[str, str], then: Mapping[str, str]) -> tuple[str, ...]:
    """The parts of a key that are not as they were."""
    names = differing(now, then)
    if "package" in names:
        # another version lies elsewhere and has another checksum: that says nothing more
        names = tuple(name for name in names if name not in _OF_A_VERSION)
    configured = [name for name in names if name.partition(" ")[0] in _NAMES]
    said = [
        *_settings(configured, now, then),
        *(_part(name, now.get(name), then.get(name)) for name in names if name not in configured),
    ]
    return tuple(dict.fromkeys(said))


def _settings(names: Sequence[str], now: Mapping[str, str], then: Mapping[str, str]) -> tuple[str, ...]:
    """What is set otherwise, each once: for which triples only where it is not all of them."""
    triples: dict[str, list[str]] = {}
    for name in names:
        for each in names_that_differ(now.get(name, ""), then.get(name, "")):
            triples.setdefault(each, []).append(name.partition(" ")[2])
    every = {name.partition(" ")[2] for name in now if name.partition(" ")[0] in _NAMES}
    programs = {each.removeprefix("the program ") for each in triples}
    shown = {
        each: of
        for each, of in triples.items()
        if each.partition(" that is named")[0].removeprefix("the file ") not in programs
        or not each.startswith("the file ")
    }
    return _listed(
        each if set(of) >= every else f"{each} for {' and '.join(dict.fromkeys(of))}" for each, of in shown.items()
    )


def _part(name: str, now: str | None, then: str | None) -> str:
    kind, _, of = name.partition(" ")
    match kind:
        case "dependency":
            said = _dependency(of, now, then)
        case "package":
            said = _changed("version", _version(now), _version(then))
        case "rustc":
            # of all that rustc says of itself, the first line says enough, mostly
            one, two = ((text or "").partition("\n")[0] for text in (now, then))
            said = _changed("rustc", one, two) if one != two else "rustc's build"
        case "features":
            said = _features(now or "", then or "")
        case "objections":
            said = f"{', '.join(names_that_differ(now or '', then or ''))}: cargo may refuse what is said there"
        case "standard":
            said = f"the {name}"
        case _:
            said = _SAID.get(name) or _changed(name, now, then)
    return said


def inputs_in_words(inputs: Mapping[str, Digest], contents: FileDigests) -> tuple[str, ...]:
    """The files and variables that are not as they were."""
    other = [path for path, digest in inputs.items() if contents.digest(path) != digest]
    files = [path for path in other if not path.startswith(":")]
    phrases = [
        said
        for path in other
        if path != NEVER and not _is_implied_by(path, files)
        for said in (_now_set(path, contents) if path.startswith(UNSET) else (_input(path),))
    ]
    return _listed(dict.fromkeys(phrases))


def names_in_words(names: Iterable[str]) -> tuple[str, ...]:
    """Files and variables by their names alone."""
    return _listed(dict.fromkeys(_input(name) for name in names))


def _listed(phrases: Iterable[str]) -> tuple[str, ...]:
    names = list(phrases)
    more = len(names) - _SHOWN
    return (*names[:_SHOWN], *((f"{more} more",) if more > 0 else ()))


def _changed(name: str, now: str | None, then: str | None) -> str:
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
    asked = _ASKED.get(path) or _ASKED.get(f"{kind} ")
    if asked is not None:
        return asked.format(rest)
    match f"{kind} ":
        case value if value == ALL:
            where = "the workspace that belong to no package" if rest == "." else f"the package in {rest}"
            return f"files of {where}, which a macro or a build script may read"
        case value if value == VARIABLE:
            return f"the variable {rest}"
        case value if value == MANIFEST:
            return f"the file {rest}"
    if path in {BUILD_DIR, WORKSPACE}:
        return f"the path of the {path.removeprefix(':')}, which is compiled in"
    return f"the file {path}"


def _now_set(path: str, contents: FileDigests) -> tuple[str, ...]:
    return tuple(f"the variable {name}" for name in set_now(path, contents.env))


def _is_implied_by(path: str, files: list[str]) -> bool:
    """Whether a folder differs, and files in it that are known by their names: they are the reason, most likely."""
    kind, _, folder = path.partition(" ")
    inside = "" if folder == "." else f"{folder}/"
    return f"{kind} " == ALL and any(file.startswith(inside) and not file.startswith("/") for file in files)
