"""A plan on standard output, as text or JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cargoship.cli import several
from cargoship.cli.session import CliSession
from cargoship.errors import UsageError

if TYPE_CHECKING:
    from cargoship.cargo.command import CargoBuild
    from cargoship.cli.paint import Paint
    from cargoship.cli.results.clustered import ClusterOutlook
    from cargoship.plan import ImagePlan, Plan, Selection

_KEY_COLUMNS = 12
_SETTINGS = {
    "names": ("tags", "repository"),
    "built with": ("build-packages",),
    "layers": ("compression",),
    "runs": ("entrypoint", "args"),
    "binaries": ("bins", "bundle"),
}
"""Settings that a row shows under another name than their own."""


@dataclass(frozen=True)
class ClusterQuestion:
    """How many slots a cluster may have, and the link to it."""

    slots: tuple[int, ...]
    link: str | None


def cluster_of(slots: str | None, link: str | None) -> ClusterQuestion | None:
    """What options ask about a cluster; raises UsageError."""
    if slots is None:
        if link is not None:
            raise UsageError("--remote-link is the link to a cluster", hint="add --remote-slots 1,4,16,64")
        return None
    from cargoship.cli.results.clustered import parse_slots

    return ClusterQuestion(parse_slots(slots), link)


def print_plan(
    session: CliSession,
    selection: Selection,
    *,
    verify: bool,
    as_json: bool = False,
    cluster: ClusterQuestion | None = None,
) -> None:
    """Make a plan, refuse it where a build would, and print it."""
    outlooks: list[ClusterOutlook] = []
    with session.work(verify=verify) as context:
        plans = [plan for _, plan in several.plans(session, selection, context)]
        for plan in plans:
            for note in plan.notes:
                context.emit(note)
            session.operations.foresee(plan, context)
            if cluster is not None:
                from cargoship.cli.results.clustered import outlook_of

                outlooks.append(outlook_of(plan.target_dir, cluster.slots, cluster.link, context))
    if as_json:
        from cargoship.plan import plan_to_json

        # one document in any case: nothing that is to be built, a plan, or a list of the plans of several workspaces
        documents: list[dict[str, Any]] = [dict(plan_to_json(plan)) for plan in plans]
        for document, outlook in zip(documents, outlooks, strict=False):
            document["remote"] = outlook.document()
        documents = documents or [{"version": 1, "images": []}]
        session.result_json(documents[0] if len(documents) == 1 else documents)
    elif plans:
        paint = session.result_paint()
        blocks = [plan_text(plan, paint) for plan in plans] + [each.text(paint) for each in outlooks]
        session.result("\n\n".join(blocks))


def _processor(build: CargoBuild) -> str:
    return "" if build.processor is None else f"  (with -Ctarget-cpu={build.processor})"


def plan_text(plan: Plan, paint: Paint) -> str:
    """A plan for people: what is common to all images, then each image."""
    common = [
        ("workspace", str(plan.root)),
        ("platforms", ", ".join(str(platform) for platform in plan.platforms)),
        ("libc", str(plan.libc)),
        ("allocator", "" if plan.allocator == "system" else plan.allocator),
        ("targets", ", ".join(dict.fromkeys(target for build in plan.builds for target in build.targets))),
        *(("cargo", shlex.join(("cargo", *build.arguments())) + _processor(build)) for build in plan.builds),
        ("time", plan.created if plan.epoch else "1970, the same for every commit"),
        ("revision", plan.revision or "none"),
        ("destination", ", ".join(_destinations(plan))),
    ]
    # what holds for the build is the same for all packages, wherever each has it from
    origins = plan.images[0].origins
    blocks = [_block("Build", [(key, value) for key, value in common if value], paint, origins)]
    blocks += [_block(f"Image {image.name}", _image(image), paint, image.origins) for image in plan.images]
    return "\n\n".join(blocks)


def _destinations(plan: Plan) -> Iterator[str]:
    if plan.push:
        yield "push by digest" if plan.push_by_digest else "push"
    if plan.load:
        yield "load"
    yield from map(str, plan.clusters)
    yield from (str(output) for output in plan.outputs)
    if not (plan.push or plan.load or plan.clusters or plan.outputs):
        yield f"an OCI layout in {plan.target_dir / 'cargoship'}"


def _image(image: ImagePlan) -> list[tuple[str, str]]:
    settings = image.settings
    rows = [
        ("package", f"{image.package.name} {image.package.version}"),
        ("binaries", ", ".join(binary.name for binary in image.bins)),
        ("names", ", ".join(reference.familiar for reference in image.references)),
        ("base", str(settings.base_spec)),
        ("packages", ", ".join(settings.packages)),
        ("built with", ", ".join(settings.build_packages)),
        ("layers", settings.compression),
        ("runs", shlex.join((*image.entrypoint, *settings.args))),
        ("user", settings.user),
        ("workdir", settings.workdir),
        ("env", _pairs(settings.env)),
        ("expose", ", ".join(settings.expose)),
        ("volumes", ", ".join(settings.volumes)),
        ("include", ", ".join(f"{each.source} -> {each.to}" for each in settings.include)),
        ("stop-signal", settings.stop_signal or ""),
        ("labels", _pairs(settings.labels)),
        ("annotations", _pairs(settings.annotations)),
    ]
    return [(key, value) for key, value in rows if value]


def _pairs(table: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(table[name])}" for name in sorted(table))


def _block(title: str, rows: list[tuple[str, str]], paint: Paint, origins: Mapping[str, str] = {}) -> str:
    lines = [paint.strong(title)]
    for key, value in rows:
        names = _SETTINGS.get(key, (key,))
        places = dict.fromkeys(origins[name] for name in names if name in origins)
        said = paint.dim(f"  # {', '.join(places)}") if places else ""
        lines.append(f"  {paint.dim(key.ljust(_KEY_COLUMNS))} {value}{said}")
    return "\n".join(lines)
