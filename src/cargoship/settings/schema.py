"""The JSON schema of `[package.metadata.cargoship]`, for editors and checkers; made from the model."""

from __future__ import annotations

import json
from typing import Any

from cargoship.settings.model import FIELDS


def json_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cargoship settings",
        "description": "[package.metadata.cargoship] and [workspace.metadata.cargoship] in Cargo.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {field.key: {"description": field.spec.doc, **field.spec.kind.schema} for field in FIELDS},
    }


def schema_text() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
