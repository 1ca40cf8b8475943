"""Whether a folder can be written to, found out before the work is done."""

from __future__ import annotations

import os
from pathlib import Path

from cargoship.errors import OutputError


def check_writable(folder: Path) -> None:
    """Raise OutputError when `folder`, which may not exist yet, could not be written to."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise OutputError(f"cannot write {folder}: {existing} is not a folder", hint="name another place with --output")
    if not os.access(existing, os.W_OK) or os.statvfs(existing).f_flag & os.ST_RDONLY:
        raise OutputError(f"cannot write {folder}: {existing} is read-only", hint="name another place with --output")
