"""What machine this is: the only module that asks, apart from the keys of compiled units."""

from __future__ import annotations

import platform

from cargoship.oci.platform import Platform
from cargoship.platforms import row


def machine_name() -> str:
    """The kernel's name for this machine's processor, as `uname -m` prints it."""
    return platform.machine()


def native_platform() -> Platform:
    """The platform that a container engine on this machine runs: Linux, on this processor."""
    return row(machine_name()).platform


def runs_natively(platform: Platform) -> bool:
    """Whether this machine's processor runs programs of a platform by itself."""
    native = row(machine_name())
    return platform == native.platform or platform.architecture in native.runs


def debian_release() -> str | None:
    """The code name of the Debian, or of what is made from it, that this machine runs; None for other systems."""
    try:
        said = platform.freedesktop_os_release()
    except OSError:
        return None
    is_debian = "debian" in {said.get("ID", ""), *said.get("ID_LIKE", "").split()}
    return said.get("VERSION_CODENAME", "") if is_debian else None
