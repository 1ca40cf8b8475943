"""Bases of Debian packages, of an archive in memory."""

from __future__ import annotations

import queue
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.bases.base import Base
from cargoship.bases.debian import DebianBases
from cargoship.bases.debian_layers import DebianLayerBuilder, DebianLayers
from cargoship.debian.lock import PackageRequest, ResolvedPackages
from cargoship.debian.suites import DebianSpec
from cargoship.debian.sysroot import Sysroot
from cargoship.errors import CargoshipError, ContentInvalid, LockOutdated, MirrorUnreachable, PackageUnresolved
from cargoship.events import ignore
from cargoship.oci.compress import Compression
from cargoship.oci.descriptor import Descriptor
from cargoship.oci.image import make_image
from cargoship.oci.index import index_of
from cargoship.oci.layer import Layer
from cargoship.oci.platform import Platform
from cargoship.settings.model import Settings
from support.debian_archive import Archive, Content, minimal
from support.elf_files import needing
from support.images import AMD64, ARM64, CREATED, GZIP
from support.validate import validate

SPEC = DebianSpec.parse("deb:bookworm")
Make = Callable[..., Base]


@pytest.fixture
def archive() -> Archive:
    made = minimal(Archive())
    files: dict[str, Content] = {"usr/lib/x86_64-linux-gnu/libpq.so.5": b"pq", "etc/pq.conf": b"conf\n"}
    made.add(
        "libpq5", "15-1", files=files, depends="libc6 (>= 2.36), libssl3", conffiles="/etc/pq.conf\n", multi_arch="same"
    )
    made.add("libssl3", "3.0-1", files={"usr/lib/x86_64-linux-gnu/libssl.so.3": b"ssl"}, depends="libc6, debconf")
    headers: dict[str, Content] = {"usr/include/libpq-fe.h": b"pq", "usr/lib/x86_64-linux-gnu/libpq.so": "libpq.so.5"}
    made.add("libpq-dev", "15-1", files=headers, depends="libpq5 (= 15-1), libssl-dev")
    made.add("libssl-dev", "3.0-1", files={"usr/include/ssl.h": b"ssl"}, depends="libssl3 (= 3.0-1), libc6-dev")
    made.add("libc6-dev", "2.36-9", files={"usr/include/stdio.h": b"stdio"})
    made.publish()
    return made


@pytest.fixture
def sysroots() -> dict[Platform, Sysroot]:
    """Those that `make` has made."""
    return {}


@pytest.fixture
def make(archive: Archive, tmp_path: Path, sysroots: dict[Platform, Sysroot]) -> Make:
    def made(
        *packages: str,
        build: tuple[str, ...] = (),
        needs: tuple[str, ...] = (),
        platform: Platform = AMD64,
        root: str = "project",
        cache: str = "cache",
        compression: Compression = GZIP,
        insist: bool = False,
        offline: bool = False,
        seen: Callable[[Layer], None] | None = None,
    ) -> Base:
        (tmp_path / root).mkdir(exist_ok=True)
        with DebianBases(
            config=archive.places(tmp_path), open_transport=archive.transport, cache=tmp_path / cache,
            insist=insist, offline=offline, emit=ignore,
        ) as bases:  # fmt: skip
            base = bases.find(
                Settings(base=str(SPEC), packages=packages, build_packages=build), platform,
                root=tmp_path / root, compression=compression,
            )  # fmt: skip
            if seen is not None and base.unfinished is not None:
                base.unfinished.when_made(seen)
            program = tmp_path / "program"
            program.write_bytes(needing(*needs))
            sysroots.update(bases.sysroots())
            return base.finished({"program": program})

    return made


def descriptors(base: Base) -> list[Descriptor]:
    return [layer.descriptor for layer in base.layers]


def members(base: Base, *, layers: slice = slice(None)) -> dict[str, tarfile.TarInfo]:
    found: dict[str, tarfile.TarInfo] = {}
    for layer in base.layers[layers]:
        with layer.blob.open() as stream, tarfile.open(fileobj=stream, mode="r|gz") as archive:
            found |= {member.name: member for member in archive}
    return found


def content(base: Base, path: str) -> str:
    text = None
    for layer in base.layers:
        with layer.blob.open() as stream, tarfile.open(fileobj=stream) as archive:
            if path in archive.getnames():
                inner = archive.extractfile(path)
                assert inner is not None
                text = inner.read().decode()
    assert text is not None
    return text


