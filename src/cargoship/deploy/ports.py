"""Ports of this machine that something has, as Linux lists them; elsewhere nothing is known of any."""

from __future__ import annotations

from pathlib import Path

from cargoship.reading import read_file

LOOPBACK = "127.0.0.1"
_LISTS = Path("/proc/net")
_IN_USE = {"tcp": b"0A", "udp": b"07"}
"""The state of a socket that others reach: a connection that has ended keeps no port from an engine."""
_LOOPBACKS = (b"0100007F", b"7F000001")
"""As processors of either byte order have it."""


def is_port_taken(port: int, protocol: str) -> bool:
    """Whether something has a port (of "tcp" or "udp") on 127.0.0.1, or on all addresses."""
    if protocol not in _IN_USE:
        return False
    return any(
        state == _IN_USE[protocol] and int(number, 16) == port and (not address.strip(b"0") or address in _LOOPBACKS)
        for name in (protocol, f"{protocol}6")
        for address, number, state in _sockets(_LISTS / name)
    )


def _sockets(path: Path) -> list[tuple[bytes, bytes, bytes]]:
    try:
        lines = read_file(path).splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [(*row[1].partition(b":")[::2], row[3]) for row in rows]
