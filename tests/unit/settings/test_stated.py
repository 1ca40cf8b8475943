"""Settings that provenance names can be given again, and those that may hold secrets are not named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cargoship.settings.attesting import parse_signer
from cargoship.settings.fields import BY_KEY
from cargoship.settings.model import Settings
from cargoship.settings.stated import stated_settings

GIVEN: dict[str, object] = {
    "libc": "gnu:2.17",
    "base": "deb:bookworm",
    "packages": ["libpq5"],
    "compression": "zstd",
    "expose": [8080, "53/udp"],
    "user": "65532:65532",
    "include": ["a -> /a", {"from": "run.sh", "to": "/app/run.sh", "mode": "0755", "owner": "1:2"}],
    "healthcheck": {"command": ["/app/x"], "interval": "1m30s", "timeout": "500ms", "retries": 3},
    "labels": {"a": "b"},
    "stop-signal": "SIGINT",
    "auditable": False,
}


def parsed(values: Mapping[str, Any]) -> Settings:
    fields: dict[str, Any] = {BY_KEY[key].attribute: BY_KEY[key].spec.kind.parse(one) for key, one in values.items()}
    return replace(Settings(), **fields)


def test_what_is_reported_gives_the_same_settings_again() -> None:
    settings = parsed(GIVEN)
    found = stated_settings(settings)
    assert found.values.keys() == GIVEN.keys()
    assert parsed(json.loads(json.dumps(found.values))) == settings


def test_defaults_places_and_variables_are_not_reported() -> None:
    assert stated_settings(Settings()).values == {}
    found = stated_settings(
        parsed({"env": {"A": "secret"}, "base": "oci:/home/me/base", "tags": ["h.io/a"], "sign": "me.key"})
    )
    assert (found.values, set(found.withheld)) == ({}, {"env", "base"})


@pytest.mark.parametrize("text", ["", "env://", "env://A-B", "awskms:///alias/x", "-----BEGIN PRIVATE KEY-----\nAAAA"])
def test_what_names_no_key_is_refused_and_no_key_is_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_signer(text)
    assert "AAAA" not in str(refused.value)
