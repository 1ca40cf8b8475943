"""Symbols that are kept apart from programs: compiled in, taken out, and published beside the image.

They are an artifact that refers to the image of each platform (image-spec, manifest.md, "Guidelines for Artifact
Usage"): one layer for each program, named as debuggers look for it (GDB manual, "Debugging Information in Separate
Files": `.build-id/NN/REST.debug`).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cargoship.cargo.config import cargo_home, configuration_files, read_table
from cargoship.compile import CompiledProgram, folder_name_of
from cargoship.events import Emit, Level, Note
from cargoship.oci.artifact import made_of
from cargoship.oci.descriptor import Descriptor, FileBlob
from cargoship.oci.digest import Digest
from cargoship.oci.files import atomic_folder, sweep, writing
from cargoship.oci.index import Index
from cargoship.oci.platform import Platform
from cargoship.oci.referrer import Referrer
from cargoship.plan import ImagePlan, Plan
from cargoship.toolchain.marks import mark_used
from cargoship.wasm import wasm_kind_of

ARTIFACT = "application/vnd.cargoship.debug-symbols.v1"
LAYER = "application/vnd.cargoship.debug-symbols.v1.elf"
TITLE = "org.opencontainers.image.title"
PROGRAM = "dev.cargoship.program"
"""Of a layer: the name of the program that it belongs to."""
PLACE = re.compile(r"\.build-id/(?P<start>[0-9a-f]{2})/(?P<rest>[0-9a-f]{2,126})\.debug")
_CREATED = "org.opencontainers.image.created"
_LEAST = "line-tables-only"
_BUILT_IN = {"dev", "release", "test", "bench"}
_HEX = 16
_WRITERS = 4
_KEPT_MAX = 8
"""Programs of a target, with their symbols, that stay beside those of this run."""
_OURS = re.compile(rf".+-[0-9a-f]{{{_HEX}}}")
KnownSymbols = Mapping[tuple[Platform, str, str], Path]
"""Files with symbols by platform, package and program."""


def symbols_environment(plan: Plan, env: Mapping[str, str]) -> dict[str, str]:
    """What makes cargo compile symbols in, where the plan keeps them apart: what the profile says, at least lines.

    cargo itself strips nothing then (cargo's reference, "Profiles": strip, debug).
    """
    if not plan.splits_symbols:
        return {}
    prefix = f"CARGO_PROFILE_{plan.cargo.profile.upper().replace('-', '_')}_"
    made = {f"{prefix}STRIP": "none"}
    if f"{prefix}DEBUG" not in env and not _has_debug(plan, env):
        made[f"{prefix}DEBUG"] = _LEAST
    return made


def _has_debug(plan: Plan, env: Mapping[str, str]) -> bool:
    files = (plan.root / "Cargo.toml", *configuration_files(plan.cargo.cwd, cargo_home(env)))
    tables = [each for path in files if isinstance(each := read_table(path).get("profile"), dict)]
    name: Any = plan.cargo.profile
    for _ in range(len(_BUILT_IN) + sum(map(len, tables))):
        own = [each[name] for each in tables if isinstance(each.get(name), dict)]
        said = next((each["debug"] for each in own if "debug" in each), None)
        if said is not None:
            return said not in (False, 0, "none")
        if name in {"dev", "test"}:
            return True
        name = next((each["inherits"] for each in own if isinstance(each.get("inherits"), str)), None)
        if name is None:
            return False
    return False


def split_programs(programs: Sequence[CompiledProgram], plan: Plan, emit: Emit) -> tuple[CompiledProgram, ...]:
    """The programs with their symbols apart, where the plan wants that; they themselves stay as cargo knows them.

    What an earlier run has made of the same files is used again; what nobody has used for a while is removed. Raises
    CannotStart for a damaged program, OutputError, and OSError.
    """
    if not plan.splits_symbols:
        return tuple(programs)
    folder = plan.target_dir / "cargoship" / ".symbols"
    with ThreadPoolExecutor(_WRITERS) as writers:
        made = tuple(writers.map(lambda each: _split(each, folder / folder_name_of(each)), programs))
    used = {each.path.parent for each in made if each.symbols is not None}
    for each in {path.parent for path in used}:
        _forget(each, used)
    if not plan.keeps_attestations:
        places = ", ".join(str(each.symbols) for each in made if each.symbols is not None)
        text = f"debug-symbols: nothing that the images go to can hold symbols; they are in {places}"
        emit(Note(text, Level.WARNING))
    return made


def _split(program: CompiledProgram, folder: Path) -> CompiledProgram:
    if wasm_kind_of(program.path) is not None:
        # no debugger looks for a file beside a module by a build ID: its names stay in it
        return program
    name = program.path.name
    with program.path.open("rb") as stream:
        # a program that comes from the cache is a new file in each run, of the same bytes
        place = folder / f"{name}-{Digest.of_stream(stream)[0].hex[:_HEX]}"
    if place.exists():
        mark_used(place)
    else:
        from cargoship.elf.split import split_symbols  # noqa: PLC0415 - loads pyelftools

        sweep(folder, time.time_ns())
        with writing(place), atomic_folder(place) as making:
            aside = making / "unnamed.debug"
            build_id = split_symbols(program.path, making / name, aside)
            found = making / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
            found.parent.mkdir(parents=True)
            aside.rename(found)
    symbols = next(iter(sorted((place / ".build-id").glob("*/*.debug"))))
    return replace(program, path=place / name, symbols=symbols)


def _forget(folder: Path, used: AbstractSet[Path]) -> None:
    """Remove the least recently used of many, but none that this run has; never fails.

    What is called otherwise is not of here, and nothing is removed where a link leads: a project may come with one.
    """
    if folder.is_symlink():
        return
    with contextlib.suppress(OSError):
        kept = [
            (each.stat().st_mtime_ns, each)
            for each in folder.iterdir()
            if each not in used and _OURS.fullmatch(each.name) and not each.is_symlink()
        ]
        for _, each in sorted(kept, reverse=True)[_KEPT_MAX:]:
            shutil.rmtree(each, ignore_errors=True)


def symbol_referrers(image: ImagePlan, index: Index, symbols: KnownSymbols, created: str) -> Iterator[Referrer]:
    """The symbols of an image, about what it is for each platform; raises OSError."""
    for own in index.runnable:
        files = [(each.name, symbols.get((own.platform, each.package, each.name))) for each in image.bins]
        layers = [_layer(name, path) for name, path in files if path is not None]
        if layers:
            said = {_CREATED: created, TITLE: f"debug symbols of {image.name}"}
            yield Referrer(made_of(own.descriptor, ARTIFACT, layers, annotations=said))


def symbols_of(programs: Sequence[CompiledProgram]) -> dict[tuple[Platform, str, str], Path]:
    """Where the symbols of each program are."""
    return {(each.platform, each.package, each.bin): each.symbols for each in programs if each.symbols is not None}


def _layer(name: str, path: Path) -> FileBlob:
    title = "/".join(path.parts[-3:])
    with path.open("rb") as stream:
        digest, size = Digest.of_stream(stream)
    return FileBlob(Descriptor(LAYER, digest, size, annotations={TITLE: title, PROGRAM: name}), path)