def test_a_base_has_what_programs_look_for(make: Make) -> None:
    base = make()
    found = members(base)
    assert {"usr/lib/x86_64-linux-gnu/libc.so.6", "usr/share/zoneinfo/Etc/UTC", "etc/services"} <= found.keys()
    assert (found["lib"].linkname, found["etc/localtime"].linkname) == ("usr/lib", "/usr/share/zoneinfo/Etc/UTC")
    assert found["usr/lib/ssl/certs"].linkname == "/etc/ssl/certs"
    assert content(base, "etc/ssl/certs/ca-certificates.crt") == "-- A --\n-- B --\n"
    assert "nonroot:x:65532:65532:" in content(base, "etc/passwd")
    assert (found["tmp"].mode, found["home/nonroot"].uid) == (0o1777, 65532)
    assert "usr/share/doc/tzdata/README" not in found
    assert {member.mtime for member in found.values()} == {0}
    assert base.config.user == "65532:65532"
    assert base.has_loader
    image = make_image(platform=AMD64, config=base.config, layers=base.layers, created=CREATED, annotations={})
    validate(index_of([image], annotations={}))


def test_packages_are_a_layer_of_their_own(make: Make) -> None:
    alone, base = make(), make("libpq5")
    assert len(base.layers) == 2
    assert base.layers[0].descriptor == alone.layers[0].descriptor
    added = members(base, layers=slice(1, 2))
    assert {"usr/lib/x86_64-linux-gnu/libpq.so.5", "usr/lib/x86_64-linux-gnu/libssl.so.3"} <= added.keys()
    assert "usr/lib/x86_64-linux-gnu/libc.so.6" not in added
    assert base.layers[1].created_by == "cargoship: libpq5"


def test_dpkg_and_scanners_see_the_packages(make: Make) -> None:
    status = content(make("libpq5"), "var/lib/dpkg/status")
    paragraphs = {text.partition("\n")[0].removeprefix("Package: "): text for text in status.strip().split("\n\n")}
    assert sorted(paragraphs) == list(paragraphs)
    assert paragraphs.keys() == {
        "base-files", "ca-certificates", "gcc-12-base", "libc6", "libgcc-s1", "libpq5", "libssl3", "netbase", "tzdata",
    }  # fmt: skip
    assert paragraphs["libpq5"].startswith("Package: libpq5\nStatus: install ok installed\nVersion: 15-1\n")
    assert "\nConffiles:\n /etc/pq.conf 7f2d7ba0b1e9d2d1f0f3e8b0" not in status
    assert "\nConffiles:\n /etc/pq.conf " in paragraphs["libpq5"]
    listed = content(make("libpq5"), "var/lib/dpkg/info/libpq5:amd64.list")
    assert listed == "/.\n/usr/lib/x86_64-linux-gnu/libpq.so.5\n/etc/pq.conf\n"


def test_equal_packages_give_equal_layers(make: Make) -> None:
    one = make("libpq5")
    other = make("libpq5", root="elsewhere", cache="other")
    assert descriptors(one) == descriptors(other)


def test_a_second_build_asks_nobody(make: Make, archive: Archive, tmp_path: Path) -> None:
    first = make("libpq5")
    archive.asked.clear()
    second = make("libpq5", insist=True, offline=True)
    assert archive.asked == []
    assert second == first
    (tmp_path / "cache" / "memo").rename(tmp_path / "gone")
    assert make("libpq5", offline=True) == first


def test_a_locked_base_stays_as_it_is(make: Make, archive: Archive) -> None:
    """Another machine, after an update in the archive: no index is read."""
    first = make("libpq5")
    archive.add("libpq5", "15-2", files={"usr/lib/x86_64-linux-gnu/libpq.so.5": b"newer"}, depends="libc6")
    archive.publish()
    archive.asked.clear()
    assert descriptors(make("libpq5", cache="other")) == descriptors(first)
    assert not [url for url in archive.asked if "/dists/" in url]
    assert descriptors(make("libpq5", root="new project")) != descriptors(first)


def test_what_one_image_of_a_project_has_another_has_too(make: Make, archive: Archive) -> None:
    make()
    archive.add("netbase", "7", files={"etc/services": b"new"})
    archive.publish()
    assert content(make("libpq5"), "etc/services") == "http 80/tcp\n"


def test_locked_means_locked(make: Make, tmp_path: Path) -> None:
    with pytest.raises(LockOutdated, match="lacks deb:bookworm for linux/amd64 with libpq5"):
        make("libpq5", insist=True)
    assert not (tmp_path / "project" / "cargoship.lock").exists()
    make("libpq5")
    make("libpq5", insist=True)
    with pytest.raises(LockOutdated):
        make("libpq5", platform=ARM64, insist=True)


