"""What a build of the end-to-end tests left, and where they compile."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from support.programs import REPOSITORY

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True)
class Shipped:
    """What one `cargoship build` left."""

    reference: str
    """As it was asked for: host/repository:tag."""
    printed: str
    """What it wrote to stdout."""
    layout: Path

    @property
    def digest(self) -> str:
        """The index digest that was printed."""
        return self.printed.strip().rpartition("@")[2]


def target_folder(libc: str) -> dict[str, str]:
    """The environment that shares one target folder among all projects of a C library that one process tests.

    Another process has its own, for cargo locks it; what either has compiled comes from the cache. The time is fixed:
    a copy of a project has no commit to take it from, and the cc crate compiles all C code again when it changes.
    Nothing is optimized: the programs run for a moment, and a machine that has compiled nothing yet is ready sooner.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return {
        "CARGO_TARGET_DIR": str(REPOSITORY / "target" / "tests" / worker / libc),
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
        "SOURCE_DATE_EPOCH": "1700000000",
    }
