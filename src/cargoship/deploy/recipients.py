"""Whether documents are what kubectl or Compose takes: what they refuse is refused before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cargoship.deploy import compose
from cargoship.deploy.documents import Format, ScannedFile, json_documents
from cargoship.deploy.nodes import Form, YamlNode
from cargoship.deploy.places import Position
from cargoship.errors import DocumentInvalid
from cargoship.printable import printable

_MARKUP = (".yaml", ".yml", ".json")
_NOTHING = ("", "~", "null", "Null", "NULL")
_TASK = "containerDefinitions"
_COMPOSE = frozenset({
    "name", "version", "services", "networks", "volumes", "secrets", "configs", "include", "models", "<<",
})  # fmt: skip
"""What a Compose file may have, beside extensions (compose-spec, schema/compose-spec.json)."""


def check_for_kubectl(files: Sequence[ScannedFile], form: Format) -> None:
    """Refuse what is no object of Kubernetes; `form` is how the files were asked to be read.

    Raises DocumentInvalid with the place.
    """
    for found in files:
        name = found.source.name
        if found.format is Format.TEXT and form is not Format.TEXT:
            raise _no_document(found)
        for place, hint in () if found.format is Format.TEXT else _without_kind(found):
            raise DocumentInvalid(
                f"{place}: this is no object of Kubernetes: it has no kind",
                hint=hint or f"cargoship resolve -f {name} -o FOLDER/ writes it for its own tool",
            )


def check_for_compose(files: Sequence[ScannedFile], form: Format) -> None:
    """Refuse what is no Compose file; `form` is how the files were asked to be read.

    Raises DocumentInvalid with the place. What is called as no document is, Compose reads as one: it may be anything.
    """
    del form
    for found in files:
        name = found.source.name
        if found.format is Format.TEXT:
            if found.source.relative.suffix in _MARKUP:
                raise DocumentInvalid(
                    f"{name}: this is a template, and no Compose file yet",
                    hint="fill it in first, and name what comes out with -f",
                )
            continue
        for place, keys in _keys(found):
            foreign = sorted(each for each in keys if each not in _COMPOSE and not each.startswith("x-"))
            if not foreign:
                continue
            hint = f"cargoship resolve -f {name} -o FOLDER/ writes it for its own tool"
            if {"apiVersion", "kind"} & keys:
                hint = f"cargoship apply -f {name}"
            elif _TASK in keys:
                hint = f"cargoship deploy -f {name}"
            raise DocumentInvalid(
                f"{place}: this is no Compose file: none has {printable(foreign[0])} beside its services", hint=hint
            )


def _keys(found: ScannedFile) -> Iterator[tuple[Position, frozenset[str]]]:
    """Where each document begins, and the keys that it has."""
    if found.format is Format.YAML or any(each.root is not None for each in found.documents):
        for document in found.documents:
            root = document.root
            if root is not None and root.form is Form.TABLE:
                yield found.page.place(root.start), frozenset(key.value for key, _ in root.pairs)
        return
    for start, value in json_documents(found.page.text):
        if isinstance(value, dict):
            yield found.page.place(start), frozenset(value)


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
            if root.form is Form.TABLE and root.get(_TASK) is not None:
                hint = f"cargoship deploy -f {name}"
            yield found.page.place(root.start), hint
        return
    for (start, value), chosen in zip(json_documents(found.page.text), found.chosen, strict=True):
        if chosen and not (isinstance(value, dict) and value.get("kind")):
            is_task = isinstance(value, dict) and _TASK in value
            yield found.page.place(start), f"cargoship deploy -f {name}" if is_task else ""


def _is_empty(root: YamlNode) -> bool:
    return root.form is Form.SCALAR and not root.style and root.value in _NOTHING
