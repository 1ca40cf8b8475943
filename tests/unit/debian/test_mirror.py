"""Mirrors: what is believed of what they answer, and where files are looked for."""

from __future__ import annotations

import contextlib
import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cargoship.debian.mirror import DebianMirror, MirrorConfig
from cargoship.debian.package import DebianPackage
from cargoship.debian.relations import parse_request
from cargoship.debian.release import parse_release
from cargoship.debian.resolve import resolve_packages
from cargoship.debian.signature import debian_certificates, signed_text
from cargoship.debian.suites import DebianSpec
from cargoship.debian.unpack import decompressed
from cargoship.errors import CargoshipError, ContentInvalid, MirrorUnreachable, PlatformUnknown, UsageError
from cargoship.events import ignore
from cargoship.oci.store import BlobStore
from support.debian_archive import DATE, MIRROR, SNAPSHOT, SNAPSHOTS, Archive, compressed

BOOKWORM = DebianSpec.parse("deb:bookworm").release
IN_RELEASE = f"{MIRROR}/debian/dists/bookworm/InRelease"


def mirror_of(
    archive: Archive, folder: Path, *, offline: bool = False, places: MirrorConfig | None = None
) -> DebianMirror:
    return DebianMirror(
        places or archive.places(folder),
        open_transport=archive.transport,
        store=BlobStore(folder / "store"),
        offline=offline,
        emit=ignore,
    )


def package_of(archive: Archive, folder: Path, name: str = "aa", snapshot: str | None = None) -> DebianPackage:
    index = mirror_of(archive, folder).index(BOOKWORM, "amd64", snapshot)
    (found,) = resolve_packages(index, [parse_request(name)])
    return found


@pytest.fixture
def archive() -> Archive:
    made = Archive()
    made.add("aa", "1.0-1", files={"usr/aa": b"old"})
    made.add("aa", "1.0-1+deb12u1", files={"usr/aa": b"new"}, suite="bookworm-security")
    made.publish()
    return made


@pytest.mark.parametrize("by_hash", [True, False])
def test_packages_by_signed_indexes(archive: Archive, tmp_path: Path, by_hash: bool) -> None:  # noqa: FBT001
    archive.publish(by_hash=by_hash)
    found = package_of(archive, tmp_path)
    assert (found.version, found.archive, found.snapshot) == ("1.0-1+deb12u1", "debian-security", SNAPSHOT)
    mirror = mirror_of(archive, tmp_path)
    assert mirror.package(found).path.read_bytes().startswith(b"!<arch>")
    archive.asked.clear()
    assert mirror.package(found).descriptor.digest == found.digest
    assert archive.asked == []  # it is kept


def test_nothing_counts_but_debians_signature(archive: Archive, tmp_path: Path) -> None:
    """The archive is well signed, but by a key of its own, which nobody has named."""
    with pytest.raises(ContentInvalid, match="is not signed by a key of Debian") as caught:
        mirror_of(archive, tmp_path, places=MirrorConfig(MIRROR, SNAPSHOTS)).index(BOOKWORM, "amd64", None)
    assert "backtrace" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"Codename: bookworm", b"Codename: bookwork"),
        lambda data: data.replace(b"-----BEGIN PGP SIGNATURE-----", b""),
        lambda data: re.sub(rb"-----BEGIN PGP SIGNED.*?\n\n", b"", data, flags=re.DOTALL),
        lambda data: data[: len(data) // 2],
        lambda _: b"<html>a captive portal</html>",
        lambda _: b"",
        lambda data: re.sub(rb" [0-9a-f]{64} ", b" " + b"0" * 64 + b" ", data),
    ],
)
def test_a_release_that_was_touched(archive: Archive, tmp_path: Path, change: object) -> None:
    assert callable(change)
    archive.files[IN_RELEASE] = change(archive.files[IN_RELEASE])
    with pytest.raises(ContentInvalid):
        package_of(archive, tmp_path)


def test_what_stands_outside_of_the_signature_does_not_count(archive: Archive, tmp_path: Path) -> None:
    signed = archive.files[IN_RELEASE]
    places = archive.places(tmp_path)
    assert signed_text(signed + b"\nCodename: evil\n", what="it", keys=places.keys) == signed_text(
        signed, what="it", keys=places.keys
    )
    with pytest.raises(ContentInvalid):
        signed_text(b"Codename: evil\n" + signed, what="it", keys=places.keys)


