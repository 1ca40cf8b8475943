"""Components of WebAssembly: what links them, and what Rust's sources lack for them as Debian has them.

Rust's target wasm32-wasip2 links with the program wasm-component-ld, which comes with rustup's toolchains and is a
crate of its own (https://github.com/bytecodealliance/wasm-component-ld).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cargoship.cargo.config import cargo_home
from cargoship.errors import ToolMissing
from cargoship.platforms import PlatformSpec
from cargoship.process import Runner
from cargoship.toolchain.rust import Rust

LINKER = "wasm-component-ld"
INSTALL = f"cargo install --locked {LINKER}"
_BINDINGS = "wit-bindgen-*"
# what the crate's build script copies; for WASI 0.2 nothing is taken out of it, for the C library has cabi_realloc
_OBJECTS = "libwit_bindgen_cabi.a"
_EMPTY_ARCHIVE = b"!<arch>\n"


def component_linker(
    rust: Rust, rows: Iterable[PlatformSpec], *, runner: Runner, env: Mapping[str, str]
) -> Path | None:
    """What links the components among `rows`; None where there are none. Raises ToolMissing."""
    if not any(row.is_component for row in rows):
        return None
    found = next((path for path in _places(rust, runner, env) if path.is_file()), None)
    if found is None:
        raise ToolMissing(
            f"{LINKER} was not found: it links components of WebAssembly",
            hint=f"{INSTALL} (or a toolchain of rustup's, which has it)",
        )
    return found


def _places(rust: Rust, runner: Runner, env: Mapping[str, str]) -> Iterator[Path]:
    yield rust.sysroot / "lib" / "rustlib" / rust.host / "bin" / LINKER
    on_path = runner.programs.find(LINKER, env)
    if on_path is not None:
        yield on_path
    # where cargo installs programs, on PATH or not
    yield cargo_home(env) / "bin" / LINKER
    # it belongs to no version of Rust
    toolchains = Path(env.get("RUSTUP_HOME") or Path(env.get("HOME", "/"), ".rustup")) / "toolchains"
    yield from sorted(toolchains.glob(f"*/lib/rustlib/*/bin/{LINKER}"), reverse=True)


def whole_sources(vendored: Path, work: Path) -> Path:
    """The crates that the standard library is made of, with what the bindings of WASI want to link; raises OSError.

    Debian removes objects from sources. Where one lacks, `work` gets a folder with links to all others.
    """
    lacking = [crate for crate in sorted(vendored.glob(_BINDINGS)) if not (crate / _objects(crate)).exists()]
    if not lacking:
        return vendored
    folder = work / "vendor"
    folder.mkdir()
    for crate in vendored.iterdir():
        if crate not in lacking:
            (folder / crate.name).symlink_to(crate)
            continue
        shutil.copytree(crate, folder / crate.name)
        (folder / crate.name / _objects(crate)).write_bytes(_EMPTY_ARCHIVE)
    return folder


def _objects(crate: Path) -> Path:
    """Where its build script looks for them: beside the source that is linked with them, whose folder has changed."""
    sources = Path("src", "rt")
    return (sources if (crate / sources).is_dir() else sources.parent) / _OBJECTS
