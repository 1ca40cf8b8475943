"""Branches, tags and remotes, as git and CI write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

_SCP_LIKE = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:@]+\.[^/:@]+):(?P<path>[^/].*)")
_VERSION = re.compile(r"(?:.*[^0-9.])?(?P<numbers>[0-9]+(?:\.[0-9]+)+)(?P<pre>-[^+]+)?(?:\+.*)?")
"""A version at the end of a tag, after anything that is no number: `v1.2.3`, `app-1.2.3-rc.1+build`."""
_WEB_SCHEMES = frozenset({"https", "http", "ssh", "git", "git+ssh"})


def named_by_ci(env: Mapping[str, str], sha: str) -> tuple[str | None, str | None]:
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


def is_version(tag: str) -> bool:
    """Whether a tag is a version that is no pre-release (`v1.2.3`, `app-1.2.3`)."""
    version = _VERSION.fullmatch(tag)
    return version is not None and version["pre"] is None


def choose_tag(tags: Sequence[str]) -> str | None:
    """The newest version of the tags of one commit, else the first by name."""
    return max(tags, key=_age) if tags else None


def _age(tag: str) -> tuple[bool, bool, tuple[tuple[int, str], ...]]:
    """Order tags by their versions; one without a version comes before all others, a pre-release before releases."""
    found = _VERSION.fullmatch(tag)
    if found is None:
        return False, False, ()
    numbers = (number.lstrip("0") for number in found["numbers"].split("."))
    # in the order of the numbers, which may have more digits than Python reads
    return True, found["pre"] is None, tuple((len(number), number) for number in numbers)


def refs_of(refs: str) -> tuple[str | None, list[str]]:
    """Take the branch and the tags from `%D`, such as `HEAD -> refs/heads/main, tag: refs/tags/v1`.

    Names with what is not printable, such as marks that turn the direction of writing, are passed over.
    """
    words = [word for word in refs.split(", ") if word.isprintable()]
    head = "HEAD -> refs/heads/"
    tag = "tag: refs/tags/"
    branches = [word.removeprefix(head) for word in words if word.startswith(head)]
    tags = sorted(word.removeprefix(tag) for word in words if word.startswith(tag))
    return (branches[0] if branches else None, tags)


def remote_of(settings: Iterable[tuple[str, str, str]]) -> str | None:
    """Choose `origin`, else the only remote, from git's settings, each a scope, a name and a value."""
    urls: dict[str, str] = {}
    for _, key, url in settings:
        if key.startswith("remote.") and key.endswith(".url"):
            urls.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    if "origin" in urls:
        return web_address(urls["origin"])
    return web_address(next(iter(urls.values()))) if len(urls) == 1 else None


def web_address(url: str) -> str | None:
    """Turn a git URL into the https address people open, without credentials; None for local paths.

    None too for one with escape sequences and the like, which would reach labels and terminals.
    """
    if not url.isprintable():
        return None
    scp = _SCP_LIKE.fullmatch(url)
    if scp is not None and "://" not in url:
        return _address(f"https://{scp['host']}", scp["path"])
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _WEB_SCHEMES or not host:
        return None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme in {"https", "http"}:
        return _address(f"{parts.scheme}://{host}{f':{port}' if port else ''}", parts.path)
    return _address(f"https://{host}", parts.path)


def _address(place: str, path: str) -> str | None:
    """None for a path with an @ in it: no host has such repositories, and a password may stand before it."""
    return None if "@" in path else f"{place}/{path.strip('/').removesuffix('.git')}"
