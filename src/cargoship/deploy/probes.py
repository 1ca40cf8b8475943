"""Containers in documents that nobody checks, though their image's settings say how: what to write there.

Kubernetes and Amazon ECS do not read a health check from the image; Docker and Compose do. Nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from msgspec import Struct

from cargoship.deploy.containers import values_in
from cargoship.deploy.documents import ScannedFile
from cargoship.deploy.places import NameReference, Position, parse_reference
from cargoship.errors import CargoshipError
from cargoship.events import Note
from cargoship.settings.health import Healthcheck

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_DEPTH_MAX = 50

Checks = Mapping[NameReference, Healthcheck]
"""The health checks of images, by what documents call them."""


class _Container(Struct, frozen=True):
    name: str
    image: NameReference
    form: str
    """What runs it."""


def unchecked(found: ScannedFile, checks: Checks) -> Iterator[Note]:
    """Say of each container without a probe how its image is checked."""
    for document in values_in(found) if checks else ():
        if not isinstance(document, dict):
            continue
        task = isinstance(document.get("containerDefinitions"), list)
        for each in _tasks(document) if task else _pods(document, 0) if "apiVersion" in document else ():
            check = checks.get(each.image)
            if check is None:
                continue
            form = check.ecs() if task else check.kubernetes()
            text = f"{found.source.name}: nothing checks the container {each.name}; its settings' healthcheck is here"
            yield Note(f"{text} {json.dumps({each.form: form})}")


def _tasks(document: dict[str, object]) -> Iterator[_Container]:
    """The containers of a task definition (Amazon ECS API, ContainerDefinition)."""
    yield from _containers(document.get("containerDefinitions"), ("healthCheck",), "healthCheck")


def _pods(value: object, depth: int) -> Iterator[_Container]:
    """The containers of pods, wherever an object has its template (Kubernetes API, PodSpec)."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "containers":
                yield from _containers(each, _PROBES, "readinessProbe")
            else:
                yield from _pods(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _pods(each, depth + 1)


def _containers(value: object, checked: tuple[str, ...], form: str) -> Iterator[_Container]:
    for each in value if isinstance(value, list) else ():
        if not isinstance(each, dict) or any(each.get(key) for key in checked):
            continue
        image = each.get("image")
        try:
            wanted, _ = parse_reference(image if isinstance(image, str) else "", Position("", 0, 0))
        except CargoshipError:
            continue
        yield _Container(str(each.get("name", "")), wanted, form)
