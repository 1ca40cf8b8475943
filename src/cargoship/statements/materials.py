"""What images are made of and with, as the materials of provenance: source, lock files, compilers, bases, caches."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from cargoship.attest.provenance import Material
from cargoship.bases.base import Base
from cargoship.bases.static import data_versions
from cargoship.cargo.git import GitFacts
from cargoship.debian.lock import NAME as DEBIAN_LOCK
from cargoship.debian.package import DebianPackage
from cargoship.errors import CargoshipError
from cargoship.oci.digest import Digest
from cargoship.oci.files import write_atomically
from cargoship.oci.platform import Platform
from cargoship.oci.reference import Reference
from cargoship.plan import Plan
from cargoship.process import Runner
from cargoship.settings.base import BaseSpec, BuiltInBase
from cargoship.settings.cache import StoreKind
from cargoship.toolchain.component import LINKER
from cargoship.toolchain.locate import Foreseen, Wanted, Way, foresee_toolchain
from cargoship.toolchain.rust import Rust
from cargoship.version import __version__

_LOCAL_CACHE = "urn:cargoship:local-cache"
"""A folder of the machine: where it is says nothing to others."""
_KEPT = re.compile(r"(sha256|dirHash) ([0-9a-f]{64})")
_KEPT_CHARACTERS = 100
_SNAPSHOTS = "https://snapshot.debian.org/archive/debian/"


def source_material(git: GitFacts | None) -> Material | None:
    """The commit, as a Git address where the repository has one; None where git knows none."""
    if git is None:
        return None
    ref = f"@refs/tags/{git.tag}" if git.tag else f"@refs/heads/{git.branch}" if git.branch else ""
    uri = f"git+{git.remote}{ref}" if git.remote else ""
    changed = {"changedFiles": len(git.changed)} if git.dirty else {}
    return Material("source", uri, {"gitCommit": git.sha}, {"dirty": git.dirty, **changed})


def lock_materials(root: Path) -> Iterator[Material]:
    """Cargo.lock, and cargoship.lock where there is one."""
    for name in ("Cargo.lock", DEBIAN_LOCK):
        digest = _file(root / name)
        if digest is not None:
            yield Material(name, digest=digest)


def known_toolchain(wanted: Wanted, *, runner: Runner, env: Mapping[str, str]) -> Foreseen | None:
    """The toolchain of a build; None where it is not there, or not yet: who compiles says what is missing."""
    try:
        return foresee_toolchain(wanted, runner=runner, env=env)
    except (CargoshipError, OSError):
        return None


def compiler_materials(foreseen: Foreseen, kept: Path | None = None) -> tuple[Material, ...]:
    """rustc, the standard library of each target, Zig, and what links.

    Some hundred megabytes are read for it; in the folder `kept` digests stay, by the names, sizes and times of files.
    """
    read = _KeptDigests(kept)
    rust, zig = foreseen.rust, foreseen.zig
    said = rust.version.partition("\n")[0].strip()
    # the program is a shell around this library
    driver = next(iter(sorted([*rust.sysroot.glob("lib/librustc_driver-*"), *_multiarch(rust)])), None)
    libraries = {**foreseen.installed, **foreseen.built}
    with ThreadPoolExecutor(2) as readers:
        rustc = readers.submit(read.file, rust.rustc)
        library = readers.submit(read.file, driver) if driver is not None else None
        compiler = readers.submit(read.file, zig.path)
        standard = {triple: readers.submit(read.folder, folder / "lib") for triple, folder in libraries.items()}
    made = [
        Material("rustc", _generic("rustc", rust.release), rustc.result() or {}, {"version": said, "host": rust.host})
    ]
    if driver is not None and library is not None:
        made.append(
            Material("rustc-driver", _generic("rustc", rust.release), library.result() or {}, {"file": driver.name})
        )
    if rust.script is not None:
        made.append(Material("rustc-script", _generic("rustc-script", rust.release), read.file(rust.script) or {}))
    for triple, done in standard.items():
        where = {"target": triple, "builtHere": triple in foreseen.built}
        uri = _generic("rust-std", rust.release) + f"?target={triple}"
        made.append(Material("rust-std", uri, done.result() or {}, where))
    made.append(Material("zig", f"pkg:pypi/ziglang@{quote(zig.version)}", compiler.result() or {}))
    if foreseen.component_linker is not None:
        made.append(Material(LINKER, f"pkg:cargo/{LINKER}", read.file(foreseen.component_linker) or {}))
    if foreseen.way is Way.ZIGBUILD:
        made.append(Material("cargo-zigbuild", f"pkg:pypi/cargo-zigbuild@{quote(_version('cargo-zigbuild'))}"))
    return tuple(made)


def base_materials(spec: BaseSpec, bases: Mapping[Platform, Base]) -> Iterator[Material]:
    """What images stand on: an image by its digest, Debian's packages as they were when, or what is built in."""
    if spec is BuiltInBase.STATIC:
        for name, version in data_versions().items():
            yield Material(name, f"pkg:pypi/{name}@{quote(version)}")
    packages: dict[tuple[str, str, str], DebianPackage] = {}
    for platform, base in bases.items():
        if base.digest is not None:
            # what is in no registry lies in a folder of the machine, of which nobody else has anything
            uri = f"oci://{base.name}" if base.name else ""
            digest = {str(base.digest.algorithm): base.digest.hex}
            yield Material("base", uri, digest, {"platform": str(platform)})
        debian = (each for each in base.packages if isinstance(each, DebianPackage))
        packages |= {(each.name, each.version, each.architecture): each for each in debian}
    for moment in sorted({each.snapshot for each in packages.values()}):
        yield Material("debian-snapshot", f"{_SNAPSHOTS}{moment}/")
    for key in sorted(packages):
        one = packages[key]
        uri = f"pkg:deb/debian/{quote(one.name)}@{quote(one.version)}?arch={one.architecture}"
        yield Material("debian-package", uri, {str(one.digest.algorithm): one.digest.hex}, {"snapshot": one.snapshot})