def test_layers_are_passed_on_when_they_are_there(make: Make) -> None:
    seen = queue.SimpleQueue[Layer]()
    base = make("libpq5", seen=seen.put)
    # by the thread that makes them: who waits for the base may be the first to go on
    assert tuple(seen.get(timeout=20) for _ in base.layers) == base.layers
    assert seen.empty()


@pytest.mark.parametrize(
    ("package", "error"), [("libpq6", PackageUnresolved), ("LIBPQ", ContentInvalid), ("libpq5=1", PackageUnresolved)]
)
def test_packages_that_there_are_not(make: Make, tmp_path: Path, package: str, error: type[CargoshipError]) -> None:
    with pytest.raises(error):
        make(package)
    assert not (tmp_path / "project" / "cargoship.lock").exists()


def test_what_goes_wrong_beside_the_compile_is_said_when_the_base_is_wanted(make: Make, archive: Archive) -> None:
    make("libpq5")
    for url in [url for url in archive.files if url.endswith(".deb")]:
        del archive.files[url]
    with pytest.raises(MirrorUnreachable, match=r"base-files 12\.4"):
        make("libpq5", cache="other")


def test_folders_that_others_may_write_to_are_known(make: Make) -> None:
    base = make()
    assert {(folder.path, folder.mode) for folder in base.folders} >= {("tmp", 0o1777), ("root", 0o700)}
    assert make().folders == base.folders  # from the cache, too


def test_what_a_program_needs_of_its_build_packages_is_in_its_image(
    make: Make, sysroots: dict[Platform, Sysroot]
) -> None:
    base = make(build=("libpq-dev",), needs=("libpq.so.5", "libc.so.6"))
    assert {path.name for path in (sysroots[AMD64].folder / "usr/include").iterdir()} == {"libpq-fe.h", "ssl.h"}
    assert (sysroots[AMD64].library_folder / "libpq.so").read_bytes() == b"pq"
    added = members(base, layers=slice(1, 2))
    # with what the library needs in turn
    assert {"usr/lib/x86_64-linux-gnu/libpq.so.5", "usr/lib/x86_64-linux-gnu/libssl.so.3"} <= added.keys()
    assert not [path for path in added if "include" in path]
    assert "Package: libpq-dev" not in content(base, "var/lib/dpkg/status")
    assert descriptors(base) == descriptors(make("libpq5", root="elsewhere"))


@pytest.mark.parametrize("needs", [(), ("libc.so.6",), ("libcurl.so.4",)])
def test_what_a_program_does_not_need_is_not_in_its_image(make: Make, needs: tuple[str, ...]) -> None:
    assert descriptors(make(build=("libpq-dev",), needs=needs)) == descriptors(make())


def test_a_package_that_was_asked_for_is_not_added_again(make: Make) -> None:
    asked = make("libssl3", build=("libpq-dev",), needs=("libssl.so.3",))
    assert descriptors(asked) == descriptors(make("libssl3", root="elsewhere"))


def test_build_packages_are_locked_too(make: Make, archive: Archive) -> None:
    make(build=("libpq-dev",))
    archive.asked.clear()
    make(build=("libpq-dev",), needs=("libpq.so.5",), insist=True, offline=True)
    assert archive.asked == []


def test_what_was_made_before_does_not_show(make: Make) -> None:
    """Two requests that lead to the same packages, the second from the cache."""
    make("libpq5", "libssl3")
    cached, fresh = make("libpq5"), make("libpq5", cache="other", root="elsewhere")
    assert [layer.created_by for layer in cached.layers] == ["cargoship: deb:bookworm", "cargoship: libpq5"]
    assert [layer.created_by for layer in cached.layers] == [layer.created_by for layer in fresh.layers]
    assert descriptors(cached) == descriptors(fresh)


@pytest.mark.parametrize(("needs", "times"), [(("libpq.so.5",), 1), (("libssl.so.3",), 2), ((), 2)])
def test_what_is_likely_to_be_needed_is_made_beside_the_compile(
    make: Make, monkeypatch: pytest.MonkeyPatch, needs: tuple[str, ...], times: int
) -> None:
    made: list[tuple[str, ...]] = []
    really = DebianLayerBuilder.make

    def counting(
        self: DebianLayerBuilder, order: PackageRequest, parts: ResolvedPackages, compression: Compression
    ) -> DebianLayers:
        made.append(order.packages)
        return really(self, order, parts, compression)

    monkeypatch.setattr(DebianLayerBuilder, "make", counting)
    make(build=("libpq-dev",), needs=needs)
    assert made[0] == ("libpq5",)
    assert len(made) == times
