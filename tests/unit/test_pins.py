from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargoship.errors import SettingsInvalid
from cargoship.pins import with_base

PINNED = "debian:12@sha256:" + "0" * 64

MANIFESTS = [
    '[package]\nname = "a"\n\n[package.metadata.cargoship]\nbase = "@" # not "debian:12"\ntags = ["debian:12"]\n',
    "[package]\nname='a'\n[package.metadata]\ncargoship = { expose = [8080], base = '@' } # inline\n",
    '[package]\nname = "a"\nmetadata.cargoship.base="@"\n[dependencies]\nserde = { version = "1" }\n',
    # tables in no order, which a library that edits TOML would put into one
    """# debian:12
[package]
name = "a"
[dependencies]
serde = "1"
[package.metadata.other]
base = "debian:12"

[[bin]]
name = "x"
[package.metadata.cargoship]
  base   =   "@"   # odd
[workspace.metadata.cargoship]
base = "debian:12"
""",
    '[package]\r\nname = "a"\r\n[package.metadata.cargoship]\r\nbase = "@"\r\n# end\r\n',
    '[package.metadata.cargoship]\nbase = """@"""\n[package]\nname = "a"',
]


@pytest.mark.parametrize("text", MANIFESTS)
def test_nothing_but_the_base_changes(text: str) -> None:
    before, after = text.replace("@", "debian:12"), text.replace("@", PINNED)
    assert with_base(before, "package", PINNED) == after
    assert with_base(after, "package", "debian:12") == before


def test_the_workspaces_own_base_is_another() -> None:
    text = (
        '[workspace]\nmembers = []\n[workspace.metadata.cargoship]\nbase = "debian:12"\n'
        '[package]\nname = "a"\n[package.metadata.cargoship]\nbase = "debian:11"\n'
    )
    found = tomllib.loads(with_base(text, "workspace", PINNED))
    assert found["workspace"]["metadata"]["cargoship"]["base"] == PINNED
    assert found["package"]["metadata"]["cargoship"]["base"] == "debian:11"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))))
def test_comments_stay_whatever_they_say(comment: str) -> None:
    text = f'# {comment}\n[package.metadata.cargoship]\nbase = "debian:12" # {comment}\n'
    assert with_base(text, "package", PINNED) == text.replace("debian:12", PINNED)


def test_what_cannot_be_found_is_said() -> None:
    with pytest.raises(SettingsInvalid) as raised:
        with_base('[package.metadata.cargoship]\nbase = "debian\\u003a12"\n', "package", PINNED)
    assert PINNED in (raised.value.hint or "")
