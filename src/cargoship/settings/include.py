"""The files that `include` means. The one module of this package that reads the file system.

Nothing outside the project gets into an image, whatever leads there: `..`, an absolute path, or a symbolic link.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from cargoship.errors import IncludeInvalid
from cargoship.reading import is_folder, is_there, real_path
from cargoship.settings.values import Include

_MAGIC = frozenset("*?[")
_PLAIN = 0o644
_EXECUTABLE = 0o755


class IncludedFile(Struct, frozen=True):
    """A file of the project and its place in the image."""

    source: Path
    """Where it really is, links followed."""
    path: str
    """Absolute, in the image."""
    mode: int
    uid: int
    gid: int


def resolve_includes(
    includes: Iterable[Include], package_root: Path, project_root: Path, *, target_dir: Path | None = None
) -> tuple[IncludedFile, ...]:
    """Find the files, sorted by their path in the image.

    Globs that begin above `target_dir` pass over what cargo builds there; a folder in it that is named is meant.

    Raises IncludeInvalid for a pattern that matches nothing or leads out of the project, for what is neither file nor
    folder, and for two files with one place.
    """
    search = _Search(real_path(package_root), real_path(project_root), real_path(target_dir) if target_dir else None)
    found: dict[str, IncludedFile] = {}
    for include in includes:
        files = list(search.files(include))
        if not files:
            raise IncludeInvalid(
                f"include {include.source!r} matches no file in {package_root}",
                hint="patterns start at the package's folder; ** stands for any folders",
            )
        for file in files:
            other = found.get(file.path)
            if other is not None and other.source != file.source:
                raise IncludeInvalid(f"include: {other.source} and {file.source} would both be {file.path}")
            # The same file again: a later entry may give one file of a folder another mode or owner
            found[file.path] = file
    _check_nesting(found)
    # By path, so that the image does not depend on the order of the settings or of the file system
    return tuple(found[path] for path in sorted(found))


def _check_nesting(found: dict[str, IncludedFile]) -> None:
    for path, file in found.items():
        for parent in PurePosixPath(path).parents:
            if str(parent) in found:
                raise IncludeInvalid(
                    f"include: {file.source} would be below {parent} in the image, which is a file",
                    hint="end `to` with / to make it a folder",
                )


class _Search(Struct, frozen=True):
    """Where files may come from, all three with links followed."""

    package_root: Path
    project: Path
    target_dir: Path | None

    def files(self, include: Include) -> Iterator[IncludedFile]:
        fixed, pattern = _split(include.source)
        start = self.inside(self.package_root / fixed, include)
        if is_folder(start):
            yield from self.below(start, pattern or "**", include)
        elif is_there(start) and not pattern:
            name = PurePosixPath(include.source).name if include.to.endswith("/") else ""
            yield _file(include, start, include.to + name)

    def below(self, start: Path, pattern: str, include: Include) -> Iterator[IncludedFile]:
        cargos = None if self.target_dir in start.parents else self.target_dir
        for path in _matches(start, pattern, include):
            relative = path.relative_to(start)
            if ".git" in relative.parts or (cargos is not None and path.is_relative_to(cargos)):
                continue
            real = self.inside(path, include)
            if not is_folder(real):
                yield _file(include, real, f"{include.to.rstrip('/')}/{relative.as_posix()}")
            elif path.is_symlink() and "**" in pattern:
                raise IncludeInvalid(
                    f"include {include.source!r} meets {path}, which is a link to a folder",
                    hint="include that folder with a line of its own, and choose a narrower pattern here",
                )

    def inside(self, path: Path, include: Include) -> Path:
        """Follow links; a member of a workspace may lie beside the workspace's own folder."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:
            raise IncludeInvalid(f"include {include.source!r}: {path} cannot be followed: {error}") from error
        if not any(real.is_relative_to(root) for root in (self.project, self.package_root)):
            raise IncludeInvalid(
                f"include {include.source!r} leads out of the project: it means {real}",
                hint=f"only what is in {self.project} can go into an image; copy the file there",
            )
        return real


def _matches(start: Path, pattern: str, include: Include) -> Sequence[Path]:
    # Before Python 3.13 a last ** means folders only; for everybody else it means everything below
    whole = pattern + "/*" if pattern == "**" or pattern.endswith("/**") else pattern
    try:
        return sorted(start.glob(whole))
    except (ValueError, NotImplementedError, IndexError) as error:
        raise IncludeInvalid(f"include {include.source!r} is not a pattern: {error}") from error


def _split(source: str) -> tuple[str, str]:
    """Part a pattern into the folders without wildcards and the rest."""
    parts = [part for part in source.split("/") if part not in {"", "."}]
    first = next((index for index, part in enumerate(parts) if _MAGIC & set(part)), len(parts))
    if ".." in parts[first:]:
        raise IncludeInvalid(f"include {source!r} has .. after a wildcard")
    return "/".join(parts[:first]), "/".join(parts[first:])


def _file(include: Include, source: Path, path: str) -> IncludedFile:
    try:
        status = source.stat()
    except OSError as error:
        raise IncludeInvalid(f"include {include.source!r}: {source} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise IncludeInvalid(f"include {include.source!r}: {source} is neither a file nor a folder")
    # Other bits depend on the umask of the user who checked the project out
    usual = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _PLAIN
    return IncludedFile(source, path, usual if include.mode is None else include.mode, include.uid, include.gid)
