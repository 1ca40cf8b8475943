"""Layers with very many files: kept in few values, which say the same as one for each."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.oci.descriptor import BytesBlob
from cargoship.rootfs.item import Files, ItemKind, LayerFacts
from cargoship.rootfs.scan import read_from_layer, scan_layer
from cargoship.rootfs.tree import FileTree

_MANY = 20_000
_BYTES_EACH = 200
"""Python's own text of one path takes half of that."""

_WORDS = st.sampled_from(["a", "b", "c"])
_PATHS = st.lists(_WORDS, min_size=1, max_size=3).map("/".join)
_FILE, _FOLDER, _LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE
_ENTRY = st.one_of(
    st.tuples(_PATHS, st.just(_FILE), st.integers(0, 3)),
    st.tuples(_PATHS, st.just(_FOLDER), st.just(0)),
    st.tuples(_PATHS, st.just(_LINK), st.just(0)),
    st.tuples(_PATHS.map(lambda path: f"{path}/.wh.a"), st.just(_FILE), st.just(0)),
    st.tuples(_PATHS.map(lambda path: f"{path}/.wh..wh..opq"), st.just(_FILE), st.just(0)),
    st.tuples(_PATHS, st.just(tarfile.LNKTYPE), st.just(0)),
)
_LAYERS = st.lists(st.lists(_ENTRY, max_size=10), min_size=1, max_size=3)


def blob(entries: Sequence[tuple[str, bytes, int]]) -> BytesBlob:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, kind, size_bytes in entries:
            member = tarfile.TarInfo(path)
            member.type, member.size = kind, size_bytes
            member.linkname = "a/b" if kind in {_LINK, tarfile.LNKTYPE} else ""
            archive.addfile(member, io.BytesIO(bytes(size_bytes)))
    return BytesBlob.of("layer", buffer.getvalue())


def listing(tree: FileTree) -> Iterator[tuple[str, ItemKind, int, int, str]]:
    pending = [("", tree.root)]
    while pending:
        path, node = pending.pop()
        yield path, node.kind, node.size_bytes, node.layer, node.path
        assert node.is_empty is not bool(node.children)
        pending += [(f"{path}/{name}", child) for name, child in node.children.items()]


@settings(max_examples=200, deadline=None)
@given(layers=_LAYERS, asked=st.lists(_PATHS, max_size=4))
def test_files_together_are_as_one_by_one(layers: list[list[tuple[str, bytes, int]]], asked: list[str]) -> None:
    facts = [scan_layer(blob(entries)) for entries in layers]
    together = FileTree(facts)
    singly = FileTree([LayerFacts("", tuple(each.single_items())) for each in facts])
    # what was asked for before all of it is looked at is the same thing afterwards
    for path in asked:
        one, other = together.find(path), singly.find(path)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one.path, one.node.kind, one.node.size_bytes) == (
                other.path,
                other.node.kind,
                other.node.size_bytes,
            )
            again = together.find(path)
            assert again is not None
            assert again.node is one.node
    assert sorted(listing(together)) == sorted(listing(singly))


def test_a_file_is_reported_by_its_name_among_many() -> None:
    files = Files.of("d", (0o644, 1, 2), [("ab", 1), ("b", 2), ("a", 3), ("b", 4)])
    assert files.each() == ["ab", "b", "a", "b"]
    found = files.item("b")
    assert found is not None
    assert (found.path, found.size_bytes, found.mode, found.uid, found.gid) == ("d/b", 4, 0o644, 1, 2)
    assert files.item("ba") is None
    assert [(item.path, item.size_bytes) for item in files.items()] == [("d/ab", 1), ("d/b", 2), ("d/a", 3), ("d/b", 4)]


@pytest.mark.thorough
def test_very_many_files_take_little_memory() -> None:
    entries = [(f"usr/share/{number // 500}/file-number-{number:07d}", _FILE, number % 3) for number in range(_MANY)]
    layer = blob(entries)
    tracemalloc.start()
    try:
        facts = scan_layer(layer)
        tree = FileTree([facts])
        found = tree.find("usr/share/7/file-number-0003511")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert (found.node.size_bytes, found.node.path) == (1, "usr/share/7/file-number-0003511")
    assert len(facts.items) == _MANY // 500
    assert read_from_layer(layer, found.node.path, 10) == b"\0"
    # a piece of the archive is at hand as well
    assert peak_bytes < _MANY * _BYTES_EACH + (4 << 20)
