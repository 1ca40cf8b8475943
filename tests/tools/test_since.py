"""What git says has changed since a commit, and what it is asked with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cargoship.cargo.git import Since, read_since
from cargoship.errors import UsageError
from cargoship.process import SystemRunner

pytestmark = pytest.mark.tools

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    subprocess.run(("git", *who, *words), cwd=folder, env=ENV, check=True, capture_output=True)


def commit(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} {(folder / name).exists()}")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "more")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = (tmp_path / "repository").resolve()
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("target\n")
    commit(folder, "a/one", "b/two", "b/gone", "odd name\nof two lines")
    return folder


def since(folder: Path, name: str) -> Since:
    return read_since(SystemRunner(), folder, name, env=ENV)


def changed(folder: Path, name: str) -> set[str]:
    found = since(folder, name)
    return {each.relative_to(found.git.root).as_posix() for each in found.paths}


def test_commits_the_working_tree_and_new_files(repository: Path) -> None:
    git(repository, "tag", "v1")
    assert changed(repository, "v1") == set()
    (repository / "odd name\nof two lines").write_text("other")
    (repository / "b" / "gone").unlink()
    commit(repository, "a/later")
    (repository / "a" / "one").write_text("other")
    (repository / "new").touch()
    (repository / "target").mkdir()
    (repository / "target" / "ignored").touch()
    assert changed(repository, "v1") == {"odd name\nof two lines", "b/gone", "a/later", "a/one", "new"}
    assert changed(repository / "b", "v1^{commit}") >= {"a/later"}
    assert changed(repository, "HEAD") == {"a/one", "new"}
    assert since(repository, "v1").before(repository / "b" / "gone") == b"b/gone False"
    assert since(repository, "v1").before(repository / "new") is None


def test_what_the_other_branch_did_meanwhile_is_no_change(repository: Path) -> None:
    git(repository, "checkout", "-qb", "feature")
    commit(repository, "a/mine")
    git(repository, "checkout", "-q", "main")
    commit(repository, "b/theirs")
    git(repository, "checkout", "-q", "feature")
    assert changed(repository, "main") == {"a/mine"}


@pytest.mark.parametrize("name", ["nope", "--output=x", "-p", "HEAD:a", "", "HEAD~99"])
def test_what_is_no_commit_is_refused(repository: Path, name: str) -> None:
    with pytest.raises(UsageError, match="git knows no commit"):
        since(repository, name)
    assert not (repository / "x").exists()


def test_without_a_repository_or_its_history(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git repository"):
        since(tmp_path, "main")
    git(repository, "tag", "old")
    git(repository, "checkout", "-q", "--orphan", "alone")
    git(repository, "commit", "-qm", "alone")
    with pytest.raises(UsageError, match="does not reach back") as refused:
        since(repository, "old")
    assert "fetch-depth: 0" in (refused.value.hint or "")


def test_nothing_that_the_repository_names_is_started(repository: Path) -> None:
    git(repository, "tag", "v1")
    (repository / ".gitattributes").write_text("* diff=evil filter=evil\n")
    commit(repository, "a/later")
    for key in ("diff.external", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "core.fsmonitor"):
        git(repository, "config", key, f"touch {repository.parent}/started; cat")
    (repository / "a" / "one").write_text("other")
    assert "a/one" in changed(repository, "v1")
    assert not (repository.parent / "started").exists()
