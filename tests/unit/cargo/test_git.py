from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from cargoship.cargo.git import GitFacts, read_git_facts, web_address
from cargoship.errors import ToolMissing
from cargoship.process import Command, Completed, Sink
from cargoship.programs import ProgramFinder

ELSEWHERE = {"GIT_DIR": "/w/.git"}
"""Says where the repository is, for there is no such folder."""
CHANGED = "1 .M S.M. 160000 160000 160000 0 0 a\x001 D. N... 100644 0 0 0 0 b c\0"
UP = "local\0remote.up.url\nhttps://h.org/a\0"
_ASKED = {"rev-parse", "log", "status", "config", "ls-files"}
SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class ScriptedGit:
    """Answers git's subcommands from a table; what is not there fails as git does outside of a repository."""

    answers: Mapping[str, str]
    missing: bool = False
    asked: list[Command] = field(default_factory=list)
    programs: ProgramFinder = field(default_factory=ProgramFinder)

    def run(self, command: Command, *, stdin: bytes | None = None, timeout_s: float | None = None) -> Completed:
        del stdin, timeout_s
        if self.missing:
            raise ToolMissing("cannot run git")
        self.asked.append(command)
        answers = {"rev-parse": "/w", "ls-files": "", "config": "", **self.answers} if self.answers else {}
        word = next((word for word in command.argv if word in _ASKED), "")
        if word in answers:
            return Completed(0, answers[word].encode(), b"")
        return Completed(128, b"", b"fatal: not a git repository")

    def stream(self, command: Command, *, on_stdout: Sink, on_stderr: Sink, stdin: IO[bytes] | None = None) -> int:
        raise NotImplementedError


def check(answers: Mapping[str, str], expected: GitFacts | None, *, missing: bool = False) -> None:
    assert read_git_facts(ScriptedGit(answers, missing), Path("/w"), env=ELSEWHERE) == expected


def test_no_git() -> None:
    check({}, None, missing=True)


def test_no_repository_or_no_commit() -> None:
    check({}, None)


@pytest.mark.parametrize(
    ("refs", "status", "config", "expected"),
    [
        ("", "", "", GitFacts(SHA, 7)),
        ("HEAD -> refs/heads/main, refs/remotes/origin/main", "", "", GitFacts(SHA, 7, branch="main")),
        ("HEAD -> refs/heads/fix/it, tag: refs/tags/v2, tag: refs/tags/v1", CHANGED, "",
         GitFacts(SHA, 7, branch="fix/it", tag="v1", changed=("a", "b c"))),
        ("HEAD, tag: refs/tags/v1", "",
         UP + "local\0remote.origin.url\ngit@h.org:me/x.git\0",
         GitFacts(SHA, 7, tag="v1", remote="https://h.org/me/x")),
        ("", "", "local\0remote.up.url\nhttps://u:secret@h.org/a.git\0", GitFacts(SHA, 7, remote="https://h.org/a")),
        ("", "", "local\0remote.a.url\nhttps://h.org/a\0local\0remote.b.url\nhttps://h.org/b\0", GitFacts(SHA, 7)),
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
    facts = read_git_facts(
        ScriptedGit({"log": f"{SHA}\n7\n{refs}\n", "status": ""}), Path("/w"), env={**ELSEWHERE, **env}
    )
    assert facts is not None
    assert (facts.branch, facts.tag) == (branch, tag)


def test_git_gets_no_secret() -> None:
    secret = "hunter2-canary"
    names = ("GITHUB_TOKEN", "CI_REGISTRY_PASSWORD", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "CARGOSHIP_ENV")
    programs = dict.fromkeys(("GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_ASKPASS"), secret)
    git = ScriptedGit({"log": f"{SHA}\n7\n\n", "status": ""})
    read_git_facts(git, Path("/w"), env={**ELSEWHERE, **dict.fromkeys(names, secret), **programs, "HOME": "/h"})
    assert git.asked
    for command in git.asked:
        assert secret not in f"{command.argv} {command.env}"
        assert command.env is not None
        assert (command.env["HOME"], command.env["GIT_DIR"]) == ("/h", "/w/.git")


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
        ("ssh://git@[2001:db8::1]:22/x", "https://[2001:db8::1]/x"),
        ("https://example.com/\x1b]0;title\x07", None),
        ("https://example.com/\u202egpj", None),
        ("", None),
    ],
)
def test_web_address(url: str, expected: str | None) -> None:
    assert web_address(url) == expected
