from __future__ import annotations

import os
from pathlib import Path

import pytest

from cargoship.errors import IncludeInvalid
from cargoship.settings.compound import INCLUDES
from cargoship.settings.include import resolve_includes
from cargoship.settings.values import Include

FILES = ("web/assets/a.css", "web/assets/img/b.png", "web/run.sh", "web/Cargo.toml", "shared/c.txt", "target/d",
         "target/site/f/g", "web/assets/.git/config", "web/assets/target/e")  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        (root / name).chmod(0o640)
    (root / "web/run.sh").chmod(0o700)
    (tmp_path / "secret").write_text("secret")
    return root


def resolved(root: Path, *patterns: object) -> dict[str, tuple[str, int, int, int]]:
    includes = INCLUDES.parse(list(patterns))
    assert isinstance(includes, tuple)
    found = resolve_includes(includes, root / "web", root, target_dir=root / "target")
    assert [file.path for file in found] == sorted(file.path for file in found)
    return {file.path: (str(file.source.relative_to(root)), file.mode, file.uid, file.gid) for file in found}


def check(root: Path, patterns: list[object], expected: dict[str, str]) -> None:
    assert {path: source for path, (source, *_) in resolved(root, *patterns).items()} == expected


def refuse(root: Path, word: str, *patterns: object) -> None:
    with pytest.raises(IncludeInvalid) as caught:
        resolved(root, *patterns)
    assert word in caught.value.message


A, B, E, RUN = "web/assets/a.css", "web/assets/img/b.png", "web/assets/target/e", "web/run.sh"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["run.sh -> /bin/go"], {"/bin/go": RUN}),
        (["./run.sh -> /bin/"], {"/bin/run.sh": RUN}),
        (["assets -> /app"], {"/app/a.css": A, "/app/img/b.png": B, "/app/target/e": E}),
        (["assets/ -> /app/"], {"/app/a.css": A, "/app/img/b.png": B, "/app/target/e": E}),
        (["assets/** -> /"], {"/a.css": A, "/img/b.png": B, "/target/e": E}),
        (["assets/* -> /x"], {"/x/a.css": A}),
        (["assets/**/*.png -> /x/"], {"/x/img/b.png": B}),
        (["**/b.* -> /x/"], {"/x/assets/img/b.png": B}),
        (["*.[st]h -> /x/"], {"/x/run.sh": RUN}),
        (["../shared/c.txt -> /c"], {"/c": "shared/c.txt"}),
        (["../target/d -> /d"], {"/d": "target/d"}),
        (["../target/site/** -> /s/"], {"/s/f/g": "target/site/f/g"}),
        (["../target/site -> /s"], {"/s/f/g": "target/site/f/g"}),
        (["assets/*.css -> /x/", "assets/a.css -> /x/a.css"], {"/x/a.css": A}),
        ([], {}),
    ],
)
def test_places(workspace: Path, patterns: list[object], expected: dict[str, str]) -> None:
    check(workspace, patterns, expected)


def test_modes_and_owners(workspace: Path) -> None:
    assert resolved(
        workspace, "run.sh -> /a", "assets/a.css -> /b", {"from": "run.sh", "to": "/c", "mode": "0444", "owner": "7:8"}
    ) == {"/a": (RUN, 0o755, 0, 0), "/b": (A, 0o644, 0, 0), "/c": (RUN, 0o444, 7, 8)}


def test_a_later_entry_changes_one_file(workspace: Path) -> None:
    later = {"from": "assets/a.css", "to": "/x/a.css", "mode": "0600"}
    assert resolved(workspace, "assets -> /x", later)["/x/a.css"][1] == 0o600


def test_links_inside_are_followed(workspace: Path) -> None:
    (workspace / "web/link").symlink_to("../shared/c.txt")
    (workspace / "web/folder").symlink_to("assets/img")
    check(workspace, ["link -> /x/", "folder -> /y"], {"/x/link": "shared/c.txt", "/y/b.png": B})


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("nothing -> /x", "matches no file"),
        ("assets/*.js -> /x/", "matches no file"),
        ("empty -> /x", "matches no file"),
        ("../*/site/** -> /x/", "matches no file"),
        ("../target/** -> /x/", "matches no file"),
        ("../../secret -> /x", "leads out of the project"),
        ("../.. -> /x", "leads out of the project"),
        ("*/../../../secret -> /x", "after a wildcard"),
        ("out -> /x", "leads out of the project"),
        ("ou* -> /x/", "leads out of the project"),
        ("outside -> /x", "leads out of the project"),
        ("outside/secret -> /x", "leads out of the project"),
        ("outside/* -> /x/", "leads out of the project"),
        ("sub/** -> /x/", "link to a folder"),
        ("broken -> /x", "matches no file"),
        ("brok* -> /x/", "cannot be read"),
        ("pipe -> /x", "neither a file nor a folder"),
        ("loop -> /x", "include 'loop'"),
        ("a**b -> /x/", ""),
    ],
)
def test_refused(workspace: Path, pattern: str, word: str) -> None:
    web = workspace / "web"
    (web / "empty").mkdir()
    (web / "sub").mkdir()
    (web / "sub/inside").symlink_to("../assets")
    (web / "out").symlink_to("../../secret")
    (web / "outside").symlink_to("../..")
    (web / "broken").symlink_to("nowhere")
    (web / "loop").symlink_to("loop")
    os.mkfifo(web / "pipe")
    refuse(workspace, word, pattern)


def test_two_files_at_one_place(workspace: Path) -> None:
    refuse(workspace, "would both be /x", "run.sh -> /x", "assets/a.css -> /x")
    refuse(workspace, "which is a file", "run.sh -> /x", "assets/a.css -> /x/a.css")


def test_a_member_beside_the_workspace(tmp_path: Path) -> None:
    member = tmp_path / "member"
    member.mkdir()
    (member / "f").write_text("f")
    (tmp_path / "root").mkdir()
    found = resolve_includes([Include("f", "/f")], member, tmp_path / "root")
    assert [file.path for file in found] == ["/f"]
