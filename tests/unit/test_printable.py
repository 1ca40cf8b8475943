"""Addresses without those who ask there."""

from __future__ import annotations

import pytest

from cargoship.printable import without_user


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/me/app", "https://example.org/me/app"),
        ("https://user:s3cret@example.org/me/app", "https://example.org/me/app"),
        ("https://token@example.org:8443/app", "https://example.org:8443/app"),
        ("https://user:s3/cr@et@example.org/app", "https://example.org/app"),
        ("https://user:s3cret/x@example.org/app", "https://example.org/app"),
        ("https://[::1]:5000/app", "https://[::1]:5000/app"),
        ("https://example.org/@scope/app", "https://example.org/@scope/app"),
        ("sparse+https://a:b@crates.example.org/index/", "sparse+https://crates.example.org/index/"),
        ("no address", "no address"),
    ],
)
def test_users_and_passwords_go(url: str, shown: str) -> None:
    assert without_user(url) == shown
