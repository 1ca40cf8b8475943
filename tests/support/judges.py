"""What others make of an image: skopeo, umoci, oci-image-tool; and of documents: Compose's schema, Amazon's model."""

from __future__ import annotations

import functools
import json
from importlib import resources
from pathlib import Path
from typing import Any

from support.programs import run

INSECURE = "--tls-verify=false"
"""The registry of the tests answers plain HTTP."""


def raw_index(reference: str) -> dict[str, Any]:
    """The index behind a reference in a registry, as skopeo reads it."""
    index: dict[str, Any] = json.loads(run("skopeo", "inspect", INSECURE, "--raw", f"docker://{reference}").stdout)
    return index


def platforms(index: dict[str, Any]) -> dict[str, str]:
    """Platform to digest, of every child of an index."""
    found = {}
    for child in index["manifests"]:
        platform = child["platform"]
        parts = (platform["os"], platform["architecture"], platform.get("variant"))
        found["/".join(part for part in parts if part)] = child["digest"]
    return found


def config(reference: str, architecture: str) -> dict[str, Any]:
    """An image's config for one architecture, as skopeo finds it."""
    done = run(
        "skopeo", f"--override-arch={architecture}", "--override-os=linux", "inspect", INSECURE, "--config",
        f"docker://{reference}",
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def single(source: str, architecture: str, layout: Path) -> Path:
    """Copy one architecture of an image to a layout of its own, under the tag `judged`; skopeo checks every digest."""
    run(
        "skopeo", f"--override-arch={architecture}", "--override-os=linux", "copy", "-q", "--src-tls-verify=false",
        source, f"oci:{layout}:judged",
    )  # fmt: skip
    return layout


def unpack(layout: Path, bundle: Path, tag: str = "judged") -> Path:
    """Unpack the image that `single` copied, or the only one by another tag, with umoci; its root file system."""
    run("umoci", "unpack", "--image", f"{layout}:{tag}", bundle)
    return bundle / "rootfs"


def validate(layout: Path) -> None:
    """Check a layout against the specification's schemas with oci-image-tool."""
    run("oci-image-tool", "validate", "--type", "image", layout)


def check_compose(document: object) -> None:
    """Hold a document against the schema that compose-spec publishes, as check-jsonschema brings it along."""
    import jsonschema  # noqa: PLC0415 - a second

    errors = [error.message for error in jsonschema.Draft7Validator(_compose_schema()).iter_errors(document)]
    assert errors == []


def check_pod(pod: object) -> None:
    """Hold a pod against the schema that Kubernetes 1.31 publishes; strict: no field that it does not know."""
    import kubernetes_validate  # noqa: PLC0415 - seconds

    kubernetes_validate.validate(pod, "1.31", strict=True)


def check_task(task: object) -> None:
    """Hold a task definition against the model of Amazon's API that its command line has."""
    from botocore.validate import validate_parameters  # noqa: PLC0415 - a second

    validate_parameters(task, amazon_ecs().operation_model("RegisterTaskDefinition").input_shape)


@functools.cache
def amazon_ecs() -> Any:  # noqa: ANN401 - botocore has no types
    """The model of the API of Amazon ECS: shapes, and what is said of them."""
    from botocore.session import get_session  # noqa: PLC0415 - a second

    return get_session().get_service_model("ecs")


@functools.cache
def _compose_schema() -> dict[str, Any]:
    vendored = resources.files("check_jsonschema.builtin_schemas") / "vendor" / "compose-spec.json"
    found: dict[str, Any] = json.loads(vendored.read_text())
    return found
