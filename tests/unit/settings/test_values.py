from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.settings import values
from cargoship.settings.health import Healthcheck

CHECKS: tuple[Callable[[str], object], ...] = (
    values.parse_user, values.parse_port, values.parse_signal, values.parse_variable, values.parse_container_path,
    values.parse_folder, values.parse_mode, values.parse_owner, values.parse_duration_ns, values.parse_base,
    values.parse_image_name,
)  # fmt: skip


@given(st.sampled_from(CHECKS), st.text(max_size=30))
def test_any_text_is_taken_or_refused(check: Callable[[str], object], text: str) -> None:
    try:
        check(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way is fine, but not silently


@given(st.from_regex(r"/[a-z./]{0,20}", fullmatch=True))
def test_paths_come_back_clean(text: str) -> None:
    try:
        path = values.parse_container_path(text)
    except ValueError:
        return
    assert path.startswith("/")
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))
    assert values.parse_container_path(path) == path


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30s", 30), ("1h2m3s", 3723), ("2m", 120), ("1h", 3600), ("0s", 0)],
)
def test_duration(text: str, expected: int) -> None:
    assert values.parse_duration_ns(text) == expected * 10**9


def test_docker_healthcheck() -> None:
    assert Healthcheck(("/x", "-h"), interval_ns=5, retries=2).docker() == {
        "Test": ["CMD", "/x", "-h"],
        "Interval": 5,
        "Retries": 2,
    }


@pytest.mark.parametrize("text", ["/" + "a" * 256, "/a" * 2100, "/" + "\u00fc" * 128])
def test_a_path_that_no_file_system_takes(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a path can be"):
        values.parse_container_path(text)


def test_a_time_that_no_engine_counts() -> None:
    assert values.parse_duration_ns("2562047h") < 1 << 63
    with pytest.raises(ValueError, match="longer than engines count"):
        values.parse_duration_ns("2562048h")


@pytest.mark.parametrize("text", ["\u017fun", "\u212aim", "1:\u017f"])
def test_a_user_of_letters_that_only_look_so(text: str) -> None:
    """Python takes them for an s and a k where case does not count."""
    with pytest.raises(ValueError, match="is not a user"):
        values.parse_user(text)
