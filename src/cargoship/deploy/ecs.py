"""Task definitions of Amazon ECS: what they are, and whether their images have the platform that they run on.

Format: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from cargoship.deploy.documents import Found
from cargoship.deploy.resolve import Document, Prepared
from cargoship.errors import DocumentInvalid, UsageError
from cargoship.oci.platform import Platform

_ARCHITECTURES = {"X86_64": Platform("linux", "amd64"), "ARM64": Platform("linux", "arm64")}
_DEFAULT = "X86_64"


def check_platforms(prepared: Prepared) -> None:
    """Refuse task definitions whose images are not built for what they run on; raises UsageError, DocumentInvalid."""
    for found in prepared.found:
        platform, said = _platform(found)
        for spot in found.spots:
            target = prepared.targets.get((found.source.name, spot.wanted)) if spot.wanted is not None else None
            if target is None or platform is None:
                continue
            plan = prepared.plans[target.root][1]
            if platform not in plan.platforms:
                built = ", ".join(map(str, plan.platforms))
                raise UsageError(
                    f"{spot.place}: the task runs on {said}, and the image is built for {built}",
                    hint=f"add --platform {platform}, or set runtimePlatform.cpuArchitecture",
                )


def task_input(document: Document) -> bytes:
    """A task definition as `aws ecs register-task-definition --cli-input-json` takes it."""
    if document.data.lstrip()[:1] == b"{":
        return document.data
    return json.dumps(yaml.safe_load(document.data), indent=2, ensure_ascii=False, default=str).encode() + b"\n"


def _platform(found: Found) -> tuple[Platform | None, str]:
    """The platform of a task, and how it says so; None where any will do."""
    name = found.source.name
    task = _read(found)
    runtime = task.get("runtimePlatform") or {}
    system = str(runtime.get("operatingSystemFamily", "LINUX"))
    if system != "LINUX":
        raise UsageError(f"{name}: the task runs on {system}, and images are built for Linux")
    architecture = runtime.get("cpuArchitecture")
    if architecture is None:
        # EC2 runs what its instances are; Fargate says what it takes where nothing is said
        fargate = "FARGATE" in (task.get("requiresCompatibilities") or [])
        return (_ARCHITECTURES[_DEFAULT], f"{_DEFAULT}, Fargate's own choice") if fargate else (None, "")
    if architecture not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise UsageError(f"{name}: runtimePlatform.cpuArchitecture is {architecture!r}", hint=f"known: {known}")
    return _ARCHITECTURES[architecture], f"{architecture} (runtimePlatform.cpuArchitecture)"


def _read(found: Found) -> dict[str, Any]:
    name = found.source.name
    if len(found.documents) > 1:
        raise DocumentInvalid(f"{name}: a task definition is one document, and here are {len(found.documents)}")
    task: object = yaml.safe_load(found.page.text) if found.documents else json.loads(found.page.text)
    if not isinstance(task, dict) or not isinstance(task.get("containerDefinitions"), list):
        raise DocumentInvalid(
            f"{name}: this is no task definition: it has no containerDefinitions",
            hint="see `aws ecs register-task-definition --generate-cli-skeleton`",
        )
    return task
