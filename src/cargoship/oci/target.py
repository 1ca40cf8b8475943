"""Where an image is, as a person writes it: a folder, an archive, a name in a registry. One grammar for every verb.

oci:FOLDER[:TAG|@DIGEST]    an image layout; docker's and skopeo's words (containers-transports(5))
oci-archive:FILE[:TAG]      the same as a tar
docker-archive:FILE[:NAME]  a tar for `docker load`
FOLDER, FILE                what exists
REFERENCE                   everything else; docker:// or https:// may stand before it
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from cargoship.errors import ContentInvalid, UsageError
from cargoship.oci.digest import ALGORITHMS, Digest
from cargoship.oci.reference import DOCKER_HUB, Reference
from cargoship.reading import is_file, is_folder, is_there

LAYOUT = "oci"
OCI_ARCHIVE = "oci-archive"
DOCKER_ARCHIVE = "docker-archive"
KINDS = (LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE)
"""The words for files and folders; those of outputs are the same."""

_SCHEMES = ("docker://", "https://")
_OTHERS = ("dir", "docker", "docker-daemon", "containers-storage", "ostree", "sif", "tarball", "registry", "http")
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".oci")


class ImageTarget(Struct, frozen=True):
    """Where an image is, or is to be put."""

    @classmethod
    def parse(cls, text: str, cwd: Path, *, new: bool = False) -> ImageTarget:
        """Parse a target, with paths from `cwd`; `new` for one that is written to and need not exist.

        What is written without a kind is a path only if something is there, for a new one only if it looks like a path.
        Raises UsageError for what is neither, and for a folder or file that does not exist.
        """
        kind, colon, rest = text.partition(":")
        if colon and kind in KINDS:
            found = _of_kind(kind, rest, text, cwd)
            return found if new else _existing(found, text)
        if colon and kind in _OTHERS and not text.startswith(_SCHEMES):
            raise UsageError(
                f"{text!r} is not where an image can be", hint="use oci:FOLDER, oci-archive:FILE, docker-archive:FILE, "
                "a folder or file, or a reference such as ghcr.io/me/app:1.0",
            )  # fmt: skip
        path = cwd / expanded(text)
        if "://" not in text and (_looks_like_path(text) or (not new and is_there(path))):
            if new and not is_folder(path) and text.endswith(_ARCHIVES):
                return ArchiveTarget(path, None, docker=False)
            found = ArchiveTarget(path, None, docker=False) if is_file(path) else LayoutTarget(path, None)
            return found if new else _existing(found, text)
        bare = next((text.removeprefix(each) for each in _SCHEMES if text.startswith(each)), text)
        user, at, host = bare.partition("/")[0].rpartition("@")
        if bare != text and at and user:
            # not shown: it may be a password
            hint = f"write it without what is before the @; cargoship login {host}"
            raise UsageError("an image's address names nobody before its host", hint=hint)
        reference = Reference.parse(bare.removesuffix("/") if bare != text else text)
        first = text.partition("/")[0]
        if not new and reference.registry == DOCKER_HUB and first not in {text, DOCKER_HUB}:
            _refuse_missing(text, first, cwd)
        if not new and first == text and is_there(cwd / "target" / "cargoship" / text / "oci-layout"):
            raise UsageError(
                f"{text} is an image that was built here, and may be one on Docker Hub",
                hint=f"write oci:target/cargoship/{text} for the one from here, docker.io/library/{text} for the other",
            )
        return RegistryTarget(reference)


class LayoutTarget(ImageTarget, frozen=True):
    """An image layout in a folder; `select` is an entry's tag, name or digest (None: its only one)."""

    path: Path
    select: Digest | str | None = None


class ArchiveTarget(ImageTarget, frozen=True):
    """A tar file; `docker`: also for engines that read Docker's own format alone."""

    path: Path
    select: Digest | str | None = None
    docker: bool = False


class RegistryTarget(ImageTarget, frozen=True):
    """A name in a registry."""

    reference: Reference


