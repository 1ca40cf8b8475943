"""The library that notes reads: made once for this machine by Zig, and preloaded into what cargo starts.

It is made for Linux with glibc. Elsewhere there is none, and what is read is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from pathlib import Path

from msgspec import Struct

from cargoship.oci.digest import Digest
from cargoship.oci.files import Taken, atomic_folder
from cargoship.process import Command, Runner
from cargoship.scratch import scratch
from cargoship.toolchain.zig import Zig
from cargoship.unitcache.keys.probes import machine_with_glibc

_SOURCE = "watch.c"
MACHINES = ("x86_64", "aarch64")
"""Kinds of machines that it is made for; on others, and without glibc, nobody sees what is read."""
_OLDEST = "2.17"
"""The glibc whose headers it is made with; it uses no symbol by its version, so that newer ones load it too."""
_FLAGS = ("-c", "-fPIC", "-O2", "-fvisibility=hidden", "-fno-sanitize=all", "-fno-stack-protector")
_LINKED = ("-shared", "-z", "relro", "-z", "now", "--hash-style=gnu", "--eh-frame-hdr")
_TIMEOUT_S = 120
_MADE = "watch.so"

Bring = Callable[[Iterable[Path]], object]
"""Puts those of some folders in their places that a cache has."""


class Watcher(Struct, frozen=True):
    """What notes reads on this machine, and what of them is known without looking."""

    library: Path
    covered: tuple[Path, ...] = ()
    """Folders that no reading of is of interest: keys say what is in there, or nobody writes there."""
    of_wrappers: tuple[Path, ...] = ()
    """Folders of which that is so only while compilers' wrappers read them: build scripts may start the same Python."""
    trusted: tuple[Path, ...] = ()
    """Programs that keys have the versions of: compilers, and what starts them."""
    compiler: Path | None = None
    """The library that is the rustc of which keys have the version; None where that is not known."""

    def environment(self, env: Mapping[str, str], folder: Path, *, build_dir: Path) -> dict[str, str]:
        """The environment for cargo; records are written into `folder`."""
        others = env.get("LD_PRELOAD")
        return {
            **env,
            "LD_PRELOAD": f"{others}:{self.library}" if others else str(self.library),
            "CARGOSHIP_WATCH": str(folder),
            "CARGOSHIP_WATCH_SKIP": ":".join(map(str, self.covered)),
            "CARGOSHIP_WATCH_OF_QUIET": ":".join(map(str, self.of_wrappers)),
            "CARGOSHIP_WATCH_BUILD": str(build_dir),
        }


def library(zig: Zig, *, runner: Runner, env: Mapping[str, str], cache_dir: Path, bring: Bring = tuple) -> Path | None:
    """The library for this machine, brought or made if need be; None where there is none. Raises OSError."""
    machine = machine_with_glibc()
    if machine not in MACHINES:
        return None
    return library_for(machine, zig, runner=runner, env=env, cache_dir=cache_dir, bring=bring)


def library_for(
    machine: str, zig: Zig, *, runner: Runner, env: Mapping[str, str], cache_dir: Path, bring: Bring = tuple
) -> Path:
    """The library for one of MACHINES, brought or made if need be; raises OSError.

    It is in a folder that is named for all that goes into it.
    """
    source = (resources.files(__package__) / _SOURCE).read_bytes()
    made_of = f"{zig.version} {machine} {_FLAGS} {_LINKED} {Digest.of(source)}"
    folder = cache_dir / "watching" / Digest.of(made_of.encode()).short
    place = folder / _MADE
    if not place.is_file():
        bring([folder])
    if place.is_file():
        return place
    # a cache may have brought a folder without it
    with atomic_folder(folder, taken=Taken.REPLACE) as made, scratch(".compiling-", folder.parent) as work:
        (work / _SOURCE).write_bytes(source)
        own = {**env, "ZIG_LOCAL_CACHE_DIR": str(work / "cache"), "ZIG_GLOBAL_CACHE_DIR": str(work / "cache")}
        target = f"{machine}-linux-gnu.{_OLDEST}"
        for words in (
            ("cc", "-target", target, *_FLAGS, "-o", "watch.o", _SOURCE),
            ("ld.lld", *_LINKED, "-o", str(made / _MADE), "watch.o"),
        ):
            done = runner.run(Command((str(zig.path), *words), cwd=work, env=own), timeout_s=_TIMEOUT_S)
            if done.code != 0:
                raise OSError(f"Zig does not make the library that watches reads: {done.error_text.strip()[:500]}")
        (made / _MADE).chmod(0o755)
    return place
