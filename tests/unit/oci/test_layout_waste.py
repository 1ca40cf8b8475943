"""A layout that is written again and again holds what its index names, and what others have put there."""

from __future__ import annotations

import json
from pathlib import Path

from cargoship.oci.index import Index, index_of
from cargoship.oci.layout import write_layout
from cargoship.oci.layout_waste import WRITTEN, drop_waste
from cargoship.oci.reference import Reference
from cargoship.oci.tar import LayerEntry
from support.images import AMD64, small_image

TAG = (Reference.parse("app:1"),)
OTHER = (Reference.parse("app:2"),)


def image(folder: Path, number: int) -> Index:
    """One of many, that share a layer."""
    entries = [LayerEntry.file("app", str(number).encode() * 100, 0o755)]
    return index_of([small_image(folder / "store", AMD64, entries=entries)], annotations={})


def blobs(root: Path) -> set[str]:
    return {path.name for path in (root / "blobs").rglob("*") if path.is_file()}


def test_what_a_tag_no_longer_names_goes(tmp_path: Path) -> None:
    """40 builds of a program of 30 MB left 1.2 GB."""
    once = tmp_path / "once"
    root = tmp_path / "layout"
    for seed in range(5):
        write_layout(root, image(tmp_path.parent, seed), names=TAG, drop=True)
    write_layout(once, image(tmp_path.parent, 4), names=TAG)
    assert blobs(root) == blobs(once)
    assert {name.partition(":")[2] for name in json.loads((root / WRITTEN).read_text())} == blobs(once)


def test_what_another_tag_names_stays(tmp_path: Path) -> None:
    write_layout(tmp_path, image(tmp_path.parent, 1), names=OTHER, drop=True)
    kept = blobs(tmp_path)
    write_layout(tmp_path, image(tmp_path.parent, 2), names=TAG, drop=True)
    write_layout(tmp_path, image(tmp_path.parent, 3), names=TAG, drop=True)
    assert kept < blobs(tmp_path)


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    write_layout(tmp_path, image(tmp_path.parent, 1), names=TAG)
    others = blobs(tmp_path)
    write_layout(tmp_path, image(tmp_path.parent, 1), names=TAG, drop=True)
    write_layout(tmp_path, image(tmp_path.parent, 2), names=TAG, drop=True)
    write_layout(tmp_path, image(tmp_path.parent, 3), names=TAG, drop=True)
    only = tmp_path.parent / "only"
    write_layout(only, image(tmp_path.parent, 3), names=TAG)
    assert blobs(tmp_path) == others | blobs(only)


def test_a_list_that_is_damaged_or_leads_elsewhere_removes_nothing(tmp_path: Path) -> None:
    root, outside = tmp_path / "layout", tmp_path / "outside"
    outside.write_text("of others")
    write_layout(root, image(tmp_path.parent, 1), names=TAG, drop=True)
    before = blobs(root)
    for text in ("", "{}", '["sha256:../../../outside"]', "[1]", '["../outside"]'):
        (root / WRITTEN).write_text(text)
        assert drop_waste(root) == 0
    (root / WRITTEN).unlink()
    (root / WRITTEN).symlink_to(outside)
    assert drop_waste(root) == 0
    assert (blobs(root), outside.read_text()) == (before, "of others")


def test_documents_that_cannot_be_read_keep_everything(tmp_path: Path) -> None:
    write_layout(tmp_path, image(tmp_path.parent, 1), names=TAG, drop=True)
    (tmp_path / "index.json").unlink()
    before = blobs(tmp_path)
    assert drop_waste(tmp_path) == 0
    assert blobs(tmp_path) == before
