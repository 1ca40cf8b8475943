"""A build as spans for a collector of OpenTelemetry: one for the build, one for each phase and each unit.

Nothing of it is imported unless a variable names a collector. The variables are those of the specification
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/); the packages are those of the extra `otel`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cargoship.errors import CargoshipError

if TYPE_CHECKING:
    from cargoship.records.model import PhaseSpan, RunRecord

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TIMEOUT_S = 5
_BATCH = 512
_NANO = 1_000_000_000


def wants_spans(env: Mapping[str, str]) -> bool:
    """Whether a collector is named, and nothing turns it off."""
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER") == "none"
    return not off and any(env.get(name) for name in _ENDPOINTS)


def send_spans(record: RunRecord, env: Mapping[str, str]) -> None:
    """Send a build to the collector that the environment names; raises SpansUnsent where that cannot be done."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError as error:
        raise SpansUnsent("the extra otel is not installed", hint="pip install 'cargoship[otel]'") from error
    named = env.get(_ENDPOINTS[0]) or f"{env.get(_ENDPOINTS[1], '').rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=named, timeout=_TIMEOUT_S)
    try:
        spans = spans_of(record, env)
        for start in range(0, len(spans), _BATCH):
            if exporter.export(spans[start : start + _BATCH]) is not SpanExportResult.SUCCESS:
                raise SpansUnsent(f"the collector {named} does not take spans", hint="see OTEL_EXPORTER_OTLP_ENDPOINT")
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]


class SpansUnsent(CargoshipError):
    """Spans cannot be sent; never ends a build."""


def spans_of(record: RunRecord, env: Mapping[str, str]) -> list[Any]:
    """The spans, each after its parent: below TRACEPARENT, where that is set, as a CI host does."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    from opentelemetry.trace.status import StatusCode

    about = {"service.name": env.get("OTEL_SERVICE_NAME") or "cargoship", "service.version": record.cargoship}
    tracer = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False).get_tracer("cargoship")
    around = TraceContextTextMapPropagator().extract({"traceparent": env.get("TRACEPARENT", "")})
    began = round(datetime.fromisoformat(record.began).timestamp() * _NANO)

    def at(seconds: float) -> int:
        return began + round(seconds * _NANO)

    root = tracer.start_span("cargoship build", around, attributes=_of_build(record), start_time=began)
    if record.outcome != "built":
        root.set_status(StatusCode.ERROR, record.error)
    found = [root]
    inside = set_span_in_context(root)
    compiling = inside
    for phase in record.phases:
        span = tracer.start_span(phase.name, inside, start_time=at(phase.began))
        span.end(at(phase.ended))
        found.append(span)
        if phase is _compile(record):
            compiling = set_span_in_context(span)
    for unit in record.units:
        if unit.began is None:
            continue
        attributes: dict[str, Any] = {
            "cargoship.unit.kind": unit.kind, "cargoship.unit.target": unit.target, "cargoship.unit.state": unit.state,
            "cargoship.unit.size": unit.size, "cargoship.unit.because": list(unit.because),
        }  # fmt: skip
        span = tracer.start_span(unit.name, compiling, attributes=attributes, start_time=at(unit.began))
        span.end(at(unit.began + unit.seconds))
        found.append(span)
    root.end(at(record.seconds))
    return found


def _compile(record: RunRecord) -> PhaseSpan | None:
    """The phase in which units are compiled: the longest of that name."""
    named = [phase for phase in record.phases if phase.name == "compile"]
    return max(named, key=lambda phase: phase.ended - phase.began, default=None)


def _of_build(record: RunRecord) -> dict[str, Any]:
    return {
        "cargoship.project": record.project,
        "cargoship.outcome": record.outcome,
        "cargoship.platforms": list(record.platforms),
        "cargoship.units.restored": record.cache.restored,
        "cargoship.recalled": record.cache.recalled,
        **dict(_images(record)),
    }


def _images(record: RunRecord) -> Iterator[tuple[str, Any]]:
    yield "cargoship.images", [image.reference for image in record.images]
