"""Task definitions of Amazon ECS: what they are, and whether their images have the platform that they run on.

Format: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from cargoship.deploy.documents import Format, ScannedFile
from cargoship.deploy.places import SCHEME, Page
from cargoship.deploy.resolve import Prepared, ResolvedDocument
from cargoship.deploy.tree import read_documents
from cargoship.deploy.values import value_of
from cargoship.errors import DocumentInvalid, UsageError
from cargoship.events import Level, Note
from cargoship.oci.platform import Platform
from cargoship.printable import printable
from cargoship.suggest import did_you_mean, listed

_ARCHITECTURES = {"X86_64": Platform("linux", "amd64"), "ARM64": Platform("linux", "arm64")}
_DEFAULT = "X86_64"
_ANSWERED = (
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt", "registeredBy",
    "deregisteredAt", "deleteRequestedAt",
)  # fmt: skip
"""What Amazon ECS says of a definition (API reference, TaskDefinition), and RegisterTaskDefinition refuses."""

_TAKEN = (
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
    "placementConstraints", "requiresCompatibilities", "cpu", "memory", "tags", "pidMode", "ipcMode",
    "proxyConfiguration", "inferenceAccelerators", "ephemeralStorage", "runtimePlatform", "enableFaultInjection",
)  # fmt: skip
"""What RegisterTaskDefinition takes (API reference, Request Parameters); there may be more by now."""


def warnings_of(prepared: Prepared) -> Iterator[Note]:
    """Say of what Amazon ECS may not know: aws refuses parameters that it does not know, after images were pushed."""
    for found in prepared.found:
        for key in sorted(_read(found).keys() - set(_TAKEN)):
            meant = did_you_mean(key, _TAKEN)
            yield Note(
                f"{found.source.name}: a task definition is not known to have {printable(key)}, and aws refuses what "
                f"it does not know{meant}",
                Level.WARNING,
            )


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


def task_input(document: ResolvedDocument) -> bytes:
    """A task definition as `aws ecs register-task-definition --cli-input-json` takes it; raises DocumentInvalid."""
    page = Page(document.name, document.data.decode().removeprefix("\ufeff"))
    if _as_json(page.text) is not None:
        return page.text.encode()
    found = read_documents(page.text, page.name, SCHEME)
    if len(found) != 1:
        raise DocumentInvalid(f"{page.name} has {len(found)} documents", hint="a task definition is one")
    (read,) = found
    return json.dumps(value_of(read.root, page), indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _platform(found: ScannedFile) -> tuple[Platform | None, str]:
    """The platform of a task, and how it says so; None where any will do."""
    name = found.source.name
    task = _read(found)
    runtime = task.get("runtimePlatform")
    runtime = {} if runtime is None else runtime
    if not isinstance(runtime, dict):
        raise DocumentInvalid(
            f"{name}: runtimePlatform is {runtime!r}", hint="write it as a table, with cpuArchitecture in it"
        )
    system = runtime.get("operatingSystemFamily")
    if system is not None and system != "LINUX":
        hint = "write LINUX: Amazon ECS knows no other spelling" if str(system).upper() == "LINUX" else None
        raise UsageError(f"{name}: the task runs on {system}, and images are built for Linux", hint=hint)
    architecture = runtime.get("cpuArchitecture")
    if architecture is None:
        # EC2 runs what its instances are; Fargate says what it takes where nothing is said
        compatible = task.get("requiresCompatibilities")
        fargate = "FARGATE" in (compatible if isinstance(compatible, list | str) else ())
        return (_ARCHITECTURES[_DEFAULT], f"{_DEFAULT}, Fargate's own choice") if fargate else (None, "")
    if not isinstance(architecture, str) or architecture not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise UsageError(f"{name}: runtimePlatform.cpuArchitecture is {architecture!r}", hint=f"known: {known}")
    return _ARCHITECTURES[architecture], f"{architecture} (runtimePlatform.cpuArchitecture)"


def _filtered(words: str, name: str) -> str:
    """The command that takes a part of a document, which may have come by a pipe."""
    return f"... | jq '{words}' | cargoship deploy -f -" if name == "stdin" else f"jq '{words}' {shlex.quote(name)}"


def _read(found: ScannedFile) -> dict[str, Any]:
    name = found.source.name
    if found.format is Format.TEXT:
        raise DocumentInvalid(f"{name}: this is no task definition: it is neither JSON nor YAML")
    if len(found.documents) != 1:
        raise DocumentInvalid(f"{name}: a task definition is one document, and here are {len(found.documents)}")
    root = found.documents[0].root
    task = value_of(root, found.page) if found.format is Format.YAML else _as_json(found.page.text)
    if isinstance(task, dict) and isinstance(task.get("taskDefinition"), dict):
        raise DocumentInvalid(
            f"{name}: this is an answer of Amazon ECS, with a task definition in it",
            hint=f"take that alone: {_filtered('.taskDefinition' + _without(task['taskDefinition']), name)}",
        )
    told = [each for each in _ANSWERED if isinstance(task, dict) and each in task]
    if isinstance(task, dict) and told:
        raise DocumentInvalid(
            f"{name}: of an answer of Amazon ECS, which registers no definition with {listed(told)}",
            hint=f"leave them out: {_filtered('.' + _without(task), name)}",
        )
    if not isinstance(task, dict) or not isinstance(task.get("containerDefinitions"), list):
        raise DocumentInvalid(
            f"{name}: this is no task definition: it has no containerDefinitions",
            hint="see `aws ecs register-task-definition --generate-cli-skeleton`",
        )
    return task


def _without(task: dict[str, Any]) -> str:
    """The words of jq that leave out what Amazon ECS has added."""
    told = ", ".join(f".{each}" for each in _ANSWERED if each in task)
    return f" | del({told})" if told else ""


def _as_json(text: str) -> object:
    """The value of a JSON document; None for what is none."""
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
