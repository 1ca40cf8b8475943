"""The memory of all processes in the sandbox together, which no limit of a process knows.

A memory cgroup would: but the one of the caller may not be divided without the service manager's leave, and a new one
elsewhere would not count as the caller's.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from cargoship.sandbox.inside.spec import Limits

_OWN = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap|VmPTE|HugetlbPages):\s+(\d+) kB$", re.MULTILINE)
_SHARED = re.compile(rb"^Shmem:\s+(\d+) kB$", re.MULTILINE)
_ALL = re.compile(rb"^MemTotal:\s+(\d+) kB$", re.MULTILINE)
_NOT_THE_KERNELS = re.compile(
    rb"^(?:MemFree|Buffers|Cached|SwapCached|AnonPages|SReclaimable):\s+(\d+) kB$", re.MULTILINE
)


class Memory:
    """Looks at the sandbox's /proc, which is this process's too."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._shared_before = _kib(_SHARED, "/proc/meminfo")
        self._kernels_before = _kernels_kib()

    def complaint(self) -> str | None:
        """Why the program must not go on; None while it may.

        Pages that are shared and mapped nowhere are seen in the whole machine's count alone, beside what is written;
        and so is what the kernel keeps for processes: what is under way in sockets and pipes, locks, queues.
        """
        own = sum(_kib(_OWN, f"/proc/{name}/status") for name in _processes()) << 10
        shared = (_kib(_SHARED, "/proc/meminfo") - self._shared_before) << 10
        kernels = (_kernels_kib() - self._kernels_before) << 10
        most = self._limits.memory_bytes
        if max(own, kernels, shared - self._limits.disk_bytes) > most:
            return f"cargoship: killed, for it took more than {most >> 20} MiB of memory\n"
        return None


def _processes() -> Iterator[str]:
    return (name for name in os.listdir("/proc") if name.isdigit())


def _kernels_kib() -> int:
    """What the machine's kernel holds that is no process's and no file's."""
    return _kib(_ALL, "/proc/meminfo") - _kib(_NOT_THE_KERNELS, "/proc/meminfo")


def _kib(pattern: re.Pattern[bytes], path: str) -> int:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return sum(int(found[1]) for found in pattern.finditer(file.read()))
    return 0
