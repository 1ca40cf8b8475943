"""What an image has above its base, and how it is run: the settings as entries of layers and as a config. Pure.

Layers go from slow to fast: included files, then binaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from cargoship.oci.config import ImageConfig
from cargoship.oci.tar import LayerEntry
from cargoship.plan import BIN_DIR, ImagePlan
from cargoship.settings.health import PROBE
from cargoship.settings.include import IncludedFile

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NONROOT = 65532


class FileEntriesLayer(Struct, frozen=True):
    """The entries of one layer, and who made it, for the image's history."""

    entries: tuple[LayerEntry, ...]
    created_by: str


def file_layers(
    image: ImagePlan, files: Sequence[IncludedFile], binaries: Mapping[str, Path] | None, probe: Path | None = None
) -> tuple[FileEntriesLayer, ...]:
    """The layers above the base, lowest first; `binaries` are paths by name, None where they do not exist yet.

    `probe` is what a health check asks by; where there is one for a platform, it is there when the binaries are.
    """
    folder = BIN_DIR.lstrip("/")
    included = (*_files(files), *_folders(image))
    programs = tuple(
        LayerEntry.file(f"{folder}/{binary.name}", b"" if binaries is None else binaries[binary.name], 0o755)
        for binary in image.bins
    )
    if asks_by_probe(image) and (binaries is None or probe is not None):
        programs += (LayerEntry.file(PROBE.lstrip("/"), b"" if probe is None else probe, 0o755),)
    names = ", ".join(f"{BIN_DIR}/{binary.name}" for binary in image.bins)
    layers = (
        FileEntriesLayer(included, "cargoship: included files"),
        FileEntriesLayer(programs, f"cargoship: {names}"),
    )
    return tuple(layer for layer in layers if layer.entries)


def asks_by_probe(image: ImagePlan) -> bool:
    """Whether the image has the probe in it."""
    check = image.settings.healthcheck
    return check is not None and check.probe is not None


def image_config(image: ImagePlan, base: ImageConfig) -> ImageConfig:
    """How the image is run: the base's environment and labels, with the settings over them."""
    settings = image.settings
    own = ImageConfig(
        user=_user(settings.user),
        exposed_ports=tuple(settings.expose),
        env=settings.env,
        entrypoint=image.entrypoint,
        cmd=settings.args,
        volumes=tuple(settings.volumes),
        working_dir=settings.workdir,
        labels=image.labels,
        stop_signal=settings.stop_signal,
        healthcheck=None if settings.healthcheck is None else settings.healthcheck.docker(),
    )
    return over_base(own, base)


def over_base(own: ImageConfig, base: ImageConfig) -> ImageConfig:
    """An image's own configuration over that of its base."""
    return replace(
        own,
        exposed_ports=tuple(dict.fromkeys((*base.exposed_ports, *own.exposed_ports))),
        env={"PATH": _PATH, **base.env, **own.env},
        bare_env=base.bare_env,
        volumes=tuple(dict.fromkeys((*base.volumes, *own.volumes))),
        labels={**base.labels, **own.labels},
        stop_signal=own.stop_signal or base.stop_signal,
    )


def without_base(config: ImageConfig, base: ImageConfig, *, known: Mapping[str, str]) -> ImageConfig:
    """What `over_base` has put over a base: everything that the base alone would not give.

    A value that the base has too is taken for the base's, unless it is among the `known` labels of the image itself.
    """
    below = over_base(ImageConfig(), base)
    return replace(
        config,
        exposed_ports=tuple(port for port in config.exposed_ports if port not in below.exposed_ports),
        env={name: value for name, value in config.env.items() if below.env.get(name) != value},
        bare_env=(),
        volumes=tuple(path for path in config.volumes if path not in below.volumes),
        labels={
            name: value
            for name, value in config.labels.items()
            if below.labels.get(name) != value or known.get(name) == value
        },
        stop_signal=None if config.stop_signal == base.stop_signal else config.stop_signal,
    )


def _files(files: Sequence[IncludedFile]) -> Iterable[LayerEntry]:
    return (LayerEntry.file(each.path.lstrip("/"), each.source, each.mode, each.uid, each.gid) for each in files)


def _folders(image: ImagePlan) -> Iterable[LayerEntry]:
    """Volumes, and the working folder where it is not the binaries', belong to the user who runs the program.

    Engines give a new volume the owner of the folder that it covers.
    """
    settings = image.settings
    uid, gid = _owner(settings.user)
    own = [*settings.volumes, *([settings.workdir] if settings.workdir not in {BIN_DIR, "/"} else [])]
    return (
        LayerEntry.directory(folder.strip("/"), 0o755, uid, gid) for folder in dict.fromkeys(own) if folder.strip("/")
    )


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
