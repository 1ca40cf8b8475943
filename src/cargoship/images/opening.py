"""Images that exist, opened where they are: a folder, an archive, a registry."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from msgspec.structs import replace

from cargoship.context import Context
from cargoship.errors import PlatformUnknown, UsageError
from cargoship.oci.platform import Platform
from cargoship.oci.target import ArchiveTarget, ImageTarget, LayoutTarget, RegistryTarget
from cargoship.platforms import row
from cargoship.registry.attachments import RegistryAttachments
from cargoship.registry.source import ImageSource, remote_source

_PLATFORM = re.compile(r"[a-z0-9]+(?:/[a-z0-9_.-]+){1,2}")


def platform_in_image(text: str) -> Platform:
    """The platform that somebody means: one of the table by any spelling, or another that an image may be for.

    Raises PlatformUnknown for what is no platform at all.
    """
    try:
        return row(text).platform
    except PlatformUnknown:
        wanted = text.strip().lower()
        if _PLATFORM.fullmatch(wanted) is None:
            raise
        return Platform(*wanted.split("/"))


@contextlib.contextmanager
def open_image(target: ImageTarget, context: Context) -> Iterator[ImageSource]:
    """Open an image; raises RegistryError's family, ContentInvalid, UsageError."""
    match target:
        case RegistryTarget(reference):
            with context.connect(reference.registry) as client:
                about = RegistryAttachments(client, reference.repository, context.emit)
                yield replace(remote_source(client, reference), about=about)
        case LayoutTarget() | ArchiveTarget():
            from cargoship.images.files import source_of_files  # noqa: PLC0415 - not for copies between registries

            yield source_of_files(target)
        case _:
            raise UsageError(f"{target} is not where an image can be")
