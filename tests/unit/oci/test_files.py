"""Files and folders that are whole or absent."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from cargoship.errors import OutputError
from cargoship.oci.files import (
    Taken,
    atomic_file,
    atomic_folder,
    replace_link,
    replacing,
    sweep,
    write_atomically,
    write_output,
)

DAY_NS = 24 * 3600 * 10**9


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_file_that_is_not_finished_is_not_there(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "file").write_text("old")

    def half() -> None:
        with replacing(tmp_path / "file") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)):
        half()
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    with replacing(tmp_path / "sub" / "file", private=True, unfinished=None) as stream:
        stream.write(b"new")
        assert not (tmp_path / "sub" / "file").exists()
    assert (tmp_path / "sub" / "file").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "sub" / "file").stat().st_mode) == 0o600
    write_atomically(tmp_path / "sub" / "file", b"newer")
    assert names(tmp_path / "sub") == ["file"]


def test_what_cannot_be_written_is_named_as_people_know_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write \S+/file/below: "):
        write_atomically(tmp_path / "file" / "below", b"")
    with pytest.raises(OutputError, match="No space left"), atomic_file(tmp_path / "other"):
        raise OSError(28, "full")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_folder_that_is_not_finished_is_not_there(tmp_path: Path, error: BaseException) -> None:
    def half() -> None:
        with atomic_folder(tmp_path / "made") as making:
            (making / "half").write_text("")
            raise error

    with pytest.raises(type(error)):
        half()
    assert names(tmp_path) == []


@pytest.mark.parametrize(("taken", "content"), [(Taken.KEEP, "theirs"), (Taken.REPLACE, "ours")])
def test_a_folder_that_somebody_else_has_made_meanwhile(tmp_path: Path, taken: Taken, content: str) -> None:
    place = tmp_path / "below" / "made"
    with atomic_folder(place, taken=taken) as making:
        (making / "file").write_text("ours")
        place.mkdir()
        (place / "file").write_text("theirs")
    assert (place / "file").read_text() == content
    assert names(tmp_path / "below") == ["made"]


def test_a_folder_that_must_not_be_there(tmp_path: Path) -> None:
    place = tmp_path / "made"
    place.mkdir()
    with atomic_folder(place, taken=Taken.REFUSE) as making:
        (making / "file").write_text("ours")
    assert names(place) == ["file"], "an empty one is none"
    with pytest.raises(OSError, match="not empty"), atomic_folder(place, taken=Taken.REFUSE):
        pass
    assert names(tmp_path) == ["made"]


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("a person's own")
    with pytest.raises(OSError, match="Not a directory"), atomic_folder(tmp_path / "made"):
        pass
    assert names(tmp_path) == ["made"]


def test_what_killed_runs_have_left_goes_and_nothing_else(tmp_path: Path) -> None:
    ours = [tmp_path / f".making-{digit * 16}" for digit in "ab"]
    others = [tmp_path / ".making-notes", tmp_path / "old"]
    for folder in (*ours, *others):
        folder.mkdir()
        (folder / "file").write_text("")
        os.utime(folder, (1, 1))
    os.utime(ours[1])
    with atomic_folder(tmp_path / "made"):
        pass
    assert names(tmp_path) == [".making-bbbbbbbbbbbbbbbb", ".making-notes", "made", "old"]


def test_a_sweep_goes_by_age(tmp_path: Path) -> None:
    makers: dict[str, Callable[[Path], object]] = {
        "file": Path.touch, "folder": Path.mkdir, "link": lambda path: path.symlink_to("nowhere"),
    }  # fmt: skip
    for name, make in makers.items():
        for age in ("old", "new"):
            make(tmp_path / f"{age} {name}")
            if age == "old":
                os.utime(tmp_path / f"{age} {name}", ns=(0, 0), follow_symlinks=False)
    sweep(tmp_path, (tmp_path / "new file").stat().st_mtime_ns)
    assert names(tmp_path) == ["new file", "new folder", "new link"]
    sweep(tmp_path, (tmp_path / "new file").stat().st_mtime_ns + DAY_NS, pattern="*link")
    assert names(tmp_path) == ["new file", "new folder"]
    sweep(tmp_path / "none", 0)


def test_a_link_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / "below" / "link"
    for target in ("one", "two"):
        replace_link(place, target)
        assert str(place.readlink()) == target
    assert names(place.parent) == ["link"]


def test_what_was_asked_for_goes_into_a_device_a_pipe_or_a_stream(tmp_path: Path) -> None:
    """`--recipe-path /dev/stdout`, `--metadata-file >(jq .)`."""
    pipe, stream, log = tmp_path / "pipe", tmp_path / "stdout", tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_output(pipe, b"piped")
    assert os.read(reader, 99) == b"piped"
    os.close(reader)
    with log.open("wb") as file:
        file.write(b"said before\n")
        file.flush()
        stream.symlink_to(f"/proc/self/fd/{file.fileno()}")
        write_output(stream, b"written")
    assert log.read_bytes() == b"said before\nwritten"
    assert stream.is_symlink()
    write_output(Path("/dev/null"), b"x")
    with pytest.raises(OutputError, match=r"^cannot write /dev/full: No space left on device"):
        write_output(Path("/dev/full"), b"x")
    assert all(map(Path.is_char_device, map(Path, ("/dev/null", "/dev/full"))))
    # anything else is whole or not there
    other = tmp_path / "below" / "file"
    write_output(other, b"x")
    assert other.read_bytes() == b"x"


def test_no_file_takes_the_place_of_a_device_or_a_pipe(tmp_path: Path) -> None:
    """Root's /dev/null was a file afterwards, and /dev/stdout no link any more."""
    pipe, link, stream = tmp_path / "pipe", tmp_path / "link", tmp_path / "stdout"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with (tmp_path / "log").open("wb") as log:
        stream.symlink_to(f"/proc/self/fd/{log.fileno()}")
        for path in (pipe, link, stream):
            with pytest.raises(OutputError, match=f"^cannot write {path}: it is a device, a pipe or a stream"):
                write_atomically(path, b"x")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert stream.is_symlink()
    # a link to a file is replaced as before, and one to nothing
    for name in ("log", "nothing"):
        other = tmp_path / f"to-{name}"
        other.symlink_to(tmp_path / name)
        write_atomically(other, b"x")
        assert other.read_bytes() == b"x"
