"""The program that stands in for rustc: made once for this machine by Zig, without a C library.

It is made for Linux. Elsewhere there is none, and everything is compiled here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from cargoship.errors import ToolchainError
from cargoship.oci.digest import Digest
from cargoship.oci.files import Taken, atomic_folder
from cargoship.process import Command, Runner
from cargoship.scratch import scratch
from cargoship.toolchain.zig import Zig

_SOURCE = "handover.c"
_NAME = "rustc"
"""So that wrappers of rustc, such as clippy's, know it for one."""
_FLAGS = (
    "-c", "-O2", "-ffreestanding", "-fno-stack-protector", "-fno-sanitize=all", "-fno-builtin", "-fno-pic", "-nostdinc",
)  # fmt: skip
_LINKED = ("-static", "-e", "_start", "--build-id=none")
_TIMEOUT_S = 120


def stand_in(machine: str, zig: Zig, *, runner: Runner, env: Mapping[str, str], cache_dir: Path) -> Path:
    """The program for a kind of machine (x86_64, aarch64), made if need be; raises ToolchainError, OSError."""
    source = (resources.files(__package__) / _SOURCE).read_bytes()
    made_of = f"{zig.version} {machine} {_FLAGS} {_LINKED} {Digest.of(source)}"
    folder = cache_dir / "remote" / Digest.of(made_of.encode()).short
    place = folder / _NAME
    if os.access(place, os.X_OK):
        return place
    with atomic_folder(folder, taken=Taken.REPLACE) as made, scratch(".compiling-", folder.parent) as work:
        (work / _SOURCE).write_bytes(source)
        own = {**env, "ZIG_LOCAL_CACHE_DIR": str(work / "cache"), "ZIG_GLOBAL_CACHE_DIR": str(work / "cache")}
        for words in (
            ("cc", "-target", f"{machine}-linux-musl", *_FLAGS, "-o", "handover.o", _SOURCE),
            ("ld.lld", *_LINKED, "-o", str(made / _NAME), "handover.o"),
        ):
            done = runner.run(Command((str(zig.path), *words), cwd=work, env=own), timeout_s=_TIMEOUT_S)
            if done.code != 0:
                raise ToolchainError(f"Zig does not make what hands units over: {done.error_text.strip()[:500]}")
        (made / _NAME).chmod(0o755)
    return place
