"""Images that exist already: looked at and copied. Knows neither Cargo nor a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.images.opening import open_image, platform_in_image
from cargoship.oci.platform import Platform
from cargoship.oci.target import ImageTarget, RegistryTarget
from cargoship.registry.copy import copy_image
from cargoship.registry.push import Published, PushOptions
from cargoship.registry.source import ImageSource

if TYPE_CHECKING:
    from cargoship.images.inspection import Inspection


def inspect(target: str, context: Context) -> Inspection:
    """Look at an image: a layout's folder, an archive's file, or a reference in a registry."""
    from cargoship.images.inspection import inspection_of  # noqa: PLC0415 - not for copies

    with open_image(ImageTarget.parse(target, context.cwd), context) as source:
        return inspection_of(target, source)


def copy(source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool) -> Published | None:
    """Let `target` be what `source` is, with `platforms` those of it alone.

    What is said about it comes along from a folder or an archive, with `referrers` from a registry too.
    What a registry made of it; None for a folder or an archive. Raises as `copy_image` does, OutputError.
    """
    one = ImageTarget.parse(source, context.cwd)
    other = ImageTarget.parse(target, context.cwd, new=True)
    chosen = tuple(dict.fromkeys(platform_in_image(name) for name in platforms))
    with Clock(context.emit).phase("copy"), open_image(one, context) as found:
        return _given(found, other, context, platforms=chosen, referrers=referrers)


def _given(
    source: ImageSource, target: ImageTarget, context: Context, *, platforms: Sequence[Platform], referrers: bool
) -> Published | None:
    if not isinstance(target, RegistryTarget):
        from cargoship.destinations.saving import save_image  # noqa: PLC0415 - not for copies between registries

        save_image(source, target, context.emit, platforms=platforms, referrers=referrers)
        return None
    kept = referrers or source.reference is None
    return copy_image(
        source, target.reference,
        platforms=platforms, referrers=kept,
        open_client=context.connect, options=PushOptions(context.emit, context.mount_sources),
    )  # fmt: skip
