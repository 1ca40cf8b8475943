"""What went into an image then, held against what is here now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from cargoship.attest.provenance import BuildParameters, Material, Provenance
from cargoship.context import Context
from cargoship.plan import ImagePlan, Plan
from cargoship.run_toolchain import wanted_by
from cargoship.settings.stated import stated_default
from cargoship.statements.materials import (
    base_materials,
    compiler_materials,
    known_toolchain,
    lock_materials,
    source_material,
)
from cargoship.version import __version__

_COMPARED = (
    "source", "Cargo.lock", "cargoship.lock", "rustc", "rustc-driver", "rustc-script", "rust-std", "zig",
    "cargo-zigbuild", "certifi", "tzdata",
)  # fmt: skip
"""A base from a registry is taken by the digest that it had; packages follow from their lock file."""
_OURS = "CARGOSHIP_"
_DIGITS = 12
_ABSENT = "none"
_Key = tuple[str, str]


class MaterialDifference(Struct, frozen=True):
    """Something that is not what it was. `then` and `now` are for people; None: there is none."""

    name: str
    then: str | None
    now: str | None

    def __str__(self) -> str:
        """In a line."""
        return f"{self.name}: {self.then or _ABSENT} then, {self.now or _ABSENT} now"


def differing_materials(
    provenance: Provenance, made: Plan, image: ImagePlan, context: Context
) -> Iterator[MaterialDifference]:
    """Where the source, lock files and compilers are others than they were; these where they are known before."""
    then, here = _by_name(provenance.materials), _by_name(_here(made, image, context))
    compilers = any(name == "rustc" for name, _ in here)
    for key in sorted({*then, *here}, key=lambda key: (_COMPARED.index(key[0]), key[1])):
        if not compilers and key[0].startswith(("rust", "zig", "cargo-")):
            continue
        one, other = then.get(key), here.get(key)
        if not _is_same(one, other):
            name = f"{key[0]} ({key[1]})" if key[1] else key[0]
            yield MaterialDifference(name, _shown(one), _shown(other))
    ours = provenance.run.versions.get("cargoship", "")
    if ours != __version__:
        yield MaterialDifference("cargoship", ours[:80] or None, __version__)


def differing_parameters(
    then: BuildParameters, settings: Mapping[str, Any], now: BuildParameters
) -> Iterator[MaterialDifference]:
    """Where what is asked for is not what was; `settings` are those of then, as they were asked for now."""
    for key in sorted({*settings, *now.settings} - {*then.withheld, *now.withheld}):
        one, other = (each.get(key, stated_default(key)) for each in (settings, now.settings))
        if one != other:
            yield MaterialDifference(f"setting {key}", _value(one), _value(other))
    for name in ("profile", "features", "all_features", "default_features", "packages", "epoch"):
        one, other = getattr(then, name), getattr(now, name)
        if one != other:
            yield MaterialDifference(name.replace("_", " "), _value(one), _value(other))
    # of our own variables the values are among the settings
    one, other = (_names(each.variables) for each in (then, now))
    if one != other:
        yield MaterialDifference("environment", one, other)


def _here(made: Plan, image: ImagePlan, context: Context) -> Iterator[Material]:
    source = source_material(made.source)
    if source is not None:
        yield source
    yield from lock_materials(made.root)
    yield from base_materials(image.settings.base_spec, {})
    found = known_toolchain(wanted_by(made, context), runner=context.runner, env=context.env)
    yield from () if found is None else compiler_materials(found)


def _by_name(materials: Iterable[Material]) -> dict[_Key, Material]:
    return {
        (each.name, str(each.annotations.get("target", ""))[:80]): each for each in materials if each.name in _COMPARED
    }


def _is_same(one: Material | None, other: Material | None) -> bool:
    if one is None or other is None:
        return one is other
    if one.annotations.get("dirty") or other.annotations.get("dirty"):
        # which files, and how, nobody has recorded
        return False
    common = one.digest.keys() & other.digest.keys()
    return all(one.digest[name] == other.digest[name] for name in common) if common else one.uri == other.uri


def _shown(material: Material | None) -> str | None:
    """What a material is, in a few words."""
    if material is None:
        return None
    digest = next(iter(material.digest.values()), "")[:_DIGITS]
    version = material.annotations.get("version") or material.uri.partition("?")[0].rpartition("@")[2]
    if material.name == "source":
        changed = str(material.annotations.get("changedFiles") or "")[:_DIGITS]
        also = f" with {changed} changed files" if changed else " with changed files"
        return (digest or "no commit") + (also if material.annotations.get("dirty") else "")
    return " ".join(text for text in (str(version)[:80], digest) if text) or "something"


def _names(variables: Iterable[str]) -> str | None:
    return ", ".join(name for name in variables if not name.startswith(_OURS)) or None


def _value(value: object) -> str | None:
    if isinstance(value, tuple):
        value = list(value)
    return None if value in (None, [], {}, "") else str(value)[:200]
