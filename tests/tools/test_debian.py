"""dpkg and gpgv, and what they make of bases of Debian packages."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pysequoia
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cargoship.bases.base import Base
from cargoship.bases.debian import DebianBases
from cargoship.debian.deb import MemberKind, read_deb
from cargoship.debian.signature import debian_certificates, signed_text
from cargoship.debian.versions import Version
from cargoship.errors import ContentInvalid
from cargoship.events import ignore
from cargoship.settings.model import Settings
from support.debian_archive import Archive, Content, minimal
from support.images import AMD64, GZIP
from support.programs import program, run

pytestmark = pytest.mark.tools

_WORDS = st.text("0123456789abz.+~", min_size=1, max_size=6).map(lambda text: "1" + text)
_VERSIONS = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    _WORDS,
    st.just("") | _WORDS.map(lambda text: "-" + text),
)


@settings(max_examples=150)
@given(_VERSIONS, _VERSIONS)
@example("1.0-1", "1.0")
@example("1.0~", "1.0")
@example("1.0", "1.0-0")
def test_dpkg_orders_versions_likewise(one: str, other: str) -> None:
    for operator in ("lt", "eq"):
        code = subprocess.run([program("dpkg"), "--compare-versions", one, operator, other], check=False).returncode
        ours = (
            Version.parse(one) < Version.parse(other)
            if operator == "lt"
            else Version.parse(one) == Version.parse(other)
        )
        assert ours is (code == 0), (one, operator, other)


def build_deb(folder: Path, files: Mapping[str, str], *, compression: str) -> Path:
    """A package as dpkg-deb builds it."""
    root = folder / "root"
    for name, content in {"DEBIAN/control": _CONTROL, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "usr/lib").mkdir(parents=True, exist_ok=True)
    (root / "usr/lib/libx.so").symlink_to("libx.so.1")
    (root / "usr/lib/libx.so.1.0").hardlink_to(root / "usr/lib/libx.so.1")
    run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", root, folder / "x.deb")
    return folder / "x.deb"


_CONTROL = "Package: x\nVersion: 1:1.0-1\nArchitecture: amd64\nMaintainer: A <a@example.com>\nDescription: x\n"


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_packages_that_dpkg_deb_builds(tmp_path: Path, compression: str) -> None:
    long = "usr/share/" + "long/" * 40 + "name"
    files = {"usr/lib/libx.so.1": "x" * 100_000, "etc/ümlaut": "ü", long: "long", "DEBIAN/conffiles": "/etc/ümlaut\n"}
    path = build_deb(tmp_path, files, compression=compression)
    found = read_deb(path, scratch=tmp_path / "scratch", what="x")
    assert found.control["control"].decode() == _CONTROL
    names = run("sh", "-c", f"dpkg-deb --fsys-tarfile {path} | tar t --quoting-style=literal").stdout.splitlines()
    paths = [name.removeprefix("./").rstrip("/") for name in names]
    assert [member.path for member in found.members] == [path for path in paths if path]
    by_path = {member.path: member for member in found.members}
    assert by_path[long].content is not None
    assert by_path["usr/lib/libx.so"].link == "libx.so.1"
    assert {by_path["usr/lib/libx.so.1"].kind, by_path["usr/lib/libx.so.1.0"].kind} == {
        MemberKind.FILE,
        MemberKind.SAME,
    }


@pytest.fixture
def archive() -> Archive:
    made = minimal(Archive())
    files: dict[str, Content] = {
        "lib/x86_64-linux-gnu/libpq.so.5": b"pq",
        "usr/share/doc/libpq5/copyright": b"free\n",
        "usr/share/doc/libpq5/README": b"read me\n",
        "etc/pq.conf": b"conf\n",
    }
    made.add("libpq5", "15-1", files=files, depends="libc6", conffiles="/etc/pq.conf\n", multi_arch="same")
    made.publish()
    return made


@pytest.fixture
def root(archive: Archive, tmp_path: Path) -> Path:
    """The file system of a base, unpacked by tar."""
    with DebianBases(
        config=archive.places(tmp_path), open_transport=archive.transport, cache=tmp_path / "cache", emit=ignore
    ) as bases:
        settings = Settings(base="deb:bookworm", packages=("libpq5",))
        base: Base = bases.find(settings, AMD64, root=tmp_path, compression=GZIP).finished({})
    folder = tmp_path / "root"
    folder.mkdir()
    for layer in base.layers:
        with layer.blob.open() as stream:
            subprocess.run([program("tar"), "xzC", folder], stdin=stream, check=True)
    return folder


def test_dpkg_is_content_with_a_base(root: Path) -> None:
    query = ("dpkg-query", f"--admindir={root}/var/lib/dpkg")
    said = run(*query, "-W", "-f", "${binary:Package} ${Version} ${db:Status-Status}\\n").stdout.splitlines()
    assert said == [
        "base-files 12.4 installed",
        "ca-certificates 20250419 installed",
        "gcc-12-base:amd64 12-1 installed",
        "libc6:amd64 2.36-9 installed",
        "libgcc-s1:amd64 12-1 installed",
        "libpq5:amd64 15-1 installed",
        "netbase 6.4 installed",
        "tzdata 2026a-0 installed",
    ]
    # whose a file is, and that all of them are there, with the digests that the packages say
    assert run(*query, "-S", "/lib/x86_64-linux-gnu/libpq.so.5").stdout.startswith("libpq5:amd64: ")
    assert run("dpkg", f"--root={root}", "--verify").stdout == ""
    assert run("dpkg", f"--root={root}", "--audit").stdout == ""
    (root / "usr/lib/x86_64-linux-gnu/libpq.so.5").write_bytes(b"other")
    assert "libpq.so.5" in run("dpkg", f"--root={root}", "--verify", check=False).stdout


def test_nothing_is_amiss_in_its_file_system(root: Path) -> None:
    assert (root / "lib/x86_64-linux-gnu/libpq.so.5").read_bytes() == b"pq"
    assert (root / "lib").is_symlink()
    assert (root / "etc/os-release").read_text().startswith("ID=debian\n")
    assert not (root / "usr/share/doc/libpq5/README").exists()


def test_the_keys_are_those_of_this_debian() -> None:
    """The package debian-archive-keyring, which apt trusts, has the same."""
    rings = sorted(Path("/usr/share/keyrings").glob("debian-archive-*-*.gpg"))
    system = {str(cert.fingerprint) for ring in rings for cert in pysequoia.Cert.split_bytes(ring.read_bytes())}
    ours = {str(cert.fingerprint) for cert in debian_certificates()}
    assert ours & system == ours


def test_gpgv_and_we_believe_the_same(archive: Archive, tmp_path: Path) -> None:
    keys = archive.places(tmp_path).keys
    assert keys is not None
    ring = tmp_path / "keys.gpg"
    ring.write_bytes(bytes(archive.certificate))
    good = archive.sign(b"Codename: bookworm\nDate: now\n")
    for name, data, valid in (
        ("good", good, True),
        ("changed", good.replace(b"bookworm", b"bookwork"), False),
        ("another key's", Archive().sign(b"Codename: bookworm\n"), False),
        ("unsigned", b"Codename: bookworm\n", False),
    ):
        (tmp_path / "file").write_bytes(data)
        code = run("gpgv", "--keyring", ring, tmp_path / "file", check=False).returncode
        assert (code == 0) is valid, name
        if valid:
            assert signed_text(data, what=name, keys=keys) == b"Codename: bookworm\nDate: now\n"
        else:
            with pytest.raises(ContentInvalid):
                signed_text(data, what=name, keys=keys)
