"""cargo's configuration files: which there are, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from cargoship.cargo.config import (
    Table,
    configuration_files,
    default_targets,
    local_registries,
    read_table,
    replaced_sources,
    unstable_switches,
    with_includes,
)


def test_configuration_is_looked_for_as_cargo_does(tmp_path: Path) -> None:
    for place in ("home/config.toml", "a/b/.cargo/config.toml", "a/.cargo/config", "a/.cargo/config.toml"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
    found = [path for path in configuration_files(tmp_path / "a" / "b", tmp_path / "home") if tmp_path in path.parents]
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "a/b/.cargo/config.toml", "a/.cargo/config", "home/config.toml",
    ]  # fmt: skip


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('include = "one.toml"', "config one"),
        ('include = ["one.toml", "two.toml"]', "config two one"),
        ('include = [{ path = "one.toml" }, { path = "none.toml", optional = true }]', "config one"),
        ('include = ["deep.toml"]', "config deep one"),
        ('include = ["config.toml"]', "config"),
        ("include = 3", "config"),
        ('include = ["missing.toml"]', "config"),
        ("this is no TOML", "config"),
    ],
)
def test_what_is_included_counts_less_than_what_includes_it(tmp_path: Path, text: str, found: str) -> None:
    folder = write(tmp_path / "sub", config=text, one="", two="", deep='include = ["../sub/one.toml"]')
    names = [path.resolve().stem for path in with_includes(folder / "config.toml")]
    assert names == found.split()


def test_the_target_of_where_no_option_says_it(tmp_path: Path) -> None:
    near, far = ({"build": {"target": name}} for name in ("near", ["far", "two"]))
    assert default_targets([near, far], {}) == ("near",)
    assert default_targets([{}, far], {}) == ("far", "two")
    assert default_targets([near], {"CARGO_BUILD_TARGET": "set"}) == ("set",)
    assert default_targets([read_table(tmp_path / "none")], {}) == ()


def test_only_folders_hold_other_files_than_were_published() -> None:
    mirror = {"source": {"crates-io": {"replace-with": "m"}, "m": {"registry": "https://example.com"}}}
    vendored = {"source": {"crates-io": {"replace-with": "v"}, "v": {"directory": "vendor"}}}
    assert replaced_sources([mirror]) == []
    assert replaced_sources([vendored]) == [vendored["source"]]
    local = {"source": {"crates-io": {"replace-with": "l"}, "l": {"local-registry": "kept"}}}
    assert replaced_sources([local]) == [local["source"]]
    files: list[tuple[Path, Table]] = [
        (Path("/near"), local),
        (Path("/far"), {"source": {"x": 1, "y": {"local-registry": "/else"}}}),
    ]
    assert local_registries([*files, files[0]]) == (Path("/near/kept"), Path("/else"))


def test_the_nearest_file_says_what_is_unstable() -> None:
    files = [{"unstable": {"gc": True}}, {"unstable": {"gc": False, "bindeps": True}}]
    assert unstable_switches(files) == {"gc": True, "bindeps": True}
