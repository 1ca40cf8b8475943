"""The built-in base for programs that are linked statically: no shell, no C library, no package manager.

It holds what such a program still looks for at run time: CA certificates, time zones, user names, a home folder
that an ordinary user owns, and /tmp. Certificates and zones come from the installed packages certifi and tzdata.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cargoship.errors import ToolMissing
from cargoship.oci.config import ImageConfig
from cargoship.oci.tar import LayerEntry

NONROOT_ID = 65532
"""User and group id of the ordinary user, as in other distributions of this kind."""

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"

_PASSWD = f"""\
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:{NONROOT_ID}:{NONROOT_ID}:nonroot:/home/nonroot:/sbin/nologin
"""
_GROUP = f"""\
root:x:0:
nobody:x:65534:
nonroot:x:{NONROOT_ID}:
"""
_NSSWITCH = "hosts: files dns\n"


@functools.cache
def data_versions() -> Mapping[str, str]:
    """The packages that certificates and time zones come from, and their versions; `unknown` where none says."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - loaded when used

    found = {}
    for name in ("certifi", "tzdata"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def static_entries() -> tuple[LayerEntry, ...]:
    """What the base holds; raises ToolMissing when certifi or tzdata is damaged."""
    import certifi  # noqa: PLC0415 - loaded when used

    return (*static_users(), LayerEntry.file(CERTIFICATES, Path(certifi.where())), *_zones())


def static_users() -> tuple[LayerEntry, ...]:
    """Users and groups, where names are looked up, and the folders that are not everybody's."""
    return (
        LayerEntry.file("etc/passwd", _PASSWD.encode()),
        LayerEntry.file("etc/group", _GROUP.encode()),
        LayerEntry.file("etc/nsswitch.conf", _NSSWITCH.encode()),
        LayerEntry.directory("home/nonroot", 0o700, NONROOT_ID, NONROOT_ID),
        LayerEntry.directory("root", 0o700),
        LayerEntry.directory("tmp", 0o1777),
    )


def static_config() -> ImageConfig:
    """How its images are run: as the ordinary user, in the home folder."""
    return ImageConfig(
        user=f"{NONROOT_ID}:{NONROOT_ID}",
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            # for programs that carry an OpenSSL of their own, which would look where it was compiled
            "SSL_CERT_FILE": f"/{CERTIFICATES}",
        },
        working_dir="/home/nonroot",
    )


def _zones() -> Iterator[LayerEntry]:
    import tzdata  # type: ignore[import-untyped]  # noqa: PLC0415 - loaded when used

    root = Path(tzdata.__path__[0], "zoneinfo")
    found = False
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        inside = os.path.relpath(folder, root)
        for name in files:
            if name.endswith((".py", ".pyc")):
                continue
            found = True
            yield LayerEntry.file(os.path.normpath(f"usr/share/zoneinfo/{inside}/{name}"), Path(folder, name))
    if not found:
        raise ToolMissing(f"no time zones in {root}", hint="install it again: pip install --force-reinstall tzdata")