def split_selection(text: str, root: Path) -> tuple[Path, Digest | str | None]:
    """A path and the entry that is named after it; a path whose name has a colon is taken whole when it exists.

    Raises UsageError for a digest that is none.
    """
    whole = root / expanded(text)
    if is_there(whole):
        return whole, None
    path, at, digest = text.rpartition("@")
    if at and digest.partition(":")[0] in ALGORITHMS:
        try:
            return root / expanded(path), Digest.parse(digest)
        except ContentInvalid as error:
            raise UsageError(f"oci:{text}: {error.message}") from error
    # the name that is chosen may have a port and a tag: the path is the shortest that exists
    places = [position for position, character in enumerate(text) if character == ":"]
    for position in places:
        found = root / expanded(text[:position])
        if text[:position] and is_there(found):
            return found, text[position + 1 :] or None
    path, _, select = text.partition(":")
    return root / expanded(path), select or None


def _of_kind(kind: str, rest: str, text: str, cwd: Path) -> LayoutTarget | ArchiveTarget:
    if not rest:
        raise UsageError(f"{text!r} has no path", hint=f"write {kind}:PATH")
    path, select = split_selection(rest, cwd)
    if kind == LAYOUT and rest.startswith("//") and not is_there(path):
        # as oras and Helm write what is in a registry: a folder of that name would be made at the root of the system
        raise UsageError(
            f"{text!r} is not where an image can be",
            hint=f"in a registry it is {rest.lstrip('/')}; a folder begins with one slash",
        )
    return LayoutTarget(path, select) if kind == LAYOUT else ArchiveTarget(path, select, docker=kind == DOCKER_ARCHIVE)


def _existing(found: LayoutTarget | ArchiveTarget, text: str) -> LayoutTarget | ArchiveTarget:
    what = "folder" if isinstance(found, LayoutTarget) else "file"
    if not is_there(found.path):
        raise UsageError(f"there is no {what} {_shown(found.path, text)}", hint=_kinds_hint(text))
    if isinstance(found, LayoutTarget) and not is_folder(found.path):
        raise UsageError(f"{found.path} is no folder", hint=f"write oci-archive:{found.path.name} for a tar file")
    if isinstance(found, ArchiveTarget) and is_folder(found.path):
        raise UsageError(f"{found.path} is a folder", hint="write oci:FOLDER for an image layout")
    if isinstance(found, LayoutTarget) and not is_there(found.path / "oci-layout"):
        if is_there(found.path / "manifest.json") and is_there(found.path / "version"):
            raise UsageError(
                f"the folder {_shown(found.path, text)} holds an image in skopeo's own form",
                hint=f"make a layout of it: skopeo copy dir:{_shown(found.path, text)} oci:FOLDER",
            )
        raise UsageError(
            f"there is no image in the folder {_shown(found.path, text)}",
            hint="an image layout has a file oci-layout in it; builds leave theirs in target/cargoship/NAME",
        )
    return found


def _refuse_missing(text: str, first: str, cwd: Path) -> None:
    """Docker Hub is not asked for what was meant to be a path into a folder that is here, or into cargo's."""
    if first == "target" or is_folder(cwd / first):
        raise UsageError(
            f"there is no folder or file {text}",
            hint=f"for the image of that name on Docker Hub write docker.io/{text}",
        )


def expanded(text: str) -> Path:
    """A path with `~` for a home; of a user whom nobody knows it is a name like any other, as for a shell."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def _looks_like_path(text: str) -> bool:
    return text in {".", ".."} or text.startswith(("/", "./", "../", "~/")) or text.endswith((os.sep, *_ARCHIVES))


def _shown(path: Path, text: str) -> str:
    return text if ":" not in text else str(path)


def _kinds_hint(text: str) -> str | None:
    return None if text.startswith(KINDS) else "a name in a registry has its host before it, such as ghcr.io/me/app:1.0"
