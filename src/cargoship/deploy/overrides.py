"""Compose files that are merged: an image in one of them, and a build in another that Compose would take for it.

Specification: https://docs.docker.com/reference/compose-file/merge/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cargoship.deploy import compose
from cargoship.deploy.documents import ScannedFile
from cargoship.deploy.places import SCHEME, Position
from cargoship.events import Level, Note


def builds_that_stay(files: Sequence[ScannedFile]) -> Iterator[Note]:
    """Warn of builds that are no Cargo project's, of services whose image another file says is built here."""
    images: dict[str, Position] = {}
    builds: dict[str, Position] = {}
    reset: set[str] = set()
    known: dict[str, Path | str] = {}
    composed = [(file, one) for file in files for one in file.documents if compose.is_compose(one)]
    if len({file.source.name for file, _ in composed}) < 2:  # noqa: PLR2004 - one file is seen to as it is read
        return
    for file, document in composed:
        for name, service in compose.services(document):
            image, build = service.entry("image"), service.entry("build")
            if image is not None and SCHEME in image[2].value:
                images[name.value] = file.page.place(image[1].start)
            elif build is not None and isinstance(compose.project(build[2], file.source.folder, known), str):
                builds[name.value] = file.page.place(build[1].start)
            if build is not None and build[2].tag == compose.RESET:
                reset.add(name.value)
    for each in sorted((images.keys() & builds.keys()) - reset):
        yield Note(
            f"{builds[each]}: Compose would build {each} from here, and not take the image of {images[each]}: write "
            "`build: !reset null` beside that image",
            Level.WARNING,
        )
