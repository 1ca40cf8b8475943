"""Whom a program runs as."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.checks.users import Owner, check_user, owner_of
from cargoship.oci.tar import LayerEntry
from cargoship.rootfs.layer_cache import LayerCache
from cargoship.rootfs.view import RootFs, view_of

PASSWD = b"root:x:0:0::/:\nweb:x:12:34::/:\nfar:x:4294967295:0::/:\n"


@pytest.fixture
def root(tmp_path: Path) -> RootFs:
    return view_of((), LayerCache(tmp_path), [LayerEntry.file("etc/passwd", PASSWD, 0o644)])


@pytest.mark.parametrize(
    ("user", "owner"),
    [
        ("", Owner(0, 0)),
        ("0:0", Owner(0, 0)),
        ("web", Owner(12, 34)),
        ("web:5", Owner(12, 5)),
        ("12", Owner(12, 34)),
        ("2147483647", Owner(2147483647, 0)),
        ("0" * 5000 + "7", Owner(7, 0)),
    ],
)
def test_whom_an_image_means(root: RootFs, user: str, owner: Owner) -> None:
    assert owner_of(user, root) == owner
    assert not list(check_user(user, root, said="app"))


@pytest.mark.parametrize("user", ["²", "٣", "-1", "far", "0:²", "2147483648", "4294967295", "9" * 5000])
def test_what_no_engine_takes_for_a_user(root: RootFs, user: str) -> None:
    assert owner_of(user, root) is None
    assert list(check_user(user, root, said="app"))
