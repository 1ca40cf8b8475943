"""Where a project's Cargo.toml is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo.manifest import find_manifest
from cargoship.errors import ManifestNotFound
from cargoship.oci.digest import Digest
from cargoship.unitcache.keys.probes import LEADS, answer


def test_links_in_a_circle_are_no_project(tmp_path: Path) -> None:
    """Path.resolve raises RuntimeError for them before Python 3.13, as nothing else does."""
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(ManifestNotFound, match="circle does not exist"):
        find_manifest(tmp_path / "circle")
    with pytest.raises(ManifestNotFound):
        find_manifest(tmp_path / "circle" / "Cargo.toml")
    # a unit may have asked for what is a circle in another checkout
    found = answer(f"{LEADS}circle", tmp_path, tmp_path / "target", {})
    assert found is not None
    assert isinstance(found[0], Digest)
