from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargoship.errors import ContentInvalid, IncludeInvalid
from cargoship.oci.descriptor import BytesBlob
from cargoship.oci.tar import EntryKind, LayerEntry, arrange, write_tar

_NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."} and not name.startswith(".wh.")
)
_PATH = st.lists(_NAME, min_size=1, max_size=5).map("/".join)
_ID = st.sampled_from([0, 1, 65532, 2_097_151, 2_097_152, 4_294_967_294])


def tar_of(*entries: LayerEntry, epoch: int = 0) -> bytes:
    out = io.BytesIO()
    write_tar(entries, out, epoch=epoch)
    return out.getvalue()


def members(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()


@settings(deadline=None)
@given(
    st.dictionaries(_PATH, st.tuples(st.binary(max_size=2000), st.sampled_from([0o644, 0o755, 0o4755]), _ID, _ID)),
    st.integers(0, 2**33 - 1),
)
def test_files_round_trip_whatever_their_order(files: dict[str, tuple[bytes, int, int, int]], epoch: int) -> None:
    parents = {str(parent) for path in files for parent in PurePosixPath(path).parents}
    entries = [LayerEntry.file(path, *facts) for path, facts in files.items() if path not in parents]
    data = tar_of(*entries, epoch=epoch)
    assert tar_of(*reversed(entries), epoch=epoch) == data
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = archive.getmembers()
        names = [member.name for member in found]
        assert names == sorted(names)
        assert len(set(names)) == len(names)
        for member in found:
            assert (member.mtime, member.uname, member.gname) == (epoch, "", "")
            assert not {"atime", "ctime", "mtime"} & set(member.pax_headers)
            assert str(PurePosixPath(member.name).parent) in {".", *names[: names.index(member.name)]}
        read = {}
        for member in found:
            stream = archive.extractfile(member)
            if stream is not None:
                read[member.name] = (stream.read(), member.mode, member.uid, member.gid)
    assert read == {entry.path: files[entry.path] for entry in entries}


def test_bytes_stay_as_they_are() -> None:
    """One digest for all versions of Python: tarfile must not change what it writes for these entries."""
    data = tar_of(
        LayerEntry.file("usr/bin/app", b"app", 0o755),
        LayerEntry.file("x" * 60 + "/" + "y" * 90, b"ustar prefix"),
        LayerEntry.file("z" * 120, b"pax"),
        LayerEntry.file("größe", b"pax", uid=2**21, gid=5),
        LayerEntry.directory("home/me", 0o700, 65532, 65532),
        LayerEntry.symlink("lib64", "usr/lib"),
        epoch=1_700_000_000,
    )
    assert hashlib.sha256(data).hexdigest() == "a9fee18e1a15bf578b2ca53aac621d9a73b382d5bad9a94df6c38269640696d6"


def test_pax_only_where_ustar_does_not_fit() -> None:
    data = tar_of(LayerEntry.file("a" * 90 + "/" + "b" * 90, b""), LayerEntry.symlink("l", "t" * 100))
    assert b"PaxHeader" not in data
    assert b"PaxHeader" in tar_of(LayerEntry.symlink("l", "t" * 101))


def test_parents_keep_well_known_rights() -> None:
    found = {
        entry.path: entry.mode for entry in arrange([LayerEntry.file("tmp/x", b""), LayerEntry.file("root/.a", b"")])
    }
    assert (found["tmp"], found["root"]) == (0o1777, 0o700)


def test_an_explicit_parent_wins() -> None:
    entries = arrange([LayerEntry.file("home/me/x", b""), LayerEntry.directory("home/me", 0o700, 5, 5)])
    assert [(entry.path, entry.mode, entry.uid) for entry in entries] == [
        ("home", 0o755, 0),
        ("home/me", 0o700, 5),
        ("home/me/x", 0o644, 0),
    ]


def test_folders_of_the_layers_below_keep_their_rights() -> None:
    below = [
        LayerEntry.directory("home/me", 0o700, 5, 5),
        LayerEntry.directory("data", 0o777),
        LayerEntry.file("home/x", b""),
    ]
    found = arrange([LayerEntry.file("home/me/.config/app", b"")], below=below)
    assert [(entry.path, entry.mode, entry.uid) for entry in found] == [
        ("home", 0o755, 0),
        ("home/me", 0o700, 5),
        ("home/me/.config", 0o755, 0),
        ("home/me/.config/app", 0o644, 0),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a/./b",
        "a//b",
        "a/",
        ".",
        "..",
        "a\0b",
        "a/.wh.b",
        ".wh..wh..opq",
        "\udcff",
    ],
)
def test_paths_that_no_image_can_hold(path: str) -> None:
    with pytest.raises(IncludeInvalid):
        LayerEntry.file(path, b"")


@pytest.mark.parametrize(
    ("kind", "source", "link"),
    [
        (EntryKind.FILE, None, None),
        (EntryKind.FILE, b"", "x"),
        (EntryKind.DIRECTORY, b"", None),
        (EntryKind.SYMLINK, None, None),
        (EntryKind.SYMLINK, None, ""),
    ],
)
def test_entries_that_make_no_sense(kind: EntryKind, source: bytes | None, link: str | None) -> None:
    with pytest.raises(IncludeInvalid):
        LayerEntry("x", kind, 0o644, source=source, link=link)


def test_repetitions(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"same")
    (tmp_path / "two").write_bytes(b"same")
    same = [
        LayerEntry.file("x", b"same"),
        LayerEntry.file("x", tmp_path / "one"),
        LayerEntry.file("x", tmp_path / "two"),
    ]
    assert len(arrange(same)) == 1
    for other in (LayerEntry.file("x", b"else"), LayerEntry.file("x", b"same", 0o755), LayerEntry.directory("x")):
        with pytest.raises(IncludeInvalid, match="twice"):
            arrange([*same, other])
    with pytest.raises(IncludeInvalid, match="is a file there"):
        arrange([LayerEntry.file("x", b""), LayerEntry.file("x/y", b"")])


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", "."):
        with pytest.raises(IncludeInvalid, match="/x"):
            tar_of(LayerEntry.file("x", tmp_path / name))


@pytest.mark.parametrize("change", ["grow", "shrink", "touch"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3 << 20))

    class Out(io.BytesIO):
        done = False

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            if len(data) > 1000 and not self.done:
                self.done = True
                match change:
                    case "grow":
                        with path.open("ab") as stream:
                            stream.write(b"more")
                    case "shrink":
                        os.truncate(path, 1 << 20)
                    case _:
                        os.utime(path, ns=(1, 1))
            return super().write(data)

    with pytest.raises(ContentInvalid):
        write_tar([LayerEntry.file("x", path)], Out(), epoch=0)


def test_a_blob_is_checked() -> None:
    good = BytesBlob.of("text/plain", b"good")
    assert tar_of(LayerEntry.file("x", good)) == tar_of(LayerEntry.file("x", b"good"))
    with pytest.raises(ContentInvalid):
        tar_of(LayerEntry.file("x", BytesBlob(good.descriptor, b"evil")))
    with pytest.raises(ContentInvalid):
        tar_of(LayerEntry.file("x", BytesBlob(good.descriptor, b"g")))
