"""What tests keep on a machine: nothing that other sources have compiled, and no more than a few folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support import kept

YESTERDAY_S = 2 * 24 * 3600


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "src"
    shutil.copytree(kept._SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kept, "_SOURCES", copy)
    monkeypatch.setenv("SHIP_TESTS_CACHE", str(tmp_path / "kept"))
    return copy


@pytest.mark.parametrize(
    ("changed", "compiled", "std"),
    [
        ("toolchain/scripts/cc.sh", True, False),
        ("toolchain/environment.py", True, False),
        ("compile.py", True, False),
        ("toolchain/sysroot.py", True, True),
        ("platforms.py", True, True),
        ("registry/push.py", False, False),
    ],
)
def test_what_other_sources_have_compiled_is_not_used(
    sources: Path, changed: str, *, compiled: bool, std: bool
) -> None:
    before = kept.cache_folder()
    assert kept.cache_folder() == before
    with (sources / changed).open("a") as stream:
        stream.write("\n")
    after = kept.cache_folder()
    assert (after != before) is compiled
    assert ((after / "std").resolve() != (before / "std").resolve()) is std


@pytest.mark.usefixtures("sources")
def test_a_few_folders_are_kept_and_those_in_use() -> None:
    own = kept.cache_folder()
    for number in range(8):
        folder = own.parent / f"compiled-{number}"
        folder.mkdir()
        if number:
            os.utime(folder, (0, folder.stat().st_mtime - YESTERDAY_S - number))
    kept.cache_folder()
    left = {path.name for path in own.parent.glob("compiled-*")}
    assert left == {own.name, "compiled-0", "compiled-1", "compiled-2"}


def test_a_module_that_has_moved_is_missed(sources: Path) -> None:
    (sources / "compile.py").rename(sources / "compiling.py")
    with pytest.raises(FileNotFoundError, match="where is it now"):
        kept.cache_folder()
