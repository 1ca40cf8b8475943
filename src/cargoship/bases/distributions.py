"""The distributions whose packages a base can be made of: one row for each."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from cargoship.bases.package_base import PackageBase
from cargoship.context import Context
from cargoship.debian.lock import NAME as DEBIAN_LOCK
from cargoship.settings.base import BaseSpec, distribution_of
from cargoship.settings.model import Settings

OpenPackageBase = Callable[[Settings, Context, bool, bool], PackageBase]
"""Opens a distribution's bases: from settings, with a context, `offline`, and `insist` (the lock file says it all)."""


class Distribution(Struct, frozen=True):
    """What there is to know of a distribution before bases are made of its packages."""

    lock_name: str
    """The file in a project's folder that says which packages were chosen."""
    open: OpenPackageBase


def _open_debian(settings: Settings, context: Context, offline: bool, insist: bool) -> PackageBase:  # noqa: FBT001
    from cargoship.bases.debian import DebianBases

    return DebianBases(
        config=context.mirror_config(settings.debian_mirror),
        open_transport=context.open_transport,
        cache=context.cache_dir / "debian",
        offline=offline,
        insist=insist,
        emit=context.emit,
    )


_DISTRIBUTIONS = {"debian": Distribution(DEBIAN_LOCK, _open_debian)}
_USUAL = "debian"
LOCK_NAMES = tuple(each.lock_name for each in _DISTRIBUTIONS.values())
"""The lock files that a project's folder may have."""


def lock_name_of(spec: BaseSpec) -> str | None:
    """The lock file that says which packages a base is made of; None for other bases."""
    name = distribution_of(spec)
    return None if name is None else _DISTRIBUTIONS[name].lock_name


def open_package_base(
    settings: Settings, context: Context, *, offline: bool = False, insist: bool = False
) -> PackageBase:
    """The bases of the distribution that settings name; Debian's where they name none, which then has nothing to do."""
    return _DISTRIBUTIONS[distribution_of(settings.base_spec) or _USUAL].open(settings, context, offline, insist)
