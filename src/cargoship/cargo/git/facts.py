"""What git knows of the project: its commit, whether it has changed since, and where it lives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.git.ask import Git, GitRefused
from cargoship.cargo.git.changes import read_changes
from cargoship.cargo.git.names import choose_tag, is_version, named_by_ci, refs_of, remote_of
from cargoship.errors import ToolMissing
from cargoship.events import Level, Note, ignore
from cargoship.process import Runner

_HEAD = ("log", "-1", "--no-patch", "--no-show-signature", "--no-notes", "--no-color", "--decorate=full")
_TIME_DIGITS = 18
_REFS = tuple(f"--decorate-refs={pattern}" for pattern in ("HEAD", "refs/heads/", "refs/tags/"))


class GitFacts(Struct, frozen=True):
    """The commit that a project is built from."""

    sha: str
    commit_time: int
    """Seconds since the epoch, of the committer."""
    branch: str | None = None
    """None on a detached HEAD."""
    tag: str | None = None
    """A tag that points at this very commit: the one that CI runs for, else the newest version, else the first by
    name."""
    changed: tuple[str, ...] = ()
    """Files that git tracks and that differ from the commit, those of submodules among them."""
    remote: str | None = None
    """The web address of the repository, without credentials."""

    @property
    def dirty(self) -> bool:
        """Whether files that git tracks differ from the commit."""
        return bool(self.changed)

    @property
    def is_release(self) -> bool:
        """Whether this very commit is tagged as a version that is no pre-release (`v1.2.3`, `app-1.2.3`)."""
        return self.tag is not None and is_version(self.tag) and not self.dirty

    @property
    def short(self) -> str:
        """The first 12 digits of the commit, whatever git's own settings say."""
        return self.sha[:12]

    @property
    def revision(self) -> str:
        """The commit, marked where the files are not what it holds."""
        return self.sha + ("-dirty" if self.dirty else "")


def read_git_facts(
    runner: Runner, folder: Path, *, env: Mapping[str, str], tell: Callable[[Note], None] = ignore
) -> GitFacts | None:
    """Ask git about the repository that `folder` is in; None without git, a repository, a commit or git's consent.

    `tell` gets a warning where git has a repository and does not answer, or not for all of it.
    """
    try:
        return _facts(Git.at(runner, folder, env), tell)
    except GitRefused as refused:
        tell(_warning(refused, "so nothing of it is written into images"))
    except ToolMissing:
        pass
    return None


def read_checkout(
    runner: Runner, folder: Path, *, env: Mapping[str, str], tell: Callable[[Note], None] = ignore
) -> tuple[Path, str] | None:
    """The root of the checkout that `folder` is in, and the repository's main branch; None as `read_git_facts`."""
    try:
        git = Git.at(runner, folder, env)
        if git is None:
            return None
        remote = git.line("symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
        branch = remote or git.line("symbolic-ref", "--short", "HEAD")
    except GitRefused as refused:
        tell(_warning(refused, "so its root and its main branch are not known"))
        return None
    except ToolMissing:
        return None
    return git.root, branch or "main"


def _facts(git: Git | None, tell: Callable[[Note], None]) -> GitFacts | None:
    commit = None if git is None else git.answer(*_HEAD, *_REFS, "--format=%H%n%ct%n%D")
    if git is None or commit is None:
        return None
    changes = read_changes(git)
    for remark in changes.remarks:
        tell(Note(remark, Level.WARNING))
    sha, time, refs = (commit.decode("utf-8", "replace") + "\n\n").split("\n")[:3]
    branch, tags = refs_of(refs)
    ci_branch, ci_tag = named_by_ci(git.env, sha)
    return GitFacts(
        sha=sha,
        commit_time=_seconds(time),
        branch=branch or ci_branch,
        tag=ci_tag or choose_tag(tags),
        changed=changes.paths,
        remote=remote_of(git.settings),
    )


def _seconds(text: str) -> int:
    """A commit's time; 1970 for one that is none, as git lets it stand in a commit that was made by hand."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _TIME_DIGITS else 0


def _warning(refused: GitRefused, so: str) -> Note:
    return Note(
        f"git does not read {refused.folder}, which belongs to another user, {so}; if you trust it: {refused.consent}",
        Level.WARNING,
    )
