"""Variables that Compose fills in by itself, as it reads a file: one with a reference would reach it as it is written.

Specification: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cargoship.deploy import compose
from cargoship.deploy.documents import ScannedFile
from cargoship.deploy.places import FOUND, SCHEME, written_reference
from cargoship.errors import DocumentInvalid

_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")


def refuse_references(found: ScannedFile, variables: Mapping[str, str]) -> None:
    """Refuse images that a variable with a reference is in: Compose would look for an image of that name.

    Raises DocumentInvalid with the place, before anything is built.
    """
    if not any(SCHEME in each for each in variables.values()):
        return
    for document in (each for each in found.documents if compose.is_compose(each)):
        for name, service in compose.services(document):
            image = service.entry("image")
            for variable in _VARIABLE.findall(image[2].value) if image is not None else ():
                reference = FOUND.search(variables.get(variable, ""))
                if image is not None and reference is not None:
                    written = written_reference(reference)
                    raise DocumentInvalid(
                        f"{found.page.place(image[2].start)}: {variable}, of which Compose makes the image of "
                        f"{name.value}, is {written}, which Compose does not know",
                        hint=f"write image: ${{{variable}:-{written}}} there, and leave {variable} unset",
                    )
