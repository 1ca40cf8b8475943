"""What machine this is: the only module that asks, apart from the keys of compiled units."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

from cargoship.oci.index import nearest
from cargoship.oci.platform import Platform, promised_level
from cargoship.platforms import row

# x86-64 psABI, "Micro-Architecture Levels", in Linux's names
_LEVELS = {
    2: {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"},
    3: {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
    4: {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def machine_name() -> str:
    """The kernel's name for this machine's processor, as `uname -m` prints it."""
    return platform.machine()


def native_platform() -> Platform:
    """The platform that a container engine on this machine runs: Linux, on this processor."""
    return row(machine_name()).platform


def runs_natively(platform: Platform) -> bool:
    """Whether this machine's processor runs programs of a platform by itself."""
    native = row(machine_name())
    if platform.architecture == "amd64" and native.platform.architecture == "amd64":
        promised = promised_level(platform)
        return promised is None or promised <= _x86_level()
    lower = nearest([platform], native.platform) is not None
    return lower or platform.architecture in native.runs


@functools.cache
def _x86_level() -> int:
    """The level of x86-64 that this machine's processor has, as Linux lists what it can."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return 1
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    has = set(line.partition(":")[2].split())
    level = 1
    for number, needed in _LEVELS.items():
        if not needed <= has:
            break
        level = number
    return level


def debian_release() -> str | None:
    """The code name of the Debian, or of what is made from it, that this machine runs; None for other systems."""
    try:
        said = platform.freedesktop_os_release()
    except OSError:
        return None
    is_debian = "debian" in {said.get("ID", ""), *said.get("ID_LIKE", "").split()}
    return said.get("VERSION_CODENAME", "") if is_debian else None
