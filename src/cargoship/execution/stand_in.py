"""The small programs that stand in for others: made once for this machine by Zig, without a C library.

`handover.c` takes the place of rustc here, `unlinked.c` that of a linker where a program's code is generated. They are
made for Linux. Elsewhere there are none, and everything is compiled here.
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

HANDOVER = "handover.c"
UNLINKED = "unlinked.c"
_HEADER = "no_libc.h"
_FLAGS = (
    "-c", "-O2", "-ffreestanding", "-fno-stack-protector", "-fno-sanitize=all", "-fno-builtin", "-fno-pic", "-nostdinc",
)  # fmt: skip
_LINKED = ("-static", "-e", "_start", "--build-id=none")
_NAMES = {HANDOVER: "rustc", UNLINKED: "unlinked"}
"""What they are called: wrappers of rustc, such as Clippy's, know it by its name."""
_TIMEOUT_S = 120


def stand_in(source: str, machine: str, zig: Zig, *, runner: Runner, env: Mapping[str, str], cache_dir: Path) -> Path:
    """A program for a kind of machine (x86_64, aarch64), made if need be; raises ToolchainError, OSError."""
    texts = {name: (resources.files(__package__) / name).read_bytes() for name in (source, _HEADER)}
    digests = " ".join(str(Digest.of(text)) for text in texts.values())
    made_of = f"{zig.version} {machine} {_FLAGS} {_LINKED} {digests}"
    folder = cache_dir / "remote" / Digest.of(made_of.encode()).short
    place = folder / _NAMES[source]
    if os.access(place, os.X_OK):
        return place
    with atomic_folder(folder, taken=Taken.REPLACE) as made, scratch(".compiling-", folder.parent) as work:
        for name, text in texts.items():
            (work / name).write_bytes(text)
        own = {**env, "ZIG_LOCAL_CACHE_DIR": str(work / "cache"), "ZIG_GLOBAL_CACHE_DIR": str(work / "cache")}
        for words in (
            ("cc", "-target", f"{machine}-linux-musl", *_FLAGS, "-o", "made.o", source),
            ("ld.lld", *_LINKED, "-o", str(made / place.name), "made.o"),
        ):
            done = runner.run(Command((str(zig.path), *words), cwd=work, env=own), timeout_s=_TIMEOUT_S)
            if done.code != 0:
                raise ToolchainError(f"Zig does not make {source}: {done.error_text.strip()[:500]}")
        (made / place.name).chmod(0o755)
    return place
