"""mimalloc for static musl programs: its object is made once for each target, and linked in by the rustc shim.

Its source comes from the crate libmimalloc-sys, which cargo fetches as it fetches any other: from the registry, mirror
or vendored folder that the project's own configuration names, held against the checksum that is kept here. All of
it is one file, compiled so that it takes the place of malloc and its kin; the user's code does not change.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from cargoship.cargo.above import check_owners
from cargoship.errors import SysrootBuildFailed
from cargoship.events import Emit, Level, Note
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_folder
from cargoship.platforms import PlatformSpec
from cargoship.process import Command, Runner
from cargoship.programs import without_secrets
from cargoship.toolchain.marks import mark_used
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.zig import Zig

SYSTEM = "system"

_CRATE = "libmimalloc-sys"
_MANIFEST = f"""[package]
name = "cargoship-allocator"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
{_CRATE} = {{ version = "0.1", default-features = false }}
"""
# local-exec: a program is the only place that it is linked into
_FLAGS = (
    "-O3", "-DNDEBUG", "-DMI_MALLOC_OVERRIDE=1", "-DMI_LIBC_MUSL=1", "-Wno-date-time", "-ftls-model=local-exec",
    "-fPIC", "-fno-sanitize=all",
)  # fmt: skip


class _Package(msgspec.Struct):
    name: str
    manifest_path: str


class _Metadata(msgspec.Struct):
    packages: list[_Package]


def choice_environment(allocator: str) -> dict[str, str]:
    """What says which allocator programs are linked with: programs with another one are not up to date."""
    return {} if allocator == SYSTEM else {"CARGOSHIP_LINKED_ALLOCATOR": _identity()}


def mimalloc_environment(
    targets: Sequence[tuple[str, PlatformSpec]],
    *,
    rust: Rust,
    zig: Zig,
    runner: Runner,
    env: Mapping[str, str],
    cwd: Path,
    cache_dir: Path,
    offline: bool,
    emit: Emit,
) -> dict[str, str]:
    """What tells the rustc shim where the objects are, which are made if the cache does not have them.

    `targets` are triples with their rows, `cwd` is where cargo looks for its configuration. Raises SysrootBuildFailed.
    """
    folders = mimalloc_folders([triple for triple, _ in targets], zig, cache_dir=cache_dir)
    lacking = [(triple, row) for triple, row in targets if not folders[triple].exists()]
    if lacking:
        root = folders[lacking[0][0]].parent
        root.mkdir(parents=True, exist_ok=True)
        names = ", ".join(triple for triple, _ in lacking)
        emit(Note(f"making mimalloc for {names} (once, kept in the cache)", Level.VERBOSE))
        with tempfile.TemporaryDirectory(dir=root, prefix=".sources-") as scratch:
            source = _fetch(Path(scratch), rust, runner, env, cwd, offline=offline)
            for triple, row in lacking:
                with atomic_folder(folders[triple]) as made:
                    _compile(source, made / "mimalloc.o", row, zig, runner, env)
    mark_used(*folders.values())
    return {"CARGOSHIP_ALLOCATORS": str(_prefix(zig, cache_dir))}


def mimalloc_folders(triples: Sequence[str], zig: Zig, *, cache_dir: Path) -> dict[str, Path]:
    """By triple: where mimalloc is, or would be. A folder's name stands for all that it is made from."""
    prefix = _prefix(zig, cache_dir)
    return {triple: prefix.with_name(f"{prefix.name}-{triple}") for triple in triples}


def _prefix(zig: Zig, cache_dir: Path) -> Path:
    return cache_dir / "allocators" / f"{_identity()}-{Digest.of(zig.version.encode()).short}"


def _identity() -> str:
    return f"mimalloc-{Digest.of(chr(0).join([_lock(), *_FLAGS]).encode()).short}"


def _lock() -> str:
    return (resources.files("cargoship.toolchain") / "scripts" / "allocator.lock").read_text(encoding="utf-8")


def _fetch(scratch: Path, rust: Rust, runner: Runner, env: Mapping[str, str], cwd: Path, *, offline: bool) -> Path:
    """The folder of mimalloc's own sources, from cargo."""
    check_owners(scratch, env)
    (scratch / "Cargo.toml").write_text(_MANIFEST)
    (scratch / "Cargo.lock").write_text(_lock())
    (scratch / "lib.rs").touch()
    argv = [str(rust.cargo), "metadata", "--format-version", "1", "--locked"]
    argv += ["--manifest-path", str(scratch / "Cargo.toml"), *(["--offline"] if offline else [])]
    done = runner.run(Command(tuple(argv), cwd=cwd, env=env))
    if done.code != 0:
        raise SysrootBuildFailed(
            f"the source of mimalloc cannot be had: cargo has no crate {_CRATE}",
            hint="build once with a network, vendor that crate, or leave allocator out",
            details=done.error_text.strip() or None,
        )
    packages = msgspec.json.decode(done.stdout, type=_Metadata).packages
    manifest = next(Path(each.manifest_path) for each in packages if each.name == _CRATE)
    # the crate carries several versions: 2 is its default
    chosen = next(iter(sorted(manifest.parent.glob("c_src/mimalloc/**/src/static.c"))), None)
    if chosen is None:
        raise SysrootBuildFailed(f"the crate {_CRATE} has no mimalloc in it", hint="leave allocator out")
    return chosen.parent.parent


def _compile(source: Path, output: Path, row: PlatformSpec, zig: Zig, runner: Runner, env: Mapping[str, str]) -> None:
    argv = [str(zig.path), "cc", "-target", row.zig_musl, *([f"-mcpu={row.zig_cpu}"] if row.zig_cpu else []), *_FLAGS]
    argv += ["-I", str(source / "include"), "-c", str(source / "src" / "static.c"), "-o", str(output)]
    clean = {**without_secrets(env), "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"}
    done = runner.run(Command(tuple(argv), cwd=source, env=clean))
    if done.code != 0 or not output.exists():
        raise SysrootBuildFailed(
            f"mimalloc could not be compiled for {row.platform}",
            hint="leave this platform out, or allocator",
            details=done.error_text.strip() or None,
        )
