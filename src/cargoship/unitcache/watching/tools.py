"""What watches a build, by the tools that it is made with: which folders and programs are known without looking."""

from __future__ import annotations

import contextlib
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from cargoship.cargo.config import cargo_home
from cargoship.errors import CargoshipError
from cargoship.events import Emit, Level, Note
from cargoship.process import Runner
from cargoship.reading import real_path
from cargoship.toolchain.locate import Toolchain
from cargoship.toolchain.rust import Rust
from cargoship.toolchain.zig import find_zig, find_zigbuild
from cargoship.unitcache.watching.library import Bring, Watcher, library

_SHARED = frozenset({Path("/"), Path("/usr"), Path("/usr/local")})
"""Folders that are not those of one tool alone."""


def watcher_of(
    toolchain: Toolchain, *, runner: Runner, env: Mapping[str, str], cache_dir: Path, emit: Emit, bring: Bring
) -> Watcher | None:
    """What watches a `cargoship build`; None where nobody can watch, which is noted."""
    more = (toolchain.sysroot,)
    return watcher(toolchain.rust, runner=runner, env=env, cache_dir=cache_dir, emit=emit, bring=bring, more=more)


def watcher(
    rust: Rust,
    *,
    runner: Runner,
    env: Mapping[str, str],
    cache_dir: Path,
    emit: Emit,
    bring: Bring,
    more: tuple[Path, ...] = (),
) -> Watcher | None:
    """The same, of a plain cargo; `more` are folders with standard libraries."""
    try:
        zig = find_zig(runner, env)
        place = library(zig, runner=runner, env=env, cache_dir=cache_dir, bring=bring)
    except (CargoshipError, OSError) as error:
        emit(Note(f"what is read is not watched: {error}", Level.VERBOSE))
        return None
    if place is None:
        return None
    zigbuild: list[Path] = []
    with contextlib.suppress(CargoshipError):
        zigbuild.append(find_zigbuild(runner, env))
    trusted = (zig.path, rust.cargo, rust.rustc, *zigbuild)
    kept = (cache_dir, *_links_in(cache_dir), *more)
    covered = _each_way(*_folders(rust, env), zig.path.parent, zig.lib, *zigbuild, *kept)
    # in a folder of its own, or with Debian among all libraries: where there are several, one of them is meant
    folders_of_libraries = (rust.sysroot / "lib", rust.sysroot / "lib" / rust.host.replace("-unknown-", "-"))
    libraries = [path for each in folders_of_libraries for path in each.glob("librustc_driver-*")]
    compiler = libraries[0] if len(libraries) == 1 else None
    return Watcher(place, covered, _each_way(*_of_python()), trusted, compiler)


def _each_way(*paths: Path) -> tuple[Path, ...]:
    """As they are named, and where they lead, without what is not one tool's alone."""
    ways = (each for path in paths for each in (path, real_path(path)))
    return tuple(dict.fromkeys(each for each in ways if ":" not in str(each) and each not in _SHARED))


def _links_in(folder: Path) -> Iterator[Path]:
    """Parts of the cache folder that lie elsewhere, on a larger disk or shared."""
    yield from (each for each in sorted(folder.iterdir()) if each.is_symlink())


def _folders(rust: Rust, env: Mapping[str, str]) -> Iterator[Path]:
    home = Path(env.get("HOME") or "/")
    kept = cargo_home(env)
    for name in ("registry/src", "registry/cache", "registry/index", "git/checkouts", "git/db"):
        yield kept / name
    yield rust.sysroot / "lib" / "rustlib"
    yield rust.sysroot
    yield Path(env.get("RUSTUP_HOME") or home / ".rustup")
    # cargo-zigbuild's wrappers, which name their content in their names
    named = env.get("CARGO_ZIGBUILD_CACHE_DIR") or env.get("XDG_CACHE_HOME") or home / ".cache"
    yield Path(named) / "cargo-zigbuild"


def _of_python() -> Iterator[Path]:
    """That in which the compilers' wrappers are written: it may be the one that build scripts start, too."""
    yield Path(sys.prefix)
    yield Path(sys.base_prefix)
    yield from (Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))
