"""What a build leaves for people and programs: the references on standard output, the records, the summary."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cargoship.cli.render.document import indented
from cargoship.cli.session import CliSession
from cargoship.errors import OutputError

if TYPE_CHECKING:
    from cargoship.cli.asking.asked import Asked
    from cargoship.context import Context
    from cargoship.destinations import Published
    from cargoship.oci.descriptor import Descriptor
    from cargoship.oci.image import Image
    from cargoship.records.model import RunRecord
    from cargoship.shipping import BuildResult, BuiltImage

_CLOCK_GRAIN = timedelta(milliseconds=1)
"""How exact the times of records are."""


@dataclass(frozen=True)
class RecordFiles:
    """Files to write when everything has succeeded."""

    metadata: Path | None
    references: Path | None

    @classmethod
    def checked(cls, given: Mapping[str, Any], cwd: Path) -> RecordFiles:
        """From the options; raises OutputError now for what could not be written after a long build."""
        from cargoship.oci.files import is_stream

        paths = [None if given.get(key) is None else cwd / given[key] for key in ("metadata_file", "image_refs")]
        for path in paths:
            if path is None:
                continue
            if path.is_dir():
                raise OutputError(f"cannot write {path}: it is a folder")
            if not path.parent.is_dir():
                raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
            if not os.access(path if is_stream(path) else path.parent, os.W_OK):
                raise OutputError(f"cannot write {path}: this user may not write there")
        return cls(*paths)

    def write(self, result: BuildResult) -> None:
        """Write them, each whole or not at all; raises OutputError."""
        from cargoship.oci.files import write_output

        if self.metadata is not None:
            write_output(self.metadata, (indented(document(result)) + "\n").encode())
        if self.references is not None:
            write_output(self.references, "".join(line + "\n" for line in _marked(result)).encode())

    def write_none(self) -> None:
        """Write that nothing was built; raises OutputError."""
        from cargoship.oci.files import write_output

        if self.metadata is not None:
            write_output(self.metadata, (indented({"images": [], "seconds": {}}) + "\n").encode())
        if self.references is not None:
            write_output(self.references, b"")


def finish(session: CliSession, result: BuildResult, records: RecordFiles, asked: Asked) -> None:
    """Tell the outcome of what was `asked`: records, a summary on standard error, references on standard output."""
    records.write(result)
    add_job_summary(session, result)
    _send_spans(session, result)
    if session.json_progress:
        session.tell_result(document(result))
    else:
        from cargoship.cli.results.summary import next_steps, summary

        paint = session.paint()
        session.say(summary(result, session.world.cwd, paint))
        if not (result.plan.push or result.plan.load or result.plan.clusters):
            session.say(next_steps(result, asked, session.world.cwd, paint))
    for reference in references(result):
        session.result(reference)


def add_job_summary(session: CliSession, result: BuildResult) -> None:
    """Tell a CI host what was built."""
    if session.observer is not None:
        from cargoship.cli.job_summary import job_summary

        session.append_summary(job_summary(result, session.observer, *_records(result)))


def _records(result: BuildResult) -> tuple[RunRecord | None, RunRecord | None]:
    """The record of this build, and of the one before; None where they could not be kept."""
    from cargoship.errors import CargoshipError
    from cargoship.records.folder import record_folder

    folder = record_folder(result.plan.target_dir)
    try:
        record = folder.latest()
    except CargoshipError:
        return None, None
    made = {str(built.index.digest) for built in result.images}
    return (record, folder.before(record)) if {image.digest for image in record.images} <= made else (None, None)


def send_failed(session: CliSession, project: Path, context: Context, began: datetime) -> None:
    """Tell a collector of OpenTelemetry of a build that has failed after `began`, if it came as far as a record."""
    if not _wants_spans(session):
        return
    from cargoship.errors import CargoshipError
    from cargoship.recording import find_record

    try:
        record, _ = find_record(project, context)
    except CargoshipError:
        return
    # the record of an earlier build is that build's alone
    if record.outcome != "built" and datetime.fromisoformat(record.began) >= began - _CLOCK_GRAIN:
        _send(session, record)


def _send_spans(session: CliSession, result: BuildResult) -> None:
    record = _records(result)[0] if _wants_spans(session) else None
    if record is not None:
        _send(session, record)


def _wants_spans(session: CliSession) -> bool:
    if not any(name.startswith("OTEL_") for name in session.world.env):
        return False
    from cargoship.cli.results.telemetry import wants_spans

    return wants_spans(session.world.env)


def _send(session: CliSession, record: RunRecord) -> None:
    """Tell the collector; what keeps it from that is a note."""
    from cargoship.cli.results.telemetry import SpansUnsent, send_spans

    try:
        send_spans(record, session.world.env)
    except SpansUnsent as error:
        session.say(f"{session.paint().strong('note')}: no spans are sent: {error.message}; {error.hint}")


def finish_published(session: CliSession, published: Sequence[Published]) -> None:
    """Tell what was put into registries by a command that builds nothing."""
    if session.summary_file is not None:
        from cargoship.cli.job_summary import merged_summary

        session.append_summary(merged_summary(published))
    if session.json_progress:
        session.tell_result({"published": [_published_record(each) for each in published]})
    elif published:
        from cargoship.cli.results.pushed import pushed_lines

        session.say("\n".join(pushed_lines(published, session.paint())))
    for each in published:
        session.result(str(each.reference))


def _marked(result: BuildResult) -> list[str]:
    """The references, each with whether its image has changed in a second column."""
    marks: dict[str, str] = {}
    for image in result.images:
        changes = {str(each.reference): each.changed for each in image.published} or {image.reference: image.changed}
        marks |= {name: "changed" if changed else "unchanged" for name, changed in changes.items()}
    return [f"{name}\t{marks[name]}" for name in references(result)]


def references(result: BuildResult) -> list[str]:
    """What a build's images can be reached by, without repetition: one for each repository an image was pushed to."""
    lines: dict[str, None] = {}
    for image in result.images:
        lines.update(dict.fromkeys(str(each.reference) for each in image.published) or {image.reference: None})
    return list(lines)


