"""A plan on standard output, as text or JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cargoship.cli.session import Session

if TYPE_CHECKING:
    from cargoship.cli.render.paint import Paint
    from cargoship.plan import ImagePlan, Plan, Selection

_KEY_COLUMNS = 12


def print_plan(session: Session, selection: Selection, *, as_json: bool = False) -> None:
    """Make a plan and print it."""
    with session.work() as context:
        plan = session.pipeline.plan(selection, context)
        for note in plan.notes:
            context.emit(note)
    if as_json:
        from cargoship.plan import plan_to_json

        session.result_json(plan_to_json(plan))
    else:
        session.result(plan_text(plan, session.result_paint()))


def plan_text(plan: Plan, paint: Paint) -> str:
    """A plan for people: what is common to all images, then each image."""
    common = [
        ("workspace", str(plan.root)),
        ("platforms", ", ".join(str(platform) for platform in plan.platforms)),
        ("libc", str(plan.libc)),
        ("allocator", "" if plan.allocator == "system" else plan.allocator),
        ("targets", ", ".join(plan.cargo.targets)),
        ("cargo", shlex.join(("cargo", *plan.cargo.arguments()))),
        ("time", plan.created),
        ("revision", plan.revision or "none"),
        ("destination", ", ".join(_destinations(plan))),
    ]
    blocks = [_block("Build", [(key, value) for key, value in common if value], paint)]
    blocks += [_block(f"Image {image.name}", _image(image), paint) for image in plan.images]
    return "\n\n".join(blocks)


def _destinations(plan: Plan) -> Iterator[str]:
    if plan.push:
        yield "push by digest" if plan.push_by_digest else "push"
    if plan.load:
        yield "load"
    yield from (str(output) for output in plan.outputs)
    if not (plan.push or plan.load or plan.outputs):
        yield f"an OCI layout in {plan.target_dir / 'cargoship'}"


def _image(image: ImagePlan) -> list[tuple[str, str]]:
    settings = image.settings
    rows = [
        ("package", f"{image.package.name} {image.package.version}"),
        ("binaries", ", ".join(binary.name for binary in image.bins)),
        ("names", ", ".join(reference.familiar for reference in image.references)),
        ("base", str(settings.debian or settings.base)),
        ("packages", ", ".join(settings.packages)),
        ("built with", ", ".join(settings.build_packages)),
        ("layers", settings.compression),
        ("runs", shlex.join((*image.entrypoint, *settings.args))),
        ("user", settings.user),
        ("workdir", settings.workdir),
        ("env", " ".join(f"{name}={shlex.quote(settings.env[name])}" for name in sorted(settings.env))),
        ("expose", ", ".join(settings.expose)),
        ("volumes", ", ".join(settings.volumes)),
        ("include", ", ".join(f"{each.source} -> {each.to}" for each in settings.include)),
        ("stop-signal", settings.stop_signal or ""),
    ]
    return [(key, value) for key, value in rows if value]


def _block(title: str, rows: list[tuple[str, str]], paint: Paint) -> str:
    return "\n".join([paint.strong(title), *(f"  {paint.dim(key.ljust(_KEY_COLUMNS))} {value}" for key, value in rows)])
