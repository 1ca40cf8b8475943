"""Packages of any content: one clear error, or a file system in which nothing leads out."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.debian.deb import Deb, Member, MemberKind, Slice
from cargoship.debian.package import DebianPackage
from cargoship.debian.sysroot import write_tree
from cargoship.debian.tree import PackageTree
from cargoship.errors import CargoshipError
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.digest import Digest
from cargoship.oci.entry import EntryKind
from cargoship.oci.tar import arrange

CONTENT = Path(__file__)
_PARTS = st.sampled_from(["usr", "lib", "include", "bin", "a", "b", "x86_64-linux-gnu"])
_PATHS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_WANTED = st.lists(_PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(["usr", "lib", *parts]))
_TARGETS = st.builds(
    lambda start, parts: start + "/".join(parts),
    st.sampled_from(["", "/", "../", "../../", "../../../../../"]),
    st.lists(_PARTS | st.just(".."), min_size=1, max_size=4),
)
_SIZE = CONTENT.stat().st_size
_SLICE = Slice(Descriptor("", Digest.of(CONTENT.read_bytes()), _SIZE), CONTENT, 0)
_MEMBERS = st.one_of(
    st.builds(lambda path: Member(path, MemberKind.FILE, 0o644, content=_SLICE), _PATHS | _WANTED),
    st.builds(lambda path: Member(path, MemberKind.FOLDER, 0o755), _PATHS | _WANTED),
    st.builds(lambda path, link: Member(path, MemberKind.LINK, 0o777, link=link), _PATHS | _WANTED, _TARGETS),
    st.builds(lambda path, link: Member(path, MemberKind.SAME, 0o644, link=link), _PATHS | _WANTED, _PATHS | _WANTED),
)


def package(name: str) -> tuple[DebianPackage, bytes]:
    text = f"Package: {name}\nVersion: 1\nArchitecture: amd64\nReplaces: one, two\n"
    made = DebianPackage(name, "1", "amd64", "debian", "20260711T221637Z", f"pool/{name}.deb", 1, Digest("0" * 64))
    return made, text.encode()


@settings(max_examples=300)
@given(st.lists(_MEMBERS, max_size=8), st.lists(_MEMBERS, max_size=8))
def test_nothing_leads_out(one: list[Member], two: list[Member]) -> None:
    tree = PackageTree()
    try:
        for name, members in (("one", one), ("two", two)):
            made, control = package(name)
            tree.add(made, Deb({"control": control}, tuple(members)))
        entries = tree.entries()
    except CargoshipError:
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "outer", "sysroot")
        root.mkdir(parents=True)
        with contextlib.suppress(OSError):  # one path is to be two things; `make_sysroot` says so
            write_tree(entries, root, known_as=root)
        assert [path.name for path in Path(scratch).iterdir()] == ["outer"]
        assert [path.name for path in Path(scratch, "outer").iterdir()] == ["sysroot"]
        for folder, folders, files in os.walk(root):
            for name in (*folders, *files):
                assert Path(os.path.realpath(Path(folder, name))).is_relative_to(os.path.realpath(root))
    try:
        arranged = arrange(entries)
    except CargoshipError:
        return
    links = {entry.path for entry in arranged if entry.kind is EntryKind.SYMLINK}
    for entry in arranged:
        assert not any(entry.path.startswith(f"{link}/") for link in links)
        assert ".." not in entry.path.split("/")
