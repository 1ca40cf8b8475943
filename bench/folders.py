"""Where a benchmark works."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def work_folder(named: Path | None) -> Iterator[Path]:
    """The folder of that name, which stays; or one that goes, on a disk: what a benchmark compiles may be gigabytes."""
    if named is not None:
        yield named.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="cargoship-bench-", dir="/var/tmp") as made:
        yield Path(made)
