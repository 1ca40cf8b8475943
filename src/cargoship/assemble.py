"""From artifacts to images: which layers, in which order, and how the image is run. Pure but for reading files.

Layers go from slow to fast: base, included files, binaries. What is the same for every platform is the same blob.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cargoship.bases.base import Base
from cargoship.oci.config import ImageConfig
from cargoship.oci.image import Image, make_image
from cargoship.oci.layer import Layer, build_layer
from cargoship.oci.platform import Platform
from cargoship.oci.tar import Entry
from cargoship.plan import BIN_DIR, ImagePlan
from cargoship.settings.include import IncludedFile
from cargoship.sources import Sources

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NONROOT = 65532


def layers_of(sources: Sources, base: Base, binaries: Mapping[str, Path], *, epoch: int) -> Iterator[Layer]:
    """The layers that an image has above its base, for one platform, each as soon as it is made.

    `binaries` are paths by name, `epoch` the time of everything in them (seconds since 1970). Raises
    IncludeInvalid, ContentInvalid (a file that changes while it is read), OutputError.
    """
    image = sources.image
    files = (*_files(sources.files), *_folders(image))
    folder = BIN_DIR.lstrip("/")
    programs = [Entry.file(f"{folder}/{binary.name}", binaries[binary.name], 0o755) for binary in image.bins]
    names = ", ".join(f"{BIN_DIR}/{binary.name}" for binary in image.bins)
    contents = [(files, "cargoship: included files"), (programs, f"cargoship: {names}")]
    for entries, created_by in contents:
        if entries:
            yield build_layer(
                entries,
                store=sources.store, compression=sources.compression, epoch=epoch,
                created_by=created_by, below=base.folders,
            )  # fmt: skip


def image_of(
    image: ImagePlan,
    platform: Platform,
    base: Base,
    layers: Sequence[Layer],
    *,
    created: str,
    annotations: Mapping[str, str],
) -> Image:
    """One platform's image: the base's layers and these, run as the settings say."""
    about_base = {
        name: value
        for name, value in (
            ("org.opencontainers.image.base.name", base.name),
            ("org.opencontainers.image.base.digest", None if base.digest is None else str(base.digest)),
        )
        if value is not None
    }
    return make_image(
        platform=platform,
        config=config_of(image, base.config),
        layers=(*base.layers, *layers),
        created=created,
        annotations={**about_base, **annotations},
    )


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
