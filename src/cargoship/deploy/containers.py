"""The containers in documents: those of pods in Kubernetes, of tasks in Amazon ECS, of services in Compose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cargoship.deploy.documents import Format, ScannedFile, json_documents
from cargoship.deploy.places import FOUND, SCHEME, ReferencePart, Spot
from cargoship.deploy.values import value_of
from cargoship.errors import CargoshipError, DocumentInvalid
from cargoship.printable import printable

_IMAGE = "image"
_VOLUMES = "volumes"
_REFERENCE = "reference"
_TASK = "containerDefinitions"
_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_OF_GROUPS = {
    # https://tekton.dev/docs/pipelines/pipeline-api/#tekton.dev/v1.TaskSpec
    "tekton.dev": frozenset({"steps", "sidecars", "stepTemplate"}),
    # https://argo-workflows.readthedocs.io/en/latest/fields/#template
    "argoproj.io": frozenset({"container", "script", "sidecars"}),
}
"""Where objects that others have added to Kubernetes keep containers, one or a list of them, by their API's group."""
_STACK_TASK = "AWS::ECS::TaskDefinition"
_KEY = re.compile(r"""\b(?:[iI]mage|reference|source)["']?\s*:\s*(?:[&!]\S*\s+)*(["']?)""")
_KEY_BEFORE = re.compile(_KEY.pattern + r"\Z")
_KEY_MAX = 200
"""Characters before a reference that are looked at for the key of an image."""
_IMAGE_MAX = 4096
"""Characters of an image that are looked at: a line may be the whole document, and have thousands of them."""
_END = re.compile(r"""["']?[ \t]*(?:[,\]}\r\n]|(?<=[ \t])#|\Z)""")
_LINE_END = re.compile(r"[\r\n]")
_COMMENT = re.compile(r"\s+#.*|\s+\Z")
_IN_BRACES = re.compile(r"\s*[,\]}].*")
"""What is behind a value in a line: a comment, or the rest of the list or table."""
_VARIABLE = re.compile(r"\$\{\w+:?[-+](.*)\}", re.DOTALL)
_TEMPLATE = "{{"
"""What a value is that somebody else fills in."""


def values_in(found: ScannedFile) -> Iterator[object]:
    """What the chosen documents of a file say; nothing for plain text, and for what cannot be read as values."""
    if found.format is Format.TEXT:
        return
    try:
        if any(each.root is not None for each in found.documents):
            for document, chosen in zip(found.documents, found.chosen, strict=True):
                if chosen:
                    yield value_of(document.root, found.page, passes_tags=True)
        else:
            values = json_documents(found.page.text)
            yield from (value for (_, value), chosen in zip(values, found.chosen, strict=True) if chosen)
    except (CargoshipError, ValueError, RecursionError):
        # who takes the document says what is wrong with it
        return


def refuse_parts(found: ScannedFile) -> None:
    """Refuse where a container's whole image is what makes no whole image there.

    `#name` and `#digest` would be that repository's `latest`, and a reference with text around it no image.
    Elsewhere a chart's values may have them so. Raises DocumentInvalid with the place.
    """
    text = found.page.text
    if not any(spot.part is not ReferencePart.ALL or _may_be_joined(text, spot) for spot in found.spots):
        return
    wrong = {
        image for value in values_in(found) for image in images_of(value) if SCHEME in image and not _is_whole(image)
    }
    for spot in found.spots if wrong else ():
        image = next((each for each in _values_around(text, spot) if each in wrong), None)
        if image is None:
            continue
        written = text[spot.start : spot.end]
        if spot.part is not ReferencePart.ALL:
            raise DocumentInvalid(
                f"{spot.place}: {written} is a part of an image's name, and the container would get any image",
                hint=f"write {written.partition('#')[0]}",
            )
        raise DocumentInvalid(
            f"{spot.place}: {printable(image)} would be no image: {written} becomes a whole name, registry and all",
            hint="write it alone",
        )


def _values_around(text: str, spot: Spot) -> Iterator[str]:
    """What the value of an image's key may be that a reference stands in."""
    key = None
    for key in _KEY.finditer(text, max(0, spot.start - _KEY_MAX), spot.start):  # noqa: B007 - the last one
        pass
    if key is None:
        return
    start, quote = key.end(), key[1]
    most = start + _IMAGE_MAX
    end = _LINE_END.search(text, spot.end, most)
    line = text[start : most if end is None else end.start()]
    if quote:
        yield line.partition(quote)[0]
        return
    yield _COMMENT.sub("", line)
    yield _IN_BRACES.sub("", line)


def _may_be_joined(text: str, spot: Spot) -> bool:
    """Whether a reference may be a part of an image: behind such a key, but not all of what stands there."""
    if _KEY_BEFORE.search(text, max(0, spot.start - _KEY_MAX), spot.start) is not None:
        return _END.match(text, spot.end) is None
    first = max(0, spot.start - _KEY_MAX)
    line = max(text.rfind("\n", first, spot.start) + 1, first)
    return _KEY.search(text, line, spot.start) is not None


def _is_whole(image: str) -> bool:
    """Whether an image is a whole reference, or one that a variable may replace; a template's is its own affair."""
    if _TEMPLATE in image:
        return True
    text = image.strip()
    while (variable := _VARIABLE.fullmatch(text)) is not None:
        text = variable[1].strip()
    return FOUND.fullmatch(text) is not None and "#" not in text


def images_of(document: object) -> Iterator[str]:
    """The images of a document's containers, and those that are mounted."""
    if not isinstance(document, dict):
        return
    services = document.get("services")
    if isinstance(document.get(_TASK), list):
        yield from _images_of(document[_TASK])
    elif "apiVersion" in document:
        group = str(document["apiVersion"]).partition("/")[0]
        yield from _images_of_pods(document, _LISTS | _OF_GROUPS.get(group, frozenset()))
    elif isinstance(document.get("Resources"), dict):
        yield from _images_of_stack(document["Resources"])
    elif isinstance(services, dict):
        yield from _images_of(list(services.values()))
        yield from _mounted(list(services.values()))


def _images_of_stack(resources: dict[str, object]) -> Iterator[str]:
    """The containers of task definitions in CloudFormation (AWS::ECS::TaskDefinition)."""
    for each in resources.values():
        if isinstance(each, dict) and each.get("Type") == _STACK_TASK and isinstance(each.get("Properties"), dict):
            yield from _images_of(each["Properties"].get("ContainerDefinitions"), "Image")


def _images_of_pods(document: object, holders: frozenset[str]) -> Iterator[str]:
    """Wherever an object has a pod's template (Kubernetes API, PodSpec)."""
    left = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for key, each in value.items():
                if key in holders:
                    yield from _images_of([each] if isinstance(each, dict) else each)
                elif key == _VOLUMES:
                    yield from _images_of_volumes(each)
                left.append(each)
        elif isinstance(value, list):
            left += value


def _images_of(containers: object, key: str = _IMAGE) -> Iterator[str]:
    for each in containers if isinstance(containers, list) else ():
        image = each.get(key) if isinstance(each, dict) else None
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
