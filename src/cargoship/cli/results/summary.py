"""The closing words of a build: what was made, where it is, and what to do with it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from cargoship.cli.render import words
from cargoship.cli.results.pushed import pushed_lines
from cargoship.oci.layout import CONTAINERD_NAME, REF_NAME
from cargoship.oci.layout_reader import FolderFiles, LayoutReader
from cargoship.plan import Output, OutputKind

if TYPE_CHECKING:
    from cargoship.cli.asking.asked import Asked
    from cargoship.cli.paint import Paint
    from cargoship.shipping import BuildResult, BuiltImage

_FEW = 2
"""Images that a paragraph each is for; more of them are a table."""


def summary(result: BuildResult, cwd: Path, paint: Paint) -> str:
    """A few lines for each image: what it is, and where it went."""
    total = result.seconds.get("total", sum(result.seconds.values()))
    lines: list[str] = []
    if len(result.images) > _FEW:
        return "\n".join([*image_table(result, cwd, paint), _finished(result, total, paint)])
    for built in result.images:
        # the whole digest is on standard output
        title = f"{paint.strong(built.name)} {paint.dim(f'sha256:{built.index.digest.short}')}"
        lines.append(words.status("Image", title, paint))
        width = max(len(str(image.platform)) for image in built.index.children)
        for image in built.index.children:
            layers = words.count(len(image.layers), "layer")
            about = f"{str(image.platform).ljust(width)}  {words.size(image.size_bytes):>8}  {layers}"
            lines.append(words.status("", about, paint))
        if result.plan.load or result.plan.clusters:
            where = "".join(f" into {cluster}" for cluster in result.plan.clusters)
            lines.append(words.status("Loaded", ", ".join(_loaded(built, result)) + where, paint))
        lines += pushed_lines(built.published, paint)
    return "\n".join([*lines, _finished(result, total, paint)])


def _finished(result: BuildResult, total_s: float, paint: Paint) -> str:
    images = words.count(len(result.images), "image")
    return words.status("Finished", f"{images} in {words.duration(total_s)}", paint)


def image_table(result: BuildResult, cwd: Path, paint: Paint) -> list[str]:
    """A line for each of many images, and where they went."""
    width = max(len("image"), *(len(built.name) for built in result.images))
    lines = [paint.dim(f"{'image'.ljust(width)}  {'changed':9}  {'size':>9}  {'delta':>10}  seconds")]
    for built in result.images:
        size = words.size(sum(image.size_bytes for image in built.index.children))
        mark = "changed" if built.changed else paint.dim("unchanged")
        pad = " " * (9 - len("changed" if built.changed else "unchanged"))
        shown = f"{mark}{pad}  {size:>9}  {_delta(built.delta_bytes):>10}  {built.seconds:>7.1f}"
        lines.append(f"{paint.strong(built.name.ljust(width))}  {shown}")
    changed = sum(built.changed for built in result.images)
    what = f"{changed} changed, {len(result.images) - changed} unchanged"
    pushed = [each for built in result.images for each in built.published]
    if pushed:
        sent = sum(each.pushed_bytes for each in pushed)
        lines.append(words.status("Pushed", f"{what}; {words.size(sent)} sent", paint))
    if result.plan.load:
        lines.append(words.status("Loaded", what, paint))
    folders = {_shown(each.path.parent, cwd) for built in result.images for each in built.outputs}
    lines += [words.status("Written", f"to {folder}: {what}", paint) for folder in sorted(folders)]
    return lines


def _delta(size_bytes: int | None) -> str:
    if size_bytes is None:
        return "new"
    if size_bytes == 0:
        return "0"
    return ("+" if size_bytes > 0 else "-") + words.size(abs(size_bytes))


def _loaded(built: BuiltImage, result: BuildResult) -> list[str]:
    """What the engine calls an image."""
    asked = [each.familiar for plan in result.plan.images if plan.name == built.name for each in plan.references]
    return asked or [f"{built.name}:latest"]


def next_steps(result: BuildResult, asked: Asked, cwd: Path, paint: Paint) -> str:
    """The exact commands that take an image from where it lies to an engine or a registry."""
    if len(result.images) > _FEW:
        named = any(image.references for image in result.plan.images)
        publish = asked.again("--push", *(() if named else ("-t registry.example.com/{name}",)))
        return f"publish them with: {publish}, or one of them with: cargoship copy oci:FOLDER REF"
    blocks = []
    for built in result.images:
        for output in built.outputs:
            commands = _commands(built, output, result, asked, cwd)
            shown = [f"  {paint.dim((use + ':').ljust(9))} {line}" for use, line in commands]
            title = f"{built.name} is in {_shown(output.path, cwd)}; go on with one of"
            blocks.append("\n".join([title, *shown]))
    return "\n".join(blocks)


def _commands(built: BuiltImage, output: Output, result: BuildResult, asked: Asked, cwd: Path) -> list[tuple[str, str]]:
    names = [each for plan in result.plan.images if plan.name == built.name for each in plan.references]
    local = _loaded(built, result)[0]
    remote = str(names[0]) if names else f"registry.example.com/{built.name}"
    path = shlex.quote(_shown(output.path, cwd))
    # an entry of a layout is chosen by its tag, for there may be several
    tag = f":{names[0].tag}" if names else ""
    temporary = shlex.quote(f"{built.name}.tar")
    match output.kind:
        case OutputKind.OCI:
            entry = _entry(built, output.path, remote)
            source = f"oci:{path}{entry}"
            publish = ("copy", f"cargoship copy {source} {remote}")
            if result.plan.outputs:
                return [*_by_archive(source, local, temporary), publish]
            named = () if names else (f"-t {remote}",)
            # engines cannot load what they cannot unpack
            here = (output.path / "manifest.json").is_file()
            own = _own_verbs(built, result, asked, cwd, named, here=here)
            return [*own, publish]
        case OutputKind.OCI_ARCHIVE:
            source = f"oci-archive:{path}{tag}"
            return [*_by_archive(source, local, temporary), ("copy", f"cargoship copy {source} {remote}")]
        case OutputKind.DOCKER_ARCHIVE:
            # the archive is an image layout as well, and as that it has every platform
            return [
                ("docker", f"docker load -i {path}"),
                ("podman", f"podman load -i {path}"),
                ("copy", f"cargoship copy docker-archive:{path}{tag} {remote}"),
            ]
        case OutputKind.ROOTFS:
            return [("Dockerfile", f"COPY {path}/$TARGETPLATFORM/ /")]
        case OutputKind.WASM:
            # a name of its own: under the image's there would be the artifact alone
            apart = str(names[0].with_tag(f"{names[0].tag}-wasm")) if names else f"{remote}:wasm"
            return [("copy", f"cargoship copy oci:{path}{tag} {apart}")]
    assert_never(output.kind)


def _own_verbs(
    built: BuiltImage, result: BuildResult, asked: Asked, cwd: Path, named: tuple[str, ...], *, here: bool
) -> list[tuple[str, str]]:
    """The command again that made an image, with somewhere for it to go, and the one that runs it."""
    if "binaries" in asked.given:
        # they were compiled elsewhere, and compiling them here would be another image; all of them go together
        load = [("load", asked.again("--load"))] if here else []
        return [*load, ("push", asked.again("--push", *named))]
    chosen = _choice(built, result, asked, cwd)
    push = ("push", asked.again("--push", *named, instead=chosen))
    if not here:
        return [push]
    one = {"platform": str(result.plan.platforms[0])} if _one_platform(result, asked) else {}
    ran = asked.for_another("run", instead={**chosen, **one})
    return [("run", ran), ("load", asked.again("--load", instead=chosen)), push]


def _one_platform(result: BuildResult, asked: Asked) -> bool:
    return "platforms" in asked.given and len(result.plan.platforms) == 1


def _choice(built: BuiltImage, result: BuildResult, asked: Asked, cwd: Path) -> dict[str, object]:
    """How one image is chosen where what was asked for means others too, or may mean others the next time."""
    paths = asked.given.get("paths")
    several = isinstance(paths, tuple) and len(paths) > 1
    if len(result.images) == 1 and not several and "changed_since" not in asked.given:
        return {}
    image = next(each for each in result.plan.images if each.name == built.name)
    chosen: dict[str, object] = {"changed_since": None, "bins": (image.bins[0].name,)}
    if len(image.bins) > 1:
        before = asked.given.get("assignments")
        # a binary that is named goes alone, unless the bundle is named with it
        bundle = "bundle=" + ",".join(binary.name for binary in image.bins)
        chosen["assignments"] = (*(before if isinstance(before, tuple) else ()), bundle)
    alike = [each for each in result.plan.images if each.bins[0].name == image.bins[0].name]
    if several or len(alike) > 1:
        chosen |= {"packages": (image.package.name,), "workspace": False, "exclude": ()}
    if several:
        chosen["paths"] = (_shown(image.package.root, cwd),)
    return chosen


def _entry(built: BuiltImage, layout: Path, name: str) -> str:
    """How one names to `copy` which entry of a layout folder: other builds may have left theirs in it."""
    entries = LayoutReader(FolderFiles(layout)).entries()
    mine = [each for each in entries if each.digest == built.index.digest]
    mine.sort(key=lambda each: each.annotations.get(CONTAINERD_NAME) != name)
    tags = [each.annotations[REF_NAME] for each in mine if REF_NAME in each.annotations]
    return f":{tags[0]}" if tags and len(entries) > 1 else ""


def _by_archive(source: str, local: str, archive: str) -> list[tuple[str, str]]:
    # engines before Docker 25 load no image layout, so an archive is made that every engine loads
    made = f"cargoship copy {source} docker-archive:{archive}:{local}"
    return [(each, f"{made} && {each} load -i {archive}") for each in ("docker", "podman")]


def _shown(path: Path, cwd: Path) -> str:
    relative = os.path.relpath(path, cwd)
    return str(path) if relative.startswith(os.pardir) else relative
