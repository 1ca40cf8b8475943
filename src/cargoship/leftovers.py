"""What cargoship leaves in cargo's target folder: found and removed, with a lock that no build is disturbed.

    <target>/cargoship/.lock                               held by each build, and by `prune` alone
    <target>/cargoship/<image>/                            the layout of an image, where no other place was asked for
    <target>/cargoship/.blobs/                             layers, and in last/ what the last build made
    <target>/cargoship/.records/                           records of builds, of which there are 50 at most
    <target>/cargoship/.programs/<triple>/<package>/<hex>/ programs with the list of their crates
    <target>/cargoship/{.load-,sandbox-,smoke-,.making-}*  folders of one run
    <target>/.cargoship-audit/, .cargoship-rebuild/        what an audit or a rebuild compiles
    <target>/.cargoship-*                                  what is of one run, and the account of the last build

What cargo itself has made is cargo's, and so is what is known of how that came to be (`.cargoship-history.json`):
without it, all that lies there would be compiled again.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from cargoship.apart import AUDIT, REBUILD
from cargoship.cargo.project import load_project
from cargoship.context import Context
from cargoship.decoding import Undecodable, decode_json
from cargoship.errors import CargoshipError, OutputError
from cargoship.locks import Busy, locked
from cargoship.oci.compress import COMPRESSION_ANNOTATION
from cargoship.oci.digest import ALGORITHMS
from cargoship.oci.files import ABANDONED_S, writing
from cargoship.oci.layout_reader import FolderFiles, LayoutReader
from cargoship.oci.store import BlobStore
from cargoship.scratch import abandoned, remove
from cargoship.unitcache.build import prepare_folder

_LOCK = ".lock"
_DAY_NS = 24 * 3600 * 1_000_000_000
_ABANDONED_NS = int(ABANDONED_S * 1_000_000_000)
_HEX = re.compile(r"[0-9a-f]{64}|[0-9a-f]{128}")
_RANDOM = "[0-9a-f]{16}"
_PREFIXES = (".load-", "sandbox-", "smoke-")
_OF_A_RUN = re.compile(rf"\.making-{_RANDOM}(-old)?")
_UNFINISHED = re.compile(rf"\..*\.{_RANDOM}\.tmp")
_PROGRAM = re.compile(_RANDOM)
_RECORD = re.compile(r".+\.json")
_OWN = (".blobs", ".blobs/last", ".blobs/tmp", ".programs", ".records", ".symbols")
_PARTS = frozenset({"oci-layout", "index.json", "manifest.json", "blobs"})
_PROBE = re.compile(rf"\.cargoship-[a-z0-9_]{{8}}|\.\.cargoship-.*\.{_RANDOM}\.tmp")
_ACCOUNT = ".cargoship-units.json"


class LeftFor(enum.Enum):
    """What something was left for."""

    LAYOUT = "layout"
    BLOBS = "layers"
    PROGRAMS = "programs"
    RECORD = "record"
    RUN = "run"


class Leftover(Struct, frozen=True):
    """Something that can go: `paths` are its files, or the one folder that it is."""

    kind: LeftFor
    path: Path
    paths: tuple[Path, ...]
    size_bytes: int


class Pruned(Struct, frozen=True):
    """What went from the target folder of a project, or would; `freed_bytes` leaves out what other names still have."""

    folder: Path
    gone: tuple[Leftover, ...]
    freed_bytes: int
    stays: tuple[tuple[Path, str], ...] = ()
    """What is in cargoship's folder and did not go, whatever its age, and why."""


class PruneRules(Struct, frozen=True):
    """What goes: everything, or what was not used for so many days; `dry` says that nothing does."""

    days: int | None
    now_ns: int
    """The time, in nanoseconds since 1970."""
    dry: bool = False

    def idle_since(self) -> int:
        """What was last used before this goes."""
        return self.now_ns + _DAY_NS if self.days is None else self.now_ns - self.days * _DAY_NS


def check_own_folders(target_dir: Path) -> None:
    """Raise OutputError where a folder in which cargoship itself writes and removes files is a link.

    A project that comes with one would have that done where the link leads.
    """
    for name in _OWN:
        if (target_dir / "cargoship" / name).is_symlink():
            raise OutputError(
                f"{target_dir / 'cargoship' / name} is a link, and cargoship writes and removes files there",
                hint="remove the link",
            )


