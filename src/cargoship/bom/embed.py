"""Programs with the list of their crates in them, as files of their own: cargo's own stay as cargo knows them."""

from __future__ import annotations

import hashlib
import shutil
import time
from pathlib import Path

from cargoship.bom.auditable import SECTION, section_content
from cargoship.bom.crates import ProgramCrates
from cargoship.elf.section import copy_with_section, has_section
from cargoship.errors import CannotStart
from cargoship.oci.files import atomic_folder, sweep, writing
from cargoship.wasm import custom_section, custom_sections, wasm_kind_of

_HEX = 16


def embed(program: Path, crates: ProgramCrates, folder: Path) -> Path:
    """A copy of a program in `folder` that has the list; the program itself where it has one already.

    A copy that an earlier run has made of the same file is used again, with the times that it has; those that nobody
    has used for a while are removed. Raises CannotStart for a damaged program, OutputError, and OSError.
    """
    is_wasm = wasm_kind_of(program) is not None
    if _has_list(program, is_wasm=is_wasm):
        return program
    content = section_content(crates)
    status = program.stat()
    known = (str(program), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    place = folder / hashlib.sha256(repr(known).encode() + content).hexdigest()[:_HEX] / program.name
    if not place.exists():
        sweep(folder, time.time_ns())
        with writing(place), atomic_folder(place.parent) as making:
            if is_wasm:
                _copy_wasm(program, making / program.name, content)
            else:
                copy_with_section(program, making / program.name, SECTION, content)
    return place


def _has_list(program: Path, *, is_wasm: bool) -> bool:
    if not is_wasm:
        return has_section(program, SECTION)
    try:
        return SECTION in custom_sections(program)
    except ValueError as error:
        raise CannotStart(f"{program} is damaged: {error}", hint="build it again: cargo clean -p NAME") from error


def _copy_wasm(program: Path, place: Path, content: bytes) -> None:
    """With a custom section of the same name, as cargo-auditable has it in WebAssembly."""
    shutil.copy2(program, place)
    with place.open("ab") as stream:
        stream.write(custom_section(SECTION, content))
