"""`platforms = "base"`: those of the table that an image's base has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cargoship.context import Context
from cargoship.errors import PlatformUnknown, SettingsInvalid, UsageError
from cargoship.images.base_platforms import with_platforms_of_bases
from cargoship.oci.layout import write_layout
from cargoship.oci.platform import Platform
from cargoship.settings.compound import PLATFORMS_OF_BASE
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_flags
from support.attested import attested_index
from support.images import AMD64, ARM64, ARMV7
from support.scripted import ScriptedRunner

S390X, V3 = Platform("linux", "s390x"), Platform("linux", "amd64", "v3")


def asked(folder: Path, settings: Settings, *, offline: bool = False) -> tuple[Platform, ...]:
    context = Context(env={}, cwd=folder, runner=ScriptedRunner({}), emit=lambda _: None)
    (found,) = with_platforms_of_bases({"app": settings}, {"app": folder}, context, offline=offline).values()
    return found.platforms


@pytest.mark.parametrize("value", [["base"], "base", ("base",)])
def test_the_word(value: Any) -> None:  # noqa: ANN401
    assert load_flags({"platforms": value}).platforms == PLATFORMS_OF_BASE


@pytest.mark.parametrize("value", [[], ["base", "linux/amd64"], ["bas"]])
def test_words_that_mean_nothing(value: Any) -> None:  # noqa: ANN401
    with pytest.raises((SettingsInvalid, UsageError, PlatformUnknown)):
        load_flags({"platforms": value})


def test_those_of_a_layout(tmp_path: Path) -> None:
    index = attested_index(tmp_path / "blobs", [ARM64, AMD64, V3, S390X, Platform("linux", "mips64le")])
    write_layout(tmp_path / "base", index, names=())
    for offline in (False, True):
        assert asked(tmp_path, load_flags({"platforms": ["base"], "base": "oci:base"}), offline=offline) == (
            AMD64, ARM64, S390X,
        )  # fmt: skip


def test_a_variant_of_which_there_is_nothing_else(tmp_path: Path) -> None:
    write_layout(tmp_path / "base", attested_index(tmp_path / "blobs", [ARM64, V3]), names=())
    assert asked(tmp_path, load_flags({"platforms": ["base"], "base": "oci:base"}), offline=True) == (ARM64, V3)


def test_others_are_left_as_they_are(tmp_path: Path) -> None:
    assert asked(tmp_path, replace(Settings(), platforms=(ARMV7,))) == (ARMV7,)


@pytest.mark.parametrize("base", ["static", "scratch", "deb:bookworm"])
def test_bases_without_platforms_of_their_own(tmp_path: Path, base: str) -> None:
    with pytest.raises(UsageError, match="no platforms of its own"):
        asked(tmp_path, load_flags({"platforms": ["base"], "base": base}))


def test_no_registry_is_asked_offline(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is asked offline"):
        asked(tmp_path, load_flags({"platforms": ["base"], "base": "localhost:1/base:1"}), offline=True)


def test_a_base_with_none_that_is_known(tmp_path: Path) -> None:
    index = attested_index(tmp_path / "blobs", [Platform("linux", "mips64le")])
    write_layout(tmp_path / "base", index, names=())
    with pytest.raises(PlatformUnknown, match="has no platform that is known here") as caught:
        asked(tmp_path, load_flags({"platforms": ["base"], "base": "oci:base"}))
    assert "it has linux/mips64le" in (caught.value.hint or "")
