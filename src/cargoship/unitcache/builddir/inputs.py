"""What a compiled unit depends on beside its key's parts: files, variables, and the folders that it lay in if it tells.

A unit is only put into a workspace where all of this is as it was. cargo asks for the same files, by their times.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from cargoship.cargo.messages import Artifact, BuildScriptRun
from cargoship.cargo.unit_graph import Unit, UnitGraph
from cargoship.oci.digest import Digest
from cargoship.unitcache.builddir.fingerprints import environment_read, read_dep_info
from cargoship.unitcache.builddir.layout import UnitFolder, written_to
from cargoship.unitcache.builddir.matching import Matched
from cargoship.unitcache.keys.file_digests import ALL, BUILD_DIR, VARIABLE, WORKSPACE, FileDigests
from cargoship.unitcache.keys.key import LOCAL_ID, LockedSources, is_pinned
from cargoship.unitcache.keys.refusal import NotKept
from cargoship.unitcache.keys.variables import PRIMARY_PACKAGE
from cargoship.unitcache.watching.reads import Reads

_OBJECTS = frozenset({".o", ".a", ".so", ".lib", ".obj", ".rlib", ".rmeta"})
BY_TIME = "its build script prints no rerun-if-changed, and so cargo goes by the times of all files"
"""Why a unit is not kept that could be: cargo would not take it on another machine."""
_PROGRAMS = frozenset({"bin", "cdylib", "dylib", "test", "example", "bench"})


def package_root(unit: Unit, manifests: Mapping[str, Path]) -> Path:
    """The folder of a unit's package; raises NotKept where nobody knows it."""
    match = LOCAL_ID.match(unit.package_id)
    if match is not None:
        return Path(unquote(match["path"]))
    manifest = manifests.get(unit.package_id)
    if manifest is None:
        raise NotKept("cargo did not tell its package's folder")
    return manifest.parent


def inputs_of(
    unit: Unit,
    matched: Matched,
    files: Sequence[str],
    *,
    contents: FileDigests,
    package: Path,
    pinned: bool,
    written_by: Iterable[UnitFolder],
    reads: Reads | None = None,
) -> dict[str, Digest]:
    """What the unit depends on; `written_by` are the folders of the build scripts' runs that it depends on.

    `reads` is what was seen to be read; None, where nobody could watch: of units that read what the compiler tells, and
    no more.

    Raises NotKept, OSError.
    """
    found: dict[str, Digest] = {}
    generated: list[str] = []
    for path, time_ns in _read(matched, contents.build_dir, package, tuple(written_by), generated).items():
        if pinned and path.is_relative_to(package):
            continue
        if path.is_relative_to(contents.build_dir):
            raise NotKept(f"it depends on {path}, which is in the build directory")
        name = contents.name(path)
        found[name] = contents.before(name, time_ns)
    if reads is not None:
        found |= _seen(unit, matched, reads, contents, pinned=pinned)
    if not (pinned or unit.is_local):
        # of vendored sources neither cargo nor the compiler tells which files there are
        name = all_of(package, contents)[0]
        found[name] = contents.unchanged(name, compiled_at(matched, contents.build_dir))
    if isinstance(matched.message, BuildScriptRun):
        found |= _native_libraries(matched.message, contents, package if pinned else None)
    found |= variables_of(matched, contents)
    for pin in _pins(unit, matched, files, generated, contents, pinned=pinned):
        digest = contents.digest(pin)
        if digest is not None:
            found[pin] = digest
    return found


def where_of(unit: Unit, matched: Matched, reads: Reads, contents: FileDigests) -> str:
    """The cluster that has compiled a unit; nothing for this machine. Raises NotKept, OSError."""
    place = str(contents.build_dir / matched.folder.profile)
    return "" if unit.runs else reads.where(place, unit.name.replace("-", "_"), matched.folder.hash)


def _seen(unit: Unit, matched: Matched, reads: Reads, contents: FileDigests, *, pinned: bool) -> dict[str, Digest]:
    """What the unit was seen to read; raises NotKept, OSError."""
    folder = matched.folder
    if unit.runs:
        return reads.of_script(str(contents.build_dir / folder.out_dir), contents=contents, pinned=pinned)
    crate = unit.name.replace("-", "_")
    place = str(contents.build_dir / folder.profile)
    return reads.of_compiler(place, crate, folder.hash, contents=contents, pinned=pinned)


def _read(
    matched: Matched, build: Path, package: Path, written_by: tuple[UnitFolder, ...], generated: list[str]
) -> dict[Path, int]:
    """What the unit has read, each with the time that it must be older than, in ns since 1970.

    `generated` gets the files of the build directory that are among it: they belong to units that it depends on.
    """
    read: dict[Path, int] = {}
    for name in matched.fingerprint.dep_infos:
        place = build / name
        info = read_dep_info(place.read_bytes())
        read |= dict.fromkeys((package / path for path in info.package), place.stat().st_mtime_ns)
        generated += info.build
    if matched.fingerprint.changed:
        said_ns = (build / matched.folder.said).stat().st_mtime_ns
        read |= dict.fromkeys((package / path for path in matched.fingerprint.changed), said_ns)
    if not all(path.startswith(tuple(folder.out_dir + "/" for folder in written_by)) for path in generated):
        raise NotKept("it reads a file of the build directory that no build script of its own has written")
    return read


