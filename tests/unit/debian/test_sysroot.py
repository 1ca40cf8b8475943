"""Sysroots: what a compiler finds in them, and that nothing in them leads out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from cargoship.debian.deb import read_deb
from cargoship.debian.package import DebianPackage
from cargoship.debian.sysroot import Sysroot, find_sysroot, make_sysroot
from cargoship.oci.digest import Digest
from support.debian_archive import Content, deb

MULTIARCH = "x86_64-linux-gnu"


def made(folder: Path, files: Mapping[str, Content], *, name: str = "libpq-dev") -> Sysroot:
    (folder / "a.deb").write_bytes(deb({"Package": name, "Version": "1", "Architecture": "amd64"}, files))
    package = DebianPackage(name, "1", "amd64", "debian", "20260711T221637Z", f"pool/{name}.deb", 1, Digest("0" * 64))
    debs = {package: read_deb(folder / "a.deb", scratch=folder / "scratch", what=name)}
    return make_sysroot(folder / "sysroots", "x", MULTIARCH, [package], debs)


def test_what_a_compiler_wants(tmp_path: Path) -> None:
    sysroot = made(
        tmp_path,
        {
            "usr/include/postgresql/libpq-fe.h": b"int PQlibVersion(void);\n",
            "lib/x86_64-linux-gnu/libpq.so.5.15": b"pq",
            "usr/lib/x86_64-linux-gnu/libpq.so.5": "libpq.so.5.15",
            "usr/lib/x86_64-linux-gnu/libpq.so": "/lib/x86_64-linux-gnu/libpq.so.5",
            "usr/lib/x86_64-linux-gnu/gconv/ISO646.so": b"no",
            "usr/lib/x86_64-linux-gnu/cmake/Pq/PqConfig.cmake": b"cmake",
            "usr/bin/pg_config": b"#!/bin/sh\n",
            "etc/pq.conf": b"",
            "usr/share/doc/libpq-dev/copyright": b"free",
        },
    )
    assert (sysroot.library_folder / "libpq.so").read_bytes() == b"pq"
    assert not (sysroot.library_folder / "libpq.so").readlink().is_absolute()
    assert (sysroot.folder / "usr/include/postgresql/libpq-fe.h").exists()
    assert (sysroot.library_folder / "cmake/Pq/PqConfig.cmake").exists()
    top = {path.name for path in sysroot.folder.iterdir()} | {path.name for path in (sysroot.folder / "usr").iterdir()}
    assert top == {"usr", "packages.json", "include", "lib"}
    assert not (sysroot.library_folder / "gconv").exists()
    assert sysroot.libraries == dict.fromkeys(["libpq.so", "libpq.so.5", "libpq.so.5.15"], "libpq-dev")
    assert find_sysroot(tmp_path / "sysroots", "x", MULTIARCH) == sysroot
    assert find_sysroot(tmp_path / "sysroots", "y", MULTIARCH) is None


def test_pkg_config_finds_what_is_in_it(tmp_path: Path) -> None:
    text = (
        "prefix=/usr\nexec_prefix=${prefix}\nlibdir=${prefix}/lib/x86_64-linux-gnu\nincludedir=/usr/include\n\n"
        "Name: pq\nURL: https://example.com/usr/x\nLibs: -L/usr/lib/x86_64-linux-gnu -L${libdir} -lpq\n"
        'Cflags: -I/usr/include/postgresql "/lib/x"\n'
    )
    folder = tmp_path / "with a space"
    folder.mkdir()
    sysroot = made(folder, {f"usr/lib/{MULTIARCH}/pkgconfig/libpq.pc": text.encode()})
    found = (sysroot.library_folder / "pkgconfig" / "libpq.pc").read_text().splitlines()
    root = str(sysroot.folder).replace(" ", "\\ ")
    assert found[:4] == [
        f"prefix={root}/usr",
        "exec_prefix=${prefix}",
        "libdir=${prefix}/lib/x86_64-linux-gnu",
        f"includedir={root}/usr/include",
    ]
    assert found[6] == "URL: https://example.com/usr/x"
    assert found[7] == f"Libs: -L{root}/usr/lib/x86_64-linux-gnu -L${{libdir}} -lpq"
    assert found[8] == f'Cflags: -I{root}/usr/include/postgresql "{root}/lib/x"'


@pytest.mark.parametrize("target", ["../../../../etc/passwd", "/../etc/passwd", "../../../.."])
def test_no_link_leads_out(tmp_path: Path, target: str) -> None:
    sysroot = made(tmp_path, {f"usr/lib/{MULTIARCH}/evil": target, "usr/include/a.h": b""})
    assert not (sysroot.library_folder / "evil").is_symlink()


@pytest.mark.parametrize("target", ["/", "/home", "../../../home", "/usr/include"])
def test_links_mean_the_sysroots_own_folders(tmp_path: Path, target: str) -> None:
    sysroot = made(tmp_path, {f"usr/lib/{MULTIARCH}/link": target, "usr/include/a.h": b""})
    link = sysroot.library_folder / "link"
    assert Path(os.path.normpath(link.parent / link.readlink())).is_relative_to(sysroot.folder)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """One package brings a link out of the folder, and a file behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    files: dict[str, Content] = {"usr/lib/up": str(outside), "usr/lib/up/file": b"written"}
    sysroot = made(tmp_path, files)
    assert list(outside.iterdir()) == []
    assert sysroot.folder.exists()


def test_a_second_run_that_was_slower(tmp_path: Path) -> None:
    first = made(tmp_path, {"usr/include/a.h": b"a"})
    assert made(tmp_path, {"usr/include/a.h": b"a"}) == first
    assert [path.name for path in (tmp_path / "sysroots").iterdir()] == ["x"]
