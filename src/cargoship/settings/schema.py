"""JSON schemas of the settings, for editors and checkers: of the table alone, and of a whole Cargo.toml that has it.

Draft 7, for that is what editors of TOML know (taplo, which is in Even Better TOML, knows no later one).
"""

from __future__ import annotations

import enum
import json
import tomllib
from typing import Any

from cargoship.platforms import every_row
from cargoship.settings.fields import FIELDS, Field

_DRAFT = "http://json-schema.org/draft-07/schema#"
_ID = "urn:cargoship:schema:"


class SchemaOf(enum.StrEnum):
    """What a schema describes."""

    SETTINGS = "settings"
    CARGO_TOML = "cargo-toml"


def json_schema() -> dict[str, Any]:
    """Return the schema of `[package.metadata.cargoship]`."""
    return {
        "$schema": _DRAFT,
        "$id": f"{_ID}{SchemaOf.SETTINGS}",
        "title": "cargoship settings",
        "description": "[package.metadata.cargoship] and [workspace.metadata.cargoship] in Cargo.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {field.key: _property(field) for field in FIELDS},
    }


def manifest_schema() -> dict[str, Any]:
    """Return the schema of a Cargo.toml: all that is not cargoship's is left to others."""
    table = {key: value for key, value in json_schema().items() if not key.startswith("$")}
    metadata = {"type": "object", "properties": {"metadata": _with("cargoship", table)}}
    return {
        "$schema": _DRAFT,
        "$id": f"{_ID}{SchemaOf.CARGO_TOML}",
        "title": "Cargo.toml with cargoship's settings",
        "type": "object",
        "properties": {"package": metadata, "workspace": metadata},
    }


def schema_text(of: SchemaOf = SchemaOf.SETTINGS) -> str:
    """Return a schema as the text of a file."""
    made = json_schema() if of is SchemaOf.SETTINGS else manifest_schema()
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _with(name: str, inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: inner}}


def _property(field: Field) -> dict[str, Any]:
    made = {"description": field.spec.doc, **field.spec.kind.schema}
    if field.key == "platforms":
        # names that editors offer; other spellings of them are taken too
        known = {"enum": [str(row.platform) for row in every_row()]}
        made["items"] = {"anyOf": [known, made["items"]]}
    default = _default(field)
    return made if default is None else {**made, "default": default}


def _default(field: Field) -> object:
    """The default as TOML has it; None where it is described in words, or where there is none."""
    try:
        return tomllib.loads(f"value = {field.spec.shown_default}")["value"]
    except tomllib.TOMLDecodeError:
        return None