@contextlib.contextmanager
def in_use(target_dir: Path) -> Iterator[None]:
    """Keep `prune` out of the target folder while the block runs.

    Where no lock can be had, for the folder cannot be written to or its file system has none, there is none. Raises
    OutputError as `check_own_folders` does.
    """
    check_own_folders(target_dir)
    lock = target_dir / "cargoship" / _LOCK
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            if not target_dir.is_dir():
                prepare_folder(target_dir)
            lock.parent.mkdir(exist_ok=True)
            lock.touch()
            held.enter_context(locked(lock, shared=True))
        yield


def prune(paths: Sequence[Path], rules: PruneRules, context: Context) -> tuple[Pruned, ...]:
    """Take away what was left in the target folders of the projects at `paths`, each of which is looked at once.

    Raises what reading a project raises, and OutputError where something cannot be taken away, or no lock be had. A
    folder in which a build is going on stays as it is.
    """
    cargo = Path(context.env.get("CARGO") or "cargo")
    projects = [load_project(context.runner, cargo, path, env=context.env) for path in paths]
    folders = {each.target_dir: each.build_dir or each.target_dir for each in projects}
    return tuple(prune_folder(target, build, rules) for target, build in folders.items())


def prune_folder(target_dir: Path, build_dir: Path, rules: PruneRules) -> Pruned:
    """See `prune`, for one target folder, and cargo's folder for what is between, which may be the same."""
    with contextlib.ExitStack() as held:
        found = _Found(rules.idle_since())
        own = target_dir / "cargoship"
        try:
            with writing(target_dir):
                if own.is_symlink():
                    found.stays.append((own, "it is a link"))
                elif own.is_dir():
                    if not rules.dry or (own / _LOCK).exists():
                        held.enter_context(locked(own / _LOCK, timeout_s=0))
                    _look_at_own(own, found)
                for name in (AUDIT, REBUILD):
                    lock = target_dir / f"{name}.lock"
                    if lock.exists():
                        held.enter_context(locked(lock, timeout_s=0))
                        found.add(LeftFor.RUN, target_dir / name)
                for folder in dict.fromkeys((target_dir, build_dir)):
                    _look_at_cargos(folder, found, rules)
        except Busy:
            return Pruned(target_dir, (), 0, ((target_dir, "a build is going on"),))
        freed_bytes = _freed(found.gone)
        if not rules.dry:
            for each in found.gone:
                _take(each)
        return Pruned(target_dir, tuple(found.gone), freed_bytes, tuple(found.stays))


class _Found(Struct):
    """What was found so far."""

    since_ns: int
    gone: list[Leftover] = field(default_factory=list)
    stays: list[tuple[Path, str]] = field(default_factory=list)

    def idle(self, path: Path) -> bool:
        return path.lstat().st_mtime_ns < self.since_ns

    def add(self, kind: LeftFor, path: Path, paths: Sequence[Path] | None = None) -> None:
        files = tuple(filter(os.path.lexists, (path,) if paths is None else paths))
        if files:
            size_bytes = sum(status.st_size for each in files for status in _statuses(each))
            self.gone.append(Leftover(kind, path, files, size_bytes))


def _look_at_own(own: Path, found: _Found) -> None:
    killed = {path for prefix in _PREFIXES for path in abandoned(own, prefix)}
    for path in sorted(own.iterdir()):
        if path.name == _LOCK:
            continue
        if path.is_symlink():
            found.stays.append((path, "it is a link"))
        elif path in killed or _OF_A_RUN.fullmatch(path.name):
            found.add(LeftFor.RUN, path)
        elif path.is_dir() and path.name == ".blobs":
            _look_at_blobs(path, found)
        elif path.is_dir() and path.name == ".records":
            _look_at_records(path, found)
        elif path.is_dir() and path.name == ".programs":
            _look_at_programs(path, found)
        elif not path.is_dir() or (why := _not_ours(path)):
            found.stays.append((path, "it is nothing that cargoship makes" if not path.is_dir() else why))
        elif found.idle(path / "index.json"):
            found.add(LeftFor.LAYOUT, path)


def _look_at_blobs(store: Path, found: _Found) -> None:
    # with no build going on, nobody writes these
    unfinished = [each for each in _files(store / "tmp") if each.name.partition("-")[0].isdigit()]
    found.add(LeftFor.RUN, store / "tmp", unfinished)
    idle = [path for path in BlobStore(store).idle(found.since_ns) if _HEX.fullmatch(path.name)]
    found.add(LeftFor.BLOBS, store, idle)
    _look_at_records(store / "last", found)


