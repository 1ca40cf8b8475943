"""Why a build could not be had as a whole: what differs from the kept build that is most like it."""

from __future__ import annotations

from collections.abc import Mapping

from cargoship.unitcache.builds import (
    LOCK,
    LOCKED,
    MANIFEST,
    PROJECT,
    REGISTRIES,
    SOURCES,
    WORDS,
    BuildKey,
    nearest_build,
)
from cargoship.unitcache.explain.differences import inputs_in_words, parts_in_words
from cargoship.unitcache.keys.file_digests import NEVER, FileDigests
from cargoship.unitcache.keys.key import differing
from cargoship.unitcache.packs.index import UnitIndex

_SHOWN = 5
_SAID = {
    PROJECT: "what Cargo.toml says of a package, its targets or its dependencies",
    MANIFEST: "the workspace's Cargo.toml",
    REGISTRIES: "the registries in cargo's configuration",
    SOURCES: "the sources of crates in cargo's configuration",
}


def why_missed(index: UnitIndex, build_key: BuildKey, contents: FileDigests) -> tuple[str, ...]:
    """What differs, for people; at least one reason."""
    plan = nearest_build(index, build_key)
    if plan is None:
        return ("no build of these packages was kept yet",)
    reasons = (*_parts(build_key.parts, plan.parts), *inputs_in_words(plan.inputs, contents))
    if reasons:
        return reasons
    if NEVER in plan.inputs:
        return ("the last build like this failed, or something in it is not kept",)
    return ("its programs are not in the cache any more",)


def _parts(now: Mapping[str, str], then: Mapping[str, str]) -> list[str]:
    names = set(differing(now, then))
    said = []
    if names & {LOCK, LOCKED}:
        said.append(_lock(now.get(LOCKED, ""), then.get(LOCKED, "")))
    if WORDS in names:
        said.append(_words(now[WORDS].splitlines(), then.get(WORDS, "").splitlines()))
    said += [text for name, text in _SAID.items() if name in names]
    explained = {LOCK, LOCKED, WORDS, *_SAID}
    others = [{name: text for name, text in side.items() if name not in explained} for side in (now, then)]
    return said + list(parts_in_words(*others))


def _lock(now: str, then: str) -> str:
    """Which packages the lock file has otherwise."""
    one, two = (set(text.splitlines()) for text in (now, then))
    gone = _by_name(two - one)
    said = []
    for name, versions in _by_name(one - two).items():
        before = gone.pop(name, [])
        said.append(f"{name} {', '.join(versions)}" + (f" instead of {', '.join(before)}" if before else " more"))
    said += [f"{name} {', '.join(versions)} less" for name, versions in gone.items()]
    more = len(said) - _SHOWN
    shown = "; ".join(said[:_SHOWN]) + (f"; {more} more" if more > 0 else "")
    return f"Cargo.lock: {shown}" if shown else "Cargo.lock: checksums, sources or dependencies of packages"


def _by_name(packages: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for package in sorted(packages):
        name, _, version = package.partition(" ")
        found.setdefault(name, []).append(version)
    return found


def _words(now: list[str], then: list[str]) -> str:
    more = [word for word in now if word not in then]
    less = [word for word in then if word not in now]
    said = [*([f"{' '.join(more)} now"] if more else []), *([f"{' '.join(less)} then"] if less else [])]
    return f"options: {', '.join(said)}" if said else "options: another order"
