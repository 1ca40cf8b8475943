"""What settings of Debian packages mean, and where they mean nothing."""

from __future__ import annotations

import pytest

from cargoship.platforms import Libc
from cargoship.settings.model import Settings
from cargoship.settings.sources import load_flags


@pytest.mark.parametrize(
    ("settings", "spec"),
    [
        ({"base": "deb:bookworm"}, "deb:bookworm"),
        ({"base": "deb:trixie@20260711T221637Z"}, "deb:trixie@20260711T221637Z"),
        ({"base": "debian:bookworm", "packages": ("libpq5",)}, "deb:bookworm"),
        ({"base": "docker.io/library/debian:bookworm", "packages": ("libpq5",)}, "deb:bookworm"),
        ({"base": "debian:bookworm", "build_packages": ("libpq-dev",)}, "deb:bookworm"),
        # images in a registry
        ({"base": "debian:bookworm"}, None),
        ({"base": "debian:12-slim", "packages": ("libpq5",)}, None),
        ({"base": "debian:bookworm-slim", "packages": ("libpq5",)}, None),
        ({"base": "ghcr.io/me/debian:bookworm", "packages": ("libpq5",)}, None),
        ({"base": "debian:bookworm@sha256:" + "0" * 64, "packages": ("libpq5",)}, None),
        ({"base": "static", "packages": ("libpq5",)}, None),
    ],
)
def test_which_bases_are_made_of_packages(settings: dict[str, object], spec: str | None) -> None:
    found = Settings(**settings).debian  # type: ignore[arg-type]
    assert (None if found is None else str(found)) == spec


def test_settings_from_variables_and_flags() -> None:
    settings = load_flags({"base": "deb:bookworm", "packages": "libpq5, curl=7.88.1-10+deb12u14", "libc": "gnu"})
    assert settings.packages == ("libpq5", "curl=7.88.1-10+deb12u14")
    assert settings.libc == Libc.parse("gnu")
