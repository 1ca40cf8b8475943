"""What engines put into an image's files and variables before anything starts, and where they cannot.

They mount files of their own over a few of the image's, make its volumes, and hand its variables to the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator

from cargoship.checks.finding import Code, Finding, error
from cargoship.oci.config import ImageConfig
from cargoship.rootfs.view import RootFs

_MOUNTED_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Docker and podman mount their own over these (moby, daemon/initlayer; podman, libpod)."""


def check_surroundings(config: ImageConfig, root: RootFs, *, said: str) -> Iterator[Finding]:
    """Whether mounts, volumes and variables are such that an engine goes on."""
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
