"""A Dockerfile and its .dockerignore on the disk: what they were made with, and whether they are up to date."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from cargoship.dockerfile import is_ours, recorded
from cargoship.errors import OutOfDate, OutputError, UsageError, WouldOverwrite
from cargoship.events import Emit, Note, Written
from cargoship.oci.files import write_atomically
from cargoship.reading import read_file

_DEFAULT = "Dockerfile"


@dataclass(frozen=True)
class Texts:
    """What the two files should hold."""

    dockerfile: str
    dockerignore: str


@dataclass(frozen=True)
class GeneratedFiles:
    """Where the two files are, and the folder that is the build context."""

    root: Path
    dockerfile: Path
    dockerignore: Path
    again: str
    """The command that writes them."""

    @classmethod
    def of(cls, root: Path, file: Path | None, cwd: Path, again: str) -> GeneratedFiles:
        """From the workspace's folder, --file and the command that writes them.

        Raises UsageError for a file outside of that folder.

        A Dockerfile of another name has a .dockerignore of its own beside it, which BuildKit reads in place of the
        general one (docs.docker.com, "Filename and location"): that belongs to the project's other Dockerfiles.
        """
        default = root / _DEFAULT
        path = default if file is None else Path(os.path.normpath(cwd / file))
        if not path.is_relative_to(root):
            raise UsageError(f"--file {file} is outside of {root}", hint="it belongs into the build context")
        ignore = root / ".dockerignore" if path == default else path.with_name(f"{path.name}.dockerignore")
        return cls(root, path, ignore, again)

    @property
    def name(self) -> str:
        """The Dockerfile's path from the build context."""
        return self.dockerfile.relative_to(self.root).as_posix()

    def recorded(self) -> tuple[str, ...] | None:
        """The options that the Dockerfile was made with; None where there is none, or it is a person's."""
        text = _read(self.dockerfile)
        return recorded(text) if text is not None and is_ours(text) else None

    def check(self, made: Texts) -> None:
        """Raise OutOfDate for files that are not what would be written; a person's own .dockerignore is left alone."""
        found = _read(self.dockerfile)
        if found is None:
            raise OutOfDate(f"there is no {self.dockerfile}", hint=f"{self.again} makes it")
        if not is_ours(found):
            raise OutOfDate(
                f"{self.dockerfile} was not made by cargoship", hint=f"{self.again} --overwrite replaces it"
            )
        ignore = _read(self.dockerignore)
        pairs = [(self.dockerfile, found, made.dockerfile)]
        if ignore is None or is_ours(ignore):
            pairs.append((self.dockerignore, ignore or "", made.dockerignore))
        stale = [(path, was, now) for path, was, now in pairs if was != now]
        if stale:
            changes = [line for path, was, now in stale for line in _changes(path.name, was, now)]
            names = " and ".join(str(path) for path, _, _ in stale)
            raise OutOfDate(f"{names}: out of date", hint=f"{self.again} makes it again", details="\n".join(changes))

    def write(self, made: Texts, emit: Emit, *, overwrite: bool) -> None:
        """Write both, or neither; raises WouldOverwrite for a person's own Dockerfile, OutputError."""
        found = _read(self.dockerfile)
        if found is not None and not is_ours(found) and not overwrite:
            raise WouldOverwrite(
                f"{self.dockerfile} is there and was not made by cargoship",
                hint="--overwrite replaces it, --file names another one",
            )
        ignore = _read(self.dockerignore)
        if ignore is not None and not is_ours(ignore) and not overwrite:
            emit(Note(f"{self.dockerignore} is yours and stays: it should leave out target, .git and recipe.json"))
        else:
            write_atomically(self.dockerignore, made.dockerignore.encode())
            emit(Written(self.dockerignore.name, str(self.dockerignore)))
        write_atomically(self.dockerfile, made.dockerfile.encode())
        emit(Written("Dockerfile", str(self.dockerfile)))


def _read(path: Path) -> str | None:
    try:
        return read_file(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"cannot read {path}: {os.strerror(error.errno or 0)}") from error


def _changes(name: str, was: str, now: str) -> list[str]:
    return list(difflib.unified_diff(was.splitlines(), now.splitlines(), name, f"{name}, now", lineterm="", n=1))
