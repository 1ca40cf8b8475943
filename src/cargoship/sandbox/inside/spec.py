"""What the sandbox's program is asked for, from one process to the other."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

_PREFIX = "CARGOSHIP_SANDBOX_ENV_"
EXIT_NO_SANDBOX = 125
"""The program was not started, for its world could not be made: what env(1) and docker-run leave too."""


@dataclass(frozen=True)
class Limits:
    """What a program may take. Sizes are in bytes; None: as much as the caller."""

    memory_bytes: int
    """Of all its processes together."""
    disk_bytes: int
    """Of all that it writes."""
    processes: int
    resources: Mapping[str, int]
    """More limits of each process, by the names that getrlimit(2) has for them, such as RLIMIT_AS.

    None of core dumps: there are none.
    """
    time_s: float | None = None


@dataclass(frozen=True)
class SandboxSpec:
    """A program and its world."""

    root: str
    """The folder with the image's files; not changed."""
    argv: tuple[str, ...]
    """Nothing: make the world and leave it."""
    workdir: str
    uid: int
    gid: int
    uid_map: tuple[tuple[int, int, int], ...]
    """First number inside, first number here, and how many: user_namespaces(7). Empty: the caller is the one user."""
    gid_map: tuple[tuple[int, int, int], ...]
    own_network: bool
    hostname: str
    parent: int
    """The process that this is started for, and that it does not outlive."""
    limits: Limits

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group here of the program; None: the caller."""
        if not self.uid_map:
            return None
        return _outside(self.uid, self.uid_map), _outside(self.gid, self.gid_map)

    @property
    def text(self) -> str:
        """As an argument."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> SandboxSpec:
        """From an argument."""
        values = json.loads(text)
        for name in ("uid_map", "gid_map"):
            values[name] = tuple(tuple(line) for line in values[name])
        return cls(**{**values, "argv": tuple(values["argv"]), "limits": Limits(**values["limits"])})


def _outside(number: int, lines: tuple[tuple[int, int, int], ...]) -> int:
    return next(there + number - inside for inside, there, count in lines if 0 <= number - inside < count)


def wrapped(env: Mapping[str, str]) -> dict[str, str]:
    """An image's environment for the way in: under names that no program of this machine obeys.

    A name may have what no variable's name should (Windows has `=C:`), so its bytes are written as digits.
    """
    return {_PREFIX + os.fsencode(name).hex(): value for name, value in env.items()}


def unwrapped(env: Mapping[str, str]) -> dict[str, str]:
    """The image's environment again, and nothing else."""
    own = ((name.removeprefix(_PREFIX), value) for name, value in env.items() if name.startswith(_PREFIX))
    return {os.fsdecode(bytes.fromhex(name)): value for name, value in own}
