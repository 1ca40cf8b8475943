"""Images that exist already: looked at and copied. Knows neither Cargo nor a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cargoship.clock import Clock
from cargoship.context import Context
from cargoship.oci.reference import Reference
from cargoship.platforms import row
from cargoship.registry.copy import copy_image
from cargoship.registry.pull import fetch_index
from cargoship.registry.push import Published

if TYPE_CHECKING:
    from cargoship.inspection import Inspection


def inspect(target: str, context: Context) -> Inspection:
    """Look at an image: a layout's folder, an archive's file, or a reference in a registry."""
    from cargoship.inspection import inspect_path, inspect_remote  # noqa: PLC0415 - reads archives too: not for copies

    path = context.cwd / target.removeprefix("oci:").removeprefix("oci-archive:").removeprefix("docker-archive:")
    if path.exists():
        return inspect_path(path)
    reference = Reference.parse(target)
    with context.connect(reference.registry) as client:
        return inspect_remote(target, fetch_index(client, reference))


def copy(source: str, target: str, context: Context, *, platforms: Sequence[str], referrers: bool) -> Published:
    """Let `target` be what `source` is, with `platforms` those of it alone; raises as `copy_image` does."""
    one, other = Reference.parse(source), Reference.parse(target)
    chosen = tuple(dict.fromkeys(row(name).platform for name in platforms))
    with Clock(context.emit).phase("copy"):
        return copy_image(
            one,
            other,
            platforms=chosen,
            referrers=referrers,
            open_client=context.connect,
            emit=context.emit,
            known=context.known,
        )
