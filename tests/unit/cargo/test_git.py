from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from cargoship.cargo.git import GitFacts, read_git_facts, web_address
from cargoship.errors import ToolMissing
from cargoship.process import Command, Completed, Sink

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class ScriptedGit:
    """Answers git's subcommands from a table; what is not there fails as git does outside of a repository."""

    answers: Mapping[str, str]
    missing: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del stdin, timeout_s
        if self.missing:
            raise ToolMissing("cannot run git")
        self.asked.append(command.argv)
        word = next((word for word in command.argv if word in {"log", "status", "config"}), "")
        if word in self.answers:
            return Completed(0, self.answers[word].encode(), b"")
        return Completed(128, b"", b"fatal: not a git repository")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        raise NotImplementedError


def check(answers: Mapping[str, str], expected: GitFacts | None, *, missing: bool = False) -> None:
    assert read_git_facts(ScriptedGit(answers, missing), Path("/w"), env={}) == expected


def test_no_git() -> None:
    check({}, None, missing=True)


def test_no_repository_or_no_commit() -> None:
    check({}, None)


@pytest.mark.parametrize(
    ("refs", "status", "config", "expected"),
    [
        ("", "", "", GitFacts(SHA, 7)),
        ("HEAD -> refs/heads/main, refs/remotes/origin/main", "", "", GitFacts(SHA, 7, branch="main")),
        ("HEAD -> refs/heads/fix/it, tag: refs/tags/v2, tag: refs/tags/v1", " M a\0D  b c\0", "",
         GitFacts(SHA, 7, branch="fix/it", tag="v1", changed=("a", "b c"))),
        ("HEAD, tag: refs/tags/v1", "", "remote.up.url https://h.org/a\nremote.origin.url git@h.org:me/x.git\n",
         GitFacts(SHA, 7, tag="v1", remote="https://h.org/me/x")),
        ("", "", "remote.up.url https://u:secret@h.org/a.git\n", GitFacts(SHA, 7, remote="https://h.org/a")),
        ("", "", "remote.a.url https://h.org/a\nremote.b.url https://h.org/b\n", GitFacts(SHA, 7)),
    ],
)  # fmt: skip
def test_facts(refs: str, status: str, config: str, expected: GitFacts) -> None:
    answers = {"log": f"{SHA}\n7\n{refs}\n", "status": status} | ({"config": config} if config else {})
    check(answers, expected)


@pytest.mark.parametrize(
    ("refs", "env", "branch", "tag"),
    [
        ("HEAD", {}, None, None),
        ("HEAD", {"GITHUB_SHA": SHA, "GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}, "main", None),
        ("HEAD", {"GITHUB_SHA": SHA, "GITHUB_REF_NAME": "7/merge", "GITHUB_HEAD_REF": "fix/it"}, "fix/it", None),
        ("HEAD", {"GITHUB_SHA": SHA, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.2"}, None, "v1.2"),
        ("HEAD", {"GITHUB_SHA": "f" * 40, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1.2"}, None, None),
        ("HEAD", {"CI_COMMIT_SHA": SHA, "CI_COMMIT_BRANCH": "main"}, "main", None),
        ("HEAD", {"CI_COMMIT_SHA": SHA, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "x"}, "x", None),
        ("HEAD", {"CI_COMMIT_SHA": SHA, "CI_COMMIT_TAG": "v3"}, None, "v3"),
        ("tag: refs/tags/v10.0.0, tag: refs/tags/v9.0.0", {"CI_COMMIT_SHA": SHA, "CI_COMMIT_TAG": "v9.0.0"}, None,
         "v9.0.0"),
        ("tag: refs/tags/v9.0.0, tag: refs/tags/v10.0.0, tag: refs/tags/zz", {}, None, "v10.0.0"),
        ("tag: refs/tags/v10.0.0-rc.1, tag: refs/tags/v9.0.0", {}, None, "v9.0.0"),
    ],
)  # fmt: skip
def test_what_ci_knows(refs: str, env: Mapping[str, str], branch: str | None, tag: str | None) -> None:
    facts = read_git_facts(ScriptedGit({"log": f"{SHA}\n7\n{refs}\n", "status": ""}), Path("/w"), env=env)
    assert facts is not None
    assert (facts.branch, facts.tag) == (branch, tag)


@pytest.mark.parametrize(
    ("tag", "released"),
    [
        ("v1.2.3", True), ("1.2.3", True), ("app-1.2.3", True), ("app/v1.2", True), ("v1.2.3+build.7", True),
        ("v1.2.3-rc.1", False), ("nightly", False), ("v1", False), (None, False),
    ],
)  # fmt: skip
def test_what_a_release_is(tag: str | None, released: bool) -> None:  # noqa: FBT001 - data
    assert GitFacts(SHA, 7, tag=tag).is_release is released
    assert not GitFacts(SHA, 7, tag=tag, changed=("src/main.rs",)).is_release


def test_revision() -> None:
    assert GitFacts(SHA, 7).revision == SHA
    assert GitFacts(SHA, 7, changed=("a",)).revision == SHA + "-dirty"
    assert GitFacts(SHA, 7).short == "0123456789ab"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("git@github.com:me/x.git", "https://github.com/me/x"),
        ("github.com:me/x", "https://github.com/me/x"),
        ("https://github.com/me/x.git", "https://github.com/me/x"),
        ("https://user:token@github.com/me/x.git", "https://github.com/me/x"),
        ("https://token@gitlab.example.com:8443/a/b/x/", "https://gitlab.example.com:8443/a/b/x"),
        ("ssh://git@git.example.com:2222/me/x.git", "https://git.example.com/me/x"),
        ("git://example.com/x", "https://example.com/x"),
        ("/srv/git/x.git", None),
        ("../x", None),
        ("file:///srv/x", None),
        ("C:/x", None),
        ("https://[bad/x", None),
        ("", None),
    ],
)
def test_web_address(url: str, expected: str | None) -> None:
    assert web_address(url) == expected
