"""Every build leaves a record of itself: what was noted while it ran, written when everything of it has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from msgspec import Struct

from cargoship.cargo.project import load_project
from cargoship.context import Context
from cargoship.destinations import Published
from cargoship.errors import CargoshipError
from cargoship.events import Level, Note
from cargoship.plan import Plan
from cargoship.records.folder import RecordFolder, load_record, record_folder
from cargoship.records.model import ImageRecord, LayerRecord, PlatformRecord, PushRecord, RunRecord
from cargoship.records.recorder import Outcome, Recorder
from cargoship.shipping import BuildResult, BuiltImage


class Recording(Struct):
    """A build that is recorded; who builds says what is known of it as soon as it is."""

    context: Context
    """What the build is to use."""
    plan: Plan | None = None
    recalled: bool = False
    """It came as a whole, and no cargo was started."""
    result: BuildResult | None = None


@contextlib.contextmanager
def recording_of(context: Context) -> Iterator[Recording]:
    """Record what is built in the block, if it comes as far as a plan; also where that fails with a CargoshipError.

    Without a clock there is no record. That it cannot be written is no matter.
    """
    if context.clock is None:
        yield Recording(context)
        return
    recorder = Recorder(context.emit, context.clock)
    recording = Recording(replace(context, emit=recorder.emit))
    error = ""
    try:
        yield recording
    except CargoshipError as failed:
        error = type(failed).__name__
        raise
    finally:
        if recording.plan is not None and (error or recording.result is not None):
            _write(recorder, recording, recording.plan, error, context)


def find_record(target: Path, context: Context) -> tuple[RunRecord, RunRecord | None]:
    """The record in a file, or that of the last build of a project's folder; and that of the build before it.

    Raises ProjectError's family, UsageError where there is none, ContentInvalid for a damaged one.
    """
    if target.is_file() and target.name != "Cargo.toml":
        folder = RecordFolder(target.parent)
        found = load_record(target)
        return found, folder.before(found)
    folder = records_at(target, context)
    found = folder.latest()
    return found, folder.before(found)


def records_at(project: Path, context: Context) -> RecordFolder:
    """The records of a project's builds; raises ProjectError's family."""
    cargo = Path(context.env.get("CARGO") or "cargo")
    return record_folder(load_project(context.runner, cargo, project, env=context.env).target_dir)


def _write(recorder: Recorder, recording: Recording, made: Plan, error: str, context: Context) -> None:
    images = () if recording.result is None else tuple(map(_image, recording.result.images))
    record = recorder.record(
        Outcome(
            project=made.root.name,
            revision=made.revision or "",
            platforms=tuple(map(str, made.platforms)),
            images=images,
            recalled=recording.recalled,
            error=error,
        )
    )
    try:
        record_folder(made.target_dir).keep(record)
    except OSError as why:
        context.emit(Note(f"no record of this build is kept: {why}", Level.VERBOSE))


def _image(built: BuiltImage) -> ImageRecord:
    return ImageRecord(
        name=built.name,
        reference=built.reference,
        digest=str(built.index.digest),
        changed=built.changed,
        platforms=tuple(
            PlatformRecord(
                platform=str(image.platform),
                digest=str(image.descriptor.digest),
                size=image.size_bytes,
                layers=tuple(
                    LayerRecord(str(layer.descriptor.digest), layer.descriptor.size_bytes, layer.created_by)
                    for layer in image.layers
                ),
            )
            for image in built.index.children
        ),
        pushes=tuple(map(_push, built.published)),
    )


def _push(published: Published) -> PushRecord:
    return PushRecord(
        reference=str(published.reference),
        tags=published.tags,
        pushed=published.pushed,
        mounted=published.mounted,
        skipped=published.skipped,
        pushed_bytes=published.pushed_bytes,
    )