def cache_materials(plan: Plan, given: Mapping[str, int]) -> Iterator[Material]:
    """Each cache that gave compiled units, and how many; `given` is by the names of stores."""
    specs = (*plan.cache.written, *plan.cache.read)
    registries = {str(spec.reference) for spec in specs if spec.kind is StoreKind.REGISTRY}
    counts: dict[str, int] = {}
    for name, units in given.items():
        if not units:
            continue
        here = name in registries or any(name.startswith(f"{known}:") for known in registries)
        uri = f"oci://{Reference.parse(name)}" if here else name if name.startswith("s3://") else _LOCAL_CACHE
        counts[uri] = counts.get(uri, 0) + units
    for uri, units in sorted(counts.items()):
        yield Material("unit-cache", uri, {}, {"units": units})


def program_materials(files: Iterable[tuple[Platform, str, Path]]) -> Iterator[Material]:
    """Programs that were given, so that nobody here knows what they are made of."""
    for platform, name, path in files:
        yield Material("program", "", _file(path) or {}, {"binary": name, "platform": str(platform)})


def probe_materials(probes: Mapping[Platform, Path]) -> Iterator[Material]:
    """What health checks ask by: cargoship's own program, compiled by the same Rust."""
    for platform, path in probes.items():
        uri = _generic("cargoship-probe", __version__)
        yield Material("health-probe", uri, _file(path) or {}, {"platform": str(platform)})


def _generic(name: str, version: str) -> str:
    return f"pkg:generic/{name}@{quote(version)}"


def _version(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "unknown"


def _multiarch(rust: Rust) -> Iterator[Path]:
    return rust.sysroot.glob("lib/*/librustc_driver-*")


class _KeptDigests(Struct, frozen=True):
    """Digests of files that rarely change."""

    kept: Path | None

    def file(self, path: Path) -> dict[str, str] | None:
        return self._known((path,), lambda: _file(path))

    def folder(self, path: Path) -> dict[str, str] | None:
        return self._known(sorted(path.rglob("*")), lambda: _folder(path))

    def _known(self, paths: Iterable[Path], make: Callable[[], dict[str, str] | None]) -> dict[str, str] | None:
        if self.kept is None:
            return make()
        try:
            seen = [(str(path), path.stat()) for path in paths]
        except OSError:
            return make()
        # the time of a change of its entry is set by nobody
        facts = [f"{name} {each.st_size} {each.st_mtime_ns} {each.st_ctime_ns} {each.st_ino}" for name, each in seen]
        place = self.kept / hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()
        with contextlib.suppress(OSError, UnicodeDecodeError):
            said = _KEPT.fullmatch(place.read_text("ascii")[:_KEPT_CHARACTERS])
            if said is not None:
                return {said[1]: said[2]}
        made = make()
        if made:
            with contextlib.suppress(CargoshipError, OSError):
                self.kept.mkdir(parents=True, exist_ok=True)
                write_atomically(place, " ".join(*made.items()).encode())
        return made


def _file(path: Path) -> dict[str, str] | None:
    """The digest of a file; None where it cannot be read: what is not known is not stated."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            return {"sha256": Digest.of_stream(stream)[0].hex}
    except OSError:
        return None


def _folder(folder: Path) -> dict[str, str] | None:
    """The digest of a folder's files, as in-toto's `dirHash`: Go's Hash1 (golang.org/x/mod/sumdb/dirhash)."""
    sha = hashlib.sha256()
    try:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        for name in names:
            with (folder / name).open("rb") as stream:
                sha.update(f"{Digest.of_stream(stream)[0].hex}  {name}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        return None
    return {"dirHash": sha.hexdigest()} if names else None
