"""`platforms = "base"`: those of the table that an image's base has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cargoship.context import Context
from cargoship.errors import PlatformUnknown, UsageError
from cargoship.images.copying import inspect
from cargoship.oci.index import normalized_platform
from cargoship.oci.platform import Platform
from cargoship.platforms import TABLE, VARIANTS
from cargoship.settings.base import LayoutBase, RegistryBase
from cargoship.settings.compound import PLATFORMS_OF_BASE
from cargoship.settings.model import Settings


def with_platforms_of_bases(
    settings: Mapping[str, Settings], roots: Mapping[str, Path], context: Context, *, offline: bool
) -> dict[str, Settings]:
    """Settings of packages, with the platforms that their bases have where those are asked for.

    `roots` are the packages' folders, where layouts are looked for. Raises UsageError where a base has no platforms of
    its own or no registry may be asked, PlatformUnknown where it has none that is known, and what reading it raises.
    """
    found: dict[str, tuple[Platform, ...]] = {}
    made = {}
    for name, own in settings.items():
        if own.platforms == PLATFORMS_OF_BASE:
            target = _target(own, roots[name], offline=offline)
            if target not in found:
                found[target] = _platforms(target, context)
            made[name] = replace(own, platforms=found[target])
        else:
            made[name] = own
    return made


def _target(settings: Settings, root: Path, *, offline: bool) -> str:
    match settings.base_spec:
        case LayoutBase(target):
            return f"oci:{root / target}"
        case RegistryBase(_, reference) if not offline:
            return str(reference)
        case RegistryBase():
            raise UsageError(
                f'platforms = "base" asks the registry of {settings.base}, and nothing is asked offline',
                hint="name the platforms: --platform linux/amd64,linux/arm64",
            )
        case _:
            raise UsageError(
                f'platforms = "base": the base {settings.base} has no platforms of its own, it is made for any',
                hint='name the platforms, or "all"',
            )


def _platforms(target: str, context: Context) -> tuple[Platform, ...]:
    has = [each.config.platform for each in inspect(target, context).images]
    normal = {normalized_platform(each) for each in has}
    known = tuple(row.platform for row in TABLE if normalized_platform(row.platform) in normal)
    # a variant beside the platform itself is more work than anybody has asked for
    known += tuple(
        each.platform
        for each in VARIANTS
        if each.platform in normal and not any(one.architecture == each.platform.architecture for one in known)
    )
    if not known:
        names = ", ".join(sorted(str(each) for each in has if each.os != "unknown")) or "none"
        raise PlatformUnknown(
            f"the base {target} has no platform that is known here",
            hint=f"it has {names}; known platforms: {', '.join(str(row.platform) for row in TABLE)}",
        )
    return known
