"""The numbers that an image's users have on this machine.

As root the program is nobody here: its namespace has a range of numbers that no account has, another one for each run,
so that the files, processes and limits of this machine's users, root above all, are none of its. As anybody else the
one user inside is the caller.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from msgspec import Struct

from cargoship.checks.users import Owner

_RANGE = 1 << 16
_NOBODY = 65534
# above what accounts, containers and subordinate ranges are given (systemd, "Users, groups, UIDs and GIDs"); below 2^31
_FIRST, _RANGES = 0x70000000, 0x0400
_WHOLE = (0, 0, 0xFFFFFFFF)


class Numbers(Struct, frozen=True):
    """Users inside as numbers here: `first` and those that follow, and after them those who run the program."""

    first: int | None
    """None: the caller is the one user."""
    user: Owner

    @classmethod
    def choose(cls, user: Owner) -> Numbers:
        """For a program that runs as `user`."""
        if os.geteuid() != 0 or not _has_all_numbers():
            return cls(None, user)
        return cls(_FIRST + secrets.randbelow(_RANGES) * (_RANGE << 1), user)

    def here(self, uid: int, gid: int) -> tuple[int, int] | None:
        """Who owns a file here that `uid` and `gid` own in the image; None: the user who writes it."""
        if self.first is None:
            return None
        return self._one(uid, self.user.uid, self.first), self._one(gid, self.user.gid, self.first)

    @property
    def uid_map(self) -> tuple[tuple[int, int, int], ...]:
        """As user_namespaces(7) has it; nothing for the caller alone."""
        return self._map(self.user.uid)

    @property
    def gid_map(self) -> tuple[tuple[int, int, int], ...]:
        """The same for groups."""
        return self._map(self.user.gid)

    def _map(self, own: int) -> tuple[tuple[int, int, int], ...]:
        if self.first is None:
            return ()
        lines = ((0, self.first, _RANGE),)
        return lines if own < _RANGE else (*lines, (own, self.first + _RANGE, 1))

    @staticmethod
    def _one(number: int, own: int, first: int) -> int:
        if number < _RANGE:
            return first + number
        return first + (_RANGE if number == own else _NOBODY)


def _has_all_numbers() -> bool:
    """Root of a container with a range of its own has no others to give."""
    text = Path("/proc/self/uid_map").read_text(encoding="ascii")
    return tuple(map(int, text.split()[:3])) == _WHOLE
