"""Certificates for one registry, in the folders that docker and podman use (certs.d, containers-certs.d(5)).

In the folder of a registry, by its name host[:port], every `*.crt` is an authority to trust besides the usual ones, and
a pair `*.cert` and `*.key` is what this client shows. Only paths are known here; nothing is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

CERTS_VARIABLE = "CARGOSHIP_CERTS_DIR"


class HostCertificates(Struct, frozen=True):
    """The files for one registry: authorities, and the client's certificate with its key."""

    folder: Path
    authorities: tuple[Path, ...] = ()
    client: tuple[Path, Path] | None = None


def certificates_of(host: str, env: Mapping[str, str]) -> HostCertificates | None:
    """The certificates for `host` (host[:port]) in the first folder that has any; None without one.

    Of several pairs the alphabetically first is used. A certificate without a key is left alone.
    """
    # a name may come from a redirect: it chooses a folder's name, and nothing else
    if "/" in host or host.startswith("."):
        return None
    for root in _roots(env):
        folder = root / host
        try:
            names = sorted(path.name for path in folder.iterdir())
        except OSError:
            continue
        authorities = tuple(folder / name for name in names if name.endswith(".crt"))
        pairs = [
            (folder / name, folder / f"{name.removesuffix('.cert')}.key")
            for name in names
            if name.endswith(".cert") and f"{name.removesuffix('.cert')}.key" in names
        ]
        if authorities or pairs:
            return HostCertificates(folder, authorities, pairs[0] if pairs else None)
    return None


def _roots(env: Mapping[str, str]) -> Iterator[Path]:
    """Where such folders are, one's own before those of the machine."""
    if env.get(CERTS_VARIABLE):
        yield Path(env[CERTS_VARIABLE])
    if env.get("XDG_CONFIG_HOME"):
        yield Path(env["XDG_CONFIG_HOME"]) / "containers" / "certs.d"
    if env.get("HOME"):
        home = Path(env["HOME"])
        yield home / ".config" / "containers" / "certs.d"
        yield home / ".config" / "docker" / "certs.d"
        yield home / ".docker" / "certs.d"
    yield Path("/etc/docker/certs.d")
    yield Path("/etc/containers/certs.d")
