"""What is made once of Zig's own sources for a target, when a link asks for it: where it is kept.

    <cache>/runtime/<version of Zig>/<triple>/        parts for a static program, which `scripts/runtime.sh` makes
    <cache>/runtime/<version of Zig>/<Zig's target>/  Zig's global cache for this target alone, if Zig links

Where the user names a global cache for Zig, the latter is in there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from cargoship.oci.digest import Digest
from cargoship.platforms import TABLE, Libc, LibcFamily, PlatformSpec
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
