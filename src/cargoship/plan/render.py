"""The plan as JSON, for `cargoship plan --json` and anybody who reads it.

The shape is kept stable: keys are only added. `version` would change with the meaning of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

from cargoship.plan.model import ImagePlan, Plan
from cargoship.settings.health import Healthcheck
from cargoship.settings.values import Include

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
_VERSION = 1


def plan_to_json(plan: Plan) -> dict[str, Json]:
    """Return the plan as what JSON can hold; the keys are in a fixed order.

    `version` 1; `root`, `target-dir`; `platforms`; `libc`; `allocator`; `auditable`; `debug-symbols`; `sbom`,
    `sbom-creator`; `provenance`; `sign`, `signature-format`; `created`, `epoch`; `revision` (null without git);
    `compile-on`: the cluster that compiles, or null; `cargo`: `directory`, `arguments`, `targets`;
    `images`: for each its `name`, `package`, `version`, `binaries` (the first is the entrypoint), `references`, `base`,
    `compression` and `config`, `probes` (the health check for Kubernetes, Compose and ECS), `include`, `annotations`,
    `index-annotations`, `origins`: where its settings come from;
    `destinations`: `push`, `push-by-digest` (then `push` is true too), `load`, `clusters`, `outputs`; `notes`.
    """
    return {
        "version": _VERSION,
        "root": str(plan.root),
        "target-dir": str(plan.target_dir),
        "platforms": [str(platform) for platform in plan.platforms],
        "libc": str(plan.libc),
        "allocator": plan.allocator,
        "auditable": plan.auditable,
        "debug-symbols": "split" if plan.splits_symbols else "profile",
        "sbom": [sbom.value for sbom in plan.sboms],
        "sbom-creator": plan.sbom_creator or None,
        "provenance": plan.provenance,
        "sign": plan.sign,
        "signature-format": list(plan.signature_formats),
        "created": plan.created,
        "epoch": plan.epoch,
        "revision": plan.revision,
        "compile-on": None if plan.remote is None else str(plan.remote),
        "cargo": {
            "directory": str(plan.cargo.cwd),
            "arguments": list(plan.cargo.arguments()),
            "targets": list(dict.fromkeys(target for build in plan.builds for target in build.targets)),
            "further": [list(build.arguments()) for build in plan.further],
            "processors": [build.processor for build in plan.builds],
        },
        "images": [_image(image) for image in plan.images],
        "destinations": {
            "push": plan.push,
            "push-by-digest": plan.push_by_digest,
            "load": plan.load,
            "clusters": [str(cluster) for cluster in plan.clusters],
            "outputs": [str(output) for output in plan.outputs],
        },
        "notes": [note.text for note in plan.notes],
    }


def _image(image: ImagePlan) -> dict[str, Json]:
    settings = image.settings
    check = settings.healthcheck
    return {
        "name": image.name,
        "package": image.package.name,
        "version": image.package.version,
        "binaries": [{"name": binary.name, "package": binary.package} for binary in image.bins],
        "references": [str(reference) for reference in image.references],
        "base": str(settings.base_spec),
        "packages": list(settings.packages),
        "build-packages": list(settings.build_packages),
        "compression": settings.compression,
        "config": {
            "user": settings.user,
            "env": _texts(settings.env),
            "entrypoint": list(image.entrypoint),
            "args": list(settings.args),
            "workdir": settings.workdir,
            "expose": list(settings.expose),
            "volumes": list(settings.volumes),
            "stop-signal": settings.stop_signal,
            "healthcheck": None if check is None else list(check.command),
            "labels": _texts(image.labels),
        },
        # the same check in the words of what runs containers and does not read it from the image
        "probes": None if check is None else _forms(check),
        "include": [_include(include) for include in settings.include],
        "annotations": _texts(image.annotations),
        "index-annotations": _texts(image.index_annotations),
        "origins": _texts(image.origins),
    }


def _forms(check: Healthcheck) -> dict[str, Json]:
    forms = {"kubernetes": check.kubernetes(), "compose": check.compose(), "ecs": check.ecs()}
    return cast("dict[str, Json]", forms)


def _include(include: Include) -> dict[str, Json]:
    return {
        "from": include.source,
        "to": include.to,
        "mode": None if include.mode is None else f"{include.mode:04o}",
        "owner": f"{include.uid}:{include.gid}",
    }


def _texts(table: Mapping[str, str]) -> dict[str, Json]:
    return {key: table[key] for key in sorted(table)}
