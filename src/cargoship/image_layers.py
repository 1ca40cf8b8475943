"""What an image has above its base, and how it is run: the settings as entries of layers and as a config. Pure.

Layers go from slow to fast: included files, then binaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cargoship.oci.config import ImageConfig
from cargoship.oci.tar import Entry
from cargoship.plan import BIN_DIR, ImagePlan
from cargoship.settings.include import IncludedFile

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NONROOT = 65532


@dataclass(frozen=True)
class Contents:
    """The entries of one layer, and who made it, for the image's history."""

    entries: tuple[Entry, ...]
    created_by: str


def contents_of(
    image: ImagePlan, files: Sequence[IncludedFile], binaries: Mapping[str, Path] | None
) -> tuple[Contents, ...]:
    """The layers above the base, lowest first; `binaries` are paths by name, None where they do not exist yet."""
    folder = BIN_DIR.lstrip("/")
    included = (*_files(files), *_folders(image))
    programs = tuple(
        Entry.file(f"{folder}/{binary.name}", b"" if binaries is None else binaries[binary.name], 0o755)
        for binary in image.bins
    )
    names = ", ".join(f"{BIN_DIR}/{binary.name}" for binary in image.bins)
    layers = (Contents(included, "cargoship: included files"), Contents(programs, f"cargoship: {names}"))
    return tuple(layer for layer in layers if layer.entries)


def config_of(image: ImagePlan, base: ImageConfig) -> ImageConfig:
    """How the image is run: the base's environment and labels, with the settings over them."""
    settings = image.settings
    return ImageConfig(
        user=_user(settings.user),
        exposed_ports=tuple(dict.fromkeys((*base.exposed_ports, *settings.expose))),
        env={"PATH": _PATH, **base.env, **settings.env},
        entrypoint=image.entrypoint,
        cmd=settings.args,
        volumes=tuple(dict.fromkeys((*base.volumes, *settings.volumes))),
        working_dir=settings.workdir,
        labels={**base.labels, **image.labels},
        stop_signal=settings.stop_signal or base.stop_signal,
        healthcheck=None if settings.healthcheck is None else settings.healthcheck.docker(),
    )


def _files(files: Sequence[IncludedFile]) -> Iterable[Entry]:
    return (Entry.file(each.path.lstrip("/"), each.source, each.mode, each.uid, each.gid) for each in files)


def _folders(image: ImagePlan) -> Iterable[Entry]:
    """Volumes, and the working folder where it is not the binaries', belong to the user who runs the program.

    Engines give a new volume the owner of the folder that it covers.
    """
    settings = image.settings
    uid, gid = _owner(settings.user)
    own = [*settings.volumes, *([settings.workdir] if settings.workdir not in {BIN_DIR, "/"} else [])]
    return (Entry.directory(folder.strip("/"), 0o755, uid, gid) for folder in dict.fromkeys(own) if folder.strip("/"))


def _user(user: str) -> str:
    """The user as the config has it: `nonroot` in numbers.

    They mean the same on any base, whether it has such a user or not, and Kubernetes' runAsNonRoot accepts numbers
    only (kubelet, "container has runAsNonRoot and image has non-numeric user").
    """
    name, colon, group = user.partition(":")
    name, group = (str(_NONROOT) if part == "nonroot" else part for part in (name, group if colon else name))
    return f"{name}:{group}" if colon or name == str(_NONROOT) else name


def _owner(user: str) -> tuple[int, int]:
    """Uid and gid of a user by number or of `nonroot`; root's for other names, which only the base can resolve."""
    name, _, group = user.partition(":")
    known = {"nonroot": _NONROOT, "root": 0}
    uid = int(name) if name.isdigit() else known.get(name, 0)
    gid = int(group) if group.isdigit() else known.get(group or name, uid)
    return uid, gid
