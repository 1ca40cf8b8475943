"""What is generated from the model: the schema and the page agree with what is parsed, and are up to date."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from cargoship.settings.__main__ import write
from cargoship.settings.fields import BY_KEY, FIELDS
from cargoship.settings.reference import settings_page
from cargoship.settings.schema import json_schema, schema_text

CHECKOUT = Path(__file__).parents[3]
GENERATED = ("docs/settings.md", "src/cargoship/settings/schema.json")


@pytest.mark.parametrize("name", GENERATED)
def test_committed_file_is_up_to_date(name: str, tmp_path: Path) -> None:
    for each in GENERATED:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
    write(tmp_path)
    wanted = (tmp_path / name).read_text(encoding="utf-8")
    assert (CHECKOUT / name).read_text(encoding="utf-8") == wanted, "run python -m cargoship.settings"


@pytest.mark.parametrize("key", BY_KEY)
def test_example_is_what_the_parser_takes(key: str) -> None:
    field = BY_KEY[key]
    value = tomllib.loads(f"value = {field.spec.example}")["value"]
    assert field.spec.kind.parse(value) != field.default


@pytest.mark.parametrize("key", BY_KEY)
def test_shown_default_is_the_default(key: str) -> None:
    field = BY_KEY[key]
    if field.spec.shown_default.startswith(('"', "[", "{", "true", "false")) and field.default is not None:
        value = tomllib.loads(f"value = {field.spec.shown_default}")["value"]
        assert field.spec.kind.parse(value) == field.default


def test_every_setting_is_described() -> None:
    page = settings_page()
    headings = re.findall(r"^## .*$", page, re.MULTILINE)
    assert len(headings) == len(set(headings)), "no heading stands twice"
    properties = json_schema()["properties"]
    for field in FIELDS:
        assert f"### `{field.key}`" in page
        assert field.variable in page
        assert field.spec.doc.endswith(".")
        assert properties[field.key]["description"] == field.spec.doc


@pytest.mark.parametrize(("key", "word"), [("sbom", "spdx"), ("signature-format", "cosign-2")])
def test_what_a_list_may_hold_is_offered_by_editors(key: str, word: str) -> None:
    offered = json_schema()["properties"][key]["items"]["enum"]
    assert word in offered
    assert BY_KEY[key].spec.kind.parse(offered) == tuple(offered)


def test_schema_is_json() -> None:
    assert json.loads(schema_text()) == json_schema()
