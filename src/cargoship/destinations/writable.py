"""Whether a folder can be written to, found out before the work is done."""

from __future__ import annotations

import os
from pathlib import Path

from cargoship.errors import OutputError

_ELSEWHERE = "name another place with --output"


def check_writable(folder: Path, *, hint: str = _ELSEWHERE) -> None:
    """Raise OutputError when `folder`, which may not exist yet, could not be written to; `hint` is what to do then."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise OutputError(f"cannot write {folder}: {existing} is not a folder", hint=hint)
    if not os.access(existing, os.W_OK) or os.statvfs(existing).f_flag & os.ST_RDONLY:
        raise OutputError(f"cannot write {folder}: {existing} is read-only", hint=hint)