def variables_of(matched: Matched, contents: FileDigests) -> dict[str, Digest]:
    """What the user has set of the variables that the unit looks at: with `env!`, or as its build script has declared.

    cargo would compare them too. But two units that differ in nothing else must not have one key: the programs of a
    whole build are put in place without cargo. Raises NotKept, OSError.
    """
    names = list(matched.fingerprint.variables)
    for name in matched.fingerprint.dep_infos:
        names += read_dep_info((contents.build_dir / name).read_bytes()).variables
    # where cargo has set it, only the compiler's own list has it: `_pins`
    _refuse_primary(names)
    found = {VARIABLE + name: contents.digest(VARIABLE + name) for name in names}
    return {name: digest for name, digest in found.items() if digest is not None}


def _refuse_primary(variables: Collection[str]) -> None:
    if PRIMARY_PACKAGE in variables:
        raise NotKept(f"it looks at {PRIMARY_PACKAGE}, which another invocation of cargo sets otherwise")


def all_of(package: Path, contents: FileDigests) -> tuple[str, ...]:
    """A package's files, and those of the workspace that are no package's: of a build where nobody watches."""
    return (ALL + contents.name(package), ALL + ".")


def compiled_at(matched: Matched, build: Path) -> int:
    """When the compilation or the run of a unit began, in ns since 1970; raises OSError."""
    noted = matched.fingerprint.dep_infos or (matched.folder.said,)
    return min((build / name).stat().st_mtime_ns for name in noted)


def changing_packages(graph: UnitGraph, lock: LockedSources) -> tuple[Path, ...]:
    """The folders of all packages whose sources may change: those named by their paths, and vendored ones."""
    found: dict[Path, None] = {}
    for unit in graph.units:
        match = LOCAL_ID.match(unit.package_id)
        if match is not None:
            found[Path(unquote(match["path"]))] = None
        elif not is_pinned(unit, lock):
            folders = (folder for folder in Path(unit.source).parents if (folder / "Cargo.toml").is_file())
            found |= dict.fromkeys([next(folders, Path(unit.source).parent)])
    return tuple(found)


def manifests_of(messages: Iterable[Artifact | BuildScriptRun]) -> dict[str, Path]:
    """The manifest of every package that cargo spoke of."""
    return {each.package_id: each.manifest for each in messages if isinstance(each, Artifact) and each.manifest}


def _native_libraries(message: BuildScriptRun, contents: FileDigests, package: Path | None) -> dict[str, Digest]:
    """Libraries of the system that a build script has found."""
    found = {}
    for folder in (Path(each.rpartition("=")[2]) for each in message.linked_paths):
        if folder.is_relative_to(contents.build_dir) or (package is not None and folder.is_relative_to(package)):
            continue
        for name in (each.rpartition("=")[2] for each in message.linked_libs):
            for file in (f"lib{name}.so", f"lib{name}.a"):
                digest = contents.digest(str(folder / file))
                if digest is not None:
                    found[contents.name(folder / file)] = digest
    return found


def _pins(
    unit: Unit, matched: Matched, files: Sequence[str], generated: Sequence[str], contents: FileDigests, *, pinned: bool
) -> set[str]:
    """The folders that are known by what the unit is made of, so that it is good in no other place."""
    build = contents.build_dir
    pins = _Pins(contents)
    if unit.runs:
        for name in _words_of_script(matched.folder, files, pinned=pinned):
            # cargo itself puts another folder in the place of the script's own, but only in what the script has said
            own = written_to(build, matched.folder) if name == matched.folder.said else b"\0"
            place = build / name
            # a link may lead to a folder of the workspace, as those of cxx do
            data = os.fsencode(place.readlink()) if place.is_symlink() else place.read_bytes()
            pins.look(data.replace(own, b""))
        return pins.found
    included = {str(build / name) for name in generated}
    for name in files:
        if name.endswith(".d"):
            read = environment_read((build / name).read_bytes())
            _refuse_primary(read)
            for variable, value in read.items():
                # Including a file from OUT_DIR is what it is for, and some have a variable that names that very file.
                # Where none is included, the path itself is used.
                if value not in included and not (generated and variable == "OUT_DIR"):
                    pins.look(value.encode())
    if not pinned and _PROGRAMS & {*unit.kinds, *unit.crate_types}:
        for name in files:
            # the compiler's own notes in a library have its place, as every library's have: nobody sees them
            if not name.startswith(matched.folder.fingerprint) and not name.endswith((".d", ".rlib", ".rmeta")):
                pins.look_into(build / name)
    return pins.found


def _words_of_script(folder: UnitFolder, files: Sequence[str], *, pinned: bool) -> Iterator[str]:
    """What a build script has said, and such files of its own as others take for words: sources at least."""
    yield folder.said
    for name in files:
        suffix = Path(name).suffix
        if name.startswith(folder.out_dir + "/") and (suffix == ".rs" or not (pinned or suffix in _OBJECTS)):
            yield name


class _Pins:
    def __init__(self, contents: FileDigests) -> None:
        self._build, self._root = str(contents.build_dir).encode(), str(contents.root).encode()
        self.found: set[str] = set()

    def look(self, data: bytes | mmap.mmap) -> None:
        if data.find(self._build) >= 0:
            self.found.add(BUILD_DIR)
        if data.find(self._root) >= 0:
            self.found.add(WORKSPACE)

    def look_into(self, place: Path) -> None:
        if place.stat().st_size:
            with place.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self.look(data)
