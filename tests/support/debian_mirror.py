"""The mirror of Debian that this machine uses: where its tests fetch packages, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_LINE = re.compile(r"^(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?://\S+?)/debian/?(?:\s|$)", re.MULTILINE)


def mirror_environment() -> dict[str, str]:
    """What leads cargoship to the mirror that apt uses; empty where apt says nothing."""
    mirror = next(_mirrors(), None)
    return {} if mirror is None else {"CARGOSHIP_DEBIAN_MIRROR": mirror}


def _mirrors() -> Iterator[str]:
    folder = Path("/etc/apt")
    for path in (folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))):
        if path.is_file():
            yield from _LINE.findall(path.read_text(errors="replace"))
