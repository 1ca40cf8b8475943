"""What is made once of Zig's own sources for a target, when a link asks for it: where it is kept.

    <cache>/runtime/<version of Zig>/<triple>/        parts for a static program, which `scripts/runtime.sh` makes
    <cache>/runtime/<version of Zig>/<Zig's target>/  Zig's global cache for this target alone, if Zig links

Where the user names a global cache for Zig, the latter is in there. What Zig compiles of a project is kept for one run
of cargo (`objects_of_a_run`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.errors import OutputError
from cargoship.oci.digest import Digest
from cargoship.platforms import TABLE, Libc, LibcFamily, PlatformSpec
from cargoship.scratch import scratch
from cargoship.toolchain.locate import Toolchain, Way
from cargoship.toolchain.marks import mark_used
from cargoship.toolchain.wrappers import wrapper_identity, write_zig
from cargoship.toolchain.zig import Zig

_GLOBAL, _LOCAL = "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"


class Runtime(Struct, frozen=True):
    """What is made for some targets, each in the folder below `root` that has its name."""

    root: Path
    library: Path
    """Zig's library: what it is all made from."""
    targets: Mapping[str, str]
    """By the names of targets: what makes their parts, in words that say its version."""


def runtime_of(toolchain: Toolchain, env: Mapping[str, str], *, cache_dir: Path) -> Runtime:
    """What a toolchain needs."""
    zig = toolchain.zig
    match toolchain.way:
        case Way.DIRECT:
            pairs = [(target.triple, target.row.plain) for target in toolchain.targets]
            made_by = {triple: f"zig {zig.version} by {wrapper_identity(triple, row)}" for triple, row in pairs}
            return Runtime(runtime_folder(zig, cache_dir), zig.lib, made_by)
        case Way.ZIGBUILD:
            targets = [zig_target(target.row, toolchain.libc) for target in toolchain.targets]
            return zigbuild_runtime(zig, targets, env, cache_dir=cache_dir)


def zigbuild_runtime(zig: Zig, targets: Sequence[str], env: Mapping[str, str], *, cache_dir: Path) -> Runtime:
    """What a build needs that Zig links for `targets`, in Zig's own names."""
    made_by = dict.fromkeys(targets, f"zig {zig.version}")
    return Runtime(_zigbuild_root(zig, env, cache_dir), zig.lib, made_by)


def zig_target(row: PlatformSpec, libc: Libc) -> str:
    """Zig's name for a platform with a C library, as cargo-zigbuild gives it."""
    if libc.family is LibcFamily.MUSL:
        return row.zig_musl
    floor = libc.floor or row.gnu_floor
    return f"{row.zig_gnu}.{floor[0]}.{floor[1]}"


def zig_targets(words: Iterable[str]) -> list[str]:
    """Zig's names for what cargo-zigbuild is asked to build for (`x86_64-unknown-linux-gnu.2.17`), as far as known."""
    found = []
    for word in words:
        triple, _, floor = word.partition(".")
        for each in TABLE:
            if triple in {each.gnu, each.musl}:
                name = each.zig_gnu if triple == each.gnu else each.zig_musl
                found.append(f"{name}.{floor}" if floor else name)
    return found


def runtime_folder(zig: Zig, cache_dir: Path) -> Path:
    """The folder for all targets."""
    return cache_dir / "runtime" / Digest.of(zig.version.encode()).short


@contextlib.contextmanager
def objects_of_a_run(cache_dir: Path) -> Iterator[Mapping[str, str]]:
    """What tells the wrappers where Zig keeps what it compiles of a project: a new folder, that is removed at the end.

    Zig finds objects by flags and by the files that were read when they were made. A header that has come to stand
    before one of these, and what the assembler reads (`.incbin`), is none of them: another run of cargo would get
    objects of how things were. Raises OutputError.
    """
    with contextlib.ExitStack() as held:
        try:
            folder = held.enter_context(scratch("run-", cache_dir / "objects"))
        except OSError as error:
            raise OutputError(
                f"cannot make a folder for C objects below {cache_dir}: {os.strerror(error.errno or 0)}",
                hint="name another folder with CARGOSHIP_CACHE_DIR",
            ) from error
        yield {"CARGOSHIP_OBJECTS": str(folder)}


def zigbuild_environment(zig: Zig, env: Mapping[str, str], *, cache_dir: Path) -> dict[str, str]:
    """What makes cargo-zigbuild start this Zig, with a global cache for each target; raises OutputError."""
    root = _zigbuild_root(zig, env, cache_dir)
    mark_used(root)
    program = write_zig(cache_dir, zig=zig.path, runtime=root, objects=_objects(env, cache_dir))
    # goes before the Python package that it would find by itself
    return {"CARGO_ZIGBUILD_ZIG_COMMAND": str(program)}


def _zigbuild_root(zig: Zig, env: Mapping[str, str], cache_dir: Path) -> Path:
    named = env.get(_GLOBAL)
    return runtime_folder(zig, Path(named, "cargoship") if named else cache_dir)


def _objects(env: Mapping[str, str], cache_dir: Path) -> Path:
    """Where Zig would keep what it compiles of a project: its global cache."""
    if env.get(_GLOBAL):
        return Path(env[_GLOBAL])
    if env.get("XDG_CACHE_HOME"):
        return Path(env["XDG_CACHE_HOME"], "zig")
    return Path(env["HOME"], ".cache", "zig") if env.get("HOME") else cache_dir / "zig"