def _look_at_records(folder: Path, found: _Found) -> None:
    files = _files(folder)
    found.add(LeftFor.RUN, folder, [each for each in files if _UNFINISHED.fullmatch(each.name)])
    records = [each for each in files if _RECORD.fullmatch(each.name) and not _UNFINISHED.fullmatch(each.name)]
    found.add(LeftFor.RECORD, folder, [each for each in records if found.idle(each)])


def _look_at_programs(folder: Path, found: _Found) -> None:
    for made in sorted(folder.glob("*/*/*")):
        linked = any(each.is_symlink() for each in (made, made.parent, made.parent.parent))
        if not linked and _PROGRAM.fullmatch(made.name) and found.idle(made):
            found.add(LeftFor.PROGRAMS, made)
        elif not linked and _OF_A_RUN.fullmatch(made.name):
            found.add(LeftFor.RUN, made)


def _look_at_cargos(folder: Path, found: _Found, rules: PruneRules) -> None:
    """What lies among cargo's own: there is no lock for it, so what is of one run is taken for such after an hour."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        if _PROBE.fullmatch(path.name) and status.st_mtime_ns < rules.now_ns - _ABANDONED_NS * 24:
            found.add(LeftFor.RUN, path)
    account = folder / _ACCOUNT
    if account.is_file() and not account.is_symlink() and found.idle(account):
        found.add(LeftFor.RECORD, account)


class _Annotated(msgspec.Struct):
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


def _not_ours(folder: Path) -> str:
    """Why a folder is no layout that cargoship has made there; nothing where it is one."""
    if {each.name for each in folder.iterdir()} - _PARTS or not (folder / "index.json").is_file():
        return "it is no layout, or has more in it than one"
    places = [place for place, _, _ in os.walk(folder / "blobs")]
    if set(places) - {str(folder / "blobs" / each) for each in ("", *ALGORITHMS)} - {str(folder / "blobs")}:
        return "it has more in it than a layout"
    if any(not _HEX.fullmatch(each.name) for algorithm in ALGORITHMS for each in _files(folder / "blobs" / algorithm)):
        return "it has more in it than a layout"
    try:
        reader = LayoutReader(FolderFiles(folder))
        manifests = [reader.find(entry) for entry in reader.entries()]
        made = [
            each is not None and COMPRESSION_ANNOTATION in decode_json(each.data, _Annotated).annotations
            for each in manifests
        ]
    except (CargoshipError, OSError, Undecodable):
        return "it is a damaged layout"
    return "" if any(made) else "its image was not made by cargoship"


def _files(folder: Path) -> list[Path]:
    """The regular files of a folder that is there and no link."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_file() and not each.is_symlink())


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """Of each regular file at or below a path; links are not followed."""
    known = path.lstat()
    if stat.S_ISREG(known.st_mode):
        yield known
    elif stat.S_ISDIR(known.st_mode):
        for place, _, names in os.walk(path):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    yield from _statuses(Path(place, name))


def _freed(gone: Sequence[Leftover]) -> int:
    """The bytes of all files whose every name goes: layouts have names for what `blobs` has too."""
    names: Counter[tuple[int, int]] = Counter()
    known: dict[tuple[int, int], os.stat_result] = {}
    for status in (status for each in gone for path in each.paths for status in _statuses(path)):
        known[status.st_dev, status.st_ino] = status
        names[status.st_dev, status.st_ino] += 1
    return sum(status.st_size for at, status in known.items() if names[at] >= status.st_nlink)


def _take(leftover: Leftover) -> None:
    """Remove something; a layout is whole, or has no name. Raises OutputError."""
    for path in leftover.paths:
        with writing(path), contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(path.lstat().st_mode):
                path.unlink()
                continue
            aside = path
            if leftover.kind is not LeftFor.RUN:
                aside = path.with_name(f".making-{os.urandom(8).hex()}")
                path.rename(aside)
            remove(aside)
            if aside.exists():
                raise OutputError(f"cannot remove all of {path}", hint="give this user the right to remove it")
    if leftover.kind is LeftFor.PROGRAMS:
        # folders that are empty now; others stay
        for above in leftover.path.parents[:3]:
            with contextlib.suppress(OSError):
                above.rmdir()
