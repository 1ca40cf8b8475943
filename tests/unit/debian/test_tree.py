"""The file system that packages make together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.debian.deb import read_deb
from cargoship.debian.package import DebianPackage
from cargoship.debian.tree import PackageTree
from cargoship.errors import ContentInvalid
from cargoship.oci.digest import Digest
from cargoship.oci.entry import LayerEntry
from cargoship.oci.tar import arrange
from support.debian_archive import Content, deb


@pytest.fixture
def build(tmp_path: Path) -> _Builder:
    return _Builder(tmp_path)


class _Builder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = PackageTree()

    def add(self, name: str, files: Mapping[str, Content], **fields: str) -> None:
        path = self.folder / f"{name}.deb"
        path.write_bytes(deb({"Package": name, "Version": "1", "Architecture": "amd64", **fields}, files))
        package = DebianPackage(
            name, "1", "amd64", "debian", "20260711T221637Z", f"pool/{name}.deb", 1, Digest("0" * 64)
        )
        self.tree.add(package, read_deb(path, scratch=self.folder / name, what=str(package)))

    def entries(self) -> dict[str, LayerEntry]:
        return {each.path: each for each in arrange(self.tree.entries())}


def test_usr_is_merged(build: _Builder) -> None:
    """What bookworm's packages still have in /lib is found in /usr/lib, and under its old name too."""
    build.add("libc6", {"lib": None, "lib/x/libc.so.6": b"c", "lib64": None, "lib64/ld.so": "/lib/x/ld.so"})
    build.add("bash", {"bin": None, "bin/bash": b"sh", "usr/bin/env": b"env"})
    found = build.entries()
    assert {path: found[path].link for path in ("bin", "lib", "lib64", "sbin")} == {
        "bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64", "sbin": "usr/sbin",
    }  # fmt: skip
    assert {"usr/lib/x/libc.so.6", "usr/lib64/ld.so", "usr/bin/bash", "usr/bin/env", "usr/sbin"} <= found.keys()
    assert not [path for path in found if path.startswith(("bin/", "lib/", "lib64/"))]
    # dpkg's records have the paths as the packages have them
    assert "/lib/x/libc.so.6" in build.tree.installed[0].paths


def test_packages_that_bring_the_links_themselves(build: _Builder) -> None:
    """As base-files does since trixie."""
    build.add("base-files", {"sbin": "usr/sbin", "lib": "usr/lib", "usr/lib": None})
    build.add("ca-certificates", {"usr": None, "usr/sbin": None, "usr/sbin/update": b"x"})
    found = build.entries()
    assert (found["sbin"].link, found["usr/sbin"].link, found["usr/sbin/update"].link) == ("usr/sbin", None, None)
    assert "/sbin" in build.tree.installed[0].paths


def test_documentation_stays_out_but_licences_stay(build: _Builder) -> None:
    files: dict[str, Content] = {
        "usr/share/doc/a": None,
        "usr/share/doc/a/copyright": b"free",
        "usr/share/doc/a/README": b"read me",
        "usr/share/doc/a/examples/copyright": b"no licence",
        "usr/share/doc/b": "a",
        "usr/share/man/man1/a.1.gz": b"man",
        "usr/share/locale/de/a.mo": b"de",
        "usr/share/locale/locale.alias": b"alias",
        "usr/share/other": b"kept",
    }
    build.add("a", files)
    found = build.entries()
    kept = {path for path in found if path.startswith("usr/share/") and found[path].source is not None}
    assert kept == {"usr/share/doc/a/copyright", "usr/share/locale/locale.alias", "usr/share/other"}
    assert found["usr/share/doc/b"].link == "a"


def test_two_packages_with_one_file(build: _Builder) -> None:
    build.add("a", {"usr/x": b"one", "usr/same": b"same"})
    with pytest.raises(ContentInvalid, match="the packages a and b both have /usr/x"):
        build.add("b", {"usr/x": b"two", "usr/same": b"same"})


@pytest.mark.parametrize("first", ["old", "new"])
def test_a_package_that_replaces_anothers_file(build: _Builder, first: str) -> None:
    def add(name: str) -> None:
        if name == "new":
            build.add("new", {"usr/x": b"new"}, Replaces="old (<< 2)")
        else:
            build.add("old", {"usr/x": b"old old"})

    add(first)
    add("old" if first == "new" else "new")
    assert build.entries()["usr/x"].size_bytes == len(b"new")


def test_files_below_a_link_are_where_it_leads(build: _Builder) -> None:
    build.add("base-files", {"var/run": "/run", "run": None, "usr/lib/ssl/certs": "/etc/ssl/certs"})
    build.add("a", {"var/run/a/pid": b"1", "usr/lib/ssl/certs/x": b"x"})
    found = build.entries()
    assert {"run/a/pid", "etc/ssl/certs/x"} <= found.keys()


def test_links_in_circles(build: _Builder) -> None:
    build.add("a", {"x": "y", "y": "x", "x/file": b"lost"})
    with pytest.raises(ContentInvalid, match="circles"):
        build.tree.entries()


def test_links_upwards_stay_inside(build: _Builder) -> None:
    build.add("a", {"x": "../../../../../etc", "x/passwd": b"mine"})
    assert "etc/passwd" in build.entries()


def test_a_package_that_calls_itself_something_else(build: _Builder) -> None:
    with pytest.raises(ContentInvalid, match="calls itself other 1 amd64"):
        build.add("a", {}, Package="other")


def test_whiteouts_are_no_files(build: _Builder) -> None:
    with pytest.raises(ContentInvalid, match="mean deletion"):
        build.add("a", {"usr/.wh.x": b""})
