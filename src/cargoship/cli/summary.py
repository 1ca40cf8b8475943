"""The closing words of a build: what was made, where it is, and what to do with it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from cargoship.cli.pushed import pushed_lines
from cargoship.cli.render import words
from cargoship.oci.layout import CONTAINERD_NAME, REF_NAME
from cargoship.oci.layout_reader import FolderFiles, LayoutReader
from cargoship.plan import Output, OutputKind

if TYPE_CHECKING:
    from cargoship.cli.render.paint import Paint
    from cargoship.pipeline import BuildResult, BuiltImage


def summary(result: BuildResult, paint: Paint) -> str:
    """A few lines for each image."""
    total = result.seconds.get("total", sum(result.seconds.values()))
    lines: list[str] = []
    for built in result.images:
        title = f"{paint.strong(built.name)} {paint.dim(str(built.index.descriptor.digest))}"
        lines.append(words.status("Image", title, paint))
        width = max(len(str(image.platform)) for image in built.index.children)
        for image in built.index.children:
            layers = words.count(len(image.layers), "layer")
            about = f"{str(image.platform).ljust(width)}  {words.size(image.size_bytes):>8}  {layers}"
            lines.append(words.status("", about, paint))
        lines += pushed_lines(built.published, paint)
    images = words.count(len(result.images), "image")
    return "\n".join([*lines, words.status("Finished", f"{images} in {words.duration(total)}", paint)])


def next_steps(result: BuildResult, cwd: Path, paint: Paint) -> str:
    """The exact commands that take an image from where it lies to an engine or a registry."""
    blocks = []
    for built in result.images:
        for output in built.outputs:
            commands = _commands(built, output, result, cwd)
            shown = [f"  {paint.dim((use + ':').ljust(9))} {line}" for use, line in commands]
            title = f"{built.name} is in {_shown(output.path, cwd)}; take it from there with one of"
            blocks.append("\n".join([title, *shown]))
    return "\n".join(blocks)


def _commands(built: BuiltImage, output: Output, result: BuildResult, cwd: Path) -> list[tuple[str, str]]:
    asked = [each for plan in result.plan.images if plan.name == built.name for each in plan.references]
    local = asked[0].familiar if asked else f"{built.name}:latest"
    remote = str(asked[0]) if asked else f"registry.example.com/{local}"
    path = shlex.quote(_shown(output.path, cwd))
    # an entry of a layout is chosen by its tag, for there may be several
    tag = f":{asked[0].tag}" if asked else ""
    temporary = shlex.quote(f"{built.name}.tar")
    match output.kind:
        case OutputKind.OCI if (output.path / "manifest.json").is_file():
            # the layout in the target directory is what an engine loads, but for the tar around it
            entry = _entry(built, output.path, remote)
            return [
                ("docker", f"tar -C {path} -c . | docker load"),
                ("podman", f"tar -C {path} -c . | podman load"),
                ("registry", f"skopeo copy --all oci:{path}{entry} docker://{remote}"),
            ]
        case OutputKind.OCI:
            return _by_skopeo(f"oci:{path}{_entry(built, output.path, remote)}", local, remote, temporary)
        case OutputKind.OCI_ARCHIVE:
            return _by_skopeo(f"oci-archive:{path}{tag}", local, remote, temporary)
        case OutputKind.DOCKER_ARCHIVE:
            # the archive is an image layout as well, and only as that it has every platform
            return [
                ("docker", f"docker load -i {path}"),
                ("podman", f"podman load -i {path}"),
                ("registry", f"skopeo copy --all oci-archive:{path}{tag} docker://{remote}"),
            ]
        case OutputKind.ROOTFS:
            return [("Dockerfile", f"COPY {path}/$TARGETPLATFORM/ /")]
    assert_never(output.kind)


def _entry(built: BuiltImage, layout: Path, name: str) -> str:
    """How skopeo is told which entry of a layout folder: other builds may have left theirs in it."""
    entries = LayoutReader(FolderFiles(layout)).entries()
    mine = [each for each in entries if each.digest == built.index.digest]
    mine.sort(key=lambda each: each.annotations.get(CONTAINERD_NAME) != name)
    tags = [each.annotations[REF_NAME] for each in mine if REF_NAME in each.annotations]
    return f":{tags[0]}" if tags and len(entries) > 1 else ""


def _by_skopeo(source: str, local: str, remote: str, archive: str) -> list[tuple[str, str]]:
    # engines before Docker 25 load no image layout, so skopeo makes the archive that every engine loads
    return [
        ("docker", f"skopeo copy {source} docker-archive:{archive}:{local} && docker load -i {archive}"),
        ("podman", f"skopeo copy {source} containers-storage:{local}"),
        ("registry", f"skopeo copy --all {source} docker://{remote}"),
    ]


def _shown(path: Path, cwd: Path) -> str:
    relative = os.path.relpath(path, cwd)
    return str(path) if relative.startswith(os.pardir) else relative
