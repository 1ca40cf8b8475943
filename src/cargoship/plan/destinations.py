"""Where images can go, together and in one run: names, references and outputs that exclude each other are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from cargoship.errors import UsageError
from cargoship.oci.compress import Codec
from cargoship.oci.platform import Platform
from cargoship.plan.model import ImagePlan, Output, OutputKind, Selection
from cargoship.platforms import WASI, WASI_2, row
from cargoship.settings.base import BuiltInBase
from cargoship.suggest import listed

_Value = TypeVar("_Value", bound=Hashable)


def check_destinations(images: Sequence[ImagePlan], platforms: Sequence[Platform], selection: Selection) -> None:
    """Raise UsageError for images that cannot all go where they are to go."""
    _check_names(images)
    _check_push(images, selection)
    _check_codec(images, selection)
    _check_outputs(images, platforms, selection)
    _check_artifacts(images, selection)
    for path in _repeated(output.path for output in selection.outputs):
        raise UsageError(f"two outputs are written to {path}")


def _check_names(images: Sequence[ImagePlan]) -> None:
    for name in _repeated(image.name for image in images):
        whose = listed(f"{image.package.name}:{image.bins[0].name}" for image in images if image.name == name)
        raise UsageError(
            f"two images are called {name}: {whose}", hint="set name for one of them, or choose with --package or --bin"
        )
    for shared in _repeated(chain.from_iterable(image.references for image in images)):
        names = listed(image.name for image in images if shared in image.references)
        raise UsageError(
            f"the images {names} would share the reference {shared.familiar}",
            hint="put {name} into the tag, or choose one binary with --bin",
        )


def _check_push(images: Sequence[ImagePlan], selection: Selection) -> None:
    untagged = [image.name for image in images if not image.references]
    if selection.push and selection.push_by_digest:
        raise UsageError("--push and --push-by-digest exclude each other", hint="the latter moves no tag")
    if (selection.push or selection.push_by_digest) and untagged:
        optional = any(image.settings.tags for image in images if not image.references)
        raise UsageError(
            f"there is nowhere to push {listed(untagged)} to" + (": every tag is left out here" if optional else ""),
            hint="add a tag that is always there, such as REPOSITORY:{git.short}"
            if optional
            else "add --tag REGISTRY/REPOSITORY:TAG, or set CARGOSHIP_REPO=REGISTRY/PREFIX for all images",
        )


def _check_codec(images: Sequence[ImagePlan], selection: Selection) -> None:
    docker = [output for output in selection.outputs if output.kind is OutputKind.DOCKER_ARCHIVE]
    if (docker or selection.load or selection.clusters) and any(
        image.settings.compression is Codec.ZSTD for image in images
    ):
        what = str(docker[0]) if docker else "--load" if selection.load else "--cluster"
        raise UsageError(
            f"{what} does not go with zstd: engines before Docker 23 cannot read it", hint="use --compression gzip"
        )


def _check_outputs(images: Sequence[ImagePlan], platforms: Sequence[Platform], selection: Selection) -> None:
    for output in selection.outputs:
        if output.kind is not OutputKind.OCI and len(images) > 1 and not output.is_per_image:
            raise UsageError(
                f"{output} would hold {len(images)} images: {listed(image.name for image in images)}",
                hint="put {name} into the path, or choose one binary with --bin",
            )
    roots = [output for output in selection.outputs if output.kind is OutputKind.ROOTFS]
    _check_nested(platforms, roots)
    foreign = next((image for image in images if not isinstance(image.settings.base_spec, BuiltInBase)), None)
    if roots and foreign is not None:
        raise UsageError(
            f"{roots[0]} cannot hold the files of the base {foreign.settings.base!r}, only of one that is built in",
            hint="--base scratch leaves the base out",
        )


def _check_nested(platforms: Sequence[Platform], roots: Sequence[Output]) -> None:
    """Refuse folders of files inside of one another: $TARGETPLATFORM names them, and COPY takes all of one."""
    names = {str(platform) for platform in platforms}
    inside = next((each for each in sorted(names) if each.rpartition("/")[0] in names), None)
    if roots and inside is not None:
        raise UsageError(
            f"in {roots[0]} the files of {inside} would be among those of {inside.rpartition('/')[0]}",
            hint=f"write it in a run of its own: --platform {inside} -o rootfs:FOLDER; what is compiled is kept",
        )


def _check_artifacts(images: Sequence[ImagePlan], selection: Selection) -> None:
    artifacts = [output for output in selection.outputs if output.kind is OutputKind.WASM]
    wanted = [platform for platform in images[0].settings.platforms if row(platform).is_wasm]
    if artifacts and not wanted:
        raise UsageError(
            f"{artifacts[0]} is for the program of {WASI.platform}, which is not among the platforms",
            hint=f"add it: --platform {WASI.platform}, or {WASI_2.platform} for a component",
        )
    if artifacts and len(wanted) > 1:
        raise UsageError(
            f"{artifacts[0]} would hold the programs of {wanted[0]} and {wanted[1]}, and such an artifact is one",
            hint=f"write it in a run of its own: --platform {wanted[1]} -o wasm:FOLDER; what is compiled is kept",
        )
    several = next((image for image in images if len(image.bins) > 1), None)
    if artifacts and several is not None:
        raise UsageError(
            f"{artifacts[0]} would hold {len(several.bins)} programs, and such an artifact is one",
            hint="choose one binary with --bin",
        )


def _repeated(values: Iterable[_Value]) -> list[_Value]:
    return [value for value, count in Counter(values).items() if count > 1]
