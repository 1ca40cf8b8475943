"""What has changed since a commit: files of later commits, of the working tree, and new ones that are not ignored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cargoship.cargo.git.ask import Git, GitRefused
from cargoship.cargo.git.changes import read_changes
from cargoship.errors import UsageError
from cargoship.process import Runner
from cargoship.reading import real_path

_DIFF = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True)
class Since:
    """The files that differ from a commit, and how to see what they were."""

    commit: str
    """The one that is compared with: where the branches of the commit that was named and of HEAD part."""
    paths: frozenset[Path]
    """Absolute, links resolved; a folder for a submodule, and the whole checkout where git cannot tell."""
    git: Git = field(repr=False)

    def before(self, path: Path) -> bytes | None:
        """What a file was at that commit; None where it was not there."""
        name = real_path(path).relative_to(real_path(self.git.root)).as_posix()
        return self.git.answer("cat-file", "blob", f"{self.commit}:{name}")

    def touches(self, path: Path) -> bool:
        """Whether a file has changed, or anything in a folder."""
        return any(each == path or each.is_relative_to(path) or path.is_relative_to(each) for each in self.paths)


def read_since(runner: Runner, folder: Path, name: str, *, env: Mapping[str, str]) -> Since:
    """Ask git what has changed in the checkout of `folder` since a commit, branch or tag.

    Raises UsageError without a checkout or such a commit, ToolMissing without git.
    """
    try:
        git = Git.at(runner, folder, env)
    except GitRefused as refused:
        raise UsageError(
            f"git does not read {refused.folder}, which belongs to another user",
            hint=f"if you trust it: {refused.consent}",
        ) from refused
    if git is None:
        raise UsageError(f"{folder} is in no git repository, so nobody knows what has changed since {name!r}")
    named = git.line("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
    if not named:
        raise UsageError(
            f"git knows no commit {name!r} here",
            hint=f"fetch it: git fetch origin {name.removeprefix('origin/')} (in CI, check out with fetch-depth: 0)",
        )
    commit = git.line("merge-base", named, "HEAD")
    if not commit:
        raise UsageError(
            f"the history here does not reach back to where {name!r} and HEAD part",
            hint="fetch more of it: git fetch --unshallow (in CI, check out with fetch-depth: 0)",
        )
    listed = git.answer(*_DIFF, commit, "HEAD")
    new = git.answer("ls-files", "--others", "--exclude-standard", "-z")
    root = real_path(git.root)
    if listed is None or new is None:
        return Since(commit, frozenset({root}), git)
    names = [os.fsdecode(each) for each in (*listed.split(b"\0"), *new.split(b"\0")) if each]
    # git names what it cannot tell of as `.`
    return Since(commit, frozenset(root / each for each in (*names, *read_changes(git).paths)), git)
