"""The containers in documents: those of pods in Kubernetes, of tasks in Amazon ECS, of services in Compose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cargoship.deploy.documents import Format, ScannedFile, json_documents
from cargoship.deploy.places import ReferencePart
from cargoship.deploy.values import value_of
from cargoship.errors import CargoshipError, DocumentInvalid

_IMAGE = "image"
_VOLUMES = "volumes"
_REFERENCE = "reference"
_TASK = "containerDefinitions"
_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_KEY = re.compile(r"""\b(?:image|reference|source)["']?\s*:\s*(?:[&!]\S*\s+)*["']?\Z""")
_KEY_MAX = 200
"""Characters before an image that are looked at for its key."""


def values_in(found: ScannedFile) -> Iterator[object]:
    """What the chosen documents of a file say; nothing for plain text, and for what cannot be read as values."""
    if found.format is Format.TEXT:
        return
    try:
        if any(each.root is not None for each in found.documents):
            for document, chosen in zip(found.documents, found.chosen, strict=True):
                if chosen:
                    yield value_of(document.root, found.page)
        else:
            values = json_documents(found.page.text)
            yield from (value for (_, value), chosen in zip(values, found.chosen, strict=True) if chosen)
    except (CargoshipError, ValueError, RecursionError):
        # who takes the document says what is wrong with it
        return


def refuse_parts(found: ScannedFile) -> None:
    """Refuse `#name` and `#digest` where a container's whole image is: it would be that repository's `latest`.

    Elsewhere a chart's values may have them so. Raises DocumentInvalid with the place.
    """
    parts = [spot for spot in found.spots if spot.part is not ReferencePart.ALL]
    if not parts:
        return
    text = found.page.text
    images = {image for value in values_in(found) for image in _images(value)}
    for spot in parts:
        written = text[spot.start : spot.end]
        if written in images and _KEY.search(text, max(0, spot.start - _KEY_MAX), spot.start):
            raise DocumentInvalid(
                f"{spot.place}: {written} is a part of an image's name, and the container would get any image",
                hint=f"write {written.partition('#')[0]}",
            )


def _images(document: object) -> Iterator[str]:
    if not isinstance(document, dict):
        return
    services = document.get("services")
    if isinstance(document.get(_TASK), list):
        yield from _images_of(document[_TASK])
    elif "apiVersion" in document:
        yield from _images_of_pods(document)
    elif isinstance(services, dict):
        yield from _images_of(list(services.values()))
        yield from _mounted(list(services.values()))


def _images_of_pods(document: object) -> Iterator[str]:
    """Wherever an object has a pod's template (Kubernetes API, PodSpec)."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for key, each in value.items():
                if key in _LISTS:
                    yield from _images_of(each)
                elif key == _VOLUMES:
                    yield from _images_of_volumes(each)
                left.append(each)
        elif isinstance(value, list):
            left += value


def _images_of(containers: object) -> Iterator[str]:
    for each in containers if isinstance(containers, list) else ():
        image = each.get(_IMAGE) if isinstance(each, dict) else None
        if isinstance(image, str):
            yield image


def _images_of_volumes(volumes: object) -> Iterator[str]:
    """Images that are mounted (Kubernetes API, ImageVolumeSource)."""
    for each in volumes if isinstance(volumes, list) else ():
        image = each.get(_IMAGE) if isinstance(each, dict) else None
        reference = image.get(_REFERENCE) if isinstance(image, dict) else None
        if isinstance(reference, str):
            yield reference


def _mounted(services: list[object]) -> Iterator[str]:
    """Images that services mount (Compose specification, volumes of the type image)."""
    for service in services:
        volumes = service.get(_VOLUMES) if isinstance(service, dict) else None
        for each in volumes if isinstance(volumes, list) else ():
            source = each.get("source") if isinstance(each, dict) and each.get("type") == _IMAGE else None
            if isinstance(source, str):
                yield source