def test_another_suites_release_in_this_ones_place(archive: Archive, tmp_path: Path) -> None:
    archive.publish(codename={"bookworm-security": "bookworm"})
    with pytest.raises(ContentInvalid, match="is about bookworm, not bookworm-security"):
        package_of(archive, tmp_path)


@pytest.mark.parametrize("kind", [r"/by-hash/", r"\.deb$"])
def test_other_bytes_than_were_signed(archive: Archive, tmp_path: Path, kind: str) -> None:
    for url in archive.files:
        if re.search(kind, url):
            archive.files[url] = archive.files[url][:-1] + b"?"
    with pytest.raises(ContentInvalid, match="is not what was promised"):
        mirror_of(archive, tmp_path).package(package_of(archive, tmp_path))


def test_what_a_mirror_has_not_any_more_is_in_a_snapshot(archive: Archive, tmp_path: Path) -> None:
    found = package_of(archive, tmp_path)
    url = f"{MIRROR}/debian-security/{found.path}".replace("+", "+")
    past = f"{SNAPSHOTS}/debian-security/{SNAPSHOT}/{found.path}"
    by_digest = f"{SNAPSHOTS}/file/1"
    archive.files[by_digest] = archive.files.pop(url)
    archive.redirects[past] = "/archive/file/1"
    assert mirror_of(archive, tmp_path).package(found).descriptor.digest == found.digest
    assert archive.asked[-3:] == [url, past, by_digest]


def test_a_mirror_that_is_being_updated(archive: Archive, tmp_path: Path) -> None:
    """What has the right name has the wrong bytes; elsewhere they are right."""
    found = package_of(archive, tmp_path)
    url = f"{MIRROR}/debian-security/{found.path}"
    archive.files[f"{SNAPSHOTS}/debian-security/{SNAPSHOT}/{found.path}"] = archive.files[url]
    archive.files[url] = b"a newer file"
    assert mirror_of(archive, tmp_path).package(found).descriptor.digest == found.digest


def test_a_mirror_and_snapshots_that_do_not_answer(archive: Archive, tmp_path: Path) -> None:
    found = package_of(archive, tmp_path)
    archive.files.clear()
    places = replace(archive.places(tmp_path), snapshots="http://nowhere.test")
    with pytest.raises(MirrorUnreachable, match=r"is not at http://mirror\.test/.*, and http://nowhere\.test"):
        mirror_of(archive, tmp_path, places=places).package(found)


def test_a_package_that_is_nowhere(archive: Archive, tmp_path: Path) -> None:
    found = package_of(archive, tmp_path)
    archive.files.clear()
    with pytest.raises(MirrorUnreachable) as caught:
        mirror_of(archive, tmp_path).package(found)
    assert "base pin" in (caught.value.hint or "")


def test_as_it_was(archive: Archive, tmp_path: Path) -> None:
    """A base with a time takes everything from that time."""
    for url in list(archive.files):
        where, _, rest = url.removeprefix(MIRROR + "/").partition("/")
        archive.files[f"{SNAPSHOTS}/{where}/20260101T000000Z/{rest}"] = archive.files[url]
    archive.asked.clear()
    package_of(archive, tmp_path, snapshot="20260101T000000Z")
    assert archive.asked
    assert all(url.startswith(SNAPSHOTS) for url in archive.asked)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://mirror.test/x", "http://[", IN_RELEASE])
def test_redirections_that_lead_nowhere(archive: Archive, tmp_path: Path, to: str) -> None:
    archive.redirects[IN_RELEASE] = to
    with pytest.raises(MirrorUnreachable):
        package_of(archive, tmp_path)


def test_offline(archive: Archive, tmp_path: Path) -> None:
    found = package_of(archive, tmp_path)
    with pytest.raises(MirrorUnreachable, match="no network to be used"):
        mirror_of(archive, tmp_path, offline=True).package(found)
    mirror_of(archive, tmp_path).package(found)
    mirror_of(archive, tmp_path, offline=True).package(found)


def test_a_mirror_without_debian(tmp_path: Path) -> None:
    with pytest.raises(MirrorUnreachable, match=r"there is no http://mirror\.test/debian/dists/bookworm/InRelease"):
        package_of(Archive(), tmp_path)


