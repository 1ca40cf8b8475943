"""What files of `/proc`, `/sys` and `/dev` mean to a unit that reads them (proc(5)). Pure."""

from __future__ import annotations

import re

from cargoship.unitcache.keys.probes import ENVIRONMENT, PROCESSOR
from cargoship.unitcache.keys.refusal import NotKept

_PROCESS = r"/proc/(?:self|thread-self|\d+)(?:/task/\d+)?"
_NOTHING = re.compile(
    r"/dev/(?:null|zero|full|tty|stdin|stdout|stderr|fd(?:/\d+)?|shm|pts(?:/.*)?)"
    rf"|/proc|{_PROCESS}(?:/(?:task|stat|statm|status|maps|mounts|mountinfo|cgroup|limits|auxv|oom_.*|attr/.*))?"
    # the program's own; what it has opened was seen then
    r"|/proc/(?:self|thread-self)(?:/task/\d+)?/(?:exe|cmdline|comm|smaps.*|fd|fd/\d+|fdinfo(?:/\d+)?|ns(?:/.*)?|[ug]id_map|setgroups"
    r"|pagemap|mem|cwd|root|loginuid|sessionid|io|sched|wchan|timerslack_ns)"
    r"|/proc/(?:meminfo|stat|filesystems|mounts|sys/(?:vm|kernel/(?:ngroups_max|cap_last_cap))(?:/.*)?)"
    r"|/sys/(?:fs/cgroup|devices/system/(?:cpu|node)|kernel/mm)(?:/.*)?"
)
"""What says how much there is of a machine, and how a process goes: no content."""
_ALL_VARIABLES = re.compile(rf"{_PROCESS}/environ")
_PROCESSOR = re.compile(r"/proc/cpuinfo")
_ROOT = re.compile(rf"{_PROCESS}/root(?P<path>/.*)")
_CHANGES = re.compile(
    rf"/dev/.*|{_PROCESS}/.*|/proc/(?:uptime|loadavg|interrupts|sys/kernel/random/(?:uuid|entropy_avail))"
)


def is_device(path: str) -> bool:
    """Whether a path is below `/dev`; what is in memory there, `/dev/shm`, has files like those of any folder."""
    return path.startswith("/dev/") and not path.startswith("/dev/shm/")  # noqa: S108 - nothing is put there


def read_from(path: str) -> str | None:
    """Where a path leads: another path, a question that keys know, or None where nothing is said by it.

    Raises NotKept for what no digest can hold.
    """
    if not (path.startswith(("/proc", "/sys/")) or is_device(path)):
        return path
    if _NOTHING.fullmatch(path):
        return None
    if _ALL_VARIABLES.fullmatch(path):
        return ENVIRONMENT
    if _PROCESSOR.fullmatch(path):
        return PROCESSOR
    behind = _ROOT.fullmatch(path)
    if behind is not None:
        return read_from(behind["path"])
    if _CHANGES.fullmatch(path):
        raise NotKept(f"it reads {path}, which no digest can hold")
    return path
