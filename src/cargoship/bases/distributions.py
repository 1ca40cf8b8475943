"""The distributions whose packages a base can be made of: one row for each."""

from __future__ import annotations

from collections.abc import Callable

from cargoship.bases.package_base import PackageBase
from cargoship.context import Context
from cargoship.settings.base import distribution_of
from cargoship.settings.model import Settings

OpenPackageBase = Callable[[Settings, Context, bool, bool], PackageBase]
"""Opens a distribution's bases: from settings, with a context, `offline`, and `insist` (the lock file says it all)."""


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


_DISTRIBUTIONS: dict[str, OpenPackageBase] = {"debian": _open_debian}
_USUAL = "debian"


def open_package_base(
    settings: Settings, context: Context, *, offline: bool = False, insist: bool = False
) -> PackageBase:
    """The bases of the distribution that settings name; Debian's where they name none, which then has nothing to do."""
    return _DISTRIBUTIONS[distribution_of(settings.base_spec) or _USUAL](settings, context, offline, insist)
