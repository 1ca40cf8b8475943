"""Headers from the environment and from helpers as Bazel has them; nothing of them is ever shown."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.errors import CargoshipError, RemoteFailed, UsageError
from cargoship.process.system import SystemRunner
from cargoship.reapi.credentials import EnvironmentHeaders, Headers, parse_headers


def helper(folder: Path, answer: object, *, code: int = 0) -> Path:
    """A credential helper that writes down what it is asked."""
    path = folder / "helper"
    text = answer if isinstance(answer, str) else json.dumps(answer)
    path.write_text(f"#!/bin/sh\necho \"$1 $(cat)\" >>'{folder}/asked'\ncat <<'END'\n{text}\nEND\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def source(env: Mapping[str, str], clock: list[float] | None = None) -> EnvironmentHeaders:
    times = clock or [0.0]
    return EnvironmentHeaders(
        env, SystemRunner(), "https://cache.example.com:443", clock=lambda: times[0], now_s=lambda: 1_000_000.0
    )


def test_a_variable_has_headers_as_opentelemetry_writes_them() -> None:
    assert parse_headers("") == ()
    expected: Headers = (("x-api-key", "s3cr,et"), ("authorization", "Bearer a=b"))
    assert parse_headers("X-Api-Key=s3cr%2Cet, authorization=Bearer%20a=b") == expected


@pytest.mark.parametrize(
    "text", ["hidden-word", "grpc-timeout=hidden-word", "a b=hidden-word", "x-bin=hidden-word", "x=hidden-word%0A"]
)
def test_a_variable_that_is_no_list_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_headers(text)
    assert "hidden-word" not in raised.value.message + (raised.value.hint or "")


def test_a_helper_is_asked_once_until_its_answer_ends(tmp_path: Path) -> None:
    path = helper(tmp_path, {"headers": {"Authorization": ["Bearer one"]}, "expires": "1970-01-12T13:48:20Z"})
    clock = [0.0]
    headers = source({"CARGOSHIP_REMOTE_CREDENTIAL_HELPER": f"{path}", "CARGOSHIP_REMOTE_HEADERS": "x=1"}, clock)
    assert headers.headers() == headers.headers() == (("x", "1"), ("authorization", "Bearer one"))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ['get {"uri":"https://cache.example.com:443"}']
    clock[0] = 71.0  # it ends in 100 seconds, and is asked for half a minute earlier
    headers.headers()
    headers.headers(anew=True)
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("hidden-word", 0),
        ({"headers": {"a b": ["hidden-word"]}}, 0),
        ({"headers": {"x": "hidden-word"}}, 0),
        ("hidden-word", 3),
    ],
)
def test_a_helper_that_fails_is_one_line_without_its_words(tmp_path: Path, answer: object, code: int) -> None:
    path = helper(tmp_path, answer, code=code)
    with pytest.raises(RemoteFailed) as raised:
        source({"CARGOSHIP_REMOTE_CREDENTIAL_HELPER": str(path)}).headers()
    assert "helper" in raised.value.message
    assert "hidden-word" not in raised.value.message + (raised.value.hint or "")


def test_a_helper_that_is_not_there_is_said() -> None:
    with pytest.raises(CargoshipError, match="no-such-helper"):
        source({"CARGOSHIP_REMOTE_CREDENTIAL_HELPER": "no-such-helper"}).headers()