def test_an_architecture_that_a_release_lacks(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(PlatformUnknown) as caught:
        mirror_of(archive, tmp_path).index(BOOKWORM, "riscv64", None)
    assert "amd64, arm64" in (caught.value.hint or "")


def test_keys_that_are_none(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("no keys")
    for name in ("none", "missing"):
        with pytest.raises(UsageError):
            mirror_of(archive, tmp_path, places=MirrorConfig(MIRROR, SNAPSHOTS, tmp_path / name)).index(
                BOOKWORM,
                "amd64",
                None,
            )


def test_the_date_of_a_snapshot_is_after_that_of_the_release(archive: Archive, tmp_path: Path) -> None:
    assert DATE == "Sat, 11 Jul 2026 10:16:37 UTC"
    assert package_of(archive, tmp_path).snapshot == "20260711T221637Z"


def test_errors_are_cargoships_own(archive: Archive, tmp_path: Path) -> None:
    """A name that does not resolve: permanent, no retries."""
    with pytest.raises(CargoshipError, match="does not resolve"):
        mirror_of(archive, tmp_path, places=MirrorConfig("http://nowhere.test")).index(BOOKWORM, "amd64", None)


def test_which_package_has_a_library(archive: Archive, tmp_path: Path) -> None:
    many = "".join(f"usr/share/doc/p{number}/copyright  doc/p{number}\n" for number in range(20_000))
    archive.contents = many + (
        "opt/libpq.so.5 misc/other\n"
        "usr/lib/x86_64-linux-gnu/libpq.so.5                     libs/libpq5\n"
        "lib/x86_64-linux-gnu/libz.so.1 libs/zlib1g,contrib/libs/zlib-other\n"
        "usr/lib/x86_64-linux-gnu/libpq.so.55 libs/wrong\n"
        "usr/lib/x86_64-linux-gnu/deeper/libx.so.1 libs/plugin\n"
    )
    archive.publish()
    mirror = mirror_of(archive, tmp_path)
    found = {
        name: mirror.owner(BOOKWORM, "amd64", None, name) for name in ("libpq.so.5", "libz.so.1", "libx.so.1", ".*")
    }
    assert found == {"libpq.so.5": "libpq5", "libz.so.1": "zlib1g", "libx.so.1": None, ".*": None}


def test_the_keys_are_debians() -> None:
    """As https://ftp-master.debian.org/keys.html and debian-archive-keyring have them."""
    found = {str(cert.fingerprint).upper() for cert in debian_certificates()}
    assert found == {
        "1F89983E0081FDE018F3CC9673A4F27B8DD47936",  # bullseye
        "AC530D520F2F3269F5E98313A48449044AAD5C5D",
        "A4285295FC7B1A81600062A9605C66F00D6C9793",
        "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",  # bookworm
        "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
        "4D64FEC119C2029067D6E791F8D2585B8783D481",
        "04B54C3CDCA79751B16BC6B5225629DF75B188BD",  # trixie
        "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
        "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
    }


def test_a_package_that_two_threads_want_is_fetched_once(archive: Archive, tmp_path: Path) -> None:
    found = package_of(archive, tmp_path)
    archive.asked.clear()
    mirror = mirror_of(archive, tmp_path)
    with ThreadPoolExecutor(8) as workers:
        assert len({blob.path for blob in workers.map(mirror.package, [found] * 8)}) == 1
    assert len(archive.asked) == 1


@given(st.text(max_size=300))
def test_any_release_file_is_read_or_refused(text: str) -> None:
    for before in ("", "Codename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n"):
        with contextlib.suppress(ContentInvalid):
            parse_release((before + text).encode(), codename="bookworm", what="it")


@given(st.sampled_from([".xz", ".gz", ".zst"]), st.binary(max_size=200), st.integers(0, 400), st.binary(max_size=8))
def test_any_compressed_data_is_read_or_refused(suffix: str, data: bytes, at: int, damage: bytes) -> None:
    whole = compressed(data, suffix)
    assert b"".join(decompressed(io.BytesIO(whole), suffix, limit_bytes=1 << 20, what="it")) == data
    with contextlib.suppress(ContentInvalid):
        broken = io.BytesIO(whole[:at] + damage + whole[at + len(damage) :])
        assert len(b"".join(decompressed(broken, suffix, limit_bytes=1 << 16, what="it"))) <= 1 << 16
