"""The standard labels and annotations of an image, from Cargo.toml and git; and placeholders in tags.

Names: https://github.com/opencontainers/image-spec/blob/main/annotations.md
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from cargoship.cargo.git import GitFacts
from cargoship.cargo.project import Package
from cargoship.errors import UsageError
from cargoship.oci.reference import Reference
from cargoship.printable import without_user
from cargoship.suggest import did_you_mean

PREFIX = "org.opencontainers.image."
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("name", "package", "version", "branch", "latest", "git.sha", "git.short", "git.branch", "git.tag")
_NOT_IN_TAGS = re.compile(r"[^A-Za-z0-9_.-]")


def rfc3339(epoch: int) -> str:
    """Return seconds since 1970 as a time in UTC; raises UsageError where no calendar has it."""
    try:
        return dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{epoch} is not a time") from error


def describe(name: str, package: Package, git: GitFacts | None, epoch: int) -> dict[str, str]:
    """Return what is known of an image under its standard names, and is the same from commit to commit.

    What is not known is left out; a time is known where `epoch` (seconds since 1970) is not 0.
    """
    known = {
        "created": rfc3339(epoch) if epoch else None,
        "title": name,
        "version": package.version,
        "description": package.description,
        "authors": ", ".join(package.authors),
        "licenses": package.license,
        "url": _address(package.homepage),
        "documentation": _address(package.documentation),
        "source": _address(package.repository) or (git.remote if git else None),
    }
    return {PREFIX + key: " ".join(value.split()) for key, value in sorted(known.items()) if value}


def _address(url: str | None) -> str | None:
    return None if url is None else without_user(url)


def provenance(git: GitFacts | None, epoch: int) -> dict[str, str]:
    """Return what changes with every commit: which one it is, and its time (`epoch` instead, where that is not 0)."""
    if git is None:
        return {}
    return {PREFIX + "created": rfc3339(epoch or git.commit_time), PREFIX + "revision": git.revision}


def placeholders(name: str, package: Package, git: GitFacts | None) -> dict[str, str]:
    """Return what stands for each placeholder; in tags a character that tags cannot have becomes a hyphen.

    What names a commit has `-dirty` after it where the files are not what the commit holds.
    """
    facts = {"name": name, "package": package.name, "version": package.version}
    # versions have a plus before build metadata
    return {key: _NOT_IN_TAGS.sub("-", value) for key, value in facts.items()} | _of_git(git)


def merged_names(repository: str, templates: Sequence[str], git: GitFacts | None) -> tuple[Reference, ...]:
    """Return what the merged image of a repository is called: `{repository}`, and what git knows. Raises UsageError."""
    known = ("repository", *(word for word in _KNOWN if word not in {"name", "package", "version"}))
    facts = {"repository": repository, **_of_git(git)}
    found = (reference(template, facts, known=known) for template in templates)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _of_git(git: GitFacts | None) -> dict[str, str]:
    if git is None:
        return {}
    mark = "-dirty" if git.dirty else ""
    facts = {"git.sha": git.sha + mark, "git.short": git.short + mark, "git.tag": git.tag + mark if git.tag else ""}
    facts |= {"branch": git.branch or "", "git.branch": git.branch or ""}
    facts |= {"latest": "latest" if git.is_release else ""}
    # Branches and git's tags have slashes
    return {key: _NOT_IN_TAGS.sub("-", value) for key, value in facts.items() if value}


def reference(template: str, facts: Mapping[str, str], *, known: Sequence[str] = _KNOWN) -> Reference | None:
    """Fill in a template and parse the result; without a tag it is `latest`. Raises UsageError.

    None where it is left out: nothing is known for a placeholder with a question mark after it, or for `{latest}`.
    """
    words = [match[1] for match in _PLACEHOLDER.finditer(template)]
    for word in words:
        if word.removesuffix("?") not in known:
            raise UsageError(
                f"tag {template!r}: unknown placeholder {{{word}}}{did_you_mean(word, known)}",
                hint="placeholders: " + ", ".join(f"{{{each}}}" for each in known),
            )
    unknown = [word for word in words if word.removesuffix("?") not in facts]
    needed = [word for word in unknown if not word.endswith("?") and word != "latest"]
    if needed:
        raise UsageError(
            f"tag {template!r}: nothing is known for {{{needed[0]}}}",
            hint="git has no commit, branch or tag here that it could stand for; "
            f"{{{needed[0]}?}} leaves this tag out then",
        )
    if unknown:
        return None
    found = Reference.parse(_PLACEHOLDER.sub(lambda match: facts[match[1].removesuffix("?")], template))
    if found.digest is not None:
        raise UsageError(f"tag {template!r} has a digest", hint="a digest is the result of a build; name a tag")
    return found if found.tag else found.with_tag("latest")
