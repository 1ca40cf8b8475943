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
        ("HEAD -> refs/heads/fix/it, tag: refs/tags/v2, tag: refs/tags/v1", " M a\n", "",
         GitFacts(SHA, 7, branch="fix/it", tag="v1", dirty=True)),
        ("HEAD, tag: refs/tags/v1", "", "remote.up.url https://h.org/a\nremote.origin.url git@h.org:me/x.git\n",
         GitFacts(SHA, 7, tag="v1", remote="https://h.org/me/x")),
        ("", "", "remote.up.url https://u:secret@h.org/a.git\n", GitFacts(SHA, 7, remote="https://h.org/a")),
        ("", "", "remote.a.url https://h.org/a\nremote.b.url https://h.org/b\n", GitFacts(SHA, 7)),
    ],
)  # fmt: skip
def test_facts(refs: str, status: str, config: str, expected: GitFacts) -> None:
    answers = {"log": f"{SHA}\n7\n{refs}\n", "status": status} | ({"config": config} if config else {})
    check(answers, expected)


def test_revision() -> None:
    assert GitFacts(SHA, 7).revision == SHA
    assert GitFacts(SHA, 7, dirty=True).revision == SHA + "-dirty"
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
