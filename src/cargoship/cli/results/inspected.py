"""What an image is, as text or JSON. An image comes from anybody: nothing in it reaches a terminal as it is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cargoship.cli.render import words
from cargoship.printable import printable

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.images.inspection import AttachedManifest, InspectedImage, Inspection
    from cargoship.oci.config import ConfigFile, ImageConfig
    from cargoship.oci.descriptor import Descriptor

_KEY_COLUMNS = 11


def inspection_text(inspection: Inspection, paint: Paint) -> str:
    """An image for people: the whole, then each platform with its layers and how it is run."""
    root = inspection.root
    head = [
        paint.strong(printable(inspection.target)),
        _row("digest", str(root.digest), paint),
        _row("type", root.media_type, paint),
        _row("platforms", ", ".join(_platform(image.config) for image in inspection.images), paint),
        *_table("annotation", inspection.annotations, paint),
    ]
    head += [_row("missing", _named(each), paint) for each in inspection.missing]
    head += [_row("attached", _said(each, inspection), paint) for each in inspection.attached]
    if inspection.unknown:
        head.append(_row("attached", f"not known: {inspection.unknown}", paint))
    head += [_row("other", f"{each.digest} {each.media_type}", paint) for each in inspection.others]
    return "\n\n".join(["\n".join(head), *("\n".join(_image(image, paint)) for image in inspection.images)])


def _said(each: AttachedManifest, inspection: Inspection) -> str:
    """What is attached, and to which image where it is not to all of it."""
    about = [image for image in inspection.images if image.descriptor.digest == each.subject]
    platform = f" ({_platform(about[0].config)})" if about and each.subject != inspection.root.digest else ""
    return f"{each.descriptor.digest} {each.kind}{platform}"


def _platform(config: ConfigFile) -> str:
    """A platform; with the version of Windows, without which two images may look alike."""
    return f"{config.platform} {config.os_version}" if config.os_version else str(config.platform)


def _named(descriptor: Descriptor) -> str:
    """An image that is not there, and what it was for."""
    about = "" if descriptor.platform is None else f"{descriptor.platform} "
    return f"{about}{descriptor.digest}"


def _image(image: InspectedImage, paint: Paint) -> list[str]:
    config = image.config
    lines = [
        f"{paint.strong(printable(_platform(config)))} {words.size(image.size_bytes)}",
        _row("digest", str(image.descriptor.digest), paint),
    ]
    if config.created:
        lines.append(_row("created", config.created, paint))
    layers = image.manifest.layers
    made_by = config.history if len(config.history) == len(layers) else ("",) * len(layers)
    for layer, made in zip(layers, made_by, strict=True):
        kind = layer.media_type.rpartition(".")[2]
        lines.append(_row("layer", f"{layer.digest} {words.size(layer.size_bytes):>8}  {kind}  {made}".rstrip(), paint))
    return lines + _run(config.run, paint)


def _run(run: ImageConfig, paint: Paint) -> list[str]:
    rows = [
        ("entrypoint", shlex.join(run.entrypoint)),
        ("cmd", shlex.join(run.cmd)),
        ("user", run.user or ""),
        ("workdir", run.working_dir or ""),
        ("ports", ", ".join(run.exposed_ports)),
        ("volumes", ", ".join(run.volumes)),
        ("stop-signal", run.stop_signal or ""),
    ]
    return [
        *(_row(key, value, paint) for key, value in rows if value),
        *_table("env", run.env, paint),
        *_table("label", run.labels, paint),
    ]


def _table(key: str, values: Mapping[str, str], paint: Paint) -> list[str]:
    return [_row(key, f"{name}={values[name]}", paint) for name in sorted(values)]


def _row(key: str, value: str, paint: Paint) -> str:
    return f"  {paint.dim(key.ljust(_KEY_COLUMNS))} {printable(value)}"


def inspection_document(inspection: Inspection) -> dict[str, object]:
    """The same for programs; `config` is the `config` object of the image's own configuration."""
    return {
        "target": inspection.target,
        **_descriptor(inspection.root),
        "annotations": dict(inspection.annotations),
        "images": [
            {
                "platform": str(image.config.platform),
                **({"os.version": image.config.os_version} if image.config.os_version else {}),
                **_descriptor(image.descriptor),
                "size_bytes": image.size_bytes,
                "created": image.config.created,
                "author": image.config.author,
                "annotations": dict(image.manifest.annotations),
                "config": image.config.run.to_json(),
                "layers": [_descriptor(layer) for layer in image.manifest.layers],
                "diff_ids": [str(each) for each in image.config.diff_ids],
                "history": list(image.config.history),
            }
            for image in inspection.images
        ],
        "missing": [_descriptor(each) for each in inspection.missing],
        "others": [_descriptor(each) for each in inspection.others],
        "attached": [
            {
                **_descriptor(each.descriptor),
                "artifactType": each.descriptor.artifact_type,
                "subject": str(each.subject),
                "tag": each.tag,
                "predicateTypes": list(each.predicate_types),
            }
            for each in inspection.attached
        ],
    }


def _descriptor(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size_bytes}
