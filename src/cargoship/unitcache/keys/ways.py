"""When something was put where it is: files keep their times when a folder above is renamed, or a link replaced."""

from __future__ import annotations

import os
import stat

_LINKS_MAX = 40
"""As many as the kernel follows."""


def put_ns(path: str, root: str) -> int:
    """When the last of the folders and links on the way to an absolute path was put there, in ns since 1970.

    What is called `path` counts itself, and where it leads to; what cannot be asked does not. Nor do the folder `root`
    and those above, but for links: a build makes things in the one (`target`), and everybody in the others.
    """
    latest_ns, links = 0, 0
    above_root = _and_above(root) | _and_above(os.path.realpath(root))
    left = path.split("/")[::-1]
    at, above_ns = "", _changed_ns("/")
    while left:
        part = left.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            at = at.rpartition("/")[0]
            above_ns = _changed_ns(at or "/")
            continue
        try:
            status = os.lstat(f"{at}/{part}")
        except (OSError, ValueError):
            break
        if stat.S_ISLNK(status.st_mode):
            links += 1
            latest_ns = max(latest_ns, status.st_ctime_ns)
            target = _target(f"{at}/{part}") if links <= _LINKS_MAX else ""
            left += target.split("/")[::-1]
            if target.startswith("/"):
                at, above_ns = "", _changed_ns("/")
            continue
        at = f"{at}/{part}"
        if at not in above_root:
            latest_ns = max(latest_ns, _renamed_ns(status, above_ns))
        above_ns = status.st_ctime_ns
    return latest_ns


def _and_above(folder: str) -> frozenset[str]:
    parts = folder.split("/")
    return frozenset("/".join(parts[:number]) for number in range(1, len(parts) + 1))


def _renamed_ns(status: os.stat_result, above_ns: int) -> int:
    """When a file or folder got its name, at the latest.

    A new name is a change of what has it, and of the folder above. Where names in a folder have come and gone, the two
    times of that folder are one; it has its own name from then only if the folder above was changed since as well.
    """
    if status.st_ctime_ns != status.st_mtime_ns:
        return status.st_ctime_ns
    return min(status.st_ctime_ns, above_ns)


def _changed_ns(folder: str) -> int:
    try:
        return os.lstat(folder).st_ctime_ns
    except OSError:
        return 0


def _target(link: str) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - text all the way: there are many
    except OSError:
        return ""
