"""Who a program runs as: names held against the image's own users and groups (runc, libcontainer/user)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cargoship.checks.finding import Code, Finding, error
from cargoship.checks.surroundings import hidden_etc
from cargoship.rootfs.view import RootFs

_DIGITS_MAX = 10
_NUMBER_MAX = 0x7FFFFFFF


class Owner(Struct, frozen=True):
    """A user and a group by number."""

    uid: int
    gid: int
    more: frozenset[int] = frozenset()
    """Further groups, which the image's list names the user in."""


def names_in(user: str) -> bool:
    """Whether a user is known by name, so that the image must know it."""
    return any(part and _number(part) is None for part in user.split(":"))


def check_user(user: str, root: RootFs, *, said: str) -> Iterator[Finding]:
    """Whether the image has a user and group of these names; numbers are always there."""
    name, _, group = user.partition(":")
    for part, file, what in ((name, "passwd", "user"), (group, "group", "group")):
        if not part or _number(part) is not None:
            continue
        link = hidden_etc(root)
        if link is not None:
            yield error(
                Code.USER_UNKNOWN,
                f"{said} is to run as the {what} {part!r}, and its /etc is a link to {link}: Docker puts a folder of "
                f"its own in its place, and finds no such {what}",
                'write it as a number, such as user = "65532:65532", or make /etc a folder',
            )
            continue
        if part in _ids(root, file):
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
    number, group_number = _number(name), _number(group)
    uid = people.get(name, (None, 0))[0] if number is None else number
    called, own = next(((known, gid) for known, (each, gid) in people.items() if each == uid), ("", 0))
    gid = own if not group else groups.get(group, (None, 0))[0] if group_number is None else group_number
    if uid is None or gid is None:
        return None
    # a group that is asked for is the only one
    return Owner(uid, gid, frozenset() if group else _groups_with(called, root))


def _groups_with(name: str, root: RootFs) -> frozenset[int]:
    """The groups that name a user among their members."""
    lines = (line.split(":") for line in _lines(root, "group")) if name else ()
    numbers = (_number(fields[2]) for fields in lines if len(fields) > 3 and name in fields[3].strip().split(","))  # noqa: PLR2004
    return frozenset(number for number in numbers if number is not None)


def _ids(root: RootFs, file: str) -> dict[str, tuple[int, int]]:
    """Names of /etc/passwd or /etc/group with their numbers, and a user's group; other lines are passed over."""
    ids: dict[str, tuple[int, int]] = {}
    for line in _lines(root, file):
        name, *fields = line.split(":")
        numbers = [_number(each) for each in fields[1:3]]
        if name and numbers and numbers[0] is not None:
            ids.setdefault(name, (numbers[0], (numbers[1:] or [0])[0] or 0))
    return ids


def _lines(root: RootFs, file: str) -> list[str]:
    found = root.find(f"/etc/{file}")
    return root.content(found).decode("utf-8", "replace").splitlines() if found is not None else []


def _number(text: str) -> int | None:
    """A user's or group's number as engines take it; None for anything else, digits of other scripts among it."""
    if not (text.isascii() and text.isdigit() and len(text.lstrip("0")) <= _DIGITS_MAX):
        return None
    return number if (number := int(text.lstrip("0") or "0")) <= _NUMBER_MAX else None
