"""What engines put into an image's files and variables before anything starts, and where they cannot.

They mount files of their own over a few of the image's, make its volumes, and hand its variables to the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.checks.finding import Code, Finding, Severity, error
from cargoship.oci.config import ImageConfig
from cargoship.rootfs.view import RootFs

_MOUNTED_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Docker and podman mount their own over these (moby, daemon/initlayer; podman, libpod)."""


_MOUNT_POINTS = ("/etc", "/dev", "/proc", "/sys")
"""Engines mount what is theirs there, or in there: most on nothing but a folder (runc, libcontainer/rootfs_linux.go).

Docker puts a folder in the place of anything else (moby, daemon/initlayer), and what a link led to is not seen.
"""
_NO_LINKS = frozenset({"/proc", "/sys"})


def hidden_etc(root: RootFs) -> str | None:
    """What /etc leads to where it is a link: Docker hides what is there, users among it; None for a folder."""
    found = root.tree.find("/etc", follow=False)
    return found.node.link if found is not None and found.node.link else None


def _check_mount_points(root: RootFs, *, said: str) -> Iterator[Finding]:
    for path in _MOUNT_POINTS:
        found = root.tree.find(path, follow=False)
        if found is None or found.node.is_folder:
            continue
        if not found.node.link or path in _NO_LINKS:
            what = f"a link to {found.node.link}" if found.node.link else "no folder"
            yield Finding(
                Severity.WARNING,
                Code.FILES_CLASH,
                f"{said} has {path}, which is {what}: Docker puts a folder in its place, and podman and Kubernetes "
                "mount on folders alone",
                f"leave {path} out of the image, or make it a folder",
            )
    if (link := hidden_etc(root)) is not None:
        yield Finding(
            Severity.WARNING,
            Code.FILES_CLASH,
            f"{said} has a link to {link} for /etc: Docker puts a folder of its own in its place, and users, "
            "certificates and settings of the image are not found there",
            "make /etc a folder in the image",
        )


def check_surroundings(config: ImageConfig, root: RootFs, *, said: str) -> Iterator[Finding]:
    """Whether mounts, volumes and variables are such that an engine goes on."""
    yield from _check_mount_points(root, said=said)
    for path in _MOUNTED_FILES:
        found = root.find(path)
        if found is not None and found.node.is_folder:
            yield error(
                Code.FILES_CLASH,
                f"{said} has the folder {path}, where engines mount a file",
                "leave it out of the image",
            )
    for path in config.volumes:
        found = root.find(path)
        if found is not None and not found.node.is_folder:
            yield error(
                Code.FILES_CLASH, f"{said} has the volume {path}, which is no folder in it", "name a folder in volumes"
            )
    if any(text.startswith("=") for text in (*config.env, *config.bare_env)) or "" in config.env:
        yield error(
            Code.VARIABLE_INVALID,
            f"{said} has a variable without a name in its environment, which engines refuse",
            "take it out of the config's Env",
        )
