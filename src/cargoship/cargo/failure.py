"""What a failed cargo meant, where its words allow a better error than its exit code."""

from __future__ import annotations

import re

from cargoship.errors import CargoshipError, LockOutdated, ManifestInvalid, UsageError

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LOCK = (
    # 1.80 and later: cannot update|create the lock file X because --locked|--frozen was passed to prevent this
    re.compile(r"cannot (?:update|create) the lock file (?P<path>.+?) because --(?:locked|frozen) was passed"),
    # Before: the lock file X needs to be updated but --locked|--frozen was passed to prevent this
    re.compile(r"the lock file (?P<path>.+?) needs to be updated but --(?:locked|frozen) was passed"),
)
_LOCK_BROKEN = re.compile(r"failed to parse lock file at: (?P<path>.+)")
_PROFILE = re.compile(r"profile `(?P<name>[^`]+)` is not defined")


def explain_failure(stderr: str) -> CargoshipError | None:
    """Return the error that cargo's words mean, with those words as details; None where they speak for themselves.

    Covers a lock file that is out of date (LockOutdated) or broken (ManifestInvalid) and an unknown profile
    (UsageError); a compile error is none of these.
    """
    text = _ANSI.sub("", stderr)
    for pattern in _LOCK:
        if match := pattern.search(text):
            return LockOutdated(
                f"{match['path']} does not agree with the manifests",
                hint="run `cargo update --workspace` and commit Cargo.lock, or build with --no-locked",
                details=_words(text),
            )
    if match := _LOCK_BROKEN.search(text):
        return ManifestInvalid(f"cargo cannot read {match['path']}", details=_words(text))
    if match := _PROFILE.search(text):
        return UsageError(
            f"profile {match['name']!r} is not defined",
            hint=f"use release or dev, or add [profile.{match['name']}] to the workspace's Cargo.toml",
        )
    return None


def _words(text: str) -> str:
    """Keep cargo's error, leave out what it reported before."""
    start = text.find("error:")
    return text[max(start, 0) :].strip()
