"""Who a program runs as: names held against the image's own users and groups (runc, libcontainer/user)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cargoship.checks.finding import Code, Finding, error
from cargoship.rootfs.view import RootFs


@dataclass(frozen=True)
class Owner:
    """A user and a group by number."""

    uid: int
    gid: int


def names_in(user: str) -> bool:
    """Whether a user is told by name, so that the image must know it."""
    return any(part and not part.isdigit() for part in user.split(":"))


def check_user(user: str, root: RootFs, *, said: str) -> Iterator[Finding]:
    """Whether the image has a user and group of these names; numbers are always there."""
    name, _, group = user.partition(":")
    for part, file, what in ((name, "passwd", "user"), (group, "group", "group")):
        if not part or part.isdigit() or part in _ids(root, file):
            continue
        known = ", ".join(sorted(_ids(root, file))[:12]) or "none at all"
        yield error(
            Code.USER_UNKNOWN,
            f"{said} is to run as the {what} {part!r}, and /etc/{file} of its image has no such {what}",
            f'write it as a number, such as user = "65532:65532"; the image knows {known}',
        )


def owner_of(user: str, root: RootFs) -> Owner | None:
    """The numbers of a user; None for one that the image does not know."""
    name, _, group = user.partition(":")
    people, groups = _ids(root, "passwd"), _ids(root, "group")
    if not name:
        return Owner(0, 0)
    uid = int(name) if name.isdigit() else people.get(name, (None, 0))[0]
    own = next((gid for number, gid in people.values() if number == uid), 0)
    gid = own if not group else int(group) if group.isdigit() else groups.get(group, (None, 0))[0]
    return None if uid is None or gid is None else Owner(uid, gid)


def _ids(root: RootFs, file: str) -> dict[str, tuple[int, int]]:
    """Names of /etc/passwd or /etc/group with their numbers, and a user's group; other lines are passed over."""
    found = root.find(f"/etc/{file}")
    ids: dict[str, tuple[int, int]] = {}
    text = root.content(found).decode("utf-8", "replace") if found is not None else ""
    for line in text.splitlines():
        name, *fields = line.split(":")
        numbers = [int(each) if each.isascii() and each.isdigit() else None for each in fields[1:3]]
        if name and numbers and numbers[0] is not None:
            ids.setdefault(name, (numbers[0], (numbers[1:] or [0])[0] or 0))
    return ids
