"""What git knows of the project: its commit, whether it has changed since, and where it lives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cargoship.errors import ToolMissing
from cargoship.process import Command, Runner

_SCP_LIKE = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:@]+\.[^/:@]+):(?P<path>[^/].*)")
_VERSION = re.compile(r"(?:.*[^0-9.])?(?P<numbers>[0-9]+(?:\.[0-9]+)+)(?P<pre>-[^+]+)?(?:\+.*)?")
"""A version at the end of a tag, after anything that is no number: `v1.2.3`, `app-1.2.3-rc.1+build`."""
_WEB_SCHEMES = frozenset({"https", "http", "ssh", "git", "git+ssh"})


@dataclass(frozen=True)
class GitFacts:
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
    """Files that git tracks and that differ from the commit."""
    remote: str | None = None
    """The web address of the repository, without credentials."""

    @property
    def dirty(self) -> bool:
        """Whether files that git tracks differ from the commit."""
        return bool(self.changed)

    @property
    def is_release(self) -> bool:
        """Whether this very commit is tagged as a version that is no pre-release (`v1.2.3`, `app-1.2.3`)."""
        version = None if self.tag is None else _VERSION.fullmatch(self.tag)
        return version is not None and version["pre"] is None and not self.dirty

    @property
    def short(self) -> str:
        """The first 12 digits of the commit, whatever git's own settings say."""
        return self.sha[:12]

    @property
    def revision(self) -> str:
        """The commit, marked where the files are not what it holds."""
        return self.sha + ("-dirty" if self.dirty else "")


def read_git_facts(runner: Runner, folder: Path, *, env: Mapping[str, str]) -> GitFacts | None:
    """Ask git about the repository that `folder` is in; None without git, a repository or a commit."""
    # Containers often run as another user than the one who owns the checkout: nothing of the repository is run here.
    base = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
    quiet = {**env, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}

    def ask(*words: str) -> str | None:
        done = runner.run(Command((*base, *words), cwd=folder, env=quiet))
        return done.text if done.code == 0 else None

    try:
        commit = ask("log", "-1", "--no-color", "--decorate=full", "--format=%H%n%ct%n%D")
        if commit is None:
            return None
        status = ask("status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--ignore-submodules=none")
        urls = ask("config", "--get-regexp", r"^remote\..*\.url$")
    except ToolMissing:
        return None
    sha, time, refs = (commit + "\n\n").split("\n")[:3]
    branch, tags = _names(refs)
    told_branch, told_tag = _told(env, sha)
    return GitFacts(
        sha=sha,
        commit_time=int(time),
        branch=branch or told_branch,
        tag=told_tag or (max(tags, key=_age) if tags else None),
        # each entry is two letters, a space and the name
        changed=tuple(entry[3:] for entry in (status or "").split("\0") if entry),
        remote=_remote(urls or ""),
    )


def read_checkout(runner: Runner, folder: Path, *, env: Mapping[str, str]) -> tuple[Path, str] | None:
    """The root of the checkout that `folder` is in, and the repository's main branch; None without git."""
    base = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")

    def ask(*words: str) -> str:
        done = runner.run(Command((*base, *words), cwd=folder, env=env))
        return done.text.strip() if done.code == 0 else ""

    try:
        root = ask("rev-parse", "--show-toplevel")
        remote = ask("symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
        branch = remote or ask("symbolic-ref", "--short", "HEAD")
    except ToolMissing:
        return None
    return (Path(root), branch or "main") if root else None


def _told(env: Mapping[str, str], sha: str) -> tuple[str | None, str | None]:
    """Take the branch and the tag from what CI says: its checkouts have a detached HEAD, and often no tags.

    GitHub: https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    GitLab: https://docs.gitlab.com/ci/variables/predefined_variables/
    """
    if env.get("CI_COMMIT_SHA") == sha:
        branch = env.get("CI_COMMIT_BRANCH") or env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")
        return branch or None, env.get("CI_COMMIT_TAG") or None
    if env.get("GITHUB_SHA") == sha:
        name = env.get("GITHUB_REF_NAME") or None
        if env.get("GITHUB_REF_TYPE") == "tag":
            return None, name
        # a pull request's own name is `12/merge`; its branch has a variable of its own
        return env.get("GITHUB_HEAD_REF") or name, None
    return None, None


def _age(tag: str) -> tuple[bool, bool, tuple[int, ...]]:
    """Order tags by their versions; one without a version comes before all others, a pre-release before releases."""
    found = _VERSION.fullmatch(tag)
    if found is None:
        return False, False, ()
    return True, found["pre"] is None, tuple(map(int, found["numbers"].split(".")))


def _names(refs: str) -> tuple[str | None, list[str]]:
    """Take the branch and the tags from `%D`, such as `HEAD -> refs/heads/main, tag: refs/tags/v1`."""
    words = refs.split(", ")
    head = "HEAD -> refs/heads/"
    tag = "tag: refs/tags/"
    branches = [word.removeprefix(head) for word in words if word.startswith(head)]
    tags = sorted(word.removeprefix(tag) for word in words if word.startswith(tag))
    return (branches[0] if branches else None, tags)


def _remote(lines: str) -> str | None:
    """Choose `origin`, else the only remote, from lines such as `remote.origin.url https://...`."""
    urls: dict[str, str] = {}
    for line in lines.splitlines():
        key, _, url = line.partition(" ")
        urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    if "origin" in urls:
        return web_address(urls["origin"])
    return web_address(next(iter(urls.values()))) if len(urls) == 1 else None


def web_address(url: str) -> str | None:
    """Turn a git URL into the https address people open, without credentials; None for local paths."""
    scp = _SCP_LIKE.fullmatch(url)
    if scp is not None and "://" not in url:
        return f"https://{scp['host']}/{_bare(scp['path'])}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _WEB_SCHEMES or not host:
        return None
    if parts.scheme in {"https", "http"}:
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}/{_bare(parts.path)}"
    return f"https://{host}/{_bare(parts.path)}"


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git")
