"""Packages that a base from elsewhere says it is made of."""

from __future__ import annotations

import json

import pytest

from cargoship.bom.base_packages import packages_in_base
from cargoship.bom.cyclonedx import cyclonedx
from cargoship.bom.sbom import BaseContents, BasePackage, ImageFacts, sbom_of
from cargoship.oci.digest import Digest
from cargoship.oci.tar import LayerEntry
from cargoship.rootfs.view import RootFs, view_of_entries

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: GNU C Library
 Package: not-one

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""
APK = "C:Q1x=\nP:musl\nV:1.2.5-r10\nA:x86_64\nF:lib\n\nP:busybox\nV:1.37.0-r18\nA:x86_64\n"


def root(files: dict[str, str | bytes]) -> RootFs:
    entries = (
        LayerEntry.file(path, text if isinstance(text, bytes) else text.encode()) for path, text in files.items()
    )
    return view_of_entries(entries)


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        (
            {"etc/os-release": DEBIAN, "var/lib/dpkg/status": STATUS},
            [BasePackage("libc6", "2.36-9+deb12u10", "amd64", "debian-12")],
        ),
        (
            {
                "usr/lib/os-release": DEBIAN,
                "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2025b-0+deb12u1\nArchitecture: all\n",
                "var/lib/dpkg/status.d/tzdata.md5sums": "Package: no\nVersion: 1\nArchitecture: all\n",
            },
            [BasePackage("tzdata", "2025b-0+deb12u1", "all", "debian-12")],
        ),
        (
            {
                "etc/os-release": "ID=alpine\nVERSION_ID=3.22.1\n",
                "lib/apk/db/installed": APK,
            },
            [
                BasePackage("busybox", "1.37.0-r18", "x86_64", "alpine-3.22.1", kind="apk", vendor="alpine"),
                BasePackage("musl", "1.2.5-r10", "x86_64", "alpine-3.22.1", kind="apk", vendor="alpine"),
            ],
        ),
        ({"etc/os-release": DEBIAN}, []),
        ({}, []),
        ({"var/lib/dpkg/status": b"\x00\xff" * 100_000}, []),
        (
            {"var/lib/dpkg/status": STATUS.replace("libc6", "../../x").replace("2.36", "1 2")},
            [],
        ),
        ({"etc/os-release": "ID=../..\n", "lib/apk/db/installed": "P:a\nV:1\n"}, []),
    ],
)
def test_lists(files: dict[str, str | bytes], packages: list[BasePackage]) -> None:
    assert list(packages_in_base(root(files))) == packages


def test_what_a_sbom_says_of_them() -> None:
    package = BasePackage("musl", "1.2.5-r10", "x86_64", "alpine-3.22.1", kind="apk", vendor="alpine")
    base = BaseContents("docker.io/library/alpine:3.22", Digest.of(b"base"), packages=(package,), is_whole=False)
    made = sbom_of(
        ImageFacts("app", Digest.of(b"image"), "amd64", "1970-01-01T00:00:00Z"),
        tools={"cargoship": "1"}, programs=[], base=base,
    )  # fmt: skip
    document = json.loads(cyclonedx(made, "1.6"))
    (found,) = (each for each in document["components"] if each["name"] == "musl")
    assert found["purl"] == "pkg:apk/alpine/musl@1.2.5-r10?arch=x86_64&distro=alpine-3.22.1"
    assert found["supplier"] == {"name": "Alpine"}
    # files that are in no package may be there as well
    assert document["compositions"][0]["aggregate"] == "incomplete"
