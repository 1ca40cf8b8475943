"""Whether documents are what kubectl takes: what it refuses is refused before anything is built and pushed."""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.deploy import compose
from cargoship.deploy.documents import Format, ScannedFile, json_documents
from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import Position
from cargoship.deploy.resolve import Prepared
from cargoship.errors import DocumentInvalid

_MARKUP = (".yaml", ".yml", ".json")
_NOTHING = ("", "~", "null", "Null", "NULL")


def check_for_kubectl(prepared: Prepared, *, form: Format) -> None:
    """Refuse what is no object of Kubernetes; `form` is how the files were asked to be read.

    Raises DocumentInvalid with the place.
    """
    for found in prepared.found:
        name = found.source.name
        if found.format is Format.TEXT and form is not Format.TEXT:
            raise _no_document(found)
        for place, hint in () if found.format is Format.TEXT else _without_kind(found):
            raise DocumentInvalid(
                f"{place}: this is no object of Kubernetes: it has no kind",
                hint=hint or f"cargoship resolve -f {name} -o FOLDER/ writes it for its own tool",
            )


def _no_document(found: ScannedFile) -> DocumentInvalid:
    name = found.source.name
    if found.source.relative.suffix in _MARKUP:
        return DocumentInvalid(
            f"{name}: this is a template, and no document yet",
            hint="fill it in first: helm template CHART | cargoship apply -f -",
        )
    return DocumentInvalid(
        f"{name}: this is no object of Kubernetes: it is neither YAML nor JSON",
        hint=f"cargoship resolve -f {name} -o FOLDER/ writes it for its own tool",
    )


def _without_kind(found: ScannedFile) -> Iterator[tuple[Position, str]]:
    """Where each document begins that has no kind, and what takes it, where that is known."""
    name = found.source.name
    if found.format is Format.YAML or any(each.root is not None for each in found.documents):
        for document, chosen in zip(found.documents, found.chosen, strict=True):
            root = document.root
            if root is None or not chosen or _is_empty(root) or (root.form is Form.TABLE and root.text("kind")):
                continue
            hint = f"cargoship up -f {name}" if compose.is_compose(document) else ""
            if root.form is Form.TABLE and root.get("containerDefinitions") is not None:
                hint = f"cargoship deploy -f {name}"
            yield found.page.place(root.start), hint
        return
    for (start, value), chosen in zip(json_documents(found.page.text), found.chosen, strict=True):
        if chosen and not (isinstance(value, dict) and value.get("kind")):
            is_task = isinstance(value, dict) and "containerDefinitions" in value
            yield found.page.place(start), f"cargoship deploy -f {name}" if is_task else ""


def _is_empty(root: YamlNode) -> bool:
    return root.form is Form.SCALAR and not root.style and root.value in _NOTHING