def document(result: BuildResult) -> dict[str, object]:
    """The record of a build.

    Keys with a dot are buildx's (docs.docker.com, `buildx build --metadata-file`); where there is one image they also
    stand at the top, so that what reads buildx's file reads this one.
    """
    images = [_image_record(image, result) for image in result.images]
    top = {key: value for key, value in images[0].items() if "." in key} if len(images) == 1 else {}
    revision = {"revision": result.plan.revision, "source": _source(result)}
    return {
        **top,
        **revision,
        "images": images,
        "seconds": {name: round(spent, 3) for name, spent in result.seconds.items()},
    }


def _source(result: BuildResult) -> str | None:
    from cargoship.plan.describe import PREFIX

    return next((image.labels.get(PREFIX + "source") for image in result.plan.images), None)


def _image_record(built: BuiltImage, result: BuildResult) -> dict[str, object]:
    descriptor = built.index.descriptor
    return {
        "image.name": ",".join(shown_names(built, result)),
        "containerimage.digest": str(descriptor.digest),
        "containerimage.descriptor": _descriptor_record(descriptor),
        "name": built.name,
        "reference": built.reference,
        "changed": built.changed,
        "size_bytes": sum(image.size_bytes for image in built.index.children),
        "delta_bytes": built.delta_bytes,
        "seconds": round(built.seconds, 3),
        "platforms": [_platform_record(image) for image in built.index.children],
        "published": [_published_record(each) for each in built.published],
        "outputs": [{"kind": output.kind.value, "path": str(output.path)} for output in built.outputs],
    }


def _published_record(published: Published) -> dict[str, object]:
    return {
        "reference": str(published.reference),
        "tags": list(published.tags),
        "pushed": published.pushed,
        "mounted": published.mounted,
        "skipped": published.skipped,
        "pushed_bytes": published.pushed_bytes,
        "referrers": published.referrers,
        "changed": published.changed,
    }


def _descriptor_record(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size_bytes}


def _platform_record(image: Image) -> dict[str, object]:
    return {
        "platform": str(image.platform),
        "digest": str(image.descriptor.digest),
        "size_bytes": image.size_bytes,
        "layers": [{**_descriptor_record(layer.descriptor), "created_by": layer.created_by} for layer in image.layers],
    }


def shown_names(built: BuiltImage, result: BuildResult) -> list[str]:
    """What an image is called where it went: the references that were asked for, or its bare name.

    Without a destination nothing has the references.
    """
    made = result.plan
    if not (made.push or made.load or made.clusters or made.outputs):
        return [built.name]
    asked = [str(each) for plan in made.images if plan.name == built.name for each in plan.references]
    return asked or [built.name]
