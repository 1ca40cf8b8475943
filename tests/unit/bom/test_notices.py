"""The texts of licences, out of sources that anybody may have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cargoship.bom.crates import Crate
from cargoship.bom.notices import NoticedCrate, license_texts, notices_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "crate"
    made.mkdir()
    return made


def noticed(folder: Path | None, *, name: str = "one", text: str = "", carries: bool = False) -> NoticedCrate:
    known = Crate(name, "1.0.0", "registry+x", license="" if text else "MIT", license_text=text)
    return NoticedCrate(known, folder, folder, carries)


def test_texts_are_found_by_their_names(folder: Path) -> None:
    for name in ("LICENSE-MIT", "LICENCE", "copying.md", "NOTICE", "UNLICENSE", "license.rs", "README.md", "notice.py"):
        (folder / name).write_text(f"text of {name}\n")
    assert set(license_texts(noticed(folder))) == {
        f"text of {name}" for name in ("LICENSE-MIT", "LICENCE", "copying.md", "NOTICE", "UNLICENSE")
    }


def test_the_file_that_the_manifest_names(folder: Path) -> None:
    (folder / "doc").mkdir()
    (folder / "doc" / "terms.txt").write_text("terms")
    assert license_texts(noticed(folder, text="doc/terms.txt")) == ("terms",)


@pytest.mark.parametrize("name", ["LICENSE", "terms.txt"])
def test_a_link_that_leads_out_is_not_followed(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    (folder / name).symlink_to("../secret")
    assert license_texts(noticed(folder, text=name)) == ()
    assert license_texts(noticed(folder, text="../secret")) == ()
    assert license_texts(noticed(folder, text=str(folder.parent / "secret"))) == ()


def test_a_pipe_and_a_large_file_are_no_texts(folder: Path) -> None:
    os.mkfifo(folder / "LICENSE")
    with (folder / "COPYING").open("wb") as stream:
        stream.truncate(1 << 30)
    assert license_texts(noticed(folder)) == ()
    assert license_texts(noticed(None)) == ()
    assert license_texts(noticed(folder / "gone")) == ()


def test_a_workspace_has_its_licence_at_the_top(folder: Path) -> None:
    (folder.parent / "LICENSE").write_text("of all")
    member = NoticedCrate(Crate("one", "1"), folder, folder.parent)
    assert license_texts(member) == ("of all",)


def test_c_sources_have_theirs_below(folder: Path) -> None:
    (folder / "LICENSE").write_text("of the crate")
    (folder / "zstd").mkdir()
    (folder / "zstd" / "COPYING").write_text("of zstd")
    assert license_texts(noticed(folder)) == ("of the crate",)
    assert license_texts(noticed(folder, carries=True)) == ("of the crate", "of zstd")


def test_each_text_is_there_once_and_obeys_no_terminal(folder: Path) -> None:
    (folder / "LICENSE").write_bytes(b"\x1b[2Jtext\r\n\twith \xff\r\n")
    crates = [noticed(folder, name="one"), noticed(folder, name="other")]
    text = notices_text("app", crates, ["musl: MIT"]).decode()
    assert text.count("with \ufffd") == 1
    assert "Text 1, of one 1.0.0, other 1.0.0" in text
    assert "\x1b" not in text
    assert "musl: MIT" in text
    assert notices_text("app", reversed(crates), ["musl: MIT"]).decode() == text
