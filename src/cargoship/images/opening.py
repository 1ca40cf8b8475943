"""Images that exist, opened where they are: a folder, an archive, a registry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from msgspec.structs import replace

from cargoship.context import Context
from cargoship.errors import UsageError
from cargoship.oci.target import ArchiveTarget, ImageTarget, LayoutTarget, RegistryTarget
from cargoship.registry.attachments import RegistryAttachments
from cargoship.registry.source import ImageSource, remote_source


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
