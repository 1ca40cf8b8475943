"""Whether a build can keep what it keeps on this machine: compiler wrappers and standard libraries go nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

from cargoship.toolchain.diagnose import Prerequisite


def examined_cache_folder(folder: Path) -> tuple[Prerequisite, ...]:
    """A finding of the doctor where the cache's folder can neither be written nor be made; nothing is written."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return ()
    problem = f"{folder} cannot be written, or made, by this user"
    return (Prerequisite("cache", None, problem, hint="name another folder with CARGOSHIP_CACHE_DIR"),)
